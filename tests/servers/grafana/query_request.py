"""The body of a query: its validation, and the sources that it names."""

from dataclasses import dataclass
from typing import Any

from .errors import Failure, coded, failure
from .model import Caller, DataSource
from .permissions import require_query_of
from .world import World

EXPRESSION_UIDS = ("__expr__", "-100")
GRAFANA_UIDS = ("grafana", "-- Grafana --")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    ref_id: str
    source: DataSource | None
    """None: an expression."""
    model: dict[str, Any]
    from_: str
    to: str


def parse(world: World, caller: Caller, body: Any, *, time_in_query: bool, checked: bool = True) -> list[Query]:
    """In the order of the request; the server's defaults are not yet in the models. Not `checked`: a public dashboard's."""
    if not isinstance(body, dict) or not isinstance(body.get("queries", []), list | None):
        raise failure(400, "bad request data")
    models = body.get("queries") or []
    if not all(isinstance(model, dict) for model in models):
        raise failure(400, "bad request data")
    if not models:
        raise _bad_query(world, "query.noQueries", "No queries found")
    queries = []
    for model in models:
        times = model.get("timeRange") if time_in_query else None
        times = times if isinstance(times, dict) else body
        query = Query(
            ref_id=str(model.get("refId") or "A"),
            source=_source_of(world, caller, model, checked=checked),
            model=model,
            from_=str(times.get("from", "")),
            to=str(times.get("to", "")),
        )
        queries.append(query)
    return queries


def _source_of(world: World, caller: Caller, model: dict[str, Any], *, checked: bool) -> DataSource | None:
    reference = model.get("datasource")
    uid = reference.get("uid") if isinstance(reference, dict) else reference
    kind = reference.get("type") if isinstance(reference, dict) else ""
    number = model.get("datasourceId")
    if uid in EXPRESSION_UIDS or kind == "__expr__" or (not uid and number == -100):
        return None
    if uid in GRAFANA_UIDS:
        return DataSource(id=-1, org_id=caller.org_id, uid="grafana", name="-- Grafana --", type="grafana")
    if not uid and not (isinstance(number, int) and number > 0):
        message = "Query does not contain a valid data source identifier"
        raise _bad_query(world, "query.invalidDatasourceId", message)
    found = world.source(caller.org_id, uid=uid) if uid else world.source(caller.org_id, number=int(number or 0))
    if found is None:
        raise failure(404, "Data source not found")
    if checked:
        require_query_of(world, caller, found)
    return found


def _bad_query(world: World, message_id: str, message: str) -> Failure:
    if world.flags.rotation == "old":
        return failure(400, message[0].lower() + message[1:])
    return coded(400, message_id, message)
