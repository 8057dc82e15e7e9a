import asyncio
from collections.abc import AsyncIterator
from typing import cast

from multidict import CIMultiDict

from proxy.core.model import Key, Reason
from proxy.engine.flight import Broken, Flight, Flights, Landed, Open, Whole
from proxy.errors import UpstreamError
from proxy.upstream.response import Response

KEY = Key(uid="prom", generation="g", digest=b"d" * 32)
WHOLE = Whole(status=200, headers=CIMultiDict(), body=b"{}", encoding="identity", refusal=None)


class OpenResponse:
    status = 200

    def __init__(self) -> None:
        self.closed = asyncio.Event()

    async def aclose(self) -> None:
        self.closed.set()


async def no_chunks() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for chunk in nothing:
        yield chunk


def open_answer() -> tuple[Open, OpenResponse]:
    response = OpenResponse()
    landed = Open(
        response=cast(Response, response), prefix=[], chunks=no_chunks(), refusal=Reason.TOO_LARGE
    )  # the parts of a Response that a flight touches
    return landed, response


class Fetch:
    """A fetch that lands when it is told to, and counts how often it was begun."""

    def __init__(self) -> None:
        self.begun = 0
        self.landing: asyncio.Future[Landed] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> Landed:
        self.begun += 1
        return await self.landing


async def waiting(count: int, flights: Flights[Key, Landed], fetch: Fetch) -> list[asyncio.Task[Landed]]:
    tasks = [asyncio.create_task(flights.join(KEY, fetch)[0].land()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_identical_misses_are_one_fetch() -> None:
    flights, fetch = Flights[Key, Landed](), Fetch()
    tasks = await waiting(200, flights, fetch)
    fetch.landing.set_result(WHOLE)
    assert await asyncio.gather(*tasks) == [WHOLE] * 200
    assert fetch.begun == 1
    assert len(flights) == 0


async def test_the_first_to_ask_leaves_and_the_others_get_the_answer() -> None:
    flights, fetch = Flights[Key, Landed](), Fetch()
    leader, *followers = await waiting(3, flights, fetch)
    leader.cancel()
    await asyncio.sleep(0)
    fetch.landing.set_result(WHOLE)
    assert await asyncio.gather(*followers) == [WHOLE, WHOLE]
    assert leader.cancelled()


async def test_everyone_leaves_and_the_fetch_still_ends() -> None:
    flights, fetch = Flights[Key, Landed](), Fetch()
    tasks = await waiting(2, flights, fetch)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert len(flights) == 1
    fetch.landing.set_result(WHOLE)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(flights) == 0


async def test_a_failure_is_everybodys_and_the_next_call_fetches_anew() -> None:
    flights, fetch = Flights[Key, Landed](), Fetch()
    broken = Broken(UpstreamError("prom does not answer", kind="connect"))
    tasks = await waiting(3, flights, fetch)
    fetch.landing.set_result(broken)
    assert await asyncio.gather(*tasks) == [broken] * 3
    again, joined = flights.join(KEY, Fetch())
    assert not joined
    again.task.cancel()


async def test_an_open_answer_that_everyone_left_is_closed() -> None:
    flights, fetch = Flights[Key, Landed](), Fetch()
    landed, response = open_answer()
    tasks = await waiting(2, flights, fetch)
    fetch.landing.set_result(landed)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.wait_for(response.closed.wait(), 5)


async def test_an_open_answer_is_closed_when_nobody_claims_it() -> None:
    landed, response = open_answer()

    async def fetch() -> Landed:
        return landed

    flight = Flight(fetch())
    assert await flight.land() is landed
    await asyncio.wait_for(response.closed.wait(), 5)


async def test_an_open_answer_that_was_claimed_stays_open() -> None:
    landed, response = open_answer()

    async def fetch() -> Landed:
        return landed

    got = await Flight(fetch()).land()
    assert isinstance(got, Open)
    got.claimed = True
    for _ in range(5):
        await asyncio.sleep(0)
    assert not response.closed.is_set()


async def test_close_ends_what_is_in_flight() -> None:
    flights, fetch = Flights[Key, Landed](), Fetch()
    tasks = await waiting(1, flights, fetch)
    await flights.close()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert tasks[0].cancelled()
