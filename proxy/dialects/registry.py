"""Which dialect a data source speaks, by the id of its Grafana plugin or the plain name of the system.

A type that is not known is opaque. So are the clouds' own APIs: their requests are signed and pass anyway.
"""

from collections.abc import Iterable

from ..core.model import Dialect
from .clickhouse import CLICKHOUSE
from .elasticsearch import ELASTICSEARCH
from .graphite import GRAPHITE
from .infinity import infinity
from .influxdb import INFLUXDB
from .jaeger import JAEGER
from .loki import LOKI
from .opaque import OPAQUE
from .opensearch import OPENSEARCH
from .opentsdb import OPENTSDB
from .prometheus import PROMETHEUS
from .pyroscope import PYROSCOPE
from .simpod import SIMPOD
from .tempo import TEMPO
from .victorialogs import VICTORIALOGS
from .victoriametrics import VICTORIAMETRICS
from .zipkin import ZIPKIN

_DIALECTS: tuple[tuple[Dialect, str], ...] = (
    (
        PROMETHEUS,
        "prometheus thanos mimir cortex grafana-amazonprometheus-datasource grafana-azureprometheus-datasource",
    ),
    (VICTORIAMETRICS, "victoriametrics victoriametrics-metrics-datasource"),
    (LOKI, "loki"),
    (INFLUXDB, "influxdb"),
    (CLICKHOUSE, "clickhouse grafana-clickhouse-datasource vertamedia-clickhouse-datasource"),
    (ELASTICSEARCH, "elasticsearch"),
    (OPENSEARCH, "opensearch grafana-opensearch-datasource"),
    (GRAPHITE, "graphite"),
    (OPENTSDB, "opentsdb"),
    (TEMPO, "tempo"),
    (JAEGER, "jaeger"),
    (ZIPKIN, "zipkin"),
    (SIMPOD, "simpod-json-datasource grafana-simple-json-datasource"),
    (VICTORIALOGS, "victorialogs victoriametrics-logs-datasource"),
    (PYROSCOPE, "pyroscope grafana-pyroscope-datasource"),
    (OPAQUE, "opaque"),
)

_BY_TYPE = {source_type: dialect for dialect, types in _DIALECTS for source_type in types.split()}
_INFINITY = frozenset(("infinity", "json", "yesoreyeram-infinity-datasource", "marcusolsson-json-datasource"))

KNOWN_TYPES = frozenset(_BY_TYPE) | _INFINITY


def dialect_for(source_type: str, cacheable_posts: Iterable[str] = ()) -> Dialect:
    """`cacheable_posts` are path patterns of POSTs that only read; they mean something to Infinity and JSON alone."""
    if source_type in _INFINITY:
        return infinity(cacheable_posts)
    return _BY_TYPE.get(source_type, OPAQUE)
