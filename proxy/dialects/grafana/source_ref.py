"""Whom a query asks. Grafana's permission hangs on it, so what servers read differently is not understood.

Since 8.3 `datasource` is `{"type", "uid"}`; before, it was a name or nothing, and `datasourceId` said which. A server
of those days lets the id win over a uid, a newer one the uid: both are handed on, and who answers from the cache has to
see that they are one data source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from ...core.model import Reason
from .not_understood import NotUnderstood


class Builtin(StrEnum):
    """What stands where a data source would, and is none."""

    EXPRESSION = "expression"
    GRAFANA = "grafana"
    MIXED = "mixed"
    DASHBOARD = "dashboard"


_BUILTINS = {
    "__expr__": Builtin.EXPRESSION,
    "-100": Builtin.EXPRESSION,
    "grafana": Builtin.GRAFANA,
    "-- Grafana --": Builtin.GRAFANA,
    "-- Mixed --": Builtin.MIXED,
    "-- Dashboard --": Builtin.DASHBOARD,
}
_OLD_EXPRESSION_ID = -100

_OF_QUERY = frozenset({"datasource", "datasourceId"})
_OF_DATASOURCE = frozenset({"uid", "type"})
_IN_SMALL_LETTERS = {names: frozenset(map(str.casefold, names)) for names in (_OF_QUERY, _OF_DATASOURCE)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRef:
    """How a query names its data source; "" and 0 where it does not. At least one of uid, id and name is given."""

    uid: str = ""
    id: int = 0
    name: str = ""
    """`datasource` as a plain string: a name or a uid."""
    type: str = ""


def read(query: Mapping[str, object]) -> SourceRef | Builtin:
    """Raises NotUnderstood where nobody is asked, or where servers would not agree who is."""
    _ensure_exact(query, _OF_QUERY)
    match query.get("datasource"):
        case None:
            uid, name, kind = "", "", ""
        case str(name):
            uid, kind = "", ""
        case dict(members):
            _ensure_exact(members, _OF_DATASOURCE)
            uid, name, kind = _text(members.get("uid")), "", _text(members.get("type"))
        case _:
            raise NotUnderstood(Reason.PARAMETER)
    number = query.get("datasourceId")
    if number is None:
        number = 0
    if type(number) is not int:
        raise NotUnderstood(Reason.PARAMETER)
    builtin = _BUILTINS.get(uid or name)
    if builtin is None and not uid and not name and number == _OLD_EXPRESSION_ID:
        builtin = Builtin.EXPRESSION
    if builtin is not None:
        if number > 0:  # an older server would ask this data source
            raise NotUnderstood(Reason.PARAMETER)
        return builtin
    if not uid and not name and number <= 0:
        raise NotUnderstood(Reason.PARAMETER)
    return SourceRef(uid=uid, id=max(number, 0), name=name, type=kind)


def _ensure_exact(document: Mapping[str, object], names: frozenset[str]) -> None:
    """Where a server reads into a Go struct, a name is found in any case of letters, and the last one counts."""
    if not _IN_SMALL_LETTERS[names].isdisjoint(map(str.casefold, document.keys() - names)):
        raise NotUnderstood(Reason.PARAMETER)


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case str(text):
            return text
        case _:
            raise NotUnderstood(Reason.PARAMETER)
