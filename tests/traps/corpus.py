"""Raw requests whose framing is odd, wrong or ambiguous, and what RFC 9112 makes of each.

`REFUSED` is a 4xx or 5xx and the end of the connection; `UNFINISHED` is the end of the connection, as the rest never
comes; otherwise it is the one request that the source must see: method, target and body.
"""

from dataclasses import dataclass

REFUSED = "refused"
UNFINISHED = "unfinished"

Expected = str | tuple[str, str, bytes]
GOT: Expected = ("GET", "/x", b"")
POSTED: Expected = ("POST", "/x", b"hello")

CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked"


@dataclass(frozen=True, slots=True)
class Case:
    name: str
    request: bytes
    expected: Expected


def get(*headers: bytes, target: bytes = b"/ds/prom/x", host: bytes | None = b"m", end: bytes = b"\r\n") -> bytes:
    hosts = () if host is None else (b"Host: " + host,)
    return end.join((b"GET " + target + b" HTTP/1.1", *hosts, *headers, b"", b""))


def post(*headers: bytes, body: bytes = b"", version: bytes = b"HTTP/1.1") -> bytes:
    return b"\r\n".join((b"POST /ds/prom/x " + version, b"Host: m", *headers, b"", body))


def line(start: bytes) -> bytes:
    return start + b"\r\nHost: m\r\n\r\n"


def sections() -> dict[str, list[Case]]:
    """The cases by what is odd about them."""
    found = (
        content_lengths,
        transfer_codings,
        chunked_bodies,
        lines_and_fields,
        methods_and_versions,
        hosts,
        targets,
        sizes_and_expectations,
    )
    return {
        section.__name__: [Case(name, request, expected) for name, (request, expected) in section()]
        for section in found
    }


Named = tuple[str, tuple[bytes, Expected]]


def content_lengths() -> list[Named]:
    refused = (
        *(b"+5", b"-5", b"0x5", b"5.0", b"5 5", b"5,5", b"5, 5", b"5;q=1", b"5_0", b"", b"5\x0b", b"\xef\xbc\x95"),
        b"9" * 24,
    )
    return [
        *((f"length {value!r}", (post(b"Content-Length: " + value, body=b"hello"), REFUSED)) for value in refused),
        *(
            (f"length {value!r}", (post(b"Content-Length:" + value, body=b"hello"), POSTED))
            for value in (b"5", b" 5 ", b"\t5", b"05")
        ),
        ("length twice", (post(b"Content-Length: 5", b"Content-Length: 5", body=b"hello"), REFUSED)),
        ("two lengths", (post(b"Content-Length: 5", b"Content-Length: 6", body=b"hello!"), REFUSED)),
        ("length then coding", (post(b"Content-Length: 5", CHUNKED, body=b"0\r\n\r\n"), REFUSED)),
        ("coding then length", (post(CHUNKED, b"Content-Length: 5", body=b"0\r\n\r\n"), REFUSED)),
        ("length too long", (post(b"Content-Length: 5000", body=b"hello"), UNFINISHED)),
        ("a GET with a body", (get(b"Content-Length: 5") + b"hello", ("GET", "/x", b"hello"))),
        (
            "length named by Connection",
            (post(b"Connection: Content-Length", b"Content-Length: 5", body=b"hello"), POSTED),
        ),
    ]


def transfer_codings() -> list[Named]:
    refused = (
        *(b"chunked, identity", b"identity, chunked", b"identity", b"xchunked", b"chunked, chunked", b"gzip, chunked"),
        *(b"gzip", b"cow, chunked", b"chunked;q=1", b'"chunked"', b"chunked,", b",chunked", b""),
        *(b"\x0bchunked", b"chunked\x0b", b"chunked\0"),
    )
    return [
        *((f"coding {value!r}", (post(b"Transfer-Encoding: " + value, body=CHUNKS), REFUSED)) for value in refused),
        *(
            (f"coding {value!r}", (post(b"Transfer-Encoding: " + value, body=CHUNKS), POSTED))
            for value in (b"chunked", b"Chunked", b" chunked ", b"\tchunked")
        ),
        ("coding twice", (post(CHUNKED, CHUNKED, body=CHUNKS), REFUSED)),
        ("coding identity, then chunked", (post(b"Transfer-Encoding: identity", CHUNKED, body=CHUNKS), REFUSED)),
        ("coding in HTTP/1.0", (post(CHUNKED, body=CHUNKS, version=b"HTTP/1.0"), REFUSED)),
        ("coding folded", (post(b"Transfer-Encoding:\r\n chunked", body=CHUNKS), REFUSED)),
        ("coding with a space before the colon", (post(b"Transfer-Encoding : chunked", body=CHUNKS), REFUSED)),
        ("coding with a tab before the colon", (post(b"Transfer-Encoding\t: chunked", body=CHUNKS), REFUSED)),
        (
            "a field that only looks like it",
            (post(b"Transfer_Encoding: chunked", b"Content-Length: 5", body=b"hello"), POSTED),
        ),
    ]


