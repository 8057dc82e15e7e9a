"""What a caller may do to a data source, by the permissions that Grafana gives it: {action: [scope, …]}."""

from collections.abc import Collection, Mapping

QUERY = "datasources:query"
READ = "datasources:read"
WRITE = "datasources:write"
CACHING_READ = "datasources.caching:read"
CACHING_WRITE = "datasources.caching:write"

Scopes = Mapping[str, Collection[str]]
"""By action: what it may be done to."""


def parse(document: object) -> Scopes | None:
    """The JSON of GET /api/access-control/user/permissions. None where it is something else.

    Older versions write null for a caller without any permission, and for an action without any scope.
    """
    if document is None:
        return {}
    if not isinstance(document, dict):
        return None
    scopes: dict[str, frozenset[str]] = {}
    for action, given in document.items():
        given = [] if given is None else given
        if not isinstance(given, list) or not all(isinstance(scope, str) for scope in given):
            return None
        scopes[action] = frozenset(given)
    return scopes


def allows(permissions: Scopes, action: str, uid: str, number: int) -> bool:
    """Whether the action is allowed on the data source; `number` is its id, 0 where it is not known."""
    return not _on(uid, number).isdisjoint(permissions.get(action, ()))


def allows_on_all(permissions: Scopes, action: str) -> bool:
    """Whether the action is allowed on every data source of the org."""
    return not _ALL.isdisjoint(permissions.get(action, ()))


def caching_action(permissions: Scopes, *, write: bool, known: bool | None = None) -> str:
    """The action that a call of the Caching API needs of this caller.

    Where Grafana knows the actions of Enterprise they decide. In the free edition nobody holds them, so who may read or
    write the data source may do so to its caching. `known` says which it is; None goes by what this caller holds.
    """
    if known is None:
        known = any(permissions.get(action) for action in (CACHING_READ, CACHING_WRITE))
    if known:
        return CACHING_WRITE if write else CACHING_READ
    return WRITE if write else READ


_ALL = frozenset({"*", "datasources:*", "datasources:uid:*", "datasources:id:*"})


def _on(uid: str, number: int) -> frozenset[str]:
    exact = {f"datasources:uid:{uid}"} | ({f"datasources:id:{number}"} if number > 0 else set())
    return _ALL | exact
