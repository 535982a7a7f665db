"""Servers in front of the simulator: one that speaks TLS, one below a folder, a forward proxy."""

import contextlib
import http.client
import http.server
import ssl
import threading
import urllib.parse
from collections.abc import Iterator

_HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "transfer-encoding", "content-length"}


class Front:
    """Passes requests on, and remembers the first line of each."""

    def __init__(self, target: str, prefix: str = "", context: ssl.SSLContext | None = None):
        self.lines: list[str] = []
        self._target = urllib.parse.urlsplit(target).netloc
        front = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                front.lines.append(self.requestline)
                front._pass_on(self, prefix)

            do_GET = do_POST = answer

            def do_CONNECT(self) -> None:
                front.lines.append(self.requestline)
                self.send_error(502)

            def log_message(self, *_) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}"

    def _pass_on(self, request: http.server.BaseHTTPRequestHandler, prefix: str) -> None:
        # Through a forward proxy the whole URL is sent.
        path = request.path
        if not path.startswith("/"):
            parts = urllib.parse.urlsplit(path)
            path = parts.path + (f"?{parts.query}" if parts.query else "")
        if not path.startswith(prefix + "/"):
            request.send_error(404)
            return
        body = request.rfile.read(int(request.headers.get("content-length", 0)))
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP_BY_HOP}
        connection = http.client.HTTPConnection(self._target, timeout=60)
        connection.request(request.command, path.removeprefix(prefix), body or None, headers)
        answer = connection.getresponse()
        content = answer.read()
        request.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP:
                request.send_header(name, value)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)
        connection.close()

    @contextlib.contextmanager
    def running(self) -> Iterator["Front"]:
        thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
