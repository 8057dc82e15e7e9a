"""The matrix that Prometheus, and whoever speaks its API, answers a range query with (util/jsonutil/marshal.go).

    {"status":"success","data":{"resultType":"matrix","result":[{"metric":{…},"values":[[<time>,"<value>"],…]},…]}}

Label sets and samples are carried as the bytes that they came in. Every stamp is compared with those that were asked
for: a source behind which somebody moves the range to steps of his own would be found out here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import lt

import msgspec
import orjson

from ..core.chunk import Part
from ..core.grid import Grid
from ..core.matrix import HISTOGRAM_ENDS, Row, Stamps, compact, labels
from ..core.range_query import Flaw
from .replies import decode

_FLOAT = re.compile(rb'\[([0-9.]+),"[^"]*"\]')
_NOT_IN_SAMPLES = tuple(b" \n\r\t\\")
_HEAD = b'"data":{"resultType":"matrix","result":['


class PaddedSeconds:
    """Whole seconds without a fraction, others with exactly three decimals: Prometheus."""

    def write(self, time_ms: int) -> bytes:
        seconds, milliseconds = divmod(time_ms, 1000)
        return b"%d.%03d" % (seconds, milliseconds) if milliseconds else b"%d" % seconds

    def read(self, stamp: bytes) -> int:
        seconds, _, fraction = stamp.partition(b".")
        return int(seconds) * 1000 + int(fraction.ljust(3, b"0"))


class ShortestSeconds(PaddedSeconds):
    """As few decimals as there are: VictoriaMetrics, Loki."""

    def write(self, time_ms: int) -> bytes:
        stamp = super().write(time_ms)
        return stamp.rstrip(b"0") if b"." in stamp else stamp


class Series(msgspec.Struct, forbid_unknown_fields=True):
    metric: msgspec.Raw
    values: msgspec.Raw = msgspec.Raw(b"[]")
    histograms: msgspec.Raw = msgspec.Raw(b"[]")


class Data(msgspec.Struct, forbid_unknown_fields=True):
    resultType: str
    result: list[Series]


class Reply(msgspec.Struct, forbid_unknown_fields=True):
    """An answer has no member that would be lost by putting it together again."""

    status: str
    data: Data
    warnings: list[str] | None = None
    infos: list[str] | None = None
    isPartial: bool = False  # VictoriaMetrics


class MeasuredData(Data):
    """With what the source found out about its own work, which is no part of the answer."""

    stats: msgspec.Raw = msgspec.Raw(b"")  # Loki


class MeasuredReply(Reply):
    data: MeasuredData
    stats: msgspec.Raw = msgspec.Raw(b"")  # VictoriaMetrics
    trace: msgspec.Raw = msgspec.Raw(b"")


class _Unfit(Exception):
    def __init__(self, flaw: Flaw) -> None:
        self.flaw = flaw


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixJson:
    """A `Codec`. `head` is what an answer begins with, before its data."""

    stamps: Stamps
    decoder: msgspec.json.Decoder[Reply]
    head: bytes = b'{"status":"success",'

    def read(self, body: bytes, grid: Grid, first: int, last: int) -> Part | Flaw:
        reply = decode(self.decoder, body)
        if reply is None or reply.status != "success" or reply.data.resultType != "matrix":
            return Flaw.SHAPE
        if reply.isPartial:
            return Flaw.PARTIAL
        points = _Points([self.stamps.write(grid.time_ms(index)) for index in range(first, last + 1)])
        try:
            rows = [row for series in reply.data.result if (row := _row(series, points))]
            if len({labels(row.name) for row in rows}) != len(rows):
                return Flaw.DOUBLE
        except _Unfit as unfit:
            return unfit.flaw
        except ValueError:  # of `labels`
            return Flaw.SHAPE
        return Part(
            first=first,
            last=last,
            matrix=compact(rows),
            infos=tuple(reply.infos or ()),
            warnings=tuple(reply.warnings or ()),
        )

    def write(self, rows: Sequence[Row], infos: Sequence[str], warnings: Sequence[str]) -> bytes:
        pieces: list[bytes | memoryview] = [self.head, _HEAD]
        for number, row in enumerate(rows):
            pieces += (b',{"metric":' if number else b'{"metric":', row.name)
            if row.floats:
                pieces += (b',"values":[', *row.floats[:-1], row.floats[-1][:-1], b"]")
            if row.histograms:
                pieces += (b',"histograms":[', *row.histograms[:-1], row.histograms[-1][:-1], b"]")
            pieces.append(b"}")
        pieces.append(b"]}")
        if warnings:
            pieces += (b',"warnings":', orjson.dumps(list(warnings)))
        if infos:
            pieces += (b',"infos":', orjson.dumps(list(infos)))
        pieces.append(b"}")
        return b"".join(pieces)


PROMETHEUS_MATRIX = MatrixJson(stamps=PaddedSeconds(), decoder=msgspec.json.Decoder(Reply))


class _Points:
    """The stamps that were asked for, in their order."""

    def __init__(self, stamps: list[bytes]) -> None:
        self._stamps = stamps
        self._numbers = {stamp: number for number, stamp in enumerate(stamps)}

    def check(self, found: list[bytes]) -> None:
        """Raises _Unfit unless `found` are some of them, in order."""
        if found == self._stamps:
            return
        try:
            numbers = [self._numbers[stamp] for stamp in found]
        except KeyError:
            raise _Unfit(Flaw.GRID) from None
        if not all(map(lt, numbers, numbers[1:])):
            raise _Unfit(Flaw.ORDER)


def _row(series: Series, points: _Points) -> Row | None:
    """None for a series without samples."""
    name = bytes(series.metric)
    if b"\n" in name:
        raise _Unfit(Flaw.SHAPE)
    floats, histograms = bytes(series.values), bytes(series.histograms)
    row = Row(name, [], [])
    if floats != b"[]":
        points.check(_float_stamps(floats))
        row.floats.append(floats[1:-1] + b",")
    if histograms != b"[]":
        points.check(_histogram_stamps(histograms))
        row.histograms.append(histograms[1:-1] + b",")
    return row if row.floats or row.histograms else None


def _float_stamps(samples: bytes) -> list[bytes]:
    """Of an array of samples that has nothing else in it; what it has is counted by the characters between."""
    stamps = _FLOAT.findall(samples)
    count = len(stamps)
    if samples.count(b",") != 2 * count - 1 or samples.count(b"[") != count + 1 or _has_strays(samples):
        raise _Unfit(Flaw.SHAPE)
    return stamps


def _histogram_stamps(samples: bytes) -> list[bytes]:
    """The same for samples that are objects: a sample's end must not occur within one."""
    try:
        pairs = msgspec.json.decode(samples, type=list[tuple[msgspec.Raw, msgspec.Raw]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _Unfit(Flaw.SHAPE) from None
    count = len(pairs)
    if samples.count(HISTOGRAM_ENDS) != count - 1 or samples.count(b"{") != count or _has_strays(samples):
        raise _Unfit(Flaw.SHAPE)
    return [bytes(stamp) for stamp, _ in pairs]


def _has_strays(samples: bytes) -> bool:
    """White space between samples would be cut in two, and escapes hide what is counted."""
    return any(character in samples for character in _NOT_IN_SAMPLES)
