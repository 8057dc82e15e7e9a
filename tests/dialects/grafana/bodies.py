"""Bodies of query requests as Grafana's pages send them: compact JSON, members in the page's own order."""

import json

Document = dict[str, object]

FROM, TO, NOW = 1_700_000_000_123, 1_700_021_600_123, 1_700_021_600_500
RANGE = {"from": str(FROM), "to": str(TO)}

PROMETHEUS: Document = {
    "datasource": {"type": "prometheus", "uid": "PBFA97CFB590B2093"},
    "editorMode": "code",
    "expr": 'sum by (job) (rate(http_requests_total{job=~"api|web"}[$__rate_interval]))',
    "instant": False,
    "legendFormat": "{{job}}",
    "range": True,
    "refId": "A",
    "exemplar": False,
    "requestId": "1A",
    "utcOffsetSec": 3600,
    "interval": "",
    "datasourceId": 1,
    "intervalMs": 15000,
    "maxDataPoints": 1433,
}
LOKI: Document = {
    "datasource": {"type": "loki", "uid": "P8E80F9AEF21F6940"},
    "editorMode": "builder",
    "expr": '{app="checkout"} |= `error`',
    "queryType": "range",
    "refId": "logs",
    "maxLines": 1000,
    "step": "",
    "legendFormat": "",
    "datasourceId": 4,
    "intervalMs": 20000,
    "maxDataPoints": 1084,
}
MYSQL: Document = {
    "dataset": "shop",
    "datasource": {"type": "mysql", "uid": "mysql-1"},
    "editorMode": "code",
    "format": "time_series",
    "rawQuery": True,
    "rawSql": "SELECT $__timeGroup(created, '1h') AS time, count(*)\nFROM orders\nWHERE $__timeFilter(created)\nGROUP BY 1",
    "refId": "C",
    "sql": {"columns": [{"parameters": [], "type": "function"}], "limit": 50},
    "datasourceId": 7,
    "intervalMs": 30000,
    "maxDataPoints": 716,
}
CLOUDWATCH: Document = {
    "datasource": {"type": "cloudwatch", "uid": "cw"},
    "dimensions": {"InstanceId": ["i-0123456789abcdef0"]},
    "expression": "",
    "id": "m1",
    "label": "",
    "matchExact": True,
    "metricEditorMode": 0,
    "metricName": "CPUUtilization",
    "metricQueryType": 0,
    "namespace": "AWS/EC2",
    "period": "",
    "queryMode": "Metrics",
    "refId": "D",
    "region": "default",
    "statistic": "Average",
    "type": "timeSeriesQuery",
    "datasourceId": 9,
    "intervalMs": 60000,
    "maxDataPoints": 500,
}
CLOUDWATCH_MATH: Document = {**CLOUDWATCH, "expression": "m1 * 100", "id": "", "metricEditorMode": 1, "refId": "E"}
EXPRESSION: Document = {
    "conditions": [{"evaluator": {"params": [0, 0], "type": "gt"}, "query": {"params": []}, "type": "query"}],
    "datasource": {"name": "Expression", "type": "__expr__", "uid": "__expr__"},
    "expression": "$A * 100",
    "refId": "F",
    "type": "math",
    "datasourceId": -100,
    "intervalMs": 15000,
    "maxDataPoints": 1433,
}


def compact(document: object) -> bytes:
    """As JSON.stringify writes it."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def request(*queries: Document, **members: object) -> bytes:
    return compact({"queries": queries, **RANGE, **members})


def without(query: Document, *names: str) -> Document:
    return {name: value for name, value in query.items() if name not in names}
