"""Is a JSON-RPC server without a gate a client's, too: found, called by the same laws, and never taken for a gate?

The second half are the faults that users of cryosparc.command's CommandClient meet (facts of version 4.7), each with
what this client does instead.
"""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

import labgate
from labgate.errors import (
    BadReply,
    DeadlineExceeded,
    Error,
    GateUnreachable,
    NoGate,
    NotFound,
    RemoteError,
    RemoteNotFound,
    SetupError,
    Unauthenticated,
)
from labgate.testing._serving import Asked, Listener, Reply
from tests.sdk.conftest import Gate

JSON = {"Content-Type": "application/json"}
PROCS = [
    {
        "name": "enqueue_job",
        "summary": "Queue a job.",
        "params": [{"name": "project_uid", "type": "str"}, {"name": "job_uid"}, {"name": "lane"}],
    },
    {"name": "get_job", "idempotent": True, "params": ["project_uid", "job_uid"], "return": {"type": "obj"}},
    {"name": "jobs.list"},
]


class Server:
    """A JSON-RPC server at /api, as a test writes it down.

    `answers` are the replies by method: a function of params and id that gives a result, a Reply, or None for no answer.
    """

    def __init__(self, procs: Any = PROCS) -> None:
        self.procs = procs
        self.answers: dict[str, Any] = {}
        self.calls: list[tuple[str, Any]] = []
        self.fields: list[dict[str, str]] = []
        self.path = "/api"
        self.required: dict[str, str] = {}
        self.url = ""

    def respond(self, asked: Asked) -> Reply | None:
        self.fields.append(asked.fields)
        if asked.verb != "POST" or asked.target != self.path:
            return Reply(404, b"<h1>Not found</h1>", {"Content-Type": "text/html"})
        if any(asked.fields.get(name) != value for name, value in self.required.items()):
            return Reply(401, b'{"message": "whose license?"}', JSON)
        body = json.loads(asked.body)
        if isinstance(body, list):
            return self.said([json.loads(self.one(call).body) for call in body])
        return self.one(body)

    def one(self, call: dict[str, Any]) -> Any:
        name = call["method"]
        if name == "system.describe":
            return self.said({"id": call["id"], "result": {"sdversion": "1.0", "procs": self.procs}})
        self.calls.append((name, call.get("params")))
        answer = self.answers.get(name)
        if answer is None:
            error = {"code": -32601, "message": "no such method", "name": "MethodNotFoundError"}
            return self.said({"id": call["id"], "error": error})
        found = answer(call.get("params"))
        if found is None or isinstance(found, Reply):
            return found
        return self.said({"jsonrpc": "2.0", "id": call["id"], "result": found})

    @staticmethod
    def said(value: Any) -> Reply:
        return Reply(200, json.dumps(value).encode(), JSON)

    def count(self, name: str) -> int:
        return sum(called == name for called, _ in self.calls)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    made.answers["enqueue_job"] = lambda params: {"queued": params}
    made.answers["get_job"] = lambda params: {"job": params}
    listener = Listener(made.respond)
    made.url = listener.url
    yield made
    listener.close()


