"""What Grafana tells its own pages: the settings of the front end, with every data source that the caller may see."""

from typing import Any

from .model import Caller, DataSource
from .permissions import QUERY, holds
from .world import World

_NO_CACHING = {"enabled": False, "TTLMs": 0}
_META = {"category": "", "backend": True, "signature": "internal", "state": "", "baseUrl": "public/plugins"}
_BUILT_IN = (
    ("-- Dashboard --", "-- Dashboard --", "dashboard"),
    ("-- Grafana --", "grafana", "grafana"),
    ("-- Mixed --", "-- Mixed --", "mixed"),
)


def settings(world: World, caller: Caller | None) -> dict[str, Any]:
    """In the order of the struct; the maps in it are in order of their keys."""
    sub_path = world.flags.sub_path
    sources = _sources(world, caller) if caller else {}
    default = next((name for name, source in sources.items() if source.get("isDefault")), "-- Grafana --")
    legacy = world.flags.edition == "legacy"
    return {
        "defaultDatasource": default,
        "datasources": sources,
        "minRefreshInterval": "5s",
        "panels": {"timeseries": {"id": "timeseries", "name": "Time series", "module": "core:plugin/timeseries"}},
        "apps": {},
        "appUrl": f"{world.root_url}/",
        "appSubUrl": sub_path,
        "allowOrgCreate": bool(caller and caller.is_grafana_admin),
        "authProxyEnabled": False,
        "buildInfo": {
            "hideVersion": False,
            "version": "8.5.27" if legacy else "13.0.1",
            "commit": "0000000",
            "edition": "Enterprise" if world.flags.edition == "enterprise" else "Open Source",
            "env": "production",
        },
        "featureToggles": {"panelTitleSearch": True},
        "anonymousEnabled": bool(world.flags.anonymous_org),
        "expressionsEnabled": True,
        "caching": {"enabled": world.flags.edition == "enterprise"},
        "footer": 'A <b>bold</b> & "quoted" line, é ☃',
    }


def _sources(world: World, caller: Caller) -> dict[str, Any]:
    legacy = world.flags.edition == "legacy"
    seen = {
        source.name: _source(source, legacy=legacy)
        for source in world.sources_of(caller.org_id)
        if legacy or holds(world, caller, QUERY, source)
    }
    for name, uid, kind in _BUILT_IN:
        built_in = {"uid": uid, "type": "datasource", "name": name, "meta": {"id": kind, **_META, "builtIn": True}}
        seen[name] = built_in | {"isDefault": False, "preload": False, "jsonData": {}, "readOnly": False}
        if not legacy:
            seen[name]["cachingConfig"] = dict(_NO_CACHING)
    return dict(sorted(seen.items()))


def _source(source: DataSource, *, legacy: bool) -> dict[str, Any]:
    path = f"{source.id}" if legacy else f"uid/{source.uid}"
    told = {
        "id": source.id,
        "uid": source.uid,
        "type": source.type,
        "name": source.name,
        "meta": {"id": source.type, "type": "datasource", "name": source.type, **_META},
        "url": f"/api/datasources/proxy/{path}",
        "isDefault": source.is_default,
        "access": source.access,
        "preload": False,
        "module": f"core:plugin/{source.type}",
        "jsonData": dict(sorted(source.json_data.items())),
        "readOnly": source.read_only,
    }
    return told if legacy else told | {"cachingConfig": dict(_NO_CACHING)}


def current_user(world: World, caller: Caller | None) -> dict[str, Any]:
    signed_in = caller is not None and caller.kind != "anonymous"
    return {
        "isSignedIn": signed_in,
        "id": caller.id if caller else 0,
        "uid": f"user{caller.id}" if caller and signed_in else "",
        "login": caller.login if caller else "",
        "email": f"{caller.login}@example.com" if caller and signed_in else "",
        "name": caller.login if caller else "",
        "theme": "dark",
        "lightTheme": False,
        "orgCount": len(world.users[caller.id].roles) if caller and caller.kind == "user" else 0,
        "orgId": caller.org_id if caller else 0,
        "orgName": caller.org_name if caller else "",
        "orgRole": caller.role if caller else "",
        "isGrafanaAdmin": bool(caller and caller.is_grafana_admin),
        "timezone": "browser",
    }


def navigation(world: World) -> list[dict[str, Any]]:
    sub_path = world.flags.sub_path
    return [
        {"id": "home", "text": "Home", "icon": "home-alt", "url": f"{sub_path}/", "sortWeight": -2000},
        {"id": "dashboards/browse", "text": "Dashboards", "url": f"{sub_path}/dashboards", "sortWeight": -1700},
    ]


def assets() -> dict[str, Any]:
    script = {"filePath": "public/build/app.4f1c.js", "integrity": ""}
    return {"jsFiles": [script], "dark": "public/build/grafana.dark.css", "light": "public/build/grafana.dark.css"}
