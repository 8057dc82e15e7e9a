"""One tree of errors. Each has an HTTP status and a message that may be shown to anyone: no secret, no internal path."""

from collections.abc import Mapping


class MillpondError(Exception):
    """Answered as `{"message": public_message, **extra}` with `status`."""

    status: int = 500

    def __init__(self, public_message: str, *, extra: Mapping[str, object] | None = None) -> None:
        super().__init__(public_message)
        self.public_message = public_message
        self.extra: Mapping[str, object] = extra or {}


class ConfigError(MillpondError):
    """The configuration cannot be used. `problems` are `(path in the file, what is wrong and what to do)`."""

    def __init__(self, problems: tuple[tuple[str, str], ...]) -> None:
        super().__init__("; ".join(f"{path}: {text}" if path else text for path, text in problems))
        self.problems = problems


class BadRequest(MillpondError):
    status = 400


class Unauthorized(MillpondError):
    status = 401


class Forbidden(MillpondError):
    status = 403


class NotFound(MillpondError):
    status = 404


class BodyTooLarge(MillpondError):
    status = 413


class UnsupportedMediaType(MillpondError):
    status = 415


class NotImplementedHere(MillpondError):
    """A method or a transfer coding that HTTP has and this proxy does not serve."""

    status = 501


class VersionRefused(MillpondError):
    status = 505


class SettingsNotDurable(MillpondError):
    """A change of settings or a generation could not be made durable; nothing has changed."""


class SettingsUnreadable(MillpondError):
    """The settings kept on disk cannot be read; starting with defaults instead would silently lose them."""


class UpstreamError(MillpondError):
    """The source could not be asked, or broke off. `kind` is one of a closed list, for metrics."""

    status = 502

    def __init__(self, public_message: str, *, kind: str, extra: Mapping[str, object] | None = None) -> None:
        super().__init__(public_message, extra=extra)
        self.kind = kind


class UpstreamTimeout(UpstreamError):
    status = 504


class UpstreamBusy(UpstreamError):
    """No slot of the source's `max_concurrent` came free within its `queue_timeout`."""

    status = 503
