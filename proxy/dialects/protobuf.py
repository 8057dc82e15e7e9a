"""As much of protobuf's wire format as a mark inside an answer needs: one varint field, without the schema.

https://protobuf.dev/programming-guides/encoding/
"""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_MAX_VARINT_BYTES = 10


def varint_field(message: bytes, number: int) -> int:
    """The top-level varint field `number`: its last value, or 0, proto3's default, where it is absent.

    Raises ValueError for what is not one whole message, or where the field has another wire type.
    """
    found = 0
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        field, wire = tag >> 3, tag & 7
        if field == 0 or (field == number and wire != _VARINT):
            raise ValueError(f"no such field: number {field}, wire type {wire}")
        if wire == _VARINT:
            value, at = _varint(message, at)
            if field == number:
                found = value
        elif wire == _LENGTH:
            size, at = _varint(message, at)
            at += size
        elif wire == _FIXED64:
            at += 8
        elif wire == _FIXED32:
            at += 4
        else:  # groups are not in proto3
            raise ValueError(f"wire type {wire}")
    if at > len(message):
        raise ValueError("the last field is cut short")
    return found


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for position, byte in enumerate(message[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * position)
        if byte < 0x80:
            return value, at + position + 1
    raise ValueError("a varint without an end")
