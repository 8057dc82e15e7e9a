"""What it answers when it refuses, in the envelopes of its generations."""

from dataclasses import dataclass, field
from typing import Any

from .model import Rotation


@dataclass(slots=True)
class Failure(Exception):
    status: int
    body: dict[str, Any]
    cookies: tuple[str, ...] = field(default=())


def failure(status: int, message: str) -> Failure:
    return Failure(status, {"message": message})


def coded(status: int, message_id: str, message: str) -> Failure:
    """As its API handlers write the errors that have an id."""
    return Failure(status, {"message": message, "messageId": message_id, "statusCode": status, "traceID": ""})


def unauthorized(rotation: Rotation, message_id: str, message: str = "Unauthorized") -> Failure:
    """As its middleware does: with the id since 10, the message alone before."""
    if rotation == "old":
        return failure(401, message)
    details = {"extra": None, "message": message, "messageId": message_id, "statusCode": 401, "traceID": ""}
    return Failure(401, details)


def access_denied(number: int, actions: str) -> Failure:
    message = f"You'll need additional permissions to perform this action. Permissions needed: {actions}"
    return Failure(403, {"accessErrorId": f"ACE{number:010}", "message": message, "title": "Access denied"})
