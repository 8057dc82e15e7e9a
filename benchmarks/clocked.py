"""Millpond with a clock that a benchmark turns: `python -m benchmarks.clocked FILE serve …`.

FILE holds the seconds that both of the process's clocks are ahead, and is read whenever a clock is. The event loop's own
is left alone: what waits for a source waits as long as ever.
"""

import mmap
import struct
import sys
import time
from pathlib import Path


class Clock:
    """The benchmark's end of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.write_bytes(bytes(8))

    def set(self, wall_seconds: float) -> None:
        with self._path.open("r+b") as file:
            file.write(struct.pack("<d", wall_seconds - time.time()))


def _turn(path: str) -> None:
    with Path(path).open("r+b") as file:
        ahead = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    wall, monotonic = time.time, time.monotonic
    time.time = lambda: wall() + struct.unpack_from("<d", ahead)[0]
    time.monotonic = lambda: monotonic() + struct.unpack_from("<d", ahead)[0]
    time.time_ns = lambda: int(time.time() * 1e9)
    time.monotonic_ns = lambda: int(time.monotonic() * 1e9)


if __name__ == "__main__":
    _turn(sys.argv[1])
    from proxy import cli  # what it imports takes the clocks as they are now

    raise SystemExit(cli.main(sys.argv[2:]))