def chunked_bodies() -> list[Named]:
    sizes = (b"0x5", b"-1", b"+5", b" 5", b"5 ", b"1" + b"0" * 15 + b"5", b"", b"g", b"5;a\rb", b"5;a\n", b"5\t")
    return [
        *((f"chunk size {size!r}", (post(CHUNKED, body=size + b"\r\nhello\r\n0\r\n\r\n"), REFUSED)) for size in sizes),
        ("chunk size of 16 digits", (post(CHUNKED, body=b"F" * 16 + b"\r\nhello"), UNFINISHED)),
        ("chunk size with leading zeros", (post(CHUNKED, body=b"0" * 16 + CHUNKS), POSTED)),
        ("chunk extension", (post(CHUNKED, body=b'5;a=b;c="d"\r\nhello\r\n0;e\r\n\r\n'), POSTED)),
        ("chunk without its line end", (post(CHUNKED, body=b"5\r\nhello0\r\n\r\n"), REFUSED)),
        ("chunk longer than it says", (post(CHUNKED, body=b"5\r\nhelloworld\r\n0\r\n\r\n"), REFUSED)),
        ("chunks that end in LF", (post(CHUNKED, body=b"5\nhello\n0\n\n"), REFUSED)),
        ("chunk data that ends in LF", (post(CHUNKED, body=b"5\r\nhello\n0\r\n\r\n"), REFUSED)),
        ("trailer", (post(CHUNKED, body=b"5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"), POSTED)),
        ("trailer without a colon", (post(CHUNKED, body=b"5\r\nhello\r\n0\r\nX-T 1\r\n\r\n"), REFUSED)),
        ("trailer that frames", (post(CHUNKED, body=b"5\r\nhello\r\n0\r\nContent-Length: 50\r\n\r\n"), REFUSED)),
        ("chunks that stop", (post(CHUNKED, body=b"5\r\nhello\r\n5000\r\n"), UNFINISHED)),
    ]


def lines_and_fields() -> list[Named]:
    refused = (
        *(b"X-A: a\r\n b", b"X-A: a\r\n\tb", b"X-A: a\rb", b"X-A: a\rX-B: b", b"X-A: a\nX-B: b", b"X-A: a\0b"),
        *(b"X-A: a\x01b", b"X\0A: a", b"X-A : a", b"X A: a", b": a", b"X-A", b"X-\xe9: a", b"X(A): a", b"X-A: \xe9"),
    )
    return [
        *((f"field {field!r}", (get(field), REFUSED)) for field in refused),
        ("field in UTF-8", (get("X-A: é".encode()), GOT)),
        ("first field folded", (b"GET /ds/prom/x HTTP/1.1\r\n Host: m\r\n\r\n", REFUSED)),
        ("lines that end in LF", (get(end=b"\n"), REFUSED)),
        ("request line that ends in LF", (b"GET /ds/prom/x HTTP/1.1\nHost: m\r\n\r\n", REFUSED)),
        ("head that ends in LF", (b"GET /ds/prom/x HTTP/1.1\r\nHost: m\r\n\n", REFUSED)),
        ("head that ends in CR", (b"GET /ds/prom/x HTTP/1.1\r\nHost: m\r\n\r\r", REFUSED)),
        ("empty lines before", (b"\r\n\r\n" + get(), GOT)),
        ("a space before", (b" " + get(), REFUSED)),
        ("NUL in the target", (line(b"GET /ds/prom/x\0y HTTP/1.1"), REFUSED)),
        ("tabs in the request line", (line(b"GET\t/ds/prom/x\tHTTP/1.1"), REFUSED)),
        ("half a request line", (b"GET /ds/prom", REFUSED)),
        ("a TLS handshake", (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100), REFUSED)),
        ("what is not HTTP at all", (b"*1\r\n$4\r\nPING\r\n", REFUSED)),
    ]


