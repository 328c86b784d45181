"""The endpoint's HTTP: what happens to a connection when something goes wrong on it."""

from __future__ import annotations

import http.client
from contextlib import closing

import pytest

from ionfleet_replay.calls import Call, Response
from ionfleet_replay.server import DRAINED, Server


@pytest.fixture
def connect():
    """Start a server that handles calls with a function; return a connection to it."""
    servers, connections = [], []

    def start(handle):
        server = Server(handle, [])
        server.start()
        servers.append(server)
        connections.append(http.client.HTTPConnection(server.endpoint_url.removeprefix("http://"), timeout=10))
        return connections[-1]

    yield start
    for each in connections:
        each.close()
    for each in servers:
        each.stop()


def answer(connection, method="GET", body=None):
    connection.request(method, "/bucket/key", body)
    with closing(connection.getresponse()) as response:
        return response.status, response.read()


def test_a_defect_is_told_to_the_client_and_ends_nothing(connect):
    def handle(call: Call) -> Response:
        if call.method == "DELETE":
            raise ZeroDivisionError("of the cloud")
        return Response("200 OK", [], [b"fine"])

    connection = connect(handle)
    status, body = answer(connection, "DELETE")
    assert (status, b"ZeroDivisionError: of the cloud" in body) == (500, True)
    assert answer(connection) == (200, b"fine")


def test_a_handler_can_drop_the_connection(connect):
    def handle(_: Call) -> Response:
        raise ConnectionAbortedError

    with pytest.raises(http.client.RemoteDisconnected):
        answer(connect(handle))


def test_an_answer_to_head_has_the_length_of_the_body_that_it_has_not(connect):
    connection = connect(lambda _: Response("200 OK", [], [b"12345"]))
    connection.request("HEAD", "/bucket/key")
    response = connection.getresponse()
    assert (response.getheader("Content-Length"), response.read()) == ("5", b"")
    assert answer(connection) == (200, b"12345")


def test_the_connection_of_a_body_too_long_to_read_for_nothing_is_closed(connect):
    connection = connect(lambda _: Response("403 Forbidden", [], []))
    connection.putrequest("PUT", "/bucket/key")
    connection.putheader("Content-Length", str(DRAINED + 1))
    connection.endheaders()
    response = connection.getresponse()
    assert (response.status, response.getheader("Connection")) == (403, "close")
