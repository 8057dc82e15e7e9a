"""Two requests with equal parts of a key are one request to a server in Go, whatever was done to make them look alike."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.core.model import Call, Pass, Reason, Request
from proxy.dialects.form import canonical, encode, parse, read_form
from proxy.dialects.registry import dialect_for

from .asking import FORM
from .golang import CONTENT_TYPES, form, parse_query, request

SINGLE = frozenset(("q",))
SETS = frozenset(("m[]",))


def key(asked: Request) -> tuple[bytes, ...] | None:
    parameters = read_form(asked)
    if isinstance(parameters, Pass):
        return None
    parts = canonical(parameters, single=SINGLE, sets=SETS)
    return None if isinstance(parts, Pass) else parts


def meant(asked: Request) -> dict[bytes, list[bytes]]:
    return {name: sorted(set(values)) if name == b"m[]" else values for name, values in form(asked).items()}


NAMES = st.sampled_from(["q", "%71", "m[]", "m%5B%5D", "m%5b]", "x", "X", "\udcc3%A9", "%C3\udca9", "%C3%A9", "é", ""])
VALUES = st.sampled_from(["", "1", "%31", "+", "%20", "%2B", "a=b", "a%3Db", "%", "%zz", ";", "%3B", "\udcff", "%FF"])
FIELDS = st.lists(st.builds("{}{}{}".format, NAMES, st.sampled_from(["=", "", "=="]), VALUES), max_size=3).map("&".join)
REQUESTS = st.builds(request, FIELDS, st.none() | FIELDS.map(encode), st.sampled_from(sorted(CONTENT_TYPES)))


@settings(max_examples=200)
@given(st.lists(REQUESTS, min_size=2, max_size=12))
def test_equal_parts_are_equal_parameters_to_go(requests: Sequence[Request]) -> None:
    seen: dict[tuple[bytes, ...], Request] = {}
    for asked in requests:
        parts = key(asked)
        if parts is not None:
            other = seen.setdefault(parts, asked)
            assert meant(asked) == meant(other)


def divided(fields: Sequence[str]) -> st.SearchStrategy[Request]:
    """The same fields in any order, any of the first in the body and the others in the URL."""
    return st.builds(
        lambda ordered, cut: request("&".join(ordered[cut:]), "&".join(ordered[:cut]).encode()),
        st.permutations(fields),
        st.integers(0, len(fields)),
    )


@given(
    st.lists(st.sampled_from(["x=1", "x=2", "m[]=1", "m[]=2", "q=1", "y=%31"]), max_size=5).flatmap(
        lambda fields: st.tuples(divided(fields), divided(fields))
    )
)
def test_the_same_fields_share_only_where_go_reads_the_same(pair: tuple[Request, Request]) -> None:
    one, other = pair
    if key(one) == key(other) and key(one) is not None:
        assert meant(one) == meant(other)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_what_go_reads_is_what_is_keyed(fields: list[tuple[str, str]]) -> None:
    encoded = "&".join(f"{name}={value}" for name, value in fields)
    parameters = parse(encoded)
    if parameters is not None:
        assert [(encode(name), encode(value)) for name, value in parameters] == list(parse_query(encode(encoded)))


@given(st.lists(st.sampled_from(["m[]=a", "m[]=b", "m[]=%61", "q=1", "x=1"]), max_size=6, unique=True).flatmap(
    lambda fields: st.tuples(st.permutations(fields), st.permutations(fields), st.integers(0, 6))
))  # fmt: skip
def test_order_and_place_do_not_count(given_: tuple[list[str], list[str], int]) -> None:
    one, other, cut = given_
    split = request("&".join(other[cut:]), "&".join(other[:cut]).encode())
    assert key(request("&".join(one))) == key(split)


def test_a_repeated_name_keeps_its_order() -> None:
    assert key(request("x=1&x=2")) != key(request("x=2&x=1"))
    assert key(request("x=2", b"x=1")) == key(request("x=1&x=2"))  # the body comes first


@pytest.mark.parametrize(
    ("query", "body", "content_type", "reason"),
    [
        ("q=1;q=2", None, "", Reason.PARAMETER),
        ("q=%zz", None, "", Reason.PARAMETER),
        ("", b"q=%", FORM, Reason.PARAMETER),
        ("", b"q=1", "", Reason.CONTENT_TYPE),
        ("", b"q=1", "application/json", Reason.CONTENT_TYPE),
        ("", b"q=1", f"{FORM}; a=1; a=2", Reason.CONTENT_TYPE),
        ("", b"q=1", f"{FORM}; charset=utf-16", Reason.CONTENT_TYPE),
    ],
)
def test_passed(query: str, body: bytes | None, content_type: str, reason: Reason) -> None:
    assert read_form(request(query, body, content_type)) == Pass(reason=reason)


@pytest.mark.parametrize("content_type", [FORM, f"{FORM}; charset=utf-8", f"{FORM};charset=UTF-8", FORM.title()])
def test_forms_as_clients_write_them(content_type: str) -> None:
    assert read_form(request("", b"q=1", content_type)) == (("q", "1"),)


@pytest.mark.parametrize("content_type", ["", "application/json", f"{FORM}; charset=utf-8"])
def test_an_empty_body_has_no_type(content_type: str) -> None:
    assert read_form(request("q=1", b"", content_type)) == (("q", "1"),)


def test_two_content_types_are_none() -> None:
    headers = CIMultiDict([("Content-Type", FORM), ("Content-Type", "application/json")])
    asked = Request(method="POST", path="/", query="", headers=headers, body=b"q=1")
    assert read_form(asked) == Pass(reason=Reason.CONTENT_TYPE)


def test_a_body_on_get_passes() -> None:
    asked = Request(method="GET", path="/", query="", headers=CIMultiDict({"Content-Type": FORM}), body=b"q=1")
    assert read_form(asked) == Pass(reason=Reason.BODY)


def test_noise_is_left_out_and_unknown_names_stay() -> None:
    def parts(query: str) -> object:
        return canonical(parse(query) or (), noise=frozenset(("_",)))

    assert parts("a=1&_=2") == parts("_=3&a=1") == parts("a=1")
    assert parts("a=1&b=2") != parts("a=1")
    assert parts("a=1&A=1") != parts("a=1")


SERVERS_IN_GO = {
    "prometheus": ["match[]", "replicaLabels[]", "storeMatch[]"],
    "victoriametrics": [
        "match[]",
        "replicaLabels[]",
        "storeMatch[]",
        "extra_label",
        "extra_filters",
        "extra_filters[]",
    ],
    "loki": ["match[]", "match"],
    "influxdb": [],
    "tempo": [],
    "jaeger": [],
    "victorialogs": [],
}
"""And the parameters whose order and repetitions mean nothing to them."""

REAL_NAMES = (
    "query q time start end step limit match[] match extra_label storeMatch[] since db x traceID service endTs".split()
)
REAL_VALUES = ["1", "2", "%31", "up", "u%70", "SHOW+DATABASES", "SHOW%20DATABASES", ""]
REAL_FIELDS = st.lists(
    st.builds("{}={}".format, st.sampled_from(REAL_NAMES), st.sampled_from(REAL_VALUES)), max_size=3
).map("&".join)
WANTED = st.sampled_from(
    ["", "start=1&end=2", "query=up&time=1", "end=2&start=1&query=up", "time=1&query=up", "q=SHOW+DATABASES", "end=1"]
)
REAL = st.builds(lambda wanted, more: "&".join(filter(None, (wanted, more))), WANTED, REAL_FIELDS)


@pytest.mark.parametrize("name", SERVERS_IN_GO)
@settings(max_examples=50)
@given(data=st.data())
def test_no_dialect_takes_two_questions_for_one(name: str, data: st.DataObject) -> None:
    def said(asked: Request) -> dict[bytes, list[bytes]]:
        sets = {encode(each) for each in SERVERS_IN_GO[name]}
        return {each: sorted(set(values)) if each in sets else values for each, values in form(asked).items()}

    route = data.draw(st.sampled_from(dialect_for(name).routes))
    posts = st.none() if "POST" not in route.methods else st.none() | REAL.map(encode)
    asking = st.builds(request, REAL, posts, st.sampled_from(sorted(CONTENT_TYPES)))
    seen: dict[tuple[bytes, ...], Request] = {}
    for asked in data.draw(st.lists(asking, min_size=2, max_size=12)):
        found = route.read(asked)
        if isinstance(found, Call):
            assert said(asked) == said(seen.setdefault(found.parts, asked))


@pytest.mark.parametrize("length", [10, 4000, 5000, 100_000])
def test_a_form_of_any_length_is_read_each_time_alike(length: int) -> None:
    encoded = f"a=%C3%A9+{'x' * length}&b=1&a=2"
    expected = (("a", f"é {'x' * length}"), ("b", "1"), ("a", "2"))
    assert [parse(encoded), parse(encoded)] == [expected, expected]
    assert parse(f"{encoded};") is None
