import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.documents import Number, Unreadable, names, read, spell, strings


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1, "b": [true, null]}', b'{"a":1,"b":[true,null]}\r'),
        (b'{"a": "\\u0041/"}', b'{"\\u0061": "A\\/"}'),
        ('{"a": "é"}'.encode(), b'{"a": "\\u00e9"}'),
    ],
)
def test_one_document_has_one_spelling(one: bytes, other: bytes) -> None:
    assert spell(read(one)) == spell(read(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"9007199254740993", b"9007199254740992"),
        (b"1e400", b"2e400"),
        (b"0.1", b"0.10000000000000001"),
        (b"1", b"1.0"),
        (b"1", b"true"),
        (b"1", b'"1"'),
        (b"-0", b"0"),
        (b'{"a": 1, "b": 2}', b'{"b": 2, "a": 1}'),
        (b"[]", b"{}"),
        (b"[[]]", b"[]"),
        (b'"\\ud800"', b'"\\ud801"'),
    ],
)
def test_two_documents_have_two(one: bytes, other: bytes) -> None:
    assert spell(read(one)) != spell(read(other))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{} {}",
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 2}',
        b'[{"a": {"b": 1, "b": 2}}]',
        b"NaN",
        b"[-Infinity]",
        b"01",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b'"\xff"',
        b'"\n"',
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_what_readers_differ_about_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        spell(read(body))


def test_keys_are_sorted_only_on_demand() -> None:
    document = read(b'{"b": {"d": 1, "c": 2}, "a": 3}')
    assert spell(document) == b'{"b":{"d":1,"c":2},"a":3}'
    assert spell(document, sort_keys=True) == b'{"a":3,"b":{"c":2,"d":1}}'


def test_names_and_strings_at_any_depth() -> None:
    document = read(b'{"a": ["x", {"b": "y", "c": 5}], "d": null}')
    assert sorted(names(document)) == ["a", "b", "c", "d"]
    assert sorted(strings(document)) == ["x", "y"]


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.text(max_size=3) | st.integers().map(lambda value: Number(str(value))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


@given(DOCUMENTS)
def test_a_spelling_says_all(document: object) -> None:
    assert read(spell(document)) == document
    json.loads(spell(document))


SOUP = st.lists(
    st.sampled_from(['{"a":', '{"\\u0061": ', "}", "[", "]", ",", " ", "1", "1.0", '"a"', '"\\u0061"', "null"])
)


@given(st.lists(SOUP.map("".join), min_size=2, max_size=8))
def test_equal_spellings_are_equal_to_any_reader(texts: list[str]) -> None:
    seen: dict[bytes, object] = {}
    for text in texts:
        try:
            spelled = spell(read(text.encode()))
        except Unreadable:
            continue
        said = json.loads(text, parse_int=Number, parse_float=Number)
        assert seen.setdefault(spelled, said) == said
