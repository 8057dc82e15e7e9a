"""Grafana's pages, which are one page with the boot data of the caller, and the calls that give the same data."""

from pathlib import Path
from string import Template

from aiohttp import web

from .boot_data import assets, current_user, navigation, settings
from .errors import Failure
from .identity import authenticate
from .model import Caller
from .wire import answer, caller_of, go_json, redirect, signed_in
from .world import World

_PUBLIC = Path(__file__).parent / "public"
_INDEX = Template("""<!doctype html>
<html lang="en-US">
  <head>
    <meta charset="utf-8" />
    <title>Grafana</title>
    <base href="$sub_path/" />
    <link rel="stylesheet" href="public/build/grafana.dark.css" />
  </head>
  <body class="theme-dark app-grafana">
    <div id="reactRoot"></div>
    <script nonce="">
      window.__grafana_boot_data_promise = Promise.resolve();
      window.grafanaBootData = {
        user: $user,
        settings: $settings,
        navTree: $navigation,
        assets: $assets
      };

      window.__grafana_load_failed = function () {};
    </script>
    <script nonce="" src="public/build/app.4f1c.js" type="text/javascript"></script>
  </body>
</html>
""")


def routes(world: World, prefix: str) -> list[web.RouteDef]:
    async def page(request: web.Request) -> web.StreamResponse:
        return _index(world, caller_of(world, request))

    async def login(request: web.Request) -> web.StreamResponse:
        caller = _caller(world, request)
        if caller and caller.kind == "user":
            return redirect(f"{world.flags.sub_path}/")
        return _index(world, caller)

    async def frontend_settings(_: web.Request, caller: Caller) -> web.StreamResponse:
        return answer(settings(world, caller))

    async def bootdata(request: web.Request) -> web.StreamResponse:
        if world.flags.edition == "legacy":
            raise web.HTTPNotFound
        caller = _caller(world, request)
        told = {
            "user": current_user(world, caller),
            "settings": settings(world, caller),
            "navTree": navigation(world),
            "assets": assets(),
        }
        response = answer(told, newline=True)
        response.headers["Content-Type"] = "application/json; charset=UTF-8"
        return response

    async def public(request: web.Request) -> web.StreamResponse:
        """With ETag, 304 and Range; what is built has its hash in its name and may be kept for a year."""
        path = (_PUBLIC / request.match_info["path"]).resolve()
        if not path.is_relative_to(_PUBLIC) or not path.is_file():
            raise web.HTTPNotFound
        seconds = 31_536_000 if request.match_info["path"].startswith("build/") else 3600
        return web.FileResponse(path, headers={"Cache-Control": f"public, max-age={seconds}"})

    pages = ("/", "/d/{uid}", "/d/{uid}/{slug}", "/explore", "/dashboards", "/connections/datasources", "/profile")
    return [
        *(web.get(f"{prefix}{path}", page) for path in pages),
        web.get(f"{prefix}/bootdata", bootdata),
        web.get(f"{prefix}/login", login),
        web.get(f"{prefix}/api/frontend/settings", signed_in(world, frontend_settings)),
        web.get(f"{prefix}/api/frontend/settings/", signed_in(world, frontend_settings)),
        web.get(f"{prefix}/public/{{path:.+}}", public),
    ]


def _caller(world: World, request: web.Request) -> Caller | None:
    try:
        return authenticate(world, request)
    except Failure:
        return None


def _index(world: World, caller: Caller | None) -> web.Response:
    text = _INDEX.substitute(
        sub_path=world.flags.sub_path,
        user=go_json(current_user(world, caller)),
        settings=go_json(settings(world, caller)),
        navigation=go_json(navigation(world)),
        assets=go_json(assets()),
    )
    response = web.Response(body=text.encode())
    response.headers["Content-Type"] = "text/html; charset=UTF-8"
    return response
