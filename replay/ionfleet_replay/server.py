"""The one HTTP endpoint of a cloud: hooks around every call, and moto behind them."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Iterable, Sequence
from functools import cache, partial
from typing import Any

from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import ThreadedWSGIServer

from ionfleet_replay.calls import Call, Environ, Handler, Hook, Response, refusal
from ionfleet_replay.contents import BLOCK, Body, SourceChangedError

STOP_POLL = 0.1
"""Seconds between two looks of the accepting thread at whether it should end."""

WITH_HEADERS = 2**16
"""Bytes of a body that go out in one piece with the headers; the kernel sends longer ones from their files."""

DRAINED = 2**26
"""Bytes that are read of a request whose handler has not read it; of a longer one the connection is closed."""


class Moto:
    """moto as a handler of calls, each within the account of this cloud."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id

    def __call__(self, call: Call) -> Response:
        """Let moto handle a call."""
        call.environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account_id
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
            started.append((status, headers))

        body: Iterable[bytes] = _application(call.service)(call.environ, start_response)
        return Response(*started[-1], body)


@cache
def _application(service: str) -> Any:
    """Return moto's application for a service; it keeps nothing, so that all clouds may have it."""
    dispatcher = DomainDispatcherApplication(create_backend_app)
    return create_backend_app(dispatcher.get_backend_for_host(f"{service}.us-east-1.amazonaws.com"))


class Server:
    """Listens on a free port of the loopback interface; a thread for every connection."""

    def __init__(self, moto: Handler, hooks: Sequence[Hook]) -> None:
        handler = moto
        for hook in reversed(hooks):
            handler = partial(hook, proceed=handler)
        self.handle: Handler = handler
        self._server = _HttpServer(handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(STOP_POLL,), name="cloud-accept")
        self._thread.daemon = True

    @property
    def endpoint_url(self) -> str:
        """The URL that clients take as `endpoint_url`."""
        return f"http://127.0.0.1:{self._server.port}"

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection."""
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()


class _Request(io.RawIOBase):
    """The body of a request: as many bytes of a connection as it has, and no more."""

    def __init__(self, connection: io.BufferedIOBase, length: int) -> None:
        self._connection = connection
        self.left = length

    def readable(self) -> bool:
        return True

    def readinto(self, target: Any) -> int:
        data = self._connection.read(min(len(target), self.left))
        target[: len(data)] = data
        self.left -= len(data)
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        wanted = self.left if size is None or size < 0 else min(size, self.left)
        data = self._connection.read(wanted)
        self.left -= len(data)
        return data

    def readline(self, size: int | None = -1) -> bytes:
        wanted = self.left if size is None or size < 0 else min(size, self.left)
        data = self._connection.readline(wanted)
        self.left -= len(data)
        return data


class _RequestHandler(MotoRequestHandler):  # type: ignore[misc,unused-ignore]
    """Keeps connections open, answers without delay, and logs nothing."""

    _headers_buffer: list[bytes]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def run_wsgi(self) -> None:
        """Handle one request: what the server of werkzeug calls for every method."""
        environ: Environ = self.make_environ()
        request = _Request(self.rfile, int(environ.get("CONTENT_LENGTH") or 0))
        if "HTTP_TRANSFER_ENCODING" in environ:
            # Its length is unknown, so nobody can tell where the next request begins.
            self.close_connection = True
        else:
            environ["wsgi.input"] = request
        response = self._handled(Call(environ))
        if request.left > DRAINED:
            self.close_connection = True
        while request.left and not self.close_connection:
            if not request.read(BLOCK):
                self.close_connection = True
        self._respond(response)

    def _handled(self, call: Call) -> Response:
        try:
            response: Response = self.server.handler(call)
        except ConnectionError:
            raise
        except Exception as defect:  # noqa: BLE001 - the boundary: the client is to hear of it
            message = f"The local cloud has a defect: {type(defect).__name__}: {defect}"
            return refusal(call, "500 Internal Server Error", "InternalError", message)
        return response

    def _respond(self, response: Response) -> None:
        body = response.body if isinstance(response.body, Body) else b"".join(response.body)
        code, _, phrase = response.status.partition(" ")
        self.send_response(int(code), phrase)
        for name, value in response.headers:
            self.send_header(name, value)
        size = body.size if isinstance(body, Body) else len(body)
        promised = response.header("Content-Length")
        if promised is None and code not in ("204", "304"):
            self.send_header("Content-Length", str(size))
        if promised is not None and size < int(promised) and self.command != "HEAD":
            # Nothing else tells the client that the rest never comes.
            self.close_connection = True
        if self.close_connection:
            self.send_header("Connection", "close")
        self._send(b"" if self.command == "HEAD" else body)

    def _send(self, body: Body | bytes) -> None:
        """Send the headers that have been gathered, and a body behind them."""
        try:
            if isinstance(body, Body) and body.size > WITH_HEADERS:
                self.end_headers()
                body.send(self.connection)
            else:
                self._headers_buffer += [b"\r\n", *body] if isinstance(body, Body) else [b"\r\n", body]
                self.flush_headers()
        except SourceChangedError:
            # Too late for an error: the client sees that bytes are missing, asks again, and is told.
            self._headers_buffer = []
            self.close_connection = True

    def log(self, type: str, message: str, *args: object) -> None:
        """Stay silent: errors reach the caller as responses."""


class _HttpServer(ThreadedWSGIServer):  # type: ignore[misc,unused-ignore]
    """Remembers its connections, so that stopping ends those kept alive."""

    daemon_threads = True

    def __init__(self, handler: Handler) -> None:
        super().__init__("127.0.0.1", 0, None, handler=_RequestHandler)
        self.handler = handler
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def close_connections(self) -> None:
        """Shut every open connection down."""
        for connection in list(self._connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                # The client was quicker.
                continue
