"""Two requests with equal parts of a key are one request to a server in Go, whatever was done to make them look alike."""

import re
from collections.abc import Iterator, Sequence
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from multidict import CIMultiDict

from proxy.core.model import Pass, Reason, Request
from proxy.dialects.form import canonical, encode, parse, read_form

from .asking import FORM

SINGLE = frozenset(("q",))
SETS = frozenset(("m[]",))

CONTENT_TYPES = {
    FORM: True,
    f"{FORM}; charset=utf-8": True,
    f'{FORM.upper()};charset="UTF-8"': True,
    f"{FORM};": True,
    f"{FORM}; a=1; a=2": False,  # mime.ParseMediaType fails on it, and the form is left unread
    f"{FORM}; a=1; A=1": False,
    "application/json": False,
    "text/plain": False,
    "": False,
}
"""Whether Go's ParseForm reads the body."""


def request(query: str, body: bytes | None = None, content_type: str = FORM) -> Request:
    headers = CIMultiDict({"Content-Type": content_type} if content_type else {})
    return Request(method="GET" if body is None else "POST", path="/", query=query, headers=headers, body=body or b"")


def key(asked: Request) -> tuple[bytes, ...] | None:
    parameters = read_form(asked)
    if isinstance(parameters, Pass):
        return None
    parts = canonical(parameters, single=SINGLE, sets=SETS)
    return None if isinstance(parts, Pass) else parts


def go_query(encoded: bytes) -> Iterator[tuple[bytes, bytes]]:
    """net/url.ParseQuery: a field with a semicolon or an invalid escape is left out."""
    for field in encoded.split(b"&"):
        if field and b";" not in field and not re.search(rb"%(?![0-9A-Fa-f]{2})", field):
            name, _, value = (unquote_to_bytes(half.replace(b"+", b" ")) for half in field.partition(b"="))
            yield name, value


def go_form(asked: Request) -> dict[bytes, list[bytes]]:
    """http.Request.Form, the body's values before the URL's; FormValue is the first of them."""
    pairs: list[tuple[bytes, bytes]] = []
    if asked.method == "POST" and CONTENT_TYPES[asked.headers.get("Content-Type", "")]:
        pairs += go_query(asked.body)
    pairs += go_query(encode(asked.query))
    form: dict[bytes, list[bytes]] = {}
    for name, value in pairs:
        form.setdefault(name, []).append(value)
    return form


def meant(asked: Request) -> dict[bytes, list[bytes]]:
    return {name: sorted(set(values)) if name == b"m[]" else values for name, values in go_form(asked).items()}


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


@given(st.lists(st.tuples(NAMES, VALUES), max_size=6), st.randoms())
def test_what_go_reads_is_what_is_keyed(fields: list[tuple[str, str]], random: object) -> None:
    encoded = "&".join(f"{name}={value}" for name, value in fields)
    parameters = parse(encoded)
    if parameters is not None:
        assert [(encode(name), encode(value)) for name, value in parameters] == list(go_query(encode(encoded)))


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