@contextmanager
def process(module: str) -> Iterator[str]:
    """A service of the demo lab as a process of its own; where it is."""
    command = [sys.executable, "-m", module, "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield child.stdout.readline().split()[1]
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(60) == 0


def test_the_demos_job_manager_is_used_without_a_gate() -> None:
    with process("gateway.demo.jobs") as url:
        for address in (url, f"{url}/api"):
            lab = labgate.connect(address)
            assert lab.test_connection() is True
            project = lab.create_project("direct")
            job = lab.make_job("count_particles", project)
            assert lab.enqueue_job(project, job) == "queued"
            assert lab.wait_job(project, job, seconds=30) == "completed"
            assert lab.get_job_result(project, job)["total"] >= 0
        assert "project_uid" in inspect.signature(lab.enqueue_job).parameters
        assert "wait" in (lab.wait_job.__doc__ or "").lower()
        assert [row.name for row in labgate.methods(lab, "list_*")]
        with pytest.raises(RemoteError):
            lab.get_job(project, "J99999")
        with labgate.batch(lab) as many:
            x, y = many.echo(1), many.get_job(project, "J99999")
        assert x.result() == 1
        assert isinstance(y.exception(), RemoteError)


def test_the_demos_cryosparc_is_used_without_a_gate_with_its_license() -> None:
    license_id = {"License-ID": "00000000-0000-0000-0000-000000000000"}
    with process("gateway.demo.command") as url:
        lab = labgate.connect(url, headers=license_id)
        assert lab.get_running_version()
        assert lab.get_total(np.ones((2, 3), int)[0]) == 3
        assert len(labgate.methods(lab)) > 10
        with labgate.request(lab, "GET", "/") as answer:
            assert b"ello" in answer.read()
        with pytest.raises(Unauthenticated):
            labgate.connect(url, headers={"License-ID": "another"}, token="t")


def test_methods_are_at_the_top_and_dots_are_namespaces(server: Server) -> None:
    lab = labgate.connect(server.url)
    assert dir(lab) == ["enqueue_job", "get_job", "jobs"]
    assert dir(lab.jobs) == ["list"]
    assert lab.enqueue_job("P3", "J42", lane="csworker") == {
        "queued": {"project_uid": "P3", "job_uid": "J42", "lane": "csworker"}
    }
    assert repr(lab) == f"<labgate client of {server.url} (no gate): 3 methods in 2 namespaces>"


def test_an_address_may_end_where_calls_are_taken_or_before(server: Server) -> None:
    for path in ("/rpc", "/v1/api", "/v1/rpc", "/v1"):
        server.path = path
        lab = labgate.connect(server.url + path, cache_dir=f"/tmp/none{path}")
        assert lab.get_job("P", "J")["job"]["job_uid"] == "J"


def test_it_starts_from_the_kept_list_without_the_server(server: Server) -> None:
    assert labgate.connect(server.url).get_job("P", "J")
    labgate._connect._links.clear()
    before = len(server.fields)
    lab = labgate.connect(server.url)
    assert len(server.fields) == before
    assert repr(lab).endswith("(no gate): 3 methods in 2 namespaces>")
    assert lab.get_job("P", "J")
    assert len(server.fields) == before + 1


def test_an_openrpc_document_by_get_is_taken_with_its_schemas_and_structures(server: Server) -> None:
    document = {
        "openrpc": "1.3.2",
        "info": {"title": "x", "version": "1"},
        "servers": {"url": "an object, as Flask-JSONRPC 4 has it"},
        "methods": [
            {
                "name": "power",
                "params": [
                    {"$ref": "#/components/contentDescriptors/base"},
                    {"name": "by", "schema": {"default": 2}},
                ],
                "paramStructure": "by-position",
                "result": {"name": "r", "schema": {"$ref": "#/components/schemas/N"}},
                "x-labgate": {"safe": True, "result": "volume", "volume": {"read": "x"}, "item": True},
            },
            {"name": 7},
            "nothing",
        ],
        "components": {
            "contentDescriptors": {"base": {"name": "base", "required": True, "schema": {"type": "integer"}}},
            "schemas": {"N": {"type": "integer"}},
        },
    }
    plain = server.respond

    def respond(asked: Asked) -> Reply | None:
        return Server.said(document) if asked.target == "/openrpc.json" else plain(asked)

    server.answers["power"] = lambda params: params[0] ** (params[1] if len(params) > 1 else 2)
    listener = Listener(respond)
    lab = labgate.connect(listener.url)
    assert str(inspect.signature(lab.power)) == "(base: int, by=2) -> int"
    assert lab.power(3) == 9  # a plain number: what only a gate can promise is not taken over
    assert lab.power(3, 3) == 27
    listener.close()


def test_what_is_no_server_of_any_kind_is_told_as_before(server: Server) -> None:
    listener = Listener(lambda _: Reply(200, b"<html>", {"Content-Type": "text/html"}))
    with pytest.raises(BadReply, match=r"openrpc\.json is no list of methods"):
        labgate.connect(listener.url)
    listener.close()
    server.procs = None  # a system.describe without procs
    with pytest.raises(BadReply, match="takes JSON-RPC calls, but describes"):
        labgate.connect(server.url)


def test_a_gate_is_never_asked_anything_else(gate: Gate) -> None:
    labgate.connect(gate.url)
    assert [verb for verb, *_ in gate.requests] == ["GET"]
    gate.token = "another"
    with pytest.raises(Unauthenticated):
        labgate.connect(gate.url, cache_dir="/dev/null/x", token="wrong")
    assert [verb for verb, *_ in gate.requests] == ["GET", "GET"]


def test_a_gates_document_cannot_send_calls_elsewhere(gate: Gate) -> None:
    gate.about = {"direct": {"path": "/files/steal", "convention": "rpc.discover"}}
    labgate.connect(gate.url).jobs.list_lanes()
    assert gate.requests[-1][1] == "/rpc"


def test_header_fields_and_credentials_go_as_given(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABGATE_TOKEN")
    server.required = {"license-id": "L-1", "authorization": "Basic eDp5"}
    with pytest.raises(Unauthenticated):
        labgate.connect(server.url)
    monkeypatch.setenv("LABGATE_TOKEN", "for-a-gate")
    lab = labgate.connect(server.url, headers={"License-ID": "L-1", "Authorization": "Basic eDp5"})
    assert lab.get_job("P", "J")
    assert server.fields[-1]["authorization"] == "Basic eDp5"
    server.required = {"authorization": "Bearer t-1"}
    assert labgate.connect(server.url, token="t-1").get_job("P", "J")
    with pytest.raises(SetupError, match="token="):
        labgate.connect(server.url, headers={"Authorization": "Bearer t-1"})


def test_at_a_gate_a_foreign_credential_is_refused(gate: Gate) -> None:
    with pytest.raises(SetupError, match="Authorization"):
        labgate.connect(gate.url, headers={"Authorization": "Basic eDp5"})


def test_what_only_a_gate_can_do_is_a_clear_error(server: Server) -> None:
    lab = labgate.connect(server.url)
    attempts: list[Callable[[], object]] = [
        lambda: labgate.explain(lab, "get_job", "P", "J"),
        lambda: labgate.whoami(lab),
        lambda: labgate.link(lab, "cave", "secret-token"),
        lambda: labgate.links(lab),
        lambda: labgate.unlink(lab, "cave"),
        lambda: lab(datastack="fly1"),
    ]
    before = len(server.fields)
    for attempt in attempts:
        with pytest.raises(NoGate, match=r"is none: this client speaks with a JSON-RPC server itself"):
            attempt()
    assert len(server.fields) == before
    with pytest.raises(BadReply):
        labgate.connect(server.url, datastack="fly1")


def test_arrays_are_lists_and_bytes_need_the_callers_word(server: Server) -> None:
    server.answers["enqueue_job"] = lambda params: params
    lab = labgate.connect(server.url)
    assert lab.enqueue_job(np.arange(4).reshape(2, 2), np.float32(1.5))["project_uid"] == [[0, 1], [2, 3]]
    with pytest.raises(TypeError, match="bytes cannot be sent"):
        lab.enqueue_job(b"x", "y")
    hexed = labgate.connect(server.url, default=lambda value: value.hex())
    assert hexed.enqueue_job(b"\xff", "y")["project_uid"] == "ff"
    assert all("msgpack" not in fields.get("accept", "") for fields in server.fields)


async def test_an_async_client_speaks_with_it_too(server: Server) -> None:
    async with labgate.aconnect(server.url) as lab:
        assert await lab.get_job("P", "J") == {"job": {"project_uid": "P", "job_uid": "J"}}
        assert repr(lab).endswith("(no gate): 3 methods in 2 namespaces>")
        with pytest.raises(NoGate):
            await labgate.whoami(lab)
        server.procs = PROCS[:1]
        found = await labgate.refresh(lab)
        assert found.removed == ("get_job", "jobs.list")
        html = lab._repr_html_()
    assert "no gate" in html


def test_a_refresh_tells_what_is_new(server: Server) -> None:
    lab = labgate.connect(server.url)
    server.procs = [*PROCS[:2], {"name": "new_one", "params": []}]
    found = labgate.refresh(lab)
    assert (found.added, found.changed, found.removed) == (("new_one",), (), ("jobs.list",))
    assert labgate.refresh(lab).added == ()


# --- the faults of CommandClient, one by one -------------------------------------------------------------------


def test_fault_a_server_that_is_away_costs_no_minute_of_sleep(server: Server) -> None:
    lab = labgate.connect(server.url)
    began = time.monotonic()
    with pytest.raises(GateUnreachable):
        labgate.connect("http://127.0.0.1:9", retries=0)
    assert time.monotonic() - began < 25  # it sleeps 2 x 30 s
    assert lab.get_job("P", "J")


def test_fault_listed_names_cannot_break_the_client(server: Server) -> None:
    names = [
        "_url",
        "_headers",
        "service",
        "Error",
        "_session",
        "__class__",
        "__dict__",
        "import",
        "a-b",
        "x",
    ]
    server.procs = [{"name": name, "params": []} for name in names]
    for name in names:
        server.answers[name] = lambda _, name=name: name
    lab = labgate.connect(server.url)
    assert {name: lab[name]() for name in names} == {name: name for name in names}
    assert (lab.x(), lab.service(), lab.Error(), lab.import_()) == ("x", "service", "Error", "import")


def test_fault_positions_are_kept_where_names_are_given_too(server: Server) -> None:
    lab = labgate.connect(server.url)
    server.calls.clear()
    lab.enqueue_job("P3", job_uid="J1", lane="gpu")
    assert server.calls == [("enqueue_job", {"project_uid": "P3", "job_uid": "J1", "lane": "gpu"})]
    with pytest.raises(TypeError, match="by position or by name"):
        lab.jobs.list(1, a=2)  # nobody described them: mixing is refused, not guessed
    with pytest.raises(TypeError, match="unexpected keyword"):
        lab.enqueue_job("P3", lean="gpu")


def test_fault_methods_that_are_gone_are_gone(server: Server) -> None:
    lab = labgate.connect(server.url)
    server.procs = PROCS[:1]
    labgate.refresh(lab)
    with pytest.raises(AttributeError, match="the server has no 'get_job'"):
        _ = lab.get_job


def test_fault_methods_have_names_signatures_and_docstrings(server: Server) -> None:
    lab = labgate.connect(server.url)
    assert lab.enqueue_job.__name__ == "enqueue_job"
    assert lab.enqueue_job.__doc__.startswith("Queue a job.")
    assert list(inspect.signature(lab.enqueue_job).parameters) == ["project_uid", "job_uid", "lane"]


def test_fault_an_answer_to_another_request_is_not_taken(server: Server) -> None:
    server.answers["get_job"] = lambda _: Reply(200, b'{"jsonrpc":"2.0","id":77,"result":1}', JSON)
    with pytest.raises(BadReply, match="another request"):
        labgate.connect(server.url).get_job("P", "J")


ODD: dict[str, tuple[int, str, bytes, type[Error] | None]] = {
    "error null beside a result": (200, "application/json", b'{"result": 1, "error": null, "id": 1}', None),
    "without id and version": (200, "application/json", b'{"result": 1}', None),
    "the id as a text": (200, "application/json", b'{"result": 1, "id": "1"}', None),
    "an error that is a text": (200, "application/json", b'{"error": "text", "id": 1}', RemoteError),
    "an empty object": (200, "application/json", b"{}", BadReply),
    "null": (200, "application/json", b"null", BadReply),
    "an array": (200, "application/json", b"[1]", BadReply),
    "an empty body": (200, "application/json", b"", BadReply),
    "no content": (204, "application/json", b"", BadReply),
    "a page": (200, "text/html", b"<h1>It broke</h1>", BadReply),
    "a page under 422": (422, "text/html", b"<h1>It broke</h1>", BadReply),
    "no JSON under 400": (400, "application/json", b"no JSON", BadReply),
    "gzip that nobody asked for": (200, "application/json", b"\x1f\x8b\x08\0\0\0\0\0", BadReply),
    "whose token": (401, "application/json", b'{"message": "whose token?"}', Unauthenticated),
    "a JSON-RPC error under 500": (
        500,
        "application/json",
        b'{"error": {"code": -32000, "message": "x"}}',
        RemoteError,
    ),
}


@pytest.mark.parametrize("name", ODD)
def test_fault_odd_answers_are_answers_or_labgates_own_errors(server: Server, name: str) -> None:
    status, kind, body, expected = ODD[name]
    server.answers["get_job"] = lambda _: Reply(status, body, {"Content-Type": kind})
    lab = labgate.connect(server.url)(retries=0)
    if expected is None:
        assert lab.get_job("P", "J") == 1
    else:
        with pytest.raises(expected) as caught:
            lab.get_job("P", "J")
        assert caught.value.method == "get_job"


def test_fault_an_errors_code_data_and_name_are_the_services(server: Server) -> None:
    error = {
        "code": 422,
        "message": "slots are not valid",
        "name": "ServerError",
        "data": {"slots": ["blob"]},
    }
    server.answers["get_job"] = lambda _: Reply(200, json.dumps({"error": error, "id": 1}).encode(), JSON)
    with pytest.raises(RemoteError) as caught:
        labgate.connect(server.url).get_job("P", "J")
    assert (caught.value.code, caught.value.data) == (422, {"slots": ["blob"]})
    assert caught.value.members == {"name": "ServerError"}
    with pytest.raises(RemoteNotFound) as missing:
        labgate.connect(server.url)["jobs.list"]()
    assert isinstance(missing.value, NotFound)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_fault_a_redirect_makes_no_get_of_a_call_and_takes_no_token_along(
    server: Server, status: int
) -> None:
    where = {"Location": f"{server.url}/elsewhere"}
    server.answers["enqueue_job"] = lambda _: Reply(status, b"", where)
    lab = labgate.connect(server.url)
    before = len(server.fields)
    with pytest.raises(BadReply, match="redirect"):
        lab.enqueue_job("P", "J")
    assert len(server.fields) == before + 1


def test_fault_a_connection_that_ends_without_an_answer_is_labgates_own_error(server: Server) -> None:
    server.answers["enqueue_job"] = lambda _: _cut()
    with pytest.raises(GateUnreachable) as caught:
        labgate.connect(server.url).enqueue_job("P", "J")
    assert caught.value.maybe_executed
    assert server.count("enqueue_job") == 1


def _cut() -> Reply:
    """Ends the connection: what is raised in a server's thread closes it."""
    raise OSError("cut")


def test_fault_what_may_have_been_carried_out_is_not_sent_again_after_a_time_out(server: Server) -> None:
    import threading

    released = threading.Event()
    server.answers["enqueue_job"] = lambda params: released.wait(60) and params
    lab = labgate.connect(server.url)
    with pytest.raises(DeadlineExceeded) as caught:
        lab(timeout=0.3, retries=5).enqueue_job("P", "J")
    released.set()
    assert caught.value.maybe_executed
    assert server.count("enqueue_job") == 1


def test_fault_what_is_idempotent_is_sent_again(server: Server) -> None:
    left = [1]

    def broken_once(params: Any) -> Any:
        if left:
            left.pop()
            raise OSError("cut")
        return params

    server.answers["get_job"] = broken_once
    assert labgate.connect(server.url).get_job("P", "J")["job_uid"] == "J"
    assert server.count("get_job") == 2


def test_fault_calls_share_a_connection(server: Server) -> None:
    accepted: list[object] = []
    listener = Listener(server.respond)
    plain = listener._serve
    listener._serve = lambda sock: (accepted.append(sock), plain(sock))[1]  # type: ignore[method-assign]
    lab = labgate.connect(listener.url)
    for _ in range(20):
        lab.get_job("P", "J")
    listener.close()
    assert len(accepted) <= 3  # discovery's, and the calls'


def test_fault_an_errors_text_is_short_whatever_was_sent(server: Server) -> None:
    server.answers["enqueue_job"] = None
    with pytest.raises(RemoteNotFound) as caught:
        labgate.connect(server.url).enqueue_job(list(range(100_000)), "J")
    assert len(str(caught.value)) < 500


def test_fault_large_numbers_nan_and_surrogates_survive(server: Server) -> None:
    server.answers["enqueue_job"] = lambda params: params
    lab = labgate.connect(server.url)
    found = lab.enqueue_job(2**70, float("inf"), "\ud800")
    assert [*found.values()] == [2**70, float("inf"), "\ud800"]
