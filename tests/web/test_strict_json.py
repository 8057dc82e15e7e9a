"""The strict reader against the standard one: equal on what is well-formed, never anything but `BadRequest` else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import BadRequest
from proxy.web.strict_json import parse_object

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), values, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_a_well_formed_object_is_read_as_the_standard_library_reads_it(
    value: dict[str, object], indent: int | None, ascii_only: bool
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse_object(text.encode()) == json.loads(text)


@given(st.binary(max_size=40) | st.text('{}[]",:\\ntrue1e9.-NaN \n', max_size=40).map(str.encode))
def test_anything_else_is_a_bad_request(body: bytes) -> None:
    try:
        parse_object(body)
    except BadRequest:
        pass
    else:
        assert isinstance(json.loads(body), dict)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"a": 1,}', "line 1, column 8"),
        (b'{"a": [1, 2,\n]}', "line 1, column 12"),
        (b'{"a": 1,\n\n }', "line 1, column 8"),
        (b'{"a": "\xc3\xa9", }', "line 1, column 10"),
        (b'{"a": ", }", "b": }', "line 1, column 19"),
    ],
)
def test_the_place_is_pointed_at(body: bytes, place: str) -> None:
    with pytest.raises(BadRequest, match=f"{place}: "):
        parse_object(body)
