"""OpenSearch: Elasticsearch's searches, and PPL and SQL by its plugin's paths, the former name's too."""

import re

from ..core.model import Dialect, Kind, Pass, Reason
from .elasticsearch import COMMON, NOISE, first_word, sql_kind, statement_reader
from .tables import routes

_PPL_QUERIES = frozenset("SOURCE SEARCH INDEX".split())
_PPL_RESOURCES = frozenset("DESCRIBE SHOW".split())
_PPL_MOMENT = re.compile(
    r"\b(?:now|sysdate|curdate|curtime|current_\w+|utc_\w+|localtime\w*|rand|earliest|latest|relative_timestamp"
    r"|kmeans|ad|rcf|ml)\b",
    re.IGNORECASE,
)


def ppl_kind(text: str) -> Kind | Pass:
    """PPL only reads; what learns a model on the way answers differently each time."""
    first = first_word(text)
    if first not in _PPL_QUERIES | _PPL_RESOURCES:
        return Pass(reason=Reason.STATEMENT)
    if _PPL_MOMENT.search(text):
        return Pass(reason=Reason.NOW)
    return Kind.QUERY if first in _PPL_QUERIES else Kind.RESOURCE


OPENSEARCH = Dialect(
    name="opensearch",
    routes=(
        *COMMON,
        *routes(
            (
                ("ppl", "POST", "/_(?:plugins|opendistro)/_ppl", statement_reader(ppl_kind)),
                ("sql", "POST", "/_(?:plugins|opendistro)/_sql", statement_reader(sql_kind)),
            )
        ),
    ),
    noise=NOISE,
)
