"""Does a login renew itself: before it ends, when it is refused, once for all threads and programs?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import labgate
from labgate._address import parse_address
from labgate._logins import keep_login, read_login
from labgate.errors import LoginError, TokenFileWarning
from tests.sdk.logins import SETTINGS, kept, served


@pytest.fixture
def gate(gate_of: Any, issuer: Any) -> Any:
    with served(gate_of, SETTINGS.format(issuer=issuer.url, up=issuer.url)) as url:
        yield url


def changed(gate: str, **members: Any) -> None:
    """Let the kept login be otherwise."""
    address = parse_address(gate)
    login = read_login(address)
    assert login is not None
    keep_login(address, login.changed(**members))


def refreshes(issuer: Any) -> list[dict[str, str]]:
    return [form for form in issuer.forms("/token") if form["grant_type"] == "refresh_token"]


def test_a_token_that_is_about_to_end_is_renewed_before_it_is_sent(gate: str, issuer: Any) -> None:
    labgate.login(gate)
    before = json.loads(kept()[0].read_text())
    changed(gate, expires=time.time() + 1, access_token="not-to-be-sent")
    assert labgate.connect(gate).jobs.hello() == "hello"
    (form,) = refreshes(issuer)
    assert form == {
        "grant_type": "refresh_token",
        "refresh_token": before["refresh_token"],
        "client_id": "labgate-cli",
        "resource": gate,
    }
    after = json.loads(kept()[0].read_text())
    assert after["id"] == before["id"]
    assert after["refresh_token"] != before["refresh_token"]
    assert after["expires"] > time.time() + 3000


def test_a_server_that_keeps_its_refresh_token_is_as_good(gate: str, issuer: Any) -> None:
    issuer.rotates = False
    labgate.login(gate)
    for _ in range(2):
        changed(gate, expires=time.time() - 1)
        assert labgate.connect(gate)(retries=0).jobs.hello() == "hello"
    assert len({form["refresh_token"] for form in refreshes(issuer)}) == 1


def old(gate: str, issuer: Any) -> Any:
    """A client whose token the gate will refuse, although it looks as if it held."""
    labgate.login(gate)
    lab = labgate.connect(gate)
    link = lab._session.link
    credential = link.way()[1]
    # The gate judges by its own clock: here it takes the token for one that has ended long ago.
    refused = issuer.token(exp=time.time() - 3600)
    changed(gate, access_token=refused)
    credential._adopt(read_login(parse_address(gate)))
    credential._got = float("-inf")
    return lab


@pytest.mark.parametrize(
    "use",
    [
        lambda lab: lab.jobs.hello(),
        lambda lab: lab.jobs.add(),
        lambda lab: labgate.refresh(lab),  # noqa: PLW0108 - looked up when called: test_awaited_logins has others
        lambda lab: labgate.whoami(lab),  # noqa: PLW0108
        lambda lab: labgate.request(lab.jobs, "GET", "/hello").read(),
        lambda lab: labgate.request(lab.jobs, "POST", "/add", data=b"some").read(),
        lambda lab: labgate.request(
            lab.jobs, "GET", "/hello", headers={"Authorization": "Basic eDp5"}
        ).read(),
    ],
)
def test_a_token_that_the_gate_refuses_is_renewed_once_and_the_call_sent_again(
    gate: str, issuer: Any, use: Any
) -> None:
    lab = old(gate, issuer)
    use(lab)
    assert len(refreshes(issuer)) == 1
    use(lab)
    assert len(refreshes(issuer)) == 1


def test_a_batch_is_sent_again_as_a_whole(gate: str, issuer: Any) -> None:
    lab = old(gate, issuer)
    with labgate.batch(lab) as batch:
        two = [batch.jobs.hello(), batch.jobs.add()]
    assert [one.result() for one in two] == ["hello", "added"]
    assert len(refreshes(issuer)) == 1


def test_many_calls_at_once_cost_one_renewal_and_none_of_them(gate: str, issuer: Any) -> None:
    lab = old(gate, issuer)
    found = [result for _, result in labgate.map(lab.jobs.hello, [{"q": at} for at in range(200)])]
    assert found == ["hello"] * 200
    assert len(refreshes(issuer)) == 1


def test_a_service_that_refuses_by_itself_costs_no_renewal(gate: str, issuer: Any) -> None:
    labgate.login(gate)
    issuer.answers["/hello"] = lambda asked: asked.reply(401, {}, WWW_Authenticate="Bearer")
    lab = labgate.connect(gate)
    with pytest.raises(labgate.Error):
        labgate.request(lab.jobs, "GET", "/hello").read()
    assert refreshes(issuer) == []


def test_many_threads_share_one_renewal(gate: str, issuer: Any) -> None:
    lab = old(gate, issuer)
    start = threading.Barrier(16)

    def one(_: int) -> Any:
        start.wait(60)
        return lab.jobs.hello()

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, range(16))) == {"hello"}
    assert len(refreshes(issuer)) == 1
    assert issuer.ended == set()


PROGRAM = """\
import sys, labgate
lab = labgate.connect(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(lab.jobs.hello(), flush=True)
"""


def test_two_programs_that_renew_at_once_use_the_refresh_token_once(gate: str, issuer: Any) -> None:
    labgate.login(gate)
    labgate.connect(gate)  # which keeps the list of methods
    changed(gate, expires=time.time() - 1)
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, gate],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for one in programs:
        assert one.stdout.readline() == "ready\n"
    for one in programs:
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in programs:
        out, err = one.communicate(timeout=120)
        assert (one.returncode, out) == (0, "hello\n"), err
    assert len(refreshes(issuer)) == 1
    assert issuer.ended == set()


def test_a_forked_child_renews_although_a_thread_of_its_parent_was_renewing(gate: str, issuer: Any) -> None:
    lab = old(gate, issuer)
    credential = lab._session.link.way()[1]
    with credential._lock:
        child = os.fork()
        if child == 0:
            try:
                os._exit(0 if lab.jobs.hello() == "hello" else 1)
            finally:
                os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert lab.jobs.hello() == "hello"
    assert len(refreshes(issuer)) == 1


def test_a_login_that_has_ended_says_how_to_log_in_and_a_new_one_serves_the_old_client(
    gate: str, issuer: Any
) -> None:
    lab = old(gate, issuer)
    issuer.script = [(400, {"error": "invalid_grant", "error_description": "the session has ended"})]
    with pytest.raises(LoginError, match="the session has ended") as caught:
        lab.jobs.hello()
    assert "labgate login" in str(caught.value)
    labgate.login(gate)
    assert lab.jobs.hello() == "hello"


def test_after_logging_out_a_client_that_runs_says_so(gate: str, issuer: Any) -> None:
    lab = old(gate, issuer)
    labgate.logout(gate)
    with pytest.raises(LoginError, match="logged out"):
        lab.jobs.hello()


def test_while_the_server_is_away_a_token_that_holds_is_used_on(gate: str, issuer: Any) -> None:
    labgate.login(gate)
    changed(gate, expires=time.time() + 30)
    issuer.answers["/token"] = lambda asked: asked.reply(503, {})
    lab = labgate.connect(gate)
    assert lab.jobs.hello() == "hello"
    assert lab.jobs.hello() == "hello"
    changed(gate, expires=time.time() - 1)
    lab._session.link.way()[1]._adopt(read_login(parse_address(gate)))
    with pytest.raises(LoginError, match="answered 503"):
        lab.jobs.hello()


def test_a_login_without_a_refresh_token_ends_with_its_token(gate: str, issuer: Any) -> None:
    issuer.refreshes = False
    lab = old(gate, issuer)
    assert "refresh_token" not in json.loads(kept()[0].read_text())
    with pytest.raises(labgate.errors.Unauthenticated, match="labgate login"):
        lab.jobs.hello()
    assert refreshes(issuer) == []


def test_the_list_of_methods_outlives_the_tokens(gate: str, issuer: Any) -> None:
    labgate.login(gate)
    labgate.connect(gate).jobs.hello()
    changed(gate, expires=time.time() - 1)
    issuer.answers["/token"] = lambda asked: asked.reply(503, {})
    code = f"import labgate; print(len(labgate.methods(labgate.connect({gate!r}))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "2\n"), done.stderr


def test_a_renewed_login_that_cannot_be_written_serves_this_program(
    gate: str, issuer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    lab = old(gate, issuer)
    monkeypatch.setattr("labgate._credential.keep_login", full)
    with pytest.warns(TokenFileWarning, match="No space left on device"):
        assert lab.jobs.hello() == "hello"
    assert lab.jobs.hello() == "hello"
    assert len(refreshes(issuer)) == 1


@pytest.mark.parametrize("ends", ["logout", "login"])
def test_what_is_renewed_meanwhile_undoes_neither_a_logout_nor_a_new_login(
    gate: str, issuer: Any, token_for: Any, ends: str
) -> None:
    lab = old(gate, issuer)
    arrived, go = threading.Event(), threading.Event()

    def slow(asked: Any) -> None:
        arrived.set()
        go.wait(60)
        asked.reply(200, {"access_token": issuer.token(), "token_type": "Bearer", "refresh_token": "another"})

    issuer.answers["/token"] = slow
    with ThreadPoolExecutor(2) as pool:
        call = pool.submit(lab.jobs.hello)
        assert arrived.wait(60)
        if ends == "logout":
            other = pool.submit(labgate.logout, gate)
        else:
            other = pool.submit(labgate.login, gate, token=token_for("eve", "lab"))
        go.set()
        assert call.result(60) == "hello"
        other.result(60)
    assert kept() == []
