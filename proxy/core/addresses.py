"""Addresses that a data source may not have, in every spelling that a resolver takes."""

import ipaddress
import socket


def is_link_local(host: str) -> bool:
    """Of an address: dotted, in one number, in hex, IPv4 in IPv6. A name is judged when it is resolved."""
    address: ipaddress.IPv4Address | ipaddress.IPv6Address
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_link_local
