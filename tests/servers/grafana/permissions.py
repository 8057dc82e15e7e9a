"""What a caller may do: the map of actions and scopes, and the checks that the routes make."""

from collections import defaultdict

from .errors import Failure, access_denied, failure
from .model import Caller, DataSource, Permission
from .world import World

QUERY, READ = "datasources:query", "datasources:read"
CACHING_READ, CACHING_WRITE = "datasources.caching:read", "datasources.caching:write"
ALL_SOURCES = "datasources:*"

_EVERY_ROLE = {
    "annotations:read": ["annotations:type:dashboard"],
    "datasources.id:read": [ALL_SOURCES],
    "orgs:read": [""],
    "orgs.quotas:read": [""],
    "plugins.app:access": ["plugins:*"],
}
_READERS = {QUERY: [ALL_SOURCES], READ: [ALL_SOURCES]}
_EDITORS = {"datasources:explore": [""], "dashboards:create": ["folders:uid:general"]}
_ADMINS = {
    QUERY: [ALL_SOURCES],
    READ: [ALL_SOURCES],
    "datasources:create": [""],
    "datasources:delete": [ALL_SOURCES],
    "datasources:write": [ALL_SOURCES],
    "org.users:read": ["users:*"],
    "orgs:write": [""],
}
_ENTERPRISE_ADMINS = {CACHING_READ: [ALL_SOURCES], CACHING_WRITE: [ALL_SOURCES]}
_SERVER_ADMINS = {
    "provisioning:reload": ["provisioners:*"],
    "server:stats:read": [""],
    "users:read": ["global.users:*"],
}


def permissions_of(world: World, caller: Caller) -> dict[str, list[str]]:
    """Scopes by action, both in order; an action without a scope has the empty one."""
    held: defaultdict[str, set[str]] = defaultdict(set)
    for action, scopes in _given(world, caller):
        held[action].update(scopes)
    for permission in world.permissions:
        if permission.org_id == caller.org_id and permission.subject in caller.subjects:
            if permission.given:
                held[permission.action].add(permission.scope)
            else:
                _take(world, held, permission)
    return {action: sorted(scopes) for action, scopes in sorted(held.items()) if scopes}


def _given(world: World, caller: Caller) -> list[tuple[str, list[str]]]:
    enterprise = world.flags.edition == "enterprise"
    given = [*_SERVER_ADMINS.items()] if caller.is_grafana_admin else []
    if caller.role in ("Viewer", "Editor", "Admin"):
        given += _EVERY_ROLE.items()
        if enterprise:
            given.append((QUERY, [scope_of(source) for source in world.sources_of(caller.org_id)]))
        else:
            given += _READERS.items()
    if caller.role in ("Editor", "Admin"):
        given += _EDITORS.items()
    if caller.role == "Admin":
        given += [*_ADMINS.items(), *(_ENTERPRISE_ADMINS.items() if enterprise else ())]
    return given


def _take(world: World, held: dict[str, set[str]], denial: Permission) -> None:
    """A scope taken out of `datasources:*` leaves the other sources of the org."""
    scopes = held.get(denial.action, set())
    if denial.scope in ("", ALL_SOURCES):
        scopes.clear()
        return
    if ALL_SOURCES in scopes:
        scopes.remove(ALL_SOURCES)
        scopes.update(scope_of(source) for source in world.sources_of(denial.org_id))
    scopes.discard(denial.scope)


def scope_of(source: DataSource) -> str:
    return f"datasources:uid:{source.uid}"


def holds(world: World, caller: Caller, action: str, source: DataSource | None = None) -> bool:
    """Without a source: on anything."""
    scopes = permissions_of(world, caller).get(action, [])
    if source is None:
        return bool(scopes)
    return not {"*", ALL_SOURCES, "datasources:uid:*", scope_of(source)}.isdisjoint(scopes)


def require(world: World, caller: Caller, action: str, source: DataSource | None = None) -> None:
    if world.flags.edition == "legacy":
        _require_role(caller, action)
    elif not holds(world, caller, action, source):
        raise access_denied(world.number("denial"), action)


def _require_role(caller: Caller, action: str) -> None:
    """As before there was access control: members query, Admins do the rest."""
    if action in (QUERY, "orgs:read", "datasources.id:read"):
        allowed = bool(caller.role)
    elif action == "provisioning:reload":
        allowed = caller.is_grafana_admin
    else:
        allowed = caller.role == "Admin"
    if not allowed:
        raise failure(403, "Permission denied")


def require_query_of(world: World, caller: Caller, source: DataSource) -> None:
    """The second look, at the source itself, in its words."""
    if world.flags.edition != "legacy" and not holds(world, caller, QUERY, source):
        raise Failure(403, {"message": "Access denied to data source"})
