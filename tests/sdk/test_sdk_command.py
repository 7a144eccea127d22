"""What does `labgate.command` do where the client that it stands for would break, repeat or leak?"""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - the law is that users can pickle what this package raises
import socket
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import labgate.command
from labgate.command import CommandClient, Error, make_json_request, make_request
from tests.sdk.conftest import Script, http, read_request, scripted

PROCS = [
    {"name": "enqueue_job", "summary": "Queue a job.", "params": [{"name": "project_uid"}, "job_uid"]},
    {"name": "get_echo"},
    *({"name": name} for name in ("_url", "_headers", "service", "Error", "__class__", "dotted.name")),
    {"no": "name"},
    5,
]


class Server:
    """A command server whose answers a test writes down; `requests` are (head, body) of all that came."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, bytes]] = []

    def says(self, answer: bytes | Callable[[Any], Any]) -> Script:
        def script(connection: socket.socket) -> None:
            head, _, body = read_request(connection).partition(b"\r\n\r\n")
            self.requests.append((head.decode(), body))
            if callable(answer):
                connection.sendall(http(json.dumps({"result": answer(json.loads(body))}).encode()))
            else:
                connection.sendall(answer)

        return script

    def describes(self, *procs: Any) -> Script:
        return self.says(lambda _: {"procs": list(procs or PROCS)})


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labgate.command, "RETRY_INTERVAL", 0)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Server:
    return Server()


def client(at: str, **how: Any) -> CommandClient:
    return CommandClient(host="127.0.0.1", port=int(at.rpartition(":")[2]), **how)


def echo(asked: Any) -> Any:
    return asked["params"]


def test_no_name_that_a_server_lists_breaks_the_client_and_each_can_be_called(server: Server) -> None:
    with scripted(server.describes(), *[server.says(echo)] * 2) as url:
        cli = client(url)
        assert cli._url == url
        assert cli.service == "command"
        assert cli.Error is Error
        assert cli["_url"](1) == [1]
        assert getattr(cli, "dotted.name")(2) == [2]
    assert cli._endpoints == [one["name"] for one in PROCS[:-2]]
    assert cli.enqueue_job.__doc__ == "Queue a job."
    assert cli.enqueue_job.__name__ == "enqueue_job"


def test_methods_that_vanished_vanish_when_the_list_is_asked_for_again(server: Server) -> None:
    with scripted(server.describes(), server.describes({"name": "other"})) as url:
        cli = client(url)
        cli()
    assert cli._endpoints == ["other"]
    assert not hasattr(cli, "get_echo")


def test_arguments_go_by_position_by_name_or_mixed_where_their_names_are_known(server: Server) -> None:
    with scripted(server.describes(), *[server.says(echo)] * 4) as url:
        cli = client(url)
        assert cli.get_echo(1, "b") == [1, "b"]
        assert cli.get_echo() == []
        assert cli.get_echo(a=1) == {"a": 1}
        assert cli.enqueue_job("P3", job_uid="J1") == {"project_uid": "P3", "job_uid": "J1"}
        with pytest.raises(TypeError, match="does not name its parameters"):
            cli.get_echo(1, b=2)
        with pytest.raises(TypeError, match="multiple values for argument 'project_uid'"):
            cli.enqueue_job("P3", project_uid="P4")
        with pytest.raises(TypeError, match="does not name"):
            cli.enqueue_job(1, 2, 3, x=4)


def test_arrays_are_lists_without_an_encoder_and_as_the_encoder_says_with_one(server: Server) -> None:
    class Sums(json.JSONEncoder):
        def default(self, o: Any) -> Any:
            return int(o.sum())

    uids = np.array([2**64 - 1, 3], "u8")
    with scripted(server.describes(), server.says(echo), server.describes(), server.says(echo)) as url:
        assert client(url).get_echo(uids, np.float32(0.5), {1}) == [[2**64 - 1, 3], 0.5, [1]]
        assert client(url, cls=Sums).get_echo(np.arange(4)) == [6]


def test_a_call_without_an_answer_in_time_is_not_sent_again(server: Server) -> None:
    def silent(connection: socket.socket) -> None:
        server.requests.append((read_request(connection).decode(), b""))
        connection.recv(1)  # until the client goes away

    with scripted(server.describes(), silent, server.says(echo)) as url:
        cli = client(url)
        cli._timeout = 0.05
        with (
            pytest.raises(Error, match="Timeout") as caught,
            pytest.warns(UserWarning, match="no answer within"),
        ):
            cli.get_echo(1)
    assert caught.value.code == 500
    assert len(server.requests) == 2


def test_a_connection_that_ends_without_an_answer_is_an_error_and_nothing_is_sent_again(
    server: Server,
) -> None:
    with scripted(server.describes(), server.says(b""), server.says(echo)) as url:
        with pytest.raises(Error, match="connection broke"):
            client(url).get_echo(1)
    assert len(server.requests) == 2


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@pytest.mark.parametrize(("most", "warned"), [(3, 2), (2, 1), (1, 1), (0, 1)])
def test_a_server_that_is_not_there_is_tried_as_often_as_by_the_original_and_each_time_warned_of(
    monkeypatch: pytest.MonkeyPatch, most: int, warned: int
) -> None:
    monkeypatch.setattr(labgate.command, "MAX_ATTEMPTS", most)
    with (
        pytest.warns(UserWarning, match="URL Error") as heard,
        pytest.raises(Error, match="URL Error") as caught,
    ):
        CommandClient(port=free_port(), host="127.0.0.1")
    assert len(heard) == warned
    assert {one.filename for one in heard} == {__file__}
    assert caught.value.code == 500


def test_what_is_read_as_it_is_sent_is_tried_once(server: Server) -> None:
    def pieces() -> Iterator[bytes]:
        yield b"piece"

    with scripted(server.describes()) as url:
        cli = client(url)
    cli._url = f"http://127.0.0.1:{free_port()}"
    with (
        pytest.warns(UserWarning, match="URL Error") as heard,
        pytest.raises(Error),
        make_request(cli, data=pieces()),
    ):
        pass
    assert len(heard) == 1


def test_warnings_point_at_the_callers_line(server: Server) -> None:
    broken = http(b"{}", "500 Oops")
    lines: list[str] = []
    with scripted(server.describes(), *[server.says(broken)] * 3) as url:
        cli = client(url)
        asked = (
            lambda: cli.get_echo(1),
            lambda: make_request(cli, url="/file").__enter__(),
            lambda: make_json_request(cli, "/file", data=1).__enter__(),
        )
        for ask in asked:
            with pytest.warns(UserWarning, match="500 Oops") as heard, pytest.raises(Error):
                ask()
            lines += [one.filename for one in heard]
    assert lines == [__file__] * 3


def test_a_refusal_has_the_status_and_the_body_parsed_where_it_is_json(server: Server) -> None:
    answers = [
        http(b'{"big": 18446744073709551617}', "422 No"),
        http(b"no JSON", "400 No"),
        http(b"<h1>", "404 No", kind="text/html"),
        http(b"", "401 No"),
    ]
    had = []
    with scripted(server.describes(), *map(server.says, answers)) as url:
        cli = client(url)
        for _ in answers:
            with pytest.warns(UserWarning, match="HTTP Error"), pytest.raises(Error) as caught:
                cli.get_echo(1)
            had.append((caught.value.code, caught.value.data))
    assert had == [(422, {"big": 2**64 + 1}), (400, b"no JSON"), (404, b"<h1>"), (401, None)]


@pytest.mark.parametrize("body", [b"", b"{", b"null", b"[]", b"{}", b"5", b'{"error": null}', b"[" * 100_000])
def test_an_answer_that_is_none_is_an_error(server: Server, body: bytes) -> None:
    with scripted(server.describes(), server.says(http(body))) as url, pytest.raises(Error):
        client(url).get_echo(1)


@pytest.mark.parametrize("answer", [5, [], {}, {"procs": None}])
def test_a_server_that_lists_no_methods_is_an_error(server: Server, answer: Any) -> None:
    with scripted(server.says(lambda _: answer)) as url, pytest.raises(Error, match="no list of methods"):
        client(url)


def test_an_error_of_the_service_has_its_code_and_data_and_its_traceback_in_the_text(server: Server) -> None:
    error = {
        "name": "Oops",
        "code": 422,
        "message": "bad",
        "data": {"traceback": "line 1\nline 2", "slots": [1]},
    }
    answer = http(json.dumps({"error": error}).encode())
    with scripted(server.describes(), server.says(answer)) as url, pytest.raises(Error) as caught:
        client(url).get_echo(1)
    assert (caught.value.code, caught.value.data["slots"]) == (422, [1])
    assert "Encountered Oops" in str(caught.value)
    assert "line 1\nline 2" in str(caught.value)
    other = pickle.loads(pickle.dumps(caught.value))
    assert (str(other), other.code, other.data) == (str(caught.value), 422, caught.value.data)
    assert isinstance(caught.value, labgate.Error)


def test_a_redirect_to_another_server_takes_no_field_along_and_a_post_follows_none(server: Server) -> None:
    with scripted(server.says(http(b"there"))) as other:
        moved = http(b"", "302 Found", f"Location: {other}/x")
        with scripted(server.describes(), server.says(moved), server.says(moved)) as url:
            cli = client(url, headers={"Authorization": "Bearer hidden", "License-ID": "hidden"})
            with make_request(cli, "GET", "/file") as response:
                assert response.read() == b"there"
            with (
                pytest.warns(UserWarning, match="HTTP Error"),
                pytest.raises(Error) as caught,
                make_request(cli, url="/file"),
            ):
                pass
    assert caught.value.code == 302
    heads = [head for head, _ in server.requests]
    assert ["hidden" in head for head in heads] == [True, True, False, True]


def test_the_request_is_made_when_the_block_is_entered_and_closed_when_it_is_left(server: Server) -> None:
    with scripted(server.describes(), server.says(http(b"data"))) as url:
        cli = client(url, url="/v1", headers={"License-ID": "L"})
        opened = make_request(cli, url="/file", query={"path": "/a b"}, headers={"X-A": "1"})
        assert len(server.requests) == 1
        with opened as response:
            assert (response.status, response.read()) == (200, b"data")
        assert response.closed
    head = server.requests[1][0]
    assert head.startswith("POST /v1/file?path=%2Fa+b HTTP/1.1\r\n")
    assert {"originator: client", "license-id: l", "x-a: 1"} <= {*head.lower().split("\r\n")}


def test_a_shared_default_is_never_changed() -> None:
    fields: dict[str, str] = {}
    server = Server()
    with scripted(server.describes()) as url:
        cli = client(url, headers=fields)
    cli._headers["X"] = "1"
    assert fields == {}
    assert repr(cli).startswith("<CommandClient command at http://127.0.0.1:")
