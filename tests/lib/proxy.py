# SPDX-License-Identifier: Apache-2.0
"""An HTTP proxy before a service that keeps chosen requests on their way until the test lets them arrive."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from launch import api


class Held:
    """A request on its way; `answer` is (status, body) when it has arrived, whether its client still listens or not."""

    def __init__(self, method, path):
        self.method, self.path, self.answer = method, path, None
        self.released, self.arrived = threading.Event(), threading.Event()

    def release(self, timeout=20):
        self.released.set()
        assert self.arrived.wait(timeout), f"{self.method} {self.path} did not arrive"
        return self.answer


class Proxy:
    """Proxy(url): `url` of its own; proxy.holds = lambda method, path: … says what to keep; proxy.held is what was kept."""

    def __init__(self, target):
        self.target, self.held, self.holds = target, [], lambda method, path: False
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_any(self):
                proxy.pass_on(self)

            do_GET = do_POST = do_PUT = do_DELETE = do_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        for held in self.held:
            held.released.set()
        self.server.shutdown()
        self.server.server_close()

    def pass_on(self, handler):
        data = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        held = Held(handler.command, handler.path)
        if self.holds(held.method, held.path):
            self.held.append(held)
            held.released.wait()
        headers = {k: v for k, v in handler.headers.items() if k.lower() not in ("host", "connection", "content-length", "expect")}
        status, _, body = api.request(held.method, self.target + held.path, headers=headers, data=data or None)
        held.answer = status, body
        held.arrived.set()
        text = body.encode() if isinstance(body, str) else api.json.dumps(body).encode()
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json" if text else "text/plain")
            if status != 204:
                handler.send_header("Content-Length", str(len(text)))
            handler.end_headers()
            if status != 204:
                handler.wfile.write(text)
        except OSError:
            pass  # its client is gone
