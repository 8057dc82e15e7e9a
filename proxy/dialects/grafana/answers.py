"""Grafana's answer to a query request: may it be stored, and how it is taken apart and put together.

    {"results":{"A":{"status":200,"frames":[{"schema":{"refId":"A","meta":{…},"fields":[…]},"data":{"values":[…]}}]}}}

Of the frames, which may be megabytes, only the marks in `schema.meta` are looked at; a query's result is carried as the
bytes that it came in. Members beside `results` (the newer API writes `kind` and `apiVersion`) belong to every part.
"""

import binascii
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from ...core.model import Reason
from ..replies import decode

_OK = 200
_UNFINISHED = frozenset({"running", "submitted"})
_BAD_NEWS = frozenset({"warning", "error"})

_ARROW_MARKS = re.compile(
    rb'"channel":"[^"]|"severity":"(?:warning|error)"|"status":"(?:running|submitted)"', re.IGNORECASE
)
"""The same marks in the frames of Grafana 7, base64 of Arrow, which has their meta in it as plain JSON."""


class _RefId:
    """A key that is no other key's equal: one that is given twice stays two."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


class _Notice(msgspec.Struct):
    severity: Any = None


class _Meta(msgspec.Struct):
    channel: Any = None
    custom: msgspec.Raw = msgspec.Raw(b"null")
    notices: list[_Notice] | None = None


class _Custom(msgspec.Struct):
    status: Any = None


class _Schema(msgspec.Struct):
    meta: _Meta | None = None


class _Frame(msgspec.Struct):
    schema: _Schema | None = None


class _Result(msgspec.Struct):
    status: int | None = None
    error: Any = None
    errorSource: Any = None
    frames: list[_Frame | None] | None = None
    dataframes: list[str] | None = None


class _Answer(msgspec.Struct):
    results: dict[_RefId, _Result]


class _Results(msgspec.Struct, forbid_unknown_fields=True):
    """An answer that is its results and nothing else: read in one go."""

    results: dict[str, msgspec.Raw]


def _ref_id(_: type, text: str) -> _RefId:
    return _RefId(text)


_ANSWER = msgspec.json.Decoder(_Answer, dec_hook=_ref_id)
_CUSTOM = msgspec.json.Decoder(_Custom)
_RESULTS = msgspec.json.Decoder(_Results)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])


def judge(body: bytes, asked: Sequence[tuple[str, bool]]) -> Reason | None:
    """Why the answer to these queries (refId, hidden) may not be stored; None where it may.

    A hidden query may be left out of the answer, another one may not.
    """
    answer = decode(_ANSWER, body)
    if answer is None:
        return Reason.MALFORMED
    found = {ref_id.text: result for ref_id, result in answer.results.items()}
    if len(found) != len(answer.results) or not found.keys() <= {ref_id for ref_id, _ in asked}:
        return Reason.MALFORMED
    for result in found.values():
        if reason := _judge(result):
            return reason
    if any(ref_id not in found for ref_id, hidden in asked if not hidden):
        return Reason.PARTIAL
    return None


def split(body: bytes, units: Sequence[frozenset[str]]) -> list[bytes] | None:
    """The answer as one whole answer a unit, each the refIds of queries; None where one of its results is in no unit.

    The units have no refId in common.
    """
    members, results = _taken_apart(body)
    if results is None or not results.keys() <= frozenset().union(*units):
        return None
    if len(units) == 1:
        return [body]
    return [
        _written({ref_id: results[ref_id] for ref_id in results if ref_id in unit}, members, body) for unit in units
    ]


def join(bodies: Sequence[bytes]) -> bytes | None:
    """Whole answers as one, refIds in order; None where they are none, or have a refId in common.

    What is beside the results is the first one's.
    """
    if len(bodies) == 1:
        return bodies[0]
    apart = [_taken_apart(body) for body in bodies]
    joined: dict[str, msgspec.Raw] = {}
    count = 0
    for _, results in apart:
        if results is None:
            return None
        joined |= results
        count += len(results)
    if not apart or len(joined) != count:
        return None
    return _written(joined, apart[0][0], bodies[0])


def with_known(failed: bytes, known: Sequence[bytes]) -> bytes | None:
    """An answer with another status than 200, to which the known units' results are added.

    None where it has no results (then it is the answer to the whole request), or has one that is known.
    """
    return None if _taken_apart(failed)[1] is None else join([failed, *known])


def _judge(result: _Result) -> Reason | None:
    if result.status not in (None, _OK) or result.error not in (None, "") or result.errorSource not in (None, ""):
        return Reason.ERROR_IN_BODY
    for frame in result.frames or ():
        if frame and frame.schema and frame.schema.meta and (reason := _judge_meta(frame.schema.meta)):
            return reason
    return _judge_arrow(result.dataframes or ())


def _judge_meta(meta: _Meta) -> Reason | None:
    if meta.channel not in (None, ""):
        return Reason.STREAM
    custom = decode(_CUSTOM, bytes(meta.custom))
    if custom and isinstance(custom.status, str) and custom.status.lower() in _UNFINISHED:
        return Reason.NOW
    severities = (notice.severity for notice in meta.notices or ())
    if any(isinstance(severity, str) and severity.lower() in _BAD_NEWS for severity in severities):
        return Reason.PARTIAL
    return None


def _judge_arrow(frames: Sequence[str]) -> Reason | None:
    try:
        marked = any(_ARROW_MARKS.search(binascii.a2b_base64(frame, strict_mode=True)) for frame in frames)
    except ValueError:
        return Reason.MALFORMED
    return Reason.PARTIAL if marked else None


def _taken_apart(body: bytes) -> tuple[dict[str, msgspec.Raw], dict[str, msgspec.Raw] | None]:
    """Its members, and of its results those of each refId; None where it has no results."""
    if alone := decode(_RESULTS, body):
        return {}, alone.results
    members = decode(_MEMBERS, body) or {}
    results = members.get("results")
    return members, None if results is None else decode(_MEMBERS, bytes(results))


def _written(results: dict[str, msgspec.Raw], members: dict[str, msgspec.Raw], like: bytes) -> bytes:
    """Go sorts by the bytes of UTF-8, which is the order of code points, and ends a document with a line feed."""
    document = {**members, "results": dict(sorted(results.items()))}
    return msgspec.json.encode(document) + (b"\n" if like.endswith(b"\n") else b"")
