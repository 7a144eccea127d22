"""Are real JSON-RPC servers a client's without a gate, whatever they are made with and however they describe themselves?"""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import labgate
from labgate.errors import BadReply, Error, RemoteError

# The first test may have to build the environments.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

CONVENTIONS = {
    "flask-jsonrpc-2": "system.describe",
    "flask-jsonrpc-4": "rpc.describe",
    "jsonrpclib-pelix": "system.listMethods",
    "openrpc": "rpc.discover",
    "django-modern-rpc": "system.listMethods",
}


@pytest.fixture(autouse=True)
def own_folders(tmp_path, monkeypatch) -> None:
    """Nothing is kept from another test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("LABGATE_TOKEN", raising=False)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_server_is_found_by_its_bare_address_and_called_like_a_gate(name, upstream) -> None:
    server = upstream(name)
    lab = labgate.connect(server.url)
    direct = lab._session.link.direct
    assert (direct.path, direct.convention) == (server.rpc_path, CONVENTIONS[name])
    assert {"add", "echo", "fail", "get_stats", "subtract"} <= {*dir(lab)}
    assert lab.subtract.__doc__.startswith("Subtract the subtrahend from the minuend.")
    assert lab.subtract(5, 3) == lab.subtract(minuend=5, subtrahend=3) == 2
    assert lab.echo({"a": [1, None, "ü", 2**70]}) == {"a": [1, None, "ü", 2**70]}
    assert lab.echo(np.arange(3)) == [0, 1, 2]
    assert lab["files.get-raw"] is not None
    with pytest.raises(RemoteError):
        lab.fail()
    if CONVENTIONS[name] != "system.listMethods":
        assert [*inspect.signature(lab.subtract).parameters] == ["minuend", "subtrahend"]
        assert lab.subtract(5, subtrahend=3) == 2  # CommandClient sends only the second


@pytest.mark.parametrize("name", CONVENTIONS)
def test_a_batch_has_an_outcome_for_each_call(name, upstream) -> None:
    lab = labgate.connect(upstream(name).url)
    with labgate.batch(lab) as many:
        calls = [many.echo(value) for value in ("a", 2, None)]
        broken = many.fail()
    assert [call.result() for call in calls] == ["a", 2, None]
    assert isinstance(broken.exception(), Error)


def test_the_answers_that_break_commandclient_are_values_or_errors_of_labgate(command_server) -> None:
    lab = labgate.connect(command_server)(retries=0)
    assert lab.odd_error_null() == 1
    found = lab.odd_bare()
    assert found[3] == 2**64 + 1
    assert found[4] == "\ud800"
    for name in ("empty", "no_content", "page", "object", "null", "array", "page_422", "label_400"):
        with pytest.raises(BadReply) as caught:
            lab[f"odd_{name}"]()
        assert caught.value.method == f"odd_{name}"
    with pytest.raises(RemoteError, match="text"):
        lab.odd_error_text()
    with pytest.raises(Error) as caught:
        lab.save_result("P1")
    assert (caught.value.code, caught.value.data["slots"]) == (422, ["blob", "ctf"])
    assert np.isnan(lab.get_project("P1", deep=True)["mean"])
    assert lab.get_total(np.ones((3, 4), np.int64)) == 12
    assert lab.enqueue_job("P3", job_uid="J1", lane="gpu") == "launched P3 J1 on gpu"


def test_plain_http_of_such_a_server_is_there_too(command_server) -> None:
    lab = labgate.connect(command_server)
    with labgate.request(lab, url="/download_file", json={"path": "/a.txt"}) as answer:
        assert answer.read().startswith(b"/a.txt 0\n/a.txt 1\n")
    with labgate.request(lab, url="/load_job_input", headers={"License-ID": "L"}) as answer:
        assert answer.headers["Content-Type"] == "application/x-cryosparc-dataset"
        assert len(answer.read()) == answer.length
    pieces = (b"x" * 1000 for _ in range(100))
    with labgate.request(lab, url="/projects/P1/files", query={"path": "a b"}, data=pieces) as answer:
        said = answer.json()
    assert (said["size"], said["query"]) == (100_000, "path=a%20b")
