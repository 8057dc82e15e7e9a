"""The counting source itself: see `counting`. Imports little, so it starts fast."""

import hashlib
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def body_of(target: str, epoch: int) -> bytes:
    """About a kilobyte, or `kilobytes=N` of the target, that no other target and epoch has."""
    kilobytes = int(target.partition("kilobytes=")[2].partition("&")[0] or 1)
    pad = hashlib.sha256(f"{epoch} {target}".encode()).hexdigest() * 16 * kilobytes
    return json.dumps({"epoch": epoch, "target": target, "pad": pad}).encode()


class _State:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.asked = self.waiting = self.epoch = 0
        self.gate = threading.Event()
        self.gate.set()

    def told(self, what: str) -> None:
        match what:
            case "next_epoch":
                self.epoch += 1
            case "close_gate":
                self.gate.clear()
            case "open_gate":
                self.gate.set()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65536  # head and body in one packet: the second would wait for the first one's acknowledgement
    state = _State()

    def do_GET(self) -> None:
        state = self.state
        if self.path.startswith("/_"):
            with state.lock:
                state.told(self.path.removeprefix("/_"))
                counts = {"asked": state.asked, "waiting": state.waiting, "epoch": state.epoch}
            return self._say(json.dumps(counts).encode())
        with state.lock:
            state.asked += 1
            body = body_of(self.path, state.epoch)
        if "gated" in self.path:
            with state.lock:
                state.waiting += 1
            state.gate.wait()
            with state.lock:
                state.waiting -= 1
        return self._say(body)

    def _say(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


if __name__ == "__main__":
    _Server(("127.0.0.1", int(sys.argv[1])), _Handler).serve_forever()
