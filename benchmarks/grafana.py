"""Grafana as far as a cache in front of it can tell: says who asks and what they may, and answers queries with frames of a
size, as fast as asyncio can.

    python -m benchmarks.grafana PORT
"""

import asyncio
import json
import sys

from .origin import Origin, response, serve

SIZES_BYTES = {"1k": 1_024, "60k": 60 * 1_024}


def frames(size_bytes: int) -> bytes:
    """An answer of about `size_bytes`."""
    point_bytes = len("1795396425000,") + len("0.0123456789,")
    points = max(1, (size_bytes - 200) // point_bytes)
    fields = [{"name": "Time", "type": "time"}, {"name": "Value", "type": "number"}]
    frame = {
        "schema": {"refId": "A", "fields": fields},
        "data": {"values": [[1795396425000] * points, [0.0123456789] * points]},
    }
    answer = {"results": {"A": {"status": 200, "frames": [frame]}}}
    return json.dumps(answer, separators=(",", ":")).encode() + b"\n"


_SOURCES = {
    f"/api/datasources/uid/{uid}": response(
        json.dumps(
            {
                "id": number,
                "uid": uid,
                "orgId": 1,
                "name": uid,
                "type": "prometheus",
                "access": "proxy",
                "version": 1,
                "jsonData": {},
            }
        ).encode()
    )
    for number, uid in enumerate(SIZES_BYTES, 1)
}
_RESPONSES = _SOURCES | {
    "/api/org": response(b'{"id":1,"name":"Main Org."}'),
    "/api/access-control/user/permissions": response(b'{"datasources:query":["datasources:*"]}'),
}
_FRAMES = {size: response(frames(size_bytes)) for size, size_bytes in SIZES_BYTES.items()}


class Grafana(Origin):
    def answer(self, target: bytes) -> bytes:
        """A query names its data source, and so the size, in the URL too."""
        path, _, query = target.decode().partition("?")
        if path == "/api/ds/query":
            return _FRAMES[query.partition("size=")[2]]
        return _RESPONSES[path]


if __name__ == "__main__":
    asyncio.run(serve(Grafana, int(sys.argv[1])))
