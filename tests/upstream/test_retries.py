"""R-44, T10: a connection that the source was just closing costs a read nothing, and nothing is ever carried out twice that
may act.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from proxy.errors import UpstreamError
from tests.servers.scripted import Connection, Scripted, Seen, answer

from .asking import client, read, whole, write

RACES = 20


@dataclass
class ClosesKeptAlive:
    """Answers the first request of a connection, and meets the second with the end of it."""

    by_reset: bool
    used: set[int] = field(default_factory=set)

    async def __call__(self, seen: Seen, connection: Connection) -> None:
        if connection.number not in self.used:
            self.used.add(connection.number)
            await connection.send(answer(seen.target.encode()))
        elif self.by_reset:
            connection.reset()
        else:
            connection.finish()


@pytest.mark.parametrize("by_reset", [False, True], ids=["FIN", "RST"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_read_meets_no_closing_connection(method: str, by_reset: bool) -> None:
    async with Scripted(ClosesKeptAlive(by_reset=by_reset)) as upstream, client(upstream.url) as source:
        for number in range(RACES):
            body = b"query=up" if method == "POST" else b""
            assert await whole(source, read(f"/{number}", method=method, body=body)) == f"/{number}".encode()
    times = [upstream.targets.count(f"/{number}") for number in range(RACES)]
    assert set(times) <= {1, 2}
    assert 2 in times, "no connection was reused: this shows nothing"


@pytest.mark.parametrize("by_reset", [False, True], ids=["FIN", "RST"])
async def test_neither_does_what_may_act_and_it_goes_out_once(by_reset: bool) -> None:
    async def streamed() -> AsyncIterator[bytes]:
        yield b"a"

    async with Scripted(ClosesKeptAlive(by_reset=by_reset)) as upstream, client(upstream.url) as source:
        for number in range(RACES):
            for outgoing in (write(target=f"/{number}", body=b"a"), write(target=f"/s{number}", body=streamed())):
                assert await whole(source, outgoing) == outgoing.target.encode()
                await whole(source, read(f"/r{number}"))
    assert {upstream.targets.count(f"/{kind}{number}") for kind in ("", "s") for number in range(RACES)} == {1}


@pytest.mark.parametrize("outgoing", [read(), write(), read(body=b"a", method="POST")], ids=["GET", "write", "POST"])
async def test_a_fresh_connection_that_dies_is_not_tried_again(outgoing: object) -> None:
    """A query that kills the source is not to kill it twice."""

    async def dies(_: Seen, connection: Connection) -> None:
        connection.finish()

    async with Scripted(dies) as upstream, client(upstream.url) as source:
        with pytest.raises(UpstreamError):
            await whole(source, outgoing)  # type: ignore[arg-type]  # an Outgoing
    assert len(upstream.requests) == 1


async def test_a_streamed_read_is_not_tried_again() -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"

    async with Scripted(ClosesKeptAlive(by_reset=False)) as upstream, client(upstream.url) as source:
        await whole(source, read())
        with pytest.raises(UpstreamError):
            await whole(source, read("/streamed", method="POST", body=body()))
    assert upstream.targets.count("/streamed") == 1


async def test_a_second_failure_is_the_last() -> None:
    async def once(_: Seen, connection: Connection) -> None:
        if len(upstream.requests) == 1:
            await connection.send(answer(b"fine"))
        else:
            connection.reset()

    async with Scripted(once) as upstream, client(upstream.url) as source:
        await whole(source, read())
        with pytest.raises(UpstreamError):
            await whole(source, read())
    assert len(upstream.requests) == 3


async def test_a_read_of_more_than_a_megabyte_goes_out_whole_twice_if_need_be() -> None:
    body = b"a" * 3_000_000
    async with Scripted(ClosesKeptAlive(by_reset=False)) as upstream, client(upstream.url) as source:
        await whole(source, read())
        assert await whole(source, read("/large", method="POST", body=body)) == b"/large"
    assert [seen.body == body for seen in upstream.requests if seen.target == "/large"] == [True, True]
