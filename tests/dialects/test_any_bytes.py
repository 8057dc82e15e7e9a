"""Whatever a client or a source sends, a dialect says what it is and raises nothing."""

import os
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.core.model import Answer, Call, Pass, Reason, Request, Route
from proxy.core.paths import canonical
from proxy.dialects.registry import KNOWN_TYPES, dialect_for

from .asking import FORM

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "50"))
DIALECTS = {dialect.name: dialect for dialect in (dialect_for(name, ("/**",)) for name in sorted(KNOWN_TYPES))}

TEXTS = [
    "", "a=b", "query=up&time=1", "query=up&start=1&end=2", "q=SHOW+DATABASES", "q=SELECT+a", "%", "%zz", ";", "&&==",
    "query={a}", "endTs=1",
    "query.start_time_min=1&query.start_time_max=2", "query=*&time=1&start=1&end=2", "start=1&end=2&m=sum:a",
    "target=a&format=json&from=1700000000&until=1700000001", "x=%FF&\udcff=%00",
]  # fmt: skip
BODIES = [
    b"", b"{}", b"[]", b"null", b"7", b'"a"', b"{}\n{}\n", b'{"query": "FROM a"}', b'{"query": "{ a }"}',
    b'{"query":"from(bucket: \\"a\\") |> range(start: 2026, stop: 2027)"}', b'{"start":1,"end":2,"queries":[{}]}',
    b'{"index":"a"}\n{"size":0,"aggs":{"1":{"terms":{}}}}\n', b"SELECT a FROM b", b"query=up&time=1", b"q=SHOW+DATABASES",
    b'{"range": {"from": 5}}', b'{"time":{"start":1,"end":2}}', b'{"query": "source=a"}', b'{"query": "SELECT a"}',
    b"\x0a\x03cpu", b"\xff\xfe", b"[" * 3000, b'{"a":' * 3000,
]  # fmt: skip
MEDIA_TYPES = [
    "", FORM, f"{FORM}; charset=utf-8", "application/json", "application/x-ndjson", "application/proto",
    "application/vnd.flux", "application/graphql", "text/plain", "multipart/form-data; boundary=a", ";", "a/b;;=",
]  # fmt: skip

QUERIES = st.sampled_from(TEXTS) | st.text(max_size=30) | st.binary(max_size=30).map(
    lambda raw: raw.decode("utf-8", "surrogateescape")
)  # fmt: skip


@st.composite
def mangled(draw: st.DrawFn, bodies: list[bytes]) -> bytes:
    """A body that could be meant, with something cut out and something put in."""
    body = draw(st.sampled_from(bodies))
    start = draw(st.integers(0, len(body)))
    end = draw(st.integers(start, min(len(body), start + 4)))
    return body[:start] + draw(st.binary(max_size=4)) + body[end:]


HEADERS = st.lists(
    st.tuples(
        st.sampled_from(["Accept", "Content-Type", "Content-Type", "X-Any"]),
        st.sampled_from([*MEDIA_TYPES, "application/json, text/plain, */*", "text/csv;q=0.5, */*;q=x"])
        | st.text(max_size=12),
    ),
    max_size=3,
).map(CIMultiDict)

REQUESTS = st.builds(
    Request,
    method=st.sampled_from(["GET", "POST"]),
    path=st.sampled_from(["/", "/_search", "/%3Cx%3E/_search", "/a%"]) | st.text(max_size=8),
    query=QUERIES,
    headers=HEADERS,
    body=st.sampled_from(BODIES) | mangled(BODIES) | st.binary(max_size=20),
)


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=EXAMPLES)
@given(asked=REQUESTS)
def test_any_request_is_a_call_or_passes(name: str, asked: Request) -> None:
    for route in DIALECTS[name].routes:
        found = route.read(asked)
        assert isinstance(found, Call | Pass)
        if isinstance(found, Call):
            again = route.read(asked)
            assert isinstance(again, Call)
            assert again.parts == found.parts
            assert all(isinstance(part, bytes) for part in found.parts)


@pytest.mark.parametrize("name", DIALECTS)
@settings(max_examples=EXAMPLES)
@given(path=st.text(max_size=30), method=st.text(max_size=5))
def test_any_path_has_a_route_or_none(name: str, path: str, method: str) -> None:
    DIALECTS[name].route(method, canonical(path))


ANSWERS = [
    b'{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["a"]}',
    b'{"results":[{"series":[{"name":"a","partial":true}],"error":"b"}]}',
    b'{"took":1,"responses":[{"status":200,"_shards":{"failed":0},"_clusters":{}}]}',
    b"#datatype,string\r\n,error,reference\r\n,a,1\r\n",
    b'[{"target":"a","datapoints":[[NaN,1e999]]}]',
    b'{"data":[],"errors":[{}]}\n{"error":{}}\n',
    b"\x0a\x02\x0a\x00\x18\x01",
    b"a,b\n1,2\nCode: 1. DB::Exception: x",
    b"[" * 3000,
    b'{"a":' * 3000,
    b"[" * 200_000,
    b'{"status":"success","data":' * 20_000,
    b"1" * 5000,
]
"""The long ones are deeper than any parser goes."""

JUDGED = st.builds(
    Answer,
    status=st.just(200),
    headers=st.builds(
        lambda content_type: CIMultiDict({"Content-Type": content_type}),
        st.sampled_from(
            ["", "application/json", "text/csv", "text/plain", "application/protobuf", "application/proto"]
        ),
    ),
    body=st.sampled_from(ANSWERS) | mangled(ANSWERS) | st.binary(max_size=40),
)


def first_call(route: Route) -> Call | None:
    """The first of the texts and bodies above that this route takes for a call."""
    for body, media_type, query in product(BODIES, MEDIA_TYPES, TEXTS):
        method = "POST" if body and "POST" in route.methods else min(route.methods)
        headers = CIMultiDict({"Content-Type": media_type})
        found = route.read(Request(method=method, path="/", query=query, headers=headers, body=body))
        if isinstance(found, Call):
            return found
    return None


FIRST = {(dialect.name, route.name): first_call(route) for dialect in DIALECTS.values() for route in dialect.routes}
CALLS = {route: found for route, found in FIRST.items() if found is not None}


@pytest.mark.parametrize("route", CALLS, ids="-".join)
@settings(max_examples=EXAMPLES // 2)
@given(answered=JUDGED)
def test_any_answer_is_judged(route: tuple[str, str], answered: Answer) -> None:
    assert isinstance(CALLS[route].judge(answered), Reason | None)


def test_every_route_that_can_be_a_call_was_judged() -> None:
    assert {name for _, name in FIRST.keys() - CALLS.keys()} == {"health", "echo"}
