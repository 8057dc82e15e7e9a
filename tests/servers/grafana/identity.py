"""Who asks, by the request's credentials, in the order in which Grafana tries them."""

import base64
import binascii
from collections.abc import Callable, Iterator

from aiohttp import web

from . import sessions
from .cookie_header import cookie
from .errors import Failure, unauthorized
from .model import Caller, Session, User
from .world import World

NO_ORG = -1


def authenticate(world: World, request: web.Request) -> Caller:
    """Raises the `Failure` that a route for the signed-in answers with."""
    refusal: Failure | None = None
    for attempt in _attempts(world, request):
        try:
            return attempt()
        except Failure as error:
            if error.body.get("messageId") == "session.token.rotate" or _is_final(world, request):
                raise
            refusal = refusal or error
    raise refusal or unauthorized(world.flags.rotation, "auth.unauthorized")


def _is_final(world: World, request: web.Request) -> bool:
    return world.flags.rotation == "old" and "Authorization" in request.headers


def _attempts(world: World, request: web.Request) -> Iterator[Callable[[], Caller]]:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme == "Bearer":
        yield lambda: _by_token(world, credentials)
    elif scheme == "Basic":
        yield lambda: _by_password(world, credentials, _wanted_org(request))
    if (header := world.flags.auth_proxy_header) and (login := request.headers.get(header)):
        yield lambda: _by_auth_proxy(world, login, _wanted_org(request))
    if token := cookie(request, sessions.COOKIE):
        yield lambda: _by_session(world, token, _wanted_org(request))
    if world.flags.anonymous_org:
        yield lambda: _anonymous(world)


def _wanted_org(request: web.Request) -> int:
    try:
        return int(request.headers.get("X-Grafana-Org-Id", "0"))
    except ValueError:
        return 0


def _by_token(world: World, token: str) -> Caller:
    account = world.accounts.get(token)
    if account is None:
        message = "Invalid API key" if world.flags.rotation == "new" else "invalid API key"
        raise unauthorized(world.flags.rotation, "api-key.invalid", message)
    return Caller(
        kind="service-account",
        org_id=account.org_id,
        org_name=world.orgs[account.org_id],
        role=account.role,
        id=account.id,
        login=account.name,
    )


def _by_password(world: World, credentials: str, org_id: int) -> Caller:
    try:
        login, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        login = password = ""
    if login == "api_key":
        return _by_token(world, password)
    return as_user(world, user_of(world, login, password), org_id)


def _by_auth_proxy(world: World, login: str, org_id: int) -> Caller:
    """Whoever may send it, is believed; nobody is signed up."""
    user = world.user(login)
    if user is None:
        raise unauthorized(world.flags.rotation, "auth.unauthorized")
    return as_user(world, user, org_id)


def user_of(world: World, login: str, password: str) -> User:
    user = world.user(login)
    if user is None or user.password != password:
        new = world.flags.rotation == "new"
        message = "Invalid username or password" if new else "invalid username or password"
        raise unauthorized(world.flags.rotation, "password-auth.failed", message)
    return user


def _by_session(world: World, token: str, org_id: int) -> Caller:
    session = sessions.look_up(world, token)
    if world.flags.rotation == "new" and sessions.needs_rotation(world, session):
        raise unauthorized("new", "session.token.rotate")
    if session.user_id not in world.users:
        raise unauthorized(world.flags.rotation, "auth.unauthorized")
    return as_user(world, world.users[session.user_id], org_id, session)


def as_user(world: World, user: User, org_id: int, session: Session | None = None) -> Caller:
    """In the org that was asked for, else in the current one; in none, where the user has no role in it."""
    org_id = org_id or user.org_id
    role = user.roles.get(org_id, "")
    return Caller(
        kind="user",
        org_id=org_id if role else NO_ORG,
        org_name=world.orgs[org_id] if role else "Org missing",
        role=role,
        id=user.id,
        login=user.login,
        is_grafana_admin=user.is_admin,
        session=session,
    )


def _anonymous(world: World) -> Caller:
    flags = world.flags
    return Caller(
        kind="anonymous",
        org_id=flags.anonymous_org,
        org_name=world.orgs[flags.anonymous_org],
        role=flags.anonymous_role,
    )
