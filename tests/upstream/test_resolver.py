"""S-39: a name never leads to a link-local address, whatever it said when the configuration was read."""

import socket
from collections.abc import Iterator

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from proxy.errors import UpstreamError
from proxy.upstream import resolver
from tests.servers.scripted import Scripted, answer

from .asking import client, read, whole

METADATA = "169.254.169.254"


class Rebinding(AbstractResolver):
    """Says something else each time."""

    said: Iterator[list[str]] = iter(())

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in next(self.said)
        ]

    async def close(self) -> None: ...


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> type[Rebinding]:
    monkeypatch.setattr(resolver, "DefaultResolver", Rebinding)
    return Rebinding


async def test_a_name_that_is_bound_anew_is_looked_at_anew(names: type[Rebinding]) -> None:
    names.said = iter([["127.0.0.1"], [METADATA], ["fe80::1%eth0"], ["::ffff:169.254.169.254"]])
    async with Scripted(answer(b"fine", "Connection: close")) as upstream:
        for expected in (True, False, False, False):
            async with client(f"http://name.test:{upstream.port}") as source:  # resolved afresh
                if expected:
                    assert await whole(source, read()) == b"fine"
                else:
                    with pytest.raises(UpstreamError) as caught:
                        await whole(source, read())
                    assert caught.value.kind == "dns"
                    assert METADATA not in caught.value.public_message
    assert upstream.connections == 1


async def test_the_addresses_that_are_allowed_are_used(names: type[Rebinding]) -> None:
    names.said = iter([[METADATA, "127.0.0.1"]])
    async with Scripted(answer(b"fine")) as upstream, client(f"http://name.test:{upstream.port}") as source:
        assert await whole(source, read()) == b"fine"


async def test_a_name_that_does_not_resolve_is_a_502(names: type[Rebinding], monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(*_: object) -> list[ResolveResult]:
        raise OSError("Name or service not known")

    monkeypatch.setattr(names, "resolve", unknown)
    async with client("http://secret-name.test") as source:
        with pytest.raises(UpstreamError) as caught:
            await whole(source, read())
    assert (caught.value.status, caught.value.kind) == (502, "dns")
    assert "secret-name" not in caught.value.public_message
