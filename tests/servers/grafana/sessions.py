"""The tokens of those who logged in: their rotation, expiry and cookies."""

from .errors import Failure, unauthorized
from .model import Session
from .world import World

ROTATION_S = 10 * 60
URGENT_S = 60
MAX_LIFETIME_S = 30 * 24 * 3600
MAX_INACTIVE_S = 7 * 24 * 3600

COOKIE = "grafana_session"
EXPIRY_COOKIE = "grafana_session_expiry"


def begin(world: World, user_id: int) -> Session:
    number = world.number("session")
    token = world.new_token()
    session = Session(
        id=number, user_id=user_id, token=token, previous=token, created_s=world.now_s, rotated_s=world.now_s
    )
    world.sessions[number] = session
    return session


def look_up(world: World, token: str) -> Session:
    """The session of that token, now seen, or why there is none."""
    rotation = world.flags.rotation
    session = next((session for session in world.sessions.values() if token in (session.token, session.previous)), None)
    if session is None:
        raise unauthorized(rotation, "auth.unauthorized")
    if session.revoked:
        details = {"id": "ERR_TOKEN_REVOKED", "maxConcurrentSessions": 0}
        raise Failure(401, {"error": details, "message": "Token revoked"})
    if world.now_s >= min(session.created_s + MAX_LIFETIME_S, session.rotated_s + MAX_INACTIVE_S):
        raise unauthorized(rotation, "auth.unauthorized")
    if token == session.token:
        session.seen = True
    elif session.seen and session.rotated_s < world.now_s - URGENT_S:
        session.seen = False  # its owner may not have got the new one: another is due at once
        session.rotated_s = world.now_s - URGENT_S - 1
    return session


def needs_rotation(world: World, session: Session) -> bool:
    return session.rotated_s <= world.now_s - (ROTATION_S if session.seen else URGENT_S + 1)


def rotate(world: World, session: Session) -> None:
    """What was current becomes the previous one, unless nobody was seen with it."""
    if session.seen:
        session.previous = session.token
    session.token = world.new_token()
    session.rotated_s = world.now_s
    session.seen = False


def cookies(world: World, session: Session) -> tuple[str, ...]:
    path, expiry = world.flags.sub_path or "/", session.rotated_s + ROTATION_S - URGENT_S // 2
    login = f"{COOKIE}={session.token}; Path={path}; Max-Age={MAX_LIFETIME_S}; HttpOnly; SameSite=Lax"
    if world.flags.rotation == "old":
        return (login,)
    return (login, f"{EXPIRY_COOKIE}={expiry}; Path={path}; Max-Age={MAX_LIFETIME_S}; SameSite=Lax")


def no_cookies(world: World) -> tuple[str, ...]:
    """Those that take the cookies away."""
    path = world.flags.sub_path or "/"
    return (
        f"{COOKIE}=; Path={path}; Max-Age=0; HttpOnly; SameSite=Lax",
        f"{EXPIRY_COOKIE}=; Path={path}; Max-Age=0; SameSite=Lax",
    )
