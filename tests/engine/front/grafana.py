"""Grafana's answers to our own calls, by path and by who asks."""

import json
from dataclasses import dataclass, field

from proxy.core.model import Pairs
from proxy.engine.front.asking import About, Asking, Told


def told(document: object, *cookies: str) -> Told:
    return Told(200, json.dumps(document).encode(), tuple(("Set-Cookie", cookie) for cookie in cookies))


@dataclass
class Says(Asking):
    """`answers` by path, or by path and the value of Authorization; else 404."""

    answers: dict[object, Told]
    asked: list[str] = field(default_factory=list)

    async def get(self, path: str, headers: Pairs, about: About) -> Told:
        self.asked.append(path)
        return self.answers.get((path, dict(headers).get("Authorization")), self.answers.get(path, Told(404)))
