"""What the Caching API refuses in front of Grafana, and how it reads a body."""

import http.client
import json
import socket
from contextlib import closing

import pytest

from tests.servers.grafana.server import basic, bearer

from .place import ADMIN, WRITER, Place, in_org


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", ""),
        (b"{", ""),
        (b"null", ""),
        (b"[]", ""),
        (b"{}x", ""),
        (b'{"enabled": true, "enabled": false}', "enabled"),
        (b'{"enabled": 1}', "enabled must be true or false"),
        (b'{"enabled": "true"}', "enabled must be true or false"),
        (b'{"enabled": null}', "enabled"),
        (b'{"useDefaultTTL": 0}', "useDefaultTTL"),
        (b'{"ttlQueriesMs": -1}', "ttlQueriesMs must be between 0"),
        (b'{"ttlQueriesMs": 1.5}', "ttlQueriesMs must be a whole number"),
        (b'{"ttlQueriesMs": true}', "ttlQueriesMs must be a whole number"),
        (b'{"ttlQueriesMs": "60000"}', "ttlQueriesMs must be a whole number"),
        (b'{"ttlResourcesMs": 31536000001}', "ttlResourcesMs must be between 0"),
        (b'{"dataSourceUID": "another"}', "dataSourceUID is not that of the data source in the path"),
        (b'{"dataSourceID": 999999}', "dataSourceID is not that of the data source in the path"),
        (b'{"ttlQueriesMs": 60000,}', "line 1"),
    ],
)
def test_a_bad_body_is_refused_by_its_field(oss: Place, body: bytes, words: str) -> None:
    uid = oss.create()
    before = oss.settings(uid)
    reply = oss.cache(uid, body=body)
    assert (reply.status, reply.header("Content-Type")) == (400, "application/json; charset=utf-8")
    assert words in reply.json["message"]
    assert oss.settings(uid) == before


def test_a_body_may_name_what_the_path_names_or_what_nobody_knows(oss: Place) -> None:
    uid = oss.create()
    named = {"dataSourceUID": uid, "dataSourceID": oss.id_of(uid), "other": [1], "enabled": True}
    assert oss.cache(uid, body=named).json["enabled"] is True
    by_id = oss.ask("POST", f"/api/datasources/{oss.id_of(uid)}/cache", body={**named, "enabled": False})
    assert (by_id.status, by_id.json["enabled"]) == (200, False)


@pytest.mark.parametrize("headers", [ADMIN, bearer(WRITER)], ids=["grafana", "token"])
@pytest.mark.parametrize("uid", ["absent", "999999", "uid/absent", "uid/999999"])
def test_an_absent_data_source(oss: Place, uid: str, headers: dict[str, str]) -> None:
    for method, operation in (("GET", ""), ("POST", ""), ("POST", "/enable"), ("POST", "/disable"), ("POST", "/clean")):
        reply = oss.cache(uid, operation, headers, method=method)
        assert (reply.status, reply.json) == (404, {"message": "Data source not found"})


def test_another_organisations_data_source_is_absent(oss: Place) -> None:
    uid = oss.create(headers=in_org(2))
    assert oss.cache(uid, "/enable").status == 404
    assert oss.cache(str(oss.id_of(uid, in_org(2))), "/enable").status == 404
    assert oss.settings(uid, in_org(2))["enabled"] is False


@pytest.mark.parametrize("operation", ["", "/enable", "/disable", "/clean"])
def test_a_body_of_another_content_type(oss: Place, operation: str) -> None:
    headers = {**ADMIN, "Content-Type": "text/plain"}
    reply = oss.cache(oss.create(), operation, headers, body=b"{}")
    assert (reply.status, "application/json" in reply.json["message"]) == (415, True)


def test_a_body_that_is_too_large(oss: Place) -> None:
    uid = oss.create()
    assert oss.cache(uid, body=b" " * 70_000 + b"{}").status == 413
    assert oss.settings(uid)["enabled"] is False


@pytest.mark.parametrize(("method", "operation"), [("PUT", ""), ("DELETE", ""), ("GET", "/enable"), ("POST", "/other")])
def test_what_is_none_of_its_calls_is_grafanas(oss: Place, method: str, operation: str) -> None:
    oss.grafana.forget()
    reply = oss.cache(oss.create(), operation, method=method)
    assert (reply.status, reply.json) == (404, {"message": "Not found"})
    assert any(seen["target"].endswith(f"/cache{operation}") for seen in oss.grafana.requests)


def test_the_connection_goes_on_after_a_refusal(oss: Place) -> None:
    uid = oss.create()
    with closing(http.client.HTTPConnection(oss.millpond.url.removeprefix("http://"))) as connection:
        for headers, body in ((basic("viewer"), "x" * 1000), ({}, "{}"), (ADMIN, "{"), (ADMIN, '{"enabled": true}')):
            connection.request("POST", f"/api/datasources/{uid}/cache", body, headers)
            response = connection.getresponse()
            told = json.load(response)
    assert (response.status, told["enabled"]) == (200, True)


def waiting(uid: str, operation: str, headers: dict[str, str]) -> bytes:
    """The head of a request whose body is to be asked for."""
    lines = [
        f"POST /api/datasources/{uid}/cache{operation} HTTP/1.1",
        *("Host: localhost", "Content-Length: 17", "Expect: 100-continue", "Content-Type: application/json"),
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join((*lines, "", "")).encode()


def test_a_client_that_waits_to_be_told_to_go_on_is_told(oss: Place) -> None:
    uid = oss.create()
    with socket.create_connection(("127.0.0.1", oss.millpond.port), timeout=20) as connection:
        connection.sendall(waiting(uid, "", {**ADMIN, "Connection": "close"}))
        answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 100 "), answer
        connection.sendall(b'{"enabled": true}')
        while part := connection.recv(65536):
            answer += part
    assert b"HTTP/1.1 200 OK" in answer
    assert oss.settings(uid)["enabled"] is True


@pytest.mark.parametrize(
    ("operation", "headers", "status"),
    [("", basic("viewer"), b"403"), ("", {}, b"401"), ("/enable", ADMIN, b"200")],
)
def test_whose_body_is_not_wanted_is_answered_at_once_and_asks_no_more(
    oss: Place, operation: str, headers: dict[str, str], status: bytes
) -> None:
    answer = b""
    with socket.create_connection(("127.0.0.1", oss.millpond.port), timeout=20) as connection:
        connection.sendall(waiting(oss.create(), operation, headers))
        while b"\r\n\r\n" not in answer and (part := connection.recv(65536)):
            answer += part
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert b"\r\nConnection: close\r\n" in answer
