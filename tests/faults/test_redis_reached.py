"""Redis that is not there, far away, behind a Sentinel, in a cluster, or not Redis at all."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis.asyncio import Redis as Client

from ..servers.binaries import find
from ..servers.counting import Counting
from ..servers.line import Line
from ..servers.millpond import Millpond, StartMillpond
from ..servers.process import free_port
from ..servers.valkey import Cluster, Sentinel, Valkey, redis_binary
from .bench import Bench, configuration, under_load


async def started(start_millpond: StartMillpond, config: str) -> Millpond:
    """Off the loop, which carries the line to Redis."""
    return await asyncio.to_thread(start_millpond, config=config)


async def test_down_at_the_start(source: Counting, start_millpond: StartMillpond) -> None:
    """R-01: starts, is ready and says degraded, serves; connects when Redis comes."""
    redis = Valkey()
    millpond = await started(start_millpond, configuration(source, redis.url))
    async with under_load(redis, source, millpond) as bench:
        await bench.until(lambda: _is_failing(bench, {"settings", "cache"}), "both are told")
        status, answer = await bench.api("POST", "src/cache/disable")
        assert (status, "nothing has changed" in answer["message"]) == (500, True)
        assert (await bench.api("GET", "src/cache"))[1]["enabled"] is True
        await bench.hold()
        with redis:
            await bench.until(bench.well, "Redis is found")
            await bench.hits()
            assert (await bench.api("POST", "src/cache/clean"))[0] == 200


async def _is_failing(bench: Bench, names: set[str]) -> bool:
    return set(await bench.failing()) == names


@pytest.mark.parametrize("delay_seconds", [0.1, 0.4])
async def test_far_away(source: Counting, valkey: Valkey, start_millpond: StartMillpond, delay_seconds: float) -> None:
    """R-04: a hundred milliseconds are within a look-up's time, four hundred are as if it hung."""
    async with Line(free_port(), valkey.port) as line:
        config = configuration(source, f"redis://127.0.0.1:{line.port}", prefix=f"far-{delay_seconds}")
        millpond = await started(start_millpond, config)
        async with under_load(valkey, source, millpond) as bench:
            await bench.hits()
            line.delay_seconds = delay_seconds
            if delay_seconds > 0.25:
                await bench.until(bench.degraded, "it is left alone")
                await bench.hold()
            else:
                await bench.hold()
                await bench.hits()
            line.delay_seconds = 0.0
            await bench.until(bench.well, "it is near again")
            await bench.hits()


@pytest.mark.parametrize("noise", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b":1\r\n" * 9], ids=["HTTP", "numbers"])
async def test_not_redis(source: Counting, valkey: Valkey, start_millpond: StartMillpond, noise: bytes) -> None:
    async with Line(free_port(), valkey.port) as line:
        config = configuration(source, f"redis://127.0.0.1:{line.port}", prefix=f"noise-{len(noise)}")
        millpond = await started(start_millpond, config)
        async with under_load(valkey, source, millpond) as bench:
            await bench.hits()
            line.noise = noise
            await bench.until(bench.degraded, "it is left alone")
            assert (await bench.api("POST", "src/cache/disable"))[0] == 500
            await bench.alive()
            await bench.hold()
            line.noise = None
            await bench.until(bench.well, "it is Redis again")
            await bench.hits()


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://127.0.0.1:{port}/99", ()),
        ("redis://:wrong@127.0.0.1:{port}", ("--requirepass", "right")),
        ("redis://127.0.0.1:{port}", ("--requirepass", "right")),
    ],
    ids=["no such database", "wrong password", "no password"],
)
async def test_misconfigured(
    source: Counting, start_millpond: StartMillpond, url: str, options: tuple[str, ...]
) -> None:
    """R-14: served from the source, told, and no password in what is told."""
    with Valkey(*options) as redis:
        millpond = await started(start_millpond, configuration(source, url.format(port=redis.port)))
        async with under_load(redis, source, millpond) as bench:
            await bench.until(lambda: _is_failing(bench, {"settings", "cache"}), "both are told")
            await bench.alive()
            await bench.hold()
            assert bench.load.caches.keys() == {"ERROR"}
        assert "wrong" not in millpond.log


