"""What may be asked of Grafana and answered from the cache, in all its forms; and who an answer says that it is for."""

import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from .stand import NOW_S, Answer, Call

JSON = {"Content-Type": "application/json"}
FROM_MS, TO_MS = (NOW_S - 3600) * 1000, NOW_S * 1000


def query(uid: str, text: str = "up", *, ref_id: str = "A", kind: str = "prometheus", **members: Any) -> dict[str, Any]:
    """As a panel's."""
    return {
        "refId": ref_id,
        "datasource": {"type": kind, "uid": uid},
        "expr": text,
        "intervalMs": 15_000,
        "maxDataPoints": 240,
    } | members


def body(queries: Sequence[Mapping[str, Any]], **members: Any) -> bytes:
    """Over the last hour, to the millisecond."""
    return json.dumps({"queries": list(queries), "from": str(FROM_MS), "to": str(TO_MS)} | members).encode()


def ds_query(*queries: Mapping[str, Any], **members: Any) -> Call:
    return Call(method="POST", path="/api/ds/query", headers=JSON, body=body(queries, **members))


QUERY = query(
    "prom", "up", range=True, format="time_series", legendFormat="{{job}}", filters=[{"key": "a"}, {"key": "b"}]
)
"""A panel's."""
BASE = ds_query(QUERY)


def of(changed: Mapping[str, Any], **members: Any) -> Call:
    return ds_query(changed, **members)


def over(from_: object, to: object) -> Call:
    return of(QUERY, **{"from": str(from_), "to": str(to)})


def asked(uid: str, text: str = "up") -> Call:
    return ds_query(query(uid, text))


def asked_by_id(number: int, text: str) -> Call:
    """As before 8.3."""
    return ds_query({"refId": "A", "datasourceId": number, "rawSql": text, "intervalMs": 15_000, "maxDataPoints": 240})


def asked_of_service(uid: str, text: str, namespace: str = "default", group: str = "query.grafana.app") -> Call:
    path = f"/apis/{group}/v0alpha1/namespaces/{namespace}/query"
    return asked(uid, text).but(path=path)


def asked_of_plugin(uid: str, text: str, namespace: str = "default") -> Call:
    path = f"/apis/prometheus.datasource.grafana.app/v0alpha1/namespaces/{namespace}/datasources/{uid}/query"
    return asked(uid, text).but(path=path)


def resource(uid: str, text: str) -> Call:
    return Call(method="GET", path=f"/api/datasources/uid/{uid}/resources/names?match={quote(text)}")


def resource_by_id(number: int, text: str) -> Call:
    return Call(method="GET", path=f"/api/datasources/{number}/resources/names?match={quote(text)}")


def resource_of_service(uid: str, text: str, namespace: str = "default") -> Call:
    path = f"/apis/prometheus.datasource.grafana.app/v0alpha1/namespaces/{namespace}/datasources/{uid}/resources/names"
    return Call(method="GET", path=f"{path}?match={quote(text)}")


def posted_resource(uid: str, text: str) -> Call:
    return Call(
        method="POST",
        path=f"/api/datasources/uid/{uid}/resources/api/v1/labels",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=f"match[]={quote(text)}".encode(),
    )


def proxied(uid: str, text: str) -> Call:
    return Call(method="GET", path=f"/api/datasources/proxy/uid/{uid}/api/v1/labels?match%5B%5D={quote(text)}")


def proxied_by_id(number: int, text: str) -> Call:
    return Call(method="GET", path=f"/api/datasources/proxy/{number}/api/v1/labels?match%5B%5D={quote(text)}")


def said(answer: Answer) -> dict[str, Any]:
    """Who was answered, of what: `org`, `uid`, `user`, and what else the source puts in."""
    document = answer.json
    if "results" in document:
        return answer.row()
    if document.get("status") == "success":
        told: dict[str, Any] = json.loads(document["data"][0])
        return told
    return dict(document)
