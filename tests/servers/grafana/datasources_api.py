"""The data sources of an org: read, created, changed, deleted, by uid, id and name."""

from typing import Any

from aiohttp import web

from .errors import failure
from .model import Caller, DataSource
from .permissions import READ, holds, require
from .wire import answer, json_body, signed_in
from .world import World

_FIELDS = {
    "uid": "uid",
    "name": "name",
    "type": "type",
    "url": "url",
    "access": "access",
    "user": "user",
    "database": "database",
    "basicAuth": "basic_auth",
    "basicAuthUser": "basic_auth_user",
    "withCredentials": "with_credentials",
    "isDefault": "is_default",
    "jsonData": "json_data",
}


def details(source: DataSource) -> dict[str, Any]:
    return {
        "id": source.id,
        "uid": source.uid,
        "orgId": source.org_id,
        "name": source.name,
        "type": source.type,
        "typeLogoUrl": f"public/plugins/{source.type}/img/logo.svg",
        "access": source.access,
        "url": source.url,
        "user": source.user,
        "database": source.database,
        "basicAuth": source.basic_auth,
        "basicAuthUser": source.basic_auth_user,
        "withCredentials": source.with_credentials,
        "isDefault": source.is_default,
        "jsonData": dict(sorted(source.json_data.items())),
        "secureJsonFields": dict(sorted(source.secure_fields.items())),
        "version": source.version,
        "readOnly": source.read_only,
    }


def _listed(source: DataSource) -> dict[str, Any]:
    """A list leaves some out."""
    left_out = ("secureJsonFields", "version", "withCredentials", "basicAuthUser")
    item = {name: value for name, value in details(source).items() if name not in left_out}
    return item | {"typeName": source.type}


def find(world: World, org_id: int, request: web.Request) -> DataSource:
    """By what the path has of `uid`, `id` and `name`."""
    path = request.match_info
    number = path.get("id", "0")
    if not number.isdigit():
        raise failure(400, "id is invalid")
    source = world.source(org_id, uid=path.get("uid", ""), number=int(number), name=path.get("name", ""))
    if source is None:
        raise failure(404, "Data source not found")
    return source