def methods_and_versions() -> list[Named]:
    methods = (
        *(b"TRACE", b"CONNECT", b"FOO", b"get", b"Get", b"PROPFIND", b"M-SEARCH", b"QUERY", b"PURGE", b"LOCK"),
        *(b"G@T", b"GET\0", b"", b"X" * 40),
    )
    versions = (
        *(b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3", b"HTTP/1.10", b"HTTP/1.", b"http/1.1", b"HTTP/01.1"),
        *(b"HTTP/1.1 ", b"HTTP 1.1", b"HTTP/1.1x", b"HTTP/1,1", b"HTTP/9.9", b"ICE/1.0", b"RTSP/1.0"),
    )
    h2c = (b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQ")
    return [
        *((f"method {method!r}", (line(method + b" /ds/prom/x HTTP/1.1"), REFUSED)) for method in methods),
        ("CONNECT to an authority", (line(b"CONNECT m:80 HTTP/1.1"), REFUSED)),
        ("OPTIONS *", (line(b"OPTIONS * HTTP/1.1"), REFUSED)),
        *((f"version {version!r}", (line(b"GET /ds/prom/x " + version), REFUSED)) for version in versions),
        ("no version", (b"GET /ds/prom/x\r\n\r\n", REFUSED)),
        ("HTTP/2 preface", (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", REFUSED)),
        ("upgrade to HTTP/2", (get(*h2c), GOT)),
    ]


def hosts() -> list[Named]:
    refused = (
        *(b"a b", b"a/b", b"x@evil", b"a:b", b"a:80:90", b"[::1", b"a\tb", b"a#b", b"a?b", b"a\\b", b"http://m"),
        b"\xe9",
    )
    return [
        *((f"host {host!r}", (get(host=host), REFUSED)) for host in refused),
        *((f"host {host!r}", (get(host=host), GOT)) for host in (b"evil.example", b"[::1]:80", b"")),
        ("host twice", (get(b"Host: m"), REFUSED)),
        ("two hosts", (get(b"Host: n"), REFUSED)),
        ("no host", (get(host=None), REFUSED)),
    ]


def targets() -> list[Named]:
    refused = (
        *(b"http://u:p@m/ds/prom/x", b"http:///ds/prom/x", b"ftp://m/ds/prom/x", b"file:///etc/passwd", b"*", b"?a"),
        *(
            b"/ds/prom/x#f",
            b"ds/prom/x",
            b"m:80",
            b"/ds/prom/a b",
            b"/ds/prom/\xe9",
            b"/ds/prom/\t",
            b"http:/ds/prom/x",
        ),
        b"/ds/prom/x?a=\x7f",
    )
    absolute = (b"http://m/ds/prom/x", b"http://evil/ds/prom/x", b"HTTPS://m:1/ds/prom/x")
    return [
        *((f"target {target!r}", (get(target=target), REFUSED)) for target in refused),
        *((f"target {target!r}", (get(target=target), GOT)) for target in absolute),
        ("target with %", (get(target=b"/ds/prom/x%"), ("GET", "/x%", b""))),
    ]


def sizes_and_expectations() -> list[Named]:
    long = b"/ds/prom/" + b"a" * 60_000
    return [
        ("line of 60 KB", (get(target=long), ("GET", long[8:].decode(), b""))),
        ("line of 70 KB", (get(target=b"/ds/prom/" + b"a" * 70_000), REFUSED)),
        ("field of 70 KB", (get(b"X-A: " + b"a" * 70_000), REFUSED)),
        ("300 fields", (get(*(b"X-%d: a" % number for number in range(300))), REFUSED)),
        ("head of 1.8 MB", (get(*(b"X-%d: %b" % (number, b"a" * 60_000) for number in range(30))), REFUSED)),
        ("an expectation", (post(b"Expect: 100-continue", b"Content-Length: 5", body=b"hello"), POSTED)),
        ("an unknown expectation", (post(b"Expect: 200-ok", b"Content-Length: 5", body=b"hello"), POSTED)),
    ]
