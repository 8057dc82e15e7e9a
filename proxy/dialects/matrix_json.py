"""The matrix that Prometheus, and whoever speaks its API, answers a range query with (util/jsonutil/marshal.go).

    {"status":"success","data":{"resultType":"matrix","result":[{"metric":{…},"values":[[<time>,"<value>"],…]},…]}}

Label sets and samples are carried as the bytes that they came in. Every stamp is compared with those that were asked
for: a source behind which somebody moves the range to steps of his own would be found out here.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import lt

import msgspec
import orjson

from ..core.chunk import Part
from ..core.grid import Grid
from ..core.matrix import HISTOGRAM_ENDS, Matrix, Row, Stamps, Unreadable, compact, labels, split_names
from ..core.range_query import Flaw
from .replies import decode

_FLOAT = re.compile(rb'\[([0-9.]++),"[^"]*+"\],')
_NOT_IN_SAMPLES = tuple(b" \n\r\t\\")
_HEAD = b'{"status":"success","data":{"resultType":"matrix","result":['


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
    analysis: msgspec.Raw = msgspec.Raw(b"")  # Thanos, in every answer: empty unless it is asked to analyse


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
    """A `Codec`."""

    stamps: Stamps
    decoder: msgspec.json.Decoder[Reply]

    def read(self, body: bytes, grid: Grid, first: int, last: int) -> Part | Flaw:
        reply = decode(self.decoder, body)
        if reply is None or reply.status != "success" or reply.data.resultType != "matrix":
            return Flaw.SHAPE
        if reply.isPartial:
            return Flaw.PARTIAL
        points = _Points([self.stamps.write(grid.time_ms(index)) for index in range(first, last + 1)])
        try:
            matrix = _matrix(reply.data.result, points)
        except _Unfit as unfit:
            return unfit.flaw
        return Part(
            first=first,
            last=last,
            matrix=matrix,
            infos=tuple(reply.infos or ()),
            warnings=tuple(reply.warnings or ()),
        )

    def write(self, rows: Sequence[Row], infos: Sequence[str], warnings: Sequence[str]) -> bytes:
        pieces: list[bytes | memoryview] = [_HEAD]
        for number, row in enumerate(rows):
            pieces += (b',{"metric":' if number else b'{"metric":', row.name)
            for member, samples in ((b',"values":[', row.floats), (b',"histograms":[', row.histograms)):
                if any(samples):
                    pieces.append(member)
                    pieces += samples
                    while not pieces[-1]:
                        pieces.pop()
                    pieces[-1] = pieces[-1][:-1]  # the comma
                    pieces.append(b"]")
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
        # Cortex' and Thanos' front-ends write 1.5 where Prometheus behind them writes 1.500.
        self._numbers |= {stamp.rstrip(b"0"): number for number, stamp in enumerate(stamps) if b"." in stamp}

    def check_all(self, found: list[bytes], counts: Sequence[int]) -> None:
        """`found` are those of several series, `counts` how many each has."""
        if len(found) == len(self._stamps) * len(counts) and found == self._stamps * len(counts):  # no series has a gap
            return
        begin = 0
        for count in counts:
            self.check(found[begin : begin + count])
            begin += count

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


def _matrix(result: Sequence[Series], points: _Points) -> Matrix:
    """Raises _Unfit."""
    found = [Row(bytes(series.metric), _run(bytes(series.values)), _run(bytes(series.histograms))) for series in result]
    matrix = compact([row for row in found if row.floats or row.histograms])
    flaw = _flaw_of_names(matrix.names, len(matrix))
    if flaw is not None:
        raise _Unfit(flaw)
    _check_floats(matrix, points)
    for series in result:
        if len(series.histograms) > len(b"[]"):
            points.check(_histogram_stamps(bytes(series.histograms)))
    return matrix


def _run(samples: bytes) -> tuple[bytes, ...]:
    """An array's elements, each with a comma behind; nothing for an array without any."""
    if samples == b"[]":
        return ()
    if samples[:1] != b"[":
        raise _Unfit(Flaw.SHAPE)
    return (samples[1:-1] + b",",)


def _flaw_of_names(names: bytes, count: int) -> Flaw | None:
    return _remembered_flaw(names, count) if len(names) <= _REMEMBERED_BYTES else _find_flaw(names, count)


def _find_flaw(names: bytes, count: int) -> Flaw | None:
    lines = split_names(names)
    if len(lines) != count:  # one has a line's end in it
        return Flaw.SHAPE
    try:
        return None if len(set(map(labels, lines))) == count else Flaw.DOUBLE
    except Unreadable:
        return Flaw.SHAPE


_remembered_flaw = lru_cache(maxsize=256)(_find_flaw)
"""A panel's series are the same, refresh after refresh."""
_REMEMBERED_BYTES = 16 * 1024


def _check_floats(matrix: Matrix, points: _Points) -> None:
    """Samples and nothing else; what there is besides stamps and values is counted. Raises _Unfit."""
    floats = matrix.floats
    samples = floats.blob[: floats.ends[-1]] if floats.ends else b""
    stamps = _FLOAT.findall(samples)
    if samples.count(b",") != 2 * len(stamps) or samples.count(b"[") != len(stamps) or _has_strays(samples):
        raise _Unfit(Flaw.SHAPE)
    count = samples.count
    points.check_all(stamps, [count(b"[", begin, end) for begin, end in zip(floats.begins, floats.ends, strict=True)])


def _histogram_stamps(samples: bytes) -> list[bytes]:
    """The same for samples that are objects: a sample's end must not occur within one."""
    try:
        pairs = msgspec.json.decode(samples, type=list[tuple[msgspec.Raw, msgspec.Raw]])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _Unfit(Flaw.SHAPE) from None
    if samples.count(HISTOGRAM_ENDS) != len(pairs) - 1 or samples.count(b"{") != len(pairs) or _has_strays(samples):
        raise _Unfit(Flaw.SHAPE)
    return [bytes(stamp) for stamp, _ in pairs]


def _has_strays(samples: bytes) -> bool:
    """White space between samples would be cut in two, and escapes hide what is counted."""
    return any(character in samples for character in _NOT_IN_SAMPLES)
