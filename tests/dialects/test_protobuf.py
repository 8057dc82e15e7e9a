import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.dialects.protobuf import varint_field


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def length_field(number: int, value: bytes) -> bytes:
    return tag(number, 2) + varint(len(value)) + value


FIELDS = st.one_of(
    st.tuples(st.integers(1, 500), st.integers(0, 2**64 - 1)).map(lambda f: tag(f[0], 0) + varint(f[1])),
    st.tuples(st.integers(1, 500), st.binary(max_size=300)).map(lambda f: length_field(*f)),
    st.tuples(st.integers(1, 500), st.binary(min_size=8, max_size=8)).map(lambda f: tag(f[0], 1) + f[1]),
    st.tuples(st.integers(1, 500), st.binary(min_size=4, max_size=4)).map(lambda f: tag(f[0], 5) + f[1]),
)


@given(before=st.lists(FIELDS), value=st.integers(0, 2**64 - 1), after=st.lists(FIELDS))
def test_finds_the_field_among_any_others(before: list[bytes], value: int, after: list[bytes]) -> None:
    message = b"".join(before) + tag(1000, 0) + varint(value) + b"".join(after)
    assert varint_field(message, 1000) == value
    assert varint_field(message, 1001) == 0


@given(fields=st.lists(FIELDS, min_size=1), data=st.data())
def test_a_message_cut_inside_its_last_field_is_refused(fields: list[bytes], data: st.DataObject) -> None:
    left = data.draw(st.integers(1, len(fields[-1]) - 1))
    with pytest.raises(ValueError):
        varint_field(b"".join(fields[:-1]) + fields[-1][:left], 1000)


@pytest.mark.parametrize(
    ("message", "value"),
    [
        (b"", 0),
        (b"\x18\x01", 1),
        (b"\x18\x01\x18\x00", 0),  # the last one counts
        (b"\x0a\x02\x18\x01", 0),  # the same bytes inside a nested message
        (b"\x0a\x00\x18\x01\x22\x05later", 1),
    ],
)
def test_status_of_a_trace(message: bytes, value: int) -> None:
    assert varint_field(message, 3) == value


@pytest.mark.parametrize(
    "message",
    [
        b"\x1a\x01x",  # the field with another wire type
        b"\x00\x01",  # field number 0
        b"\x0b",  # a group
        b"\x0a\x05ab",
        b"\x09\x01",
        b"\x18" + b"\xff" * 11,
        b"\x18",
    ],
)
def test_what_is_no_message(message: bytes) -> None:
    with pytest.raises(ValueError):
        varint_field(message, 3)
