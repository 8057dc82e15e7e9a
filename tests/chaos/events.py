"""What can happen in a storm, each as often as it stands in `EVENTS`."""

import asyncio
import signal
from itertools import count

from .clients import KINDS
from .river import Mood
from .storm import Event, Storm

_unique = count()


async def redis_killed(storm: Storm) -> str:
    if "redis" in storm.down:
        return "again"
    storm.weather.breaks("redis")
    storm.down.add("redis")
    await asyncio.to_thread(storm.redis.kill)
    await asyncio.sleep(storm.chance.uniform(0, 1.5))
    await asyncio.to_thread(storm.redis.start)
    storm.weather.mends("redis", storm.now())
    storm.down.discard("redis")
    return ""


async def redis_hung(storm: Storm) -> str:
    if "redis" in storm.down:
        return "is down"
    storm.weather.breaks("redis")
    storm.down.add("redis")
    storm.redis.pause()
    await asyncio.sleep(storm.chance.choice((0.1, 0.5, 1.5, 3.0)))
    storm.redis.resume()
    storm.weather.mends("redis", storm.now())
    storm.down.discard("redis")
    return ""


async def redis_emptied(storm: Storm) -> str:
    if "redis" in storm.down:
        return "is down"
    storm.weather.breaks("redis")
    told = await asyncio.to_thread(storm.redis.ask, "FLUSHALL")
    storm.weather.mends("redis", storm.now())
    return told


async def connections_cut(storm: Storm) -> str:
    if "redis" in storm.down:
        return "is down"
    storm.weather.breaks("redis")
    told = await asyncio.to_thread(storm.redis.ask, "CLIENT", "KILL", "TYPE", "normal")
    storm.weather.mends("redis", storm.now())
    return told


async def killed(storm: Storm) -> str:
    return await storm.restart(signal.SIGKILL)


async def terminated(storm: Storm) -> str:
    return await storm.restart(signal.SIGTERM)


async def reloaded(storm: Storm) -> str:
    between = storm.chance.choice(("30s", "40s"))
    return await storm.reload(lambda replica: replica.configuration(between))


async def misconfigured(storm: Storm) -> str:
    told = await storm.reload(lambda replica: "datasources: [{uid: src}, nonsense")
    await asyncio.sleep(0.3)
    for replica in storm.replicas.values():  # what starts anew needs one that can be read
        replica.config_file.write_text(replica.configuration())
    return told


async def source_slow(storm: Storm) -> str:
    return await storm.become(Mood.SLOW)


async def source_breaks_off(storm: Storm) -> str:
    return await storm.become(Mood.BREAKS_OFF)


async def source_fails(storm: Storm) -> str:
    return await storm.become(Mood.FAILS)


async def source_gone(storm: Storm) -> str:
    return await storm.become(Mood.GONE)


async def herd(storm: Storm) -> str:
    replica, kind = storm.chance.choice(list(storm.replicas)), storm.chance.choice(KINDS)
    await storm.clients.herd(replica, f"/q?kind={kind}&n=herd-{next(_unique)}")
    return f"of {replica} for {kind}"


async def clean(storm: Storm) -> str:
    return await storm.call("clean")


async def clean_one(storm: Storm) -> str:
    return await storm.call("clean-one")


async def disable(storm: Storm) -> str:
    return await storm.call("disable")


async def enable(storm: Storm) -> str:
    return await storm.call("enable")


async def set_all(storm: Storm) -> str:
    return await storm.call("set")


EVENTS: tuple[Event, ...] = (
    *(redis_killed, redis_hung, redis_emptied, connections_cut, killed, terminated, reloaded, misconfigured),
    *(source_slow, source_breaks_off, source_fails, source_gone),
    *(herd, herd, herd),
    *(clean, clean, clean, clean_one, disable, enable, enable, set_all, set_all),
)
