"""Raw request paths: which are refused, and the one spelling that enters a key.

A path is forwarded byte for byte, so the check must see what any later hop could make of it: it is decoded until
nothing changes, and back slashes and path parameters (`..;x`) are read as the laxest server would read them
(CVE-2026-21726: a check that decoded once was passed by a double encoding).
"""

from urllib.parse import unquote

from ..errors import BadRequest

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_HEX = frozenset("0123456789abcdefABCDEF")
_MAX_DECODINGS = 8


def check(raw_path: str) -> None:
    """Raise BadRequest for a path that could leave the source's base under some decoding."""
    decoded = raw_path
    for _ in range(_MAX_DECODINGS):
        if any(ord(char) < 0x20 or char == "\x7f" for char in decoded):
            raise BadRequest("The path has a control character; send it without.")
        if _has_dot_segment(decoded):
            raise BadRequest("The path has a '.' or '..' segment; send the resolved path.")
        if "%" not in decoded:
            return
        further = unquote(decoded, errors="surrogateescape")
        if further == decoded:
            return
        decoded = further
    raise BadRequest(f"The path is percent-encoded more than {_MAX_DECODINGS} times over; encode it once.")


def _has_dot_segment(path: str) -> bool:
    if "." not in path:
        return False
    segments = path.replace("\\", "/").split("/")
    return any(segment.split(";", 1)[0] in (".", "..") for segment in segments)


def canonical(raw_path: str) -> str:
    """The spelling for route tables and keys (RFC 3986 §6.2.2): unreserved characters decoded, other escapes in upper
    case. Everything else stays as it is, so that two paths which a server can tell apart never become one; a path with
    an invalid escape stays whole.
    """
    if "%" not in raw_path:
        return raw_path
    head, *escapes = raw_path.split("%")
    parts = [head]
    for escape in escapes:
        digits, rest = escape[:2], escape[2:]
        if len(digits) < 2 or not _HEX.issuperset(digits):
            return raw_path
        char = chr(int(digits, 16))
        parts.append(char if char in _UNRESERVED else f"%{digits.upper()}")
        parts.append(rest)
    return "".join(parts)