async def test_the_permissions_of_the_docs_are_enough(source: Counting, start_millpond: StartMillpond) -> None:
    page = (Path(__file__).parents[2] / "docs" / "redis.md").read_text()
    (command,) = re.findall(r"^    (ACL SETUSER .*)$", page, re.MULTILINE)
    with Valkey() as redis:
        redis.ask(*command.split())
        millpond = await started(
            start_millpond, configuration(source, f"redis://millpond:password@127.0.0.1:{redis.port}/3")
        )
        async with under_load(redis, source, millpond) as bench:
            await bench.hits()
            for path in ("disable", "enable", "clean"):
                assert (await bench.api("POST", f"src/cache/{path}"))[0] == 200
            await bench.hits()
            assert await bench.well()
            errors = [name for name in await bench.metrics() if "errors_total{" in name]
        assert errors == []


async def test_the_command_that_a_user_lacks_is_told(source: Counting, start_millpond: StartMillpond) -> None:
    with Valkey() as redis:
        redis.ask("ACL", "SETUSER", "millpond", "on", ">password", "~millpond:*", "+@all", "-select")
        url = f"redis://millpond:password@127.0.0.1:{redis.port}/3"
        millpond = await started(start_millpond, configuration(source, url))
        async with under_load(redis, source, millpond) as bench:
            await bench.until(lambda: _is_failing(bench, {"settings", "cache"}), "both are told")
            status, answer = await bench.api("POST", "src/cache/disable")
        assert (status, "'select' command" in str(answer)) == (500, True)
    lines = [line for line in millpond.log.splitlines() if "'select' command" in line]
    assert any("kind=denied" in line for line in lines)
    assert "password" not in millpond.log


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster(redis_binary()) as cluster:
        yield cluster


async def test_a_cluster(source: Counting, start_millpond: StartMillpond, cluster: Cluster) -> None:
    """Three masters: values on all of them, settings on one, and a clean that leaves none; one of them dies."""
    config = configuration(source, "redis://ignored", cluster=cluster.addresses)
    millpond = await started(start_millpond, config)
    async with under_load(cluster.masters[0], source, millpond) as bench:
        await bench.hits()
        assert (await bench.api("POST", "other/cache/disable"))[0] == 200
        for number in range(60):
            await bench.load.ask(f"/spread?{number}")
        for number in range(60):
            assert await bench.load.ask(f"/spread?{number}") == "HIT"
        assert all([await _names(master) for master in cluster.masters])
        old = await bench.api("POST", "src/cache/disable")
        assert old[0] == 200
        assert [await _names(master) for master in cluster.masters] == [set()] * 3
        assert (await bench.api("POST", "src/cache/enable"))[0] == 200
        await bench.hits()
        before = {name for master in cluster.masters for name in await _names(master)}
        assert (await bench.api("POST", "src/cache/clean"))[0] == 200
        assert not before & {name for master in cluster.masters for name in await _names(master)}
        cluster.masters[1].kill()
        await bench.hold()
        await bench.alive()
        cluster.masters[1].start()
        await bench.until(bench.well, "the cluster is whole again")
        await bench.hits()


async def _names(server: Valkey) -> set[object]:
    async with Client(port=server.port) as client:
        keys = await client.keys("millpond:c:*")
        assert all([await client.pttl(key) > 0 for key in keys])
        return set(keys)


async def test_a_sentinel_fails_over(source: Counting, start_millpond: StartMillpond) -> None:
    """R-11: Millpond knows one address. While nobody answers there Redis is down; when the old master comes back there
    as a replica, it is read, and what it refuses to write is dropped and told."""
    find("redis-sentinel")
    binary = redis_binary()
    with ExitStack() as running:
        master = running.enter_context(Valkey(binary=binary))
        replica = running.enter_context(Valkey("--replicaof", "127.0.0.1", str(master.port), binary=binary))
        sentinel = running.enter_context(Sentinel(master))
        millpond = await started(start_millpond, configuration(source, master.url))
        async with under_load(master, source, millpond) as bench:
            await bench.hits()
            await bench.until(lambda: sentinel.knows(replica), "the sentinel has found the replica")
            master.kill()
            await bench.until(bench.degraded, "the master is missed")
            await bench.until(lambda: sentinel.master_port() == replica.port, "the replica is promoted")
            assert (await bench.api("POST", "src/cache/clean"))[0] == 500
            master.start()
            master.ask("REPLICAOF", "127.0.0.1", str(replica.port))  # as the sentinel does, ten seconds later
            await bench.until(lambda: bench.counted("put", "readonly"), "the old master is a replica")
            assert await bench.degraded()
            assert (await bench.api("POST", "src/cache/clean"))[0] == 500
            await bench.hold()
