"""What Grafana said holds for a while, is asked once for all, and is not remembered when it was forgotten meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable

from proxy.engine.front.facts import Fact, Facts

COOKIES = (("Set-Cookie", "grafana_session=new"),)


class Grafana:
    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self) -> Fact[str]:
        self.asked += 1
        answer = self.answers.pop(0)
        await self.gate.wait()
        return Fact(answer, COOKIES)

    async def was_asked(self, times: int) -> None:
        while self.asked < times:
            await asyncio.sleep(0)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def asking(facts: Facts[str, str], grafana: Callable[[], Awaitable[Fact[str]]], key: str = "k") -> Awaitable[Fact[str]]:
    return facts.get(key, grafana)


async def test_a_fact_holds_from_when_it_was_asked_for() -> None:
    clock, grafana = Clock(), Grafana("a", "b")
    grafana.gate.clear()
    facts: Facts[str, str] = Facts(clock, seconds=10)
    first = asyncio.ensure_future(asking(facts, grafana))
    await grafana.was_asked(1)
    clock.now += 4  # Grafana takes its time
    grafana.gate.set()
    assert await first == Fact("a", COOKIES)
    clock.now += 5.9
    assert await asking(facts, grafana) == Fact("a")
    clock.now += 0.1
    assert (await asking(facts, grafana)).value == "b"


async def test_a_no_holds_for_a_moment() -> None:
    clock, grafana = Clock(), Grafana(None, "a")
    facts: Facts[str, str] = Facts(clock, seconds=10, doubt_seconds=1)
    assert (await asking(facts, grafana)).value is None
    assert (await asking(facts, grafana)).value is None
    clock.now += 1
    assert (await asking(facts, grafana)).value == "a"
    assert grafana.asked == 2


async def test_who_waits_for_one_answer_gets_its_cookies_and_who_comes_later_does_not() -> None:
    grafana = Grafana("a")
    grafana.gate.clear()
    facts: Facts[str, str] = Facts(Clock(), seconds=10)
    waiting = [asyncio.ensure_future(asking(facts, grafana)) for _ in range(3)]
    await grafana.was_asked(1)
    grafana.gate.set()
    assert await asyncio.gather(*waiting) == [Fact("a", COOKIES)] * 3
    assert await asking(facts, grafana) == Fact("a")
    assert grafana.asked == 1


async def test_what_is_forgotten_while_it_is_asked_for_is_asked_again() -> None:
    grafana = Grafana("before", "after")
    grafana.gate.clear()
    facts: Facts[str, str] = Facts(Clock(), seconds=10)
    early = asyncio.ensure_future(asking(facts, grafana))
    await grafana.was_asked(1)
    facts.forget()
    late = asyncio.ensure_future(asking(facts, grafana))
    await grafana.was_asked(2)
    grafana.gate.set()
    assert [(await early).value, (await late).value] == ["before", "after"]
    assert (await asking(facts, grafana)).value == "after"


async def test_only_what_it_applies_to_is_forgotten() -> None:
    grafana = Grafana("a", "b", "c")
    facts: Facts[str, str] = Facts(Clock(), seconds=10)
    await asking(facts, grafana, "x")
    await asking(facts, grafana, "y")
    facts.forget(lambda key, value: key == "x")
    assert (await asking(facts, grafana, "y")).value == "b"
    assert (await asking(facts, grafana, "x")).value == "c"


async def test_ten_thousand_are_remembered_and_no_more() -> None:
    facts: Facts[int, int] = Facts(Clock(), seconds=10)
    asked = 0

    async def ask() -> Fact[int]:
        nonlocal asked
        asked += 1
        return Fact(asked)

    for key in range(10_001):
        await facts.get(key, ask)
    await facts.get(10_000, ask)
    assert asked == 10_001
    await facts.get(0, ask)
    assert asked == 10_002
