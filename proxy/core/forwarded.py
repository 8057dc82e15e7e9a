"""The headers of a request that passes to Grafana: the client's own, and what a proxy has to say about the client.

Grafana's `auth.proxy` believes a header that names a user. Whoever can send one through us is anybody, so each header
known to be used for that is dropped, unless the operator names it and the addresses of the proxy that sets it.
"""

import ipaddress
from dataclasses import dataclass
from functools import lru_cache

from .headers import HOP_BY_HOP, named_by_connection
from .model import Headers, Pairs

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAMES_A_USER = frozenset(
    "x-forwarded-user x-forwarded-email x-forwarded-preferred-username x-forwarded-groups x-forwarded-name "
    "x-forwarded-role x-forwarded-roles x-auth-user x-auth-username x-auth-name x-auth-email x-auth-groups x-auth-role "
    "x-auth-roles x-user x-username x-user-name x-user-email x-user-role x-user-roles x-user-groups "
    "x-authenticated-user x-authenticated-userid x-proxy-user x-vouch-user x-vouch-username x-amzn-oidc-identity "
    "cf-access-authenticated-user-email auth-user".split()
)
_NAMES_A_USER_PREFIXES = (
    "x-webauth-", "remote-", "x-remote-", "x-auth-request-", "x-authentik-", "x-pomerium-claim-", "x-vouch-idp-claims-",
    "x-goog-authenticated-user-", "x-ms-client-principal", "tailscale-user-", "tailscale-app-", "x-ssl-client-",
    "ssl-client-",
)  # fmt: skip
"""What Grafana's documentation and the guides of oauth2-proxy, Authelia, authentik, Vouch, Pomerium, Tailscale and the
clouds' own proxies put into `auth.proxy`. Signed tokens (`auth.jwt`) need no such care."""

_OF_THE_HOPS_BEFORE = frozenset("x-forwarded-for x-forwarded-proto x-forwarded-host x-real-ip x-grafana-org-id".split())
_SEPARATORS = str.maketrans("_.", "--")


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthProxy:
    """`headers` (lower case) may name a user if they come from a peer in `networks`; from any other they are dropped."""

    headers: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    def believes(self, peer: str) -> bool:
        return bool(self.headers) and any(
            address in network for address in _addresses(peer) for network in self.networks
        )


NOBODY = AuthProxy()


def to_grafana(headers: Headers, *, peer: str, scheme: str, auth_proxy: AuthProxy = NOBODY) -> Pairs:
    """The request's end-to-end headers as sent and in order, Host among them, without those that name a user unbidden.

    `peer` is the address of the connection's other end ("" if it has none) and is added to X-Forwarded-For. What else
    an earlier proxy has said of the client stays; where none has, it is said here.
    """
    believed = auth_proxy.headers if auth_proxy.believes(peer) else frozenset()
    named = named_by_connection(headers)
    passed: list[tuple[str, str]] = []
    hops: list[str] = []
    said: set[str] = set()
    for name, value in headers.items():
        lower = name.lower()
        if lower in HOP_BY_HOP:
            continue
        if _names_a_user(lower, auth_proxy.headers):
            # Connection takes none away: without the name the request would be somebody else's.
            if lower in believed:
                passed.append((name, value))
            continue
        if lower in named and lower not in _OF_THE_HOPS_BEFORE:
            continue
        if lower == "x-forwarded-for":
            hops.append(value)
            continue
        said.add(lower)
        passed.append((name, value))
    return (*passed, *_about_the_client(hops, said, headers.get("Host", ""), peer, scheme))


def _about_the_client(hops: list[str], said: set[str], host: str, peer: str, scheme: str) -> Pairs:
    added = {
        "X-Forwarded-For": ", ".join(hop for hop in (*hops, peer) if hop),
        "X-Forwarded-Proto": scheme,
        "X-Forwarded-Host": host,
        "X-Real-IP": peer,
    }
    return tuple((name, value) for name, value in added.items() if value and name.lower() not in said)


@lru_cache(maxsize=1024)
def _names_a_user(lower: str, configured: frozenset[str]) -> bool:
    """In any spelling that some server reads as the same name: CGI knows no difference between `-`, `_` and `.`."""
    plain = lower.translate(_SEPARATORS)
    return (
        plain in _NAMES_A_USER
        or plain.startswith(_NAMES_A_USER_PREFIXES)
        or any(plain == name.translate(_SEPARATORS) for name in configured)
    )


def _addresses(peer: str) -> tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, ...]:
    """The peer's address, also without IPv6 around an IPv4 one, as it is on a socket for both."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return ()
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address, address.ipv4_mapped
    return (address,)
