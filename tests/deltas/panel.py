"""One panel's requests: the same question about many ranges, written in the many ways in which clients write it."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from urllib.parse import urlencode

from multidict import CIMultiDict

from tests.engine.stack import Ask

RANGE = "/api/v1/query_range"

Parameter = tuple[str, str]

EXTRAS: tuple[tuple[Parameter, ...], ...] = (
    *((("limit", "3"),), (("limit", "0"),), (("lookback_delta", "1m"),), (("timeout", "30s"),)),
    *((("dedup", "true"), ("partial_response", "false")), (("max_source_resolution", "5m"),)),
    *((("stats", "all"),), (("foo", "bar"), ("foo", "baz")), (("engine", "thanos"),), (("_", "1"),)),
)
"""Prometheus 2.42 knows `timeout` and `stats` of these; the others have to be told apart for those that do."""


@dataclass(frozen=True, slots=True)
class Range:
    """Milliseconds, both ends included."""

    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """`step_texts` are ways to write one step, `step_ms` what the source makes of it."""

    query: str
    step_ms: int
    step_texts: tuple[str, ...]
    phase_ms: int
    extra: tuple[Parameter, ...] = ()

    def on_grid(self, time_ms: int) -> int:
        """The last point of the panel's grid that is not after this."""
        return (time_ms - self.phase_ms) // self.step_ms * self.step_ms + self.phase_ms

    def plainly(self, range_: Range) -> Ask:
        """In one way, by GET."""
        parameters = [
            ("query", self.query),
            ("start", _seconds(range_.start_ms)),
            ("end", _seconds(range_.end_ms)),
            ("step", self.step_texts[0]),
        ]
        headers = CIMultiDict({"Accept-Encoding": "identity"})
        return Ask(path=RANGE, query=urlencode([*parameters, *self.extra]), headers=headers)

    def ask(self, chance: random.Random, range_: Range, *, oddly: bool = False) -> Ask:
        """In one of all the ways; `oddly`: in one that hardly any client takes, and some the source refuses."""
        time = partial(_odd, chance) if oddly else chance.choice((_seconds, _seconds, _three_decimals, _rfc3339))
        parameters = [
            ("query", self.query),
            ("start", time(range_.start_ms)),
            ("end", time(range_.end_ms)),
            ("step", chance.choice(odd_steps(self.step_ms) if oddly and chance.random() < 0.5 else self.step_texts)),
        ]
        headers = CIMultiDict({"Accept-Encoding": chance.choice(("gzip", "gzip, deflate, br", "identity"))})
        if chance.random() < 0.4:
            return Ask(path=RANGE, query=urlencode([*parameters, *self.extra]), headers=headers)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        url, body = _split(chance, parameters, list(self.extra))
        return Ask(method="POST", path=RANGE, query=urlencode(url), headers=headers, body=urlencode(body).encode())


def step_texts(step_ms: int) -> tuple[str, ...]:
    texts = [f"{step_ms / 1000:g}", f"{step_ms / 1000:.3f}", f"{step_ms}ms"]
    if step_ms % 1000 == 0:
        texts += [f"{step_ms // 1000}", f"{step_ms // 1000}s"]
    if step_ms % 60_000 == 0:
        texts.append(f"{step_ms // 60_000}m")
    if step_ms % 86_400_000 == 0:
        texts.append(f"{step_ms // 86_400_000}d")
    return tuple(texts)


def odd_steps(step_ms: int) -> tuple[str, ...]:
    text = f"{step_ms / 1000:g}"
    return (
        f"+{text}",
        f"{text}e0",
        f"0{text}",
        f" {text}",
        f"{text}_0",
        f"0x{step_ms:x}p0",
        f"{step_ms}e-3",
        f"{text}0000001",
    )


def _split(
    chance: random.Random, parameters: list[Parameter], extra: list[Parameter]
) -> tuple[list[Parameter], list[Parameter]]:
    """A POST's parameters, of its URL and of its body. The body wins where both have one."""
    match chance.randrange(5):
        case 0:
            return extra, parameters  # Grafana's custom parameters
        case 1:
            chosen = chance.sample(parameters, chance.randrange(1, 4))
            return [*chosen, *extra], [one for one in parameters if one not in chosen]
        case 2:
            return [*parameters, *extra], []
        case 3 if chance.random() < 0.5:
            return [(name, "1" if name == "step" else text) for name, text in parameters[1:]], parameters + extra
        case _:
            chance.shuffle(parameters)
            return [], parameters + extra


def _seconds(time_ms: int) -> str:
    """With as many decimals as it needs."""
    whole, rest = divmod(time_ms, 1000)
    return f"{whole}.{rest:03}".rstrip("0").rstrip(".")


def _three_decimals(time_ms: int) -> str:
    return f"{time_ms // 1000}.{time_ms % 1000:03}"


def _odd(chance: random.Random, time_ms: int) -> str:
    text = _seconds(time_ms)
    zone = timezone(timedelta(hours=5, minutes=30))
    elsewhere = datetime.fromtimestamp(time_ms / 1000, zone).isoformat(timespec="milliseconds")
    return chance.choice(
        (
            *(f"+{text}", f"{time_ms}e-3", f"{text} ", f"0{text}", f"{time_ms // 1000}.{time_ms % 1000:03}4999"),
            *(f"{time_ms // 1000}.{time_ms % 1000:03}5001", f"{float(time_ms).hex()}", f"{time_ms / 1000:.17e}"),
            *(elsewhere, elsewhere.replace("T", "t"), elsewhere.replace("T", " "), _rfc3339(time_ms)[:-1] + "987654Z"),
            *(_rfc3339(time_ms).lower(), elsewhere[:-1], f"{time_ms}000000", "NaN", "Inf", "now", "", "1_795_400_000"),
        )
    )


def _rfc3339(time_ms: int) -> str:
    moment = datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{time_ms % 1000:03}Z" if time_ms % 1000 else f"{moment}Z"
