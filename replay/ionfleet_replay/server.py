"""The one HTTP endpoint of a cloud: moto, with hooks around every call."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import ThreadedWSGIServer

from ionfleet_replay.calls import Call, Environ, Handler, Hook, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

STOP_POLL = 0.1
"""Seconds between two looks of the accepting thread at whether it should end."""


class Moto:
    """moto as a handler of calls, each within the account of this cloud."""

    def __init__(self, account_id: str) -> None:
        self._account_id = account_id
        self._application: Any = DomainDispatcherApplication(create_backend_app)

    def __call__(self, call: Call) -> Response:
        """Let moto handle a call."""
        call.environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account_id
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], _: object = None) -> None:
            started.append((status, headers))

        body: Iterable[bytes] = self._application(call.environ, start_response)
        return Response(*started[-1], body)


class Server:
    """Listens on a free port of the loopback interface; a thread for every connection."""

    def __init__(self, moto: Handler, hooks: Sequence[Hook]) -> None:
        handler = moto
        for hook in reversed(hooks):
            handler = partial(hook, proceed=handler)
        self._handler = handler
        self._server = _WsgiServer("127.0.0.1", 0, self._application, handler=_RequestHandler)
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

    def _application(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        response = self._handler(Call(environ))
        start_response(response.status, response.headers)
        return response.body


class _RequestHandler(MotoRequestHandler):  # type: ignore[misc,unused-ignore]
    """Keeps connections open, answers without delay, and logs nothing."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log(self, type: str, message: str, *args: object) -> None:
        """Stay silent: errors reach the caller as responses."""


class _WsgiServer(ThreadedWSGIServer):  # type: ignore[misc,unused-ignore]
    """Remembers its connections, so that stopping ends those kept alive."""

    daemon_threads = True

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
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
