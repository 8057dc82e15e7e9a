"""The sub-path of Grafana's `root_url`: by which users come, and what is below it."""

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class SubPath:
    """ "" or a path that begins with "/" and ends without."""

    path: str = ""

    @classmethod
    def of(cls, url: str, configured: str | None) -> Self:
        """As it is configured, or else the path of Grafana's own URL (`serve_from_sub_path`)."""
        path = (urlsplit(url).path if configured is None else configured).strip("/")
        return cls(f"/{path}" if path else "")

    def below(self, raw_path: str) -> str | None:
        """The rest of a raw path, which is "" for the sub-path itself; None for a path outside."""
        if not self.path:
            return raw_path
        rest = raw_path.removeprefix(self.path) if raw_path.startswith(self.path) else None
        return rest if rest is not None and rest[:1] in ("", "/") else None