def routes(world: World, prefix: str) -> list[web.RouteDef]:
    async def list_all(_: web.Request, caller: Caller) -> web.StreamResponse:
        require(world, caller, READ)
        seen = [source for source in world.sources_of(caller.org_id) if _may_read(world, caller, source)]
        return answer([_listed(source) for source in sorted(seen, key=lambda source: source.name)])

    async def show(request: web.Request, caller: Caller) -> web.StreamResponse:
        _require_before(world, caller, READ, request)
        return answer(details(find(world, caller.org_id, request)))

    async def id_by_name(request: web.Request, caller: Caller) -> web.StreamResponse:
        require(world, caller, "datasources.id:read")
        return answer({"id": find(world, caller.org_id, request).id})

    async def create(request: web.Request, caller: Caller) -> web.StreamResponse:
        require(world, caller, "datasources:create")
        body = await json_body(request)
        if not isinstance(body, dict) or not body.get("name") or not body.get("type") or not body.get("access"):
            raise failure(400, "bad request data")
        uid = str(body.get("uid") or f"ds{world.number('uid'):012}")
        _refuse_duplicates(world, caller.org_id, uid, body["name"], besides=None)
        source = world.add_source(caller.org_id, uid, str(body["type"]))
        _change(source, {**body, "uid": uid})
        return _written(source, "Datasource added")

    async def update(request: web.Request, caller: Caller) -> web.StreamResponse:
        _require_before(world, caller, "datasources:write", request)
        body = await json_body(request)
        if not isinstance(body, dict) or not body.get("name") or not body.get("type") or not body.get("access"):
            raise failure(400, "bad request data")
        source = find(world, caller.org_id, request)
        if source.read_only:
            raise failure(403, "Cannot update read-only data source")
        if body.get("version") and body["version"] != source.version:
            message = "Datasource has already been updated by someone else. Please reload and try again"
            raise failure(409, message)
        _refuse_duplicates(world, caller.org_id, str(body.get("uid") or source.uid), body["name"], besides=source)
        _change(source, {**body, "uid": body.get("uid") or source.uid})
        source.version += 1
        return _written(source, "Datasource updated")

    async def delete(request: web.Request, caller: Caller) -> web.StreamResponse:
        _require_before(world, caller, "datasources:delete", request)
        source = find(world, caller.org_id, request)
        if source.read_only:
            raise failure(403, "Cannot delete read-only data source")
        del world.sources[source.id]
        by_id = "id" in request.match_info
        return answer(
            {"message": "Data source deleted"} if by_id else {"id": source.id, "message": "Data source deleted"}
        )

    async def health(request: web.Request, caller: Caller) -> web.StreamResponse:
        require(world, caller, "datasources:query", find(world, caller.org_id, request))
        return answer({"message": "Data source is working", "status": "OK"})

    async def reload(_: web.Request, caller: Caller) -> web.StreamResponse:
        require(world, caller, "provisioning:reload")
        for staged in world.staged:
            apply_provisioned(world, staged)
        world.staged.clear()
        return answer({"message": "Datasources config reloaded"})

    root = f"{prefix}/api/datasources"
    return [
        web.get(root, signed_in(world, list_all)),
        web.post(root, signed_in(world, create)),
        web.get(f"{root}/id/{{name}}", signed_in(world, id_by_name)),
        *(
            route
            for path in (f"{root}/uid/{{uid}}", f"{root}/name/{{name}}", f"{root}/{{id}}")
            for route in (web.get(path, signed_in(world, show)), web.delete(path, signed_in(world, delete)))
        ),
        web.put(f"{root}/uid/{{uid}}", signed_in(world, update)),
        web.put(f"{root}/{{id}}", signed_in(world, update)),
        web.get(f"{root}/uid/{{uid}}/health", signed_in(world, health)),
        web.get(f"{root}/{{id}}/health", signed_in(world, health)),
        web.post(f"{prefix}/api/admin/provisioning/datasources/reload", signed_in(world, reload)),
    ]


def _written(source: DataSource, message: str) -> web.Response:
    return answer({"datasource": details(source), "id": source.id, "message": message, "name": source.name})


def apply_provisioned(world: World, staged: dict[str, Any]) -> None:
    """One source of a provisioning file: `org`, `uid` and what changes; `"delete": true` takes it away."""
    source = world.source(int(staged["org"]), uid=staged["uid"])
    assert source is not None, staged
    if staged.get("delete"):
        del world.sources[source.id]
        return
    for name, attribute in _FIELDS.items():
        if name in staged:
            setattr(source, attribute, staged[name])
    source.version += 1


def _may_read(world: World, caller: Caller, source: DataSource) -> bool:
    return world.flags.edition == "legacy" or holds(world, caller, READ, source)


def _require_before(world: World, caller: Caller, action: str, request: web.Request) -> None:
    """Access is decided before it is known whether there is such a source: a scope of a uid that is not there is not held,
    one of all sources is."""
    path = request.match_info
    number = path.get("id", "0")
    source = world.source(
        caller.org_id, uid=path.get("uid", ""), number=int(number) if number.isdigit() else 0, name=path.get("name", "")
    )
    absent = DataSource(id=0, org_id=caller.org_id, uid=path.get("uid", ""), name="", type="")
    require(world, caller, action, source or absent)


def _refuse_duplicates(world: World, org_id: int, uid: str, name: str, besides: DataSource | None) -> None:
    for other in world.sources_of(org_id):
        if other is not besides and other.name == name:
            raise failure(409, "data source with the same name already exists")
        if other is not besides and other.uid == uid:
            raise failure(409, "data source with the same uid already exists")


def _change(source: DataSource, body: dict[str, Any]) -> None:
    """All of it: what the body does not have is emptied."""
    blank = DataSource(id=0, org_id=0, uid="", name="", type="")
    for name, attribute in _FIELDS.items():
        value = body.get(name)
        setattr(source, attribute, getattr(blank, attribute) if value is None else value)
    source.secure_fields = dict.fromkeys(body.get("secureJsonData") or {}, True)
