"""A real Prometheus that a test writes into and deletes from: remote write, late samples too, and its admin API."""

import struct
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import urlencode

import pytest

from .binaries import find
from .prometheus import Prometheus

LATE_S = 4 * 3600
"""How much older than the youngest sample one may be."""

Sample = tuple[int, float]
"""Milliseconds, value."""


class Living(Prometheus):
    def command(self) -> Sequence[str]:
        command = (*super().command(), "--web.enable-admin-api", "--web.enable-remote-write-receiver")
        config = self.directory / "prometheus.yml"
        config.write_text(f"storage: {{tsdb: {{out_of_order_time_window: {LATE_S}s}}}}\n")
        return command

    def write(self, labels: Mapping[str, str], samples: Iterable[Sample]) -> None:
        """To be read as soon as this returns. `labels` with `__name__`."""
        series = b"".join(
            _field(1, _field(1, name.encode()) + _field(2, text.encode())) for name, text in sorted(labels.items())
        )
        for time_ms, value in samples:
            series += _field(2, b"\x09" + struct.pack("<d", value) + b"\x10" + _varint(time_ms))
        headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf"}
        self._post("/api/v1/write", _snappy(_field(1, series)), headers)

    def delete(self, selector: str) -> None:
        self._post(f"/api/v1/admin/tsdb/delete_series?{urlencode({'match[]': selector})}", b"", {})

    def _post(self, path: str, body: bytes, headers: dict[str, str]) -> None:
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method="POST")
        with urllib.request.urlopen(request, timeout=20) as response:
            response.read()


def _field(number: int, content: bytes) -> bytes:
    """A length-delimited field of protobuf."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _snappy(data: bytes) -> bytes:
    """Snappy's block format with literals alone."""
    out = _varint(len(data))
    for start in range(0, len(data), 1 << 16):
        literal = data[start : start + (1 << 16)]
        out += bytes((61 << 2,)) + struct.pack("<H", len(literal) - 1) + literal
    return out


@pytest.fixture(scope="module")
def prometheus_living() -> Iterator[Living]:
    """A module's, whose tests write of the same hours, each under a name of its own."""
    find("prometheus")
    with Living() as server:
        yield server
