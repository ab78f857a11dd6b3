"""What stands in for a Prometheus on loopback, and gets it wrong in every way; the real one is asked in `tests/cli/test_fleet_live.py`."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

ANSWER = json.dumps({"status": "success", "data": {"resultType": "vector", "result": [{"metric": {"a": "b"}, "value": [1.5, "2"]}]}})
REFUSAL = json.dumps({"status": "error", "errorType": "bad_data", "error": "parse error: \x1b[31mred"})
WAYS = {
    "good": (200, ANSWER),
    "bad": (400, REFUSAL),
    "late": (503, json.dumps({"status": "error", "errorType": "timeout", "error": "query timed out"})),
    "page": (200, "<html>hello</html>"),
    "empty": (200, json.dumps({"status": "success", "data": {"resultType": "vector", "result": []}})),
    "other": (200, '{"status": "ok"}'),
    "gone": (404, "not here"),
    "locked": (401, "who are you"),
    "large": (200, ANSWER + " " * 4096),
    "broken": (500, "oh"),
    "moved": (302, ""),
}


class PromServer:
    """Answers each question as the first part of its path says, and keeps who asked what."""

    def __init__(self) -> None:
        asked = self.asked = []
        closing = self._closing = threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                way, _, rest = self.path[1:].partition("/")
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                asked.append((rest, self.headers.get("Authorization"), parse_qs(body)))
                if way == "slow":
                    closing.wait(10)
                    return
                status, text = WAYS.get(way, (200, ANSWER))
                self.send_response(status)
                self.send_header("Location", "https://elsewhere.example.org/login")
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_: object) -> None:
                """Nothing is told."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
