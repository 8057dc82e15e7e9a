from ipaddress import ip_network

import pytest
from multidict import CIMultiDict

from proxy.core.forwarded import NOBODY, AuthProxy, to_grafana
from proxy.core.model import Pairs

PEER = "192.0.2.7"
SAID = (("X-Forwarded-For", PEER), ("X-Forwarded-Proto", "http"), ("X-Real-IP", PEER))
"""What is said of a client that sent no Host."""
INNER = AuthProxy(
    headers=frozenset(("x-webauth-user", "x-sso-login")),
    networks=(ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")),
)
SPOOFS = [
    "X-WEBAUTH-USER", "x-webauth-user", "X_WEBAUTH_USER", "X-WebAuth_User", "x.webauth.user", "X-WEBAUTH-EMAIL",
    "X-WEBAUTH-ROLE", "X-WEBAUTH-ANYTHING", "Remote-User", "REMOTE_USER", "Remote-Groups", "X-Remote-User",
    "X-Remote-Group", "X-Forwarded-User", "X_Forwarded_User", "X-Forwarded-Email", "X-Forwarded-Preferred-Username",
    "X-Forwarded-Groups", "X-Auth-Request-User", "X-Auth-Request-Email", "X-Authentik-Username", "X-Auth-User",
    "X-Goog-Authenticated-User-Email", "Cf-Access-Authenticated-User-Email", "Tailscale-User-Login", "X-User",
    "X-MS-CLIENT-PRINCIPAL-NAME", "X-Vouch-User", "X-Pomerium-Claim-Email", "X-Amzn-Oidc-Identity", "SSL_CLIENT_S_DN",
]  # fmt: skip
HONEST = [
    "Cookie", "Authorization", "Origin", "Referer", "Accept", "Accept-Encoding", "User-Agent", "If-None-Match", "Range",
    "X-Grafana-Org-Id", "X-Grafana-Device-Id", "X-JWT-Assertion", "X-Id-Token", "X-Access-Token", "X-Query-V2", "Forwarded",
    "X-Cache-Skip", "X-DS-Authorization", "Cache-Control", "Sec-Fetch-Site", "X-Forwarded-Port", "Via", "traceparent",
    "X-Forwarded-Access-Token", "Content-Length", "X-Authority", "X-Username-Hint", "Remote", "X-Never-Heard-Of",
]  # fmt: skip


def passed(*headers: tuple[str, str], peer: str = PEER, auth_proxy: AuthProxy = NOBODY) -> Pairs:
    return to_grafana(CIMultiDict(headers), peer=peer, scheme="http", auth_proxy=auth_proxy)


def values(pairs: Pairs, name: str) -> list[str]:
    return [value for one, value in pairs if one.lower() == name.lower()]


def test_all_end_to_end_headers_go_as_they_were_sent_and_in_order() -> None:
    sent = [(name, f"{number}") for number, name in enumerate(HONEST)]
    sent += [("COOKIE", "again"), ("x-never-heard-of", "")]
    assert passed(*sent) == (*sent, *SAID)


@pytest.mark.parametrize(
    "name",
    ["Connection", "Keep-Alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "Expect", "Proxy-Authorization"],
)
def test_what_is_for_this_hop_stays_here(name: str) -> None:
    assert passed((name, "x")) == SAID


@pytest.mark.parametrize("name", SPOOFS)
def test_nobody_says_who_he_is(name: str) -> None:
    assert passed((name, "admin"), ("Connection", name)) == SAID


@pytest.mark.parametrize("name", ["X-WEBAUTH-USER", "x-sso-login"])
@pytest.mark.parametrize("peer", ["10.1.2.3", "::ffff:10.1.2.3", "2001:db8::9", "2001:db8::9%eth0"])
def test_the_operator_s_own_proxy_is_believed_in_the_headers_named(name: str, peer: str) -> None:
    assert values(passed((name, "alice"), ("Connection", name), peer=peer, auth_proxy=INNER), name) == ["alice"]


@pytest.mark.parametrize(
    ("name", "peer"),
    [
        *(
            (name, peer)
            for name in ("X-WEBAUTH-USER", "X-SSO-Login")
            for peer in ("11.0.0.1", "::1", "", "unix", "fe80::1")
        ),
        *((name, "10.1.2.3") for name in ("X-WEBAUTH-ROLE", "X_WEBAUTH_USER", "X_SSO_LOGIN", "Remote-User")),
    ],
)
def test_others_are_not_and_it_not_in_other_headers(name: str, peer: str) -> None:
    assert values(passed((name, "admin"), peer=peer, auth_proxy=INNER), name) == []


def test_naming_networks_without_headers_or_headers_without_networks_believes_nobody() -> None:
    for auth_proxy in (AuthProxy(networks=INNER.networks), AuthProxy(headers=INNER.headers)):
        assert (
            values(passed(("X-WEBAUTH-USER", "admin"), peer="10.1.2.3", auth_proxy=auth_proxy), "X-WEBAUTH-USER") == []
        )


@pytest.mark.parametrize(
    ("sent", "name", "goes"),
    [
        ([], "X-Forwarded-For", [PEER]),
        ([("x-forwarded-for", "198.51.100.1")], "X-Forwarded-For", [f"198.51.100.1, {PEER}"]),
        ([("X-Forwarded-For", "a, b"), ("X-FORWARDED-FOR", "c")], "X-Forwarded-For", [f"a, b, c, {PEER}"]),
        ([("X-Forwarded-For", "")], "X-Forwarded-For", [PEER]),
        ([("Host", "grafana.example:8080")], "Host", ["grafana.example:8080"]),
        ([("Host", "grafana.example:8080")], "X-Forwarded-Host", ["grafana.example:8080"]),
        ([("Host", "inner"), ("X-Forwarded-Host", "outer")], "X-Forwarded-Host", ["outer"]),
        ([], "X-Forwarded-Host", []),
        ([], "X-Forwarded-Proto", ["http"]),
        ([("X-Forwarded-Proto", "https")], "X-Forwarded-Proto", ["https"]),
        ([], "X-Real-IP", [PEER]),
        ([("X-Real-Ip", "198.51.100.1")], "X-Real-IP", ["198.51.100.1"]),
    ],
)
def test_what_is_said_of_the_client(sent: list[tuple[str, str]], name: str, goes: list[str]) -> None:
    assert values(passed(*sent), name) == goes


@pytest.mark.parametrize(
    "name",
    ["Host", "Cookie", "Authorization", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP", "X-Grafana-Org-Id"],
)
def test_connection_cannot_take_away_who_asks_and_where(name: str) -> None:
    assert values(passed((name, "kept"), ("Connection", f"close, {name}")), name) == ["kept"]


def test_nor_the_hops_before() -> None:
    sent = (("X-Forwarded-For", "198.51.100.1"), ("Connection", "X-Forwarded-For"))
    assert values(passed(*sent), "X-Forwarded-For") == [f"198.51.100.1, {PEER}"]


def test_connection_takes_away_what_it_may() -> None:
    assert passed(("X-Hop", "1"), ("Connection", "x-hop")) == SAID


def test_without_an_address_nothing_is_said_of_one() -> None:
    assert passed(("Host", "g"), peer="") == (("Host", "g"), ("X-Forwarded-Proto", "http"), ("X-Forwarded-Host", "g"))
