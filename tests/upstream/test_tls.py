"""S-41: whom a source's certificate convinces. A failure is a 502 that is not kept, and the settings can only open what
they name.
"""

import asyncio
import json
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme

from proxy.config.schema import Config, Tls
from proxy.engine.sources import SourcesInForce
from proxy.errors import ConfigError, UpstreamError
from proxy.upstream.client import Outgoing, Upstream
from tests.servers.listener import MATRIX, QUERY_RANGE, listening, source
from tests.servers.scripted import Scripted, json_answer

GOOD = json_answer(MATRIX)
AUTHORITY = trustme.CA()
STRANGER = trustme.CA()


def served_by(certificate: trustme.LeafCert, *, clients: trustme.CA | None = None) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    certificate.configure_cert(context)
    if clients is not None:
        clients.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def ca_file(tmp_path: Path) -> str:
    path = tmp_path / "ca.pem"
    AUTHORITY.cert_pem.write_to_path(path)
    return str(path)


def certificates() -> dict[str, trustme.LeafCert]:
    past = datetime.now(UTC) - timedelta(days=1)
    return {
        "good": AUTHORITY.issue_cert("127.0.0.1"),
        "wrong authority": STRANGER.issue_cert("127.0.0.1"),
        "expired": AUTHORITY.issue_cert("127.0.0.1", not_after=past),
        "wrong name": AUTHORITY.issue_cert("other.test"),
    }


@pytest.mark.parametrize("name", certificates())
@pytest.mark.parametrize("skip", [False, True], ids=["verified", "skipped"])
async def test_a_certificate_convinces_or_is_a_502(name: str, skip: bool, ca_file: str) -> None:
    tls = Tls(ca_file=ca_file, insecure_skip_verify=skip)
    async with Scripted(GOOD, tls=served_by(certificates()[name])) as upstream:
        async with listening(source(upstream.url, tls=tls)) as millpond:
            for number in (1, 2):
                reply = await millpond.ask(f"/ds/prom{QUERY_RANGE}")
                if name == "good" or skip:
                    assert (reply.status, reply.x_cache) == (200, "MISS" if number == 1 else "HIT")
                else:
                    assert reply.status == 502
                    assert "`tls` settings" in json.loads(reply.body)["message"]
        assert len(upstream.requests) == (name == "good" or skip)


async def test_without_a_ca_file_only_the_system_s_authorities_count() -> None:
    async with Scripted(GOOD, tls=served_by(certificates()["good"])) as upstream:
        async with listening(source(upstream.url)) as millpond:
            assert (await millpond.ask(f"/ds/prom{QUERY_RANGE}")).status == 502
        assert upstream.requests == []


@pytest.mark.parametrize("shown", [True, False], ids=["with certificate", "without"])
async def test_a_source_may_ask_for_a_client_s_certificate(shown: bool, ca_file: str, tmp_path: Path) -> None:
    ours = AUTHORITY.issue_cert("millpond.test")
    files = {"cert_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
    ours.cert_chain_pems[0].write_to_path(files["cert_file"])
    ours.private_key_pem.write_to_path(files["key_file"])
    options: Any = files if shown else {}
    server = served_by(certificates()["good"], clients=AUTHORITY)
    tls = Tls(ca_file=ca_file, **options)
    async with Scripted(GOOD, tls=server) as upstream, listening(source(upstream.url, tls=tls)) as millpond:
        reply = await millpond.ask(f"/ds/prom{QUERY_RANGE}")
    assert reply.status == (200 if shown else 502)


async def test_a_source_that_speaks_no_tls_is_a_502(ca_file: str) -> None:
    def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, listening(source(url, tls=Tls(ca_file=ca_file))) as millpond:
        assert (await millpond.ask(f"/ds/prom{QUERY_RANGE}")).status == 502


async def test_files_that_are_no_certificates_are_an_error_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    upstream = Upstream(source("https://127.0.0.1", tls=Tls(ca_file=str(path))))
    with pytest.raises(ConfigError):
        await upstream.start()


async def test_a_reload_reads_certificates_that_were_renewed_under_the_same_name(ca_file: str) -> None:
    outgoing = Outgoing(method="GET", target="/x", headers=(), read_only=True)
    in_force = SourcesInForce(lambda uid, error: None)
    async with Scripted(GOOD, tls=served_by(STRANGER.issue_cert("127.0.0.1"))) as upstream:
        config = Config(
            datasources=(source(upstream.url, tls=Tls(ca_file=ca_file)), source("http://127.0.0.1:1", uid="plain"))
        )
        in_force.swap(await in_force.prepare(config))
        before = in_force.current
        with pytest.raises(UpstreamError):
            await before.by_uid["prom"].upstream.fetch(outgoing)
        STRANGER.cert_pem.write_to_path(ca_file)
        in_force.swap(await in_force.prepare(config))
        response = await in_force.current.by_uid["prom"].upstream.fetch(outgoing)
        assert response.status == 200
        await response.aclose()
        assert in_force.current.by_uid["plain"].upstream is before.by_uid["plain"].upstream
        await in_force.close()
