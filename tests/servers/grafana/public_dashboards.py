"""Dashboards for everybody who has their token."""

import re
from typing import Any

from aiohttp import web

from .errors import coded
from .model import Caller, PublicDashboard
from .query_api import query_answer, run
from .query_request import parse
from .wire import answer, json_body
from .world import World

_TOKEN = re.compile(r"[0-9a-f]{32}")
_SECRETS = ("expr", "query", "rawSql", "rawQuery")


def routes(world: World, prefix: str) -> list[web.RouteDef]:
    async def view(request: web.Request) -> web.StreamResponse:
        return answer(_shown(_dashboard(world, request)))

    async def query(request: web.Request) -> web.StreamResponse:
        dashboard = _dashboard(world, request)
        panel = request.match_info["panel"]
        if not panel.isdigit():
            raise coded(400, "publicdashboards.invalidPanelId", "Invalid panel id")
        body = await json_body(request)
        if not isinstance(body, dict):
            raise coded(400, "publicdashboards.badRequest", "Bad request")
        if int(panel) not in dashboard.panels:
            raise coded(404, "publicdashboards.panelNotFound", "Public dashboard panel not found")
        for name, shown in (("intervalMs", "intervalMS"), ("maxDataPoints", "maxDataPoints")):
            if int(body.get(name) or 0) < 0:
                raise coded(400, f"publicdashboards.{name}", f"{shown} should be greater than 0")
        viewer = Caller(
            kind="anonymous",
            org_id=dashboard.org_id,
            org_name=world.orgs[dashboard.org_id],
            role="Viewer",
            login="public",
        )
        queries = parse(world, viewer, _request_of(dashboard, int(panel), body), time_in_query=False, checked=False)
        return query_answer(await run(world, viewer, queries, request), 207 if world.flags.multi_status else 400)

    async def annotations(request: web.Request) -> web.StreamResponse:
        _dashboard(world, request)
        return answer([])

    root = f"{prefix}/api/public/dashboards/{{token}}"
    return [
        web.get(root, view),
        web.get(f"{root}/annotations", annotations),
        web.post(f"{root}/panels/{{panel}}/query", query),
    ]


def _dashboard(world: World, request: web.Request) -> PublicDashboard:
    token = request.match_info["token"]
    if not _TOKEN.fullmatch(token):
        raise coded(400, "publicdashboards.invalidAccessToken", "Invalid access token")
    if token not in world.public:
        raise coded(404, "publicdashboards.notFound", "Public dashboard not found")
    if not world.public[token].enabled:
        raise coded(403, "publicdashboards.notEnabled", "Public dashboard paused")
    return world.public[token]


def _request_of(dashboard: PublicDashboard, panel: int, body: dict[str, Any]) -> dict[str, Any]:
    times = body.get("timeRange") or {}
    asked = {
        name: body[name] for name in ("intervalMs", "maxDataPoints", "queryCachingTTL") if body.get(name) is not None
    }
    queries = [target | asked for target in dashboard.panels[panel] if not target.get("hide")]
    return {"queries": queries, "from": times.get("from", ""), "to": times.get("to", "")}


def _shown(dashboard: PublicDashboard) -> dict[str, Any]:
    """Which source each panel asks, and not what."""
    panels = [
        {
            "datasource": targets[0].get("datasource") if targets else None,
            "id": panel,
            "targets": [{name: value for name, value in target.items() if name not in _SECRETS} for target in targets],
            "title": f"Panel {panel}",
            "type": "timeseries",
        }
        for panel, targets in sorted(dashboard.panels.items())
    ]
    model = {"panels": panels, "refresh": "", "schemaVersion": 41, "title": dashboard.title, "uid": dashboard.token[:8]}
    meta = {
        "type": "db",
        "canSave": False,
        "canEdit": False,
        "canAdmin": False,
        "canStar": False,
        "canDelete": False,
        "slug": dashboard.title.lower(),
        "url": "",
        "version": 1,
        "hasAcl": False,
        "isFolder": False,
        "publicDashboardEnabled": True,
    }
    return {"meta": meta, "dashboard": model}
