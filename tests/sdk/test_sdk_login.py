"""Does a user come to a token by a code, keep it for all programs, and give it up again?"""

from __future__ import annotations

import json
import os
import pickle  # noqa: TID251 - clients are pickled by multiprocessing
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import labgate
from labgate import _login
from labgate.errors import LoginError, SetupError, Unauthenticated
from tests.sdk.logins import SETTINGS, kept, served

COMMAND = [sys.executable, "-m", "labgate.cli"]


@pytest.fixture
def gate(gate_of: Any, issuer: Any) -> Any:
    with served(gate_of, SETTINGS.format(issuer=issuer.url, up=issuer.url)) as url:
        yield url


def test_a_login_by_code_is_kept_for_every_later_connect(gate: str, issuer: Any, capsys: Any) -> None:
    me = labgate.login(gate)
    assert (me.subject, me.issuer, me.groups) == ("ada", issuer.url, ("lab",))
    (offer,) = issuer.forms("/device")
    assert offer == {"client_id": "labgate-cli", "scope": "openid offline_access", "resource": gate}
    out, err = capsys.readouterr()
    assert out == ""
    first, second, third = err.splitlines()
    host = issuer.url.removeprefix("http://")
    assert first == f"Logging in to {gate} at {host}."
    assert second == f"Open {issuer.url}/type?code=WDJB-MJHT"
    assert "WDJB-MJHT" in third
    assert labgate.connect(gate).jobs.hello() == "hello"


def test_what_is_kept_is_readable_by_its_user_alone_and_is_in_no_text(gate: str) -> None:
    labgate.login(gate)
    (path,) = kept()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    said = json.loads(path.read_text())
    lab = labgate.connect(gate)
    link = lab._session.link
    for secret in (said["access_token"], said["refresh_token"]):
        assert secret not in repr(link.way())
        assert secret not in repr(link.way()[1].login)
        assert secret.encode() not in pickle.dumps(lab)
        assert secret not in repr(labgate.whoami(lab)) + repr(labgate.doctor(lab))
    assert pickle.loads(pickle.dumps(lab)).jobs.hello() == "hello"
    for thing in (link.way()[1], link.way()[1].login):
        with pytest.raises(TypeError):
            pickle.dumps(thing)


def test_a_login_that_others_can_read_is_refused_with_the_fix(gate: str) -> None:
    labgate.login(gate)
    (path,) = kept()
    path.chmod(0o640)
    with pytest.raises(SetupError, match="open to other users") as caught:
        labgate.connect(gate)
    assert f"chmod 600 {path}" in str(caught.value)
    assert labgate.logout(gate)
    assert kept() == []


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"access_token": "a"}'])
def test_a_damaged_login_is_a_clear_error_and_logging_in_mends_it(gate: str, text: str) -> None:
    labgate.login(gate)
    (path,) = kept()
    path.write_text(text)
    with pytest.raises(SetupError, match="cannot be used"):
        labgate.connect(gate)
    labgate.login(gate)
    assert labgate.connect(gate).jobs.hello() == "hello"


def test_a_login_belongs_to_its_own_origin(gate: str, tmp_path: Path) -> None:
    labgate.login(gate)
    (path,) = kept()
    port = gate.rpartition(":")[2]
    other = path.with_name(path.name.replace("127.0.0.1", "localhost"))
    other.write_bytes(path.read_bytes())
    other.chmod(0o600)
    with pytest.raises(SetupError, match="another gate's"):
        labgate.connect(f"http://localhost:{port}")


def test_the_environments_token_goes_before_the_login(
    gate: str, monkeypatch: pytest.MonkeyPatch, token_for: Any
) -> None:
    labgate.login(gate)
    monkeypatch.setenv("LABGATE_TOKEN", token_for("eve", "lab"))
    assert labgate.whoami(labgate.connect(gate)).subject == "eve"


def test_logging_out_forgets_and_tells_the_server(gate: str, issuer: Any) -> None:
    labgate.login(gate)
    refresh = json.loads(kept()[0].read_text())["refresh_token"]
    assert labgate.logout(gate)
    assert kept() == []
    (form,) = issuer.forms("/revoke")
    assert form == {"token": refresh, "token_type_hint": "refresh_token", "client_id": "labgate-cli"}
    assert not labgate.logout(gate)
    with pytest.raises(Unauthenticated, match="labgate login"):
        labgate.connect(gate)


def test_a_server_that_is_gone_does_not_keep_anybody_from_logging_out(
    gate: str, issuer: Any, capsys: Any
) -> None:
    labgate.login(gate)
    issuer.answers["/revoke"] = lambda asked: asked.reply(503, {})
    capsys.readouterr()
    assert labgate.logout(gate)
    assert "could not be told" in capsys.readouterr().err
    assert kept() == []


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (400, "access_denied", "refused"),
        (400, "expired_token", "expired"),
        (400, "invalid_grant", "invalid_grant"),
        (401, "invalid_client", "invalid_client"),
        (400, None, "it answered 400"),
    ],
)
def test_a_refused_login_is_an_error_that_says_why_and_keeps_nothing(
    gate: str, issuer: Any, status: int, error: str | None, words: str
) -> None:
    issuer.script = [(status, {"error": error} if error else [1])]
    with pytest.raises(LoginError, match=words):
        labgate.login(gate)
    assert kept() == []


def test_polls_go_on_while_nobody_has_typed_the_code_and_while_the_server_stumbles(
    gate: str, issuer: Any
) -> None:
    pending = (400, {"error": "authorization_pending"})
    issuer.script = [pending, (503, {}), pending]
    labgate.login(gate)
    forms = issuer.forms("/token")
    assert len(forms) == 4
    assert {tuple(form) for form in forms} == {("grant_type", "device_code", "client_id", "resource")}


@pytest.mark.parametrize("token_type", ["mac", None])
def test_a_token_that_is_no_bearer_token_is_none(gate: str, issuer: Any, token_type: str | None) -> None:
    issuer.script = [(200, {"access_token": "a", "token_type": token_type})]
    with pytest.raises(LoginError, match="Bearer"):
        labgate.login(gate)


def test_a_token_with_characters_that_no_header_carries_is_refused(gate: str, issuer: Any) -> None:
    issuer.script = [(200, {"access_token": "a\r\nX-Evil: 1", "token_type": "bearer"})]
    with pytest.raises(LoginError, match="characters"):
        labgate.login(gate)


def test_a_token_that_the_gate_does_not_take_is_not_kept(gate: str, issuer: Any) -> None:
    issuer.audience = "somebody else"
    with pytest.raises(LoginError, match="the gate does not take its token"):
        labgate.login(gate)
    assert kept() == []


HOSTILE = [
    ({"issuer": "https://evil.example/"}, "another issuer's"),
    ({"issuer": None}, "another issuer's"),
    ({"token_endpoint": "https://evil.example/token"}, "another host, evil.example"),
    ({"device_authorization_endpoint": "https://evil.example/d"}, "another host, evil.example"),
    ({"token_endpoint": "http://127.0.0.1:1/token"}, "another host"),
    ({"token_endpoint": "http://login.lab.org/token"}, "no https address"),
    ({"token_endpoint": "file:///etc/passwd"}, "no https address"),
    ({"token_endpoint": "https://a@b/token"}, "no https address"),
    ({"token_endpoint": 7}, "no address at which it gives tokens"),
    ({"device_authorization_endpoint": None}, "does not take logins by a code"),
]


@pytest.mark.parametrize(("metadata", "words"), HOSTILE)
def test_metadata_that_leads_elsewhere_is_not_followed(
    gate: str, issuer: Any, metadata: dict[str, Any], words: str
) -> None:
    issuer.metadata = metadata
    with pytest.raises(LoginError, match=words):
        labgate.login(gate)
    assert issuer.asked == []


def test_metadata_that_is_huge_or_a_redirect_or_an_error_is_refused(gate: str, issuer: Any) -> None:
    where = "/.well-known/oauth-authorization-server"
    for status, body, fields, words in (
        (200, b'"' + b"x" * (1 << 20) + b'"', {}, "more than"),
        (302, {}, {"Location": f"{issuer.url}/elsewhere"}, "redirect"),
        (500, {}, {}, "answered 500"),
        (403, {}, {}, "answered 403"),
        (200, b"not json", {}, "another issuer's"),
        (200, b"[" * 100_000, {}, "another issuer's"),
    ):
        issuer.answers[where] = lambda asked, s=status, b=body, f=fields: asked.reply(s, b, **f)
        with pytest.raises(LoginError, match=words):
            labgate.login(gate)
    assert issuer.asked == []


@pytest.mark.parametrize(
    "offer",
    [
        (400, {"error": "invalid_scope"}),
        (200, {}),
        (200, {"device_code": "a", "user_code": "b", "verification_uri": "http://evil.example/"}),
        (200, {"device_code": "a", "user_code": "b", "verification_uri": "javascript:alert(1)"}),
        (
            200,
            {
                "device_code": "a",
                "user_code": "b",
                "verification_uri": "https://login.lab.org/",
                "verification_uri_complete": "https://login.lab.org/\x1b[31m",
            },
        ),
    ],
)
def test_an_offer_that_cannot_be_used_is_not_shown(gate: str, issuer: Any, offer: Any, capsys: Any) -> None:
    issuer.offers = [offer]
    with pytest.raises(LoginError):
        labgate.login(gate)
    assert "Open" not in capsys.readouterr().err
    assert issuer.forms("/token") == []


@pytest.mark.parametrize("where", ["/device", "/token"])
def test_no_code_and_no_secret_follows_a_redirect(gate: str, issuer: Any, where: str) -> None:
    issuer.answers[where] = lambda asked: asked.reply(307, {}, Location=f"{issuer.url}/elsewhere")
    with pytest.raises(LoginError, match="redirect"):
        labgate.login(gate)
    assert issuer.forms("/elsewhere") == []


def test_this_machine_is_asked_past_every_proxy(gate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/")
    assert labgate.login(gate).subject == "ada"


def test_an_issuer_may_have_a_path(gate_of: Any, issuer_lab: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABGATE_TOKEN", raising=False)
    with (
        issuer_lab.running("/realms/lab") as issuer,
        served(gate_of, SETTINGS.format(issuer=issuer.url, up=issuer.url)) as gate,
    ):
        assert labgate.login(gate).issuer == issuer.url


def test_over_https_only_a_server_that_is_trusted_is_sent_anything(
    gate_of: Any, issuer_lab: Any, authority: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABGATE_TOKEN", raising=False)
    issued = authority.issue()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(issued.certificate, issued.key)
    with issuer_lab.running(tls=tls) as issuer:
        keys = tmp_path / "jwks.json"
        keys.write_text(json.dumps(issuer.keys()))
        settings = SETTINGS.format(issuer=issuer.url, up="http://127.0.0.1:1")
        settings = settings.replace("audience: labgate", f'audience: labgate\n      jwks: "{keys}"')
        with served(gate_of, settings) as gate:
            with pytest.raises(LoginError, match="not trusted by this machine") as caught:
                labgate.login(gate)
            assert "ca_file" in caught.value.hint
            assert issuer.asked == []
            assert labgate.login(gate, profile="lab", ca_file=authority.file).subject == "ada"
            # The renewal trusts the same authority, whoever renews.
            said = json.loads(kept()[0].read_text())
            kept()[0].write_text(json.dumps({**said, "expires": 1.0}))
            assert labgate.whoami(labgate.connect(gate)).subject == "ada"
            assert len(issuer.forms("/token")) == 2
            assert labgate.logout(gate)
            assert len(issuer.forms("/revoke")) == 1


def test_a_gate_that_calls_itself_otherwise_gets_no_token(gate_of: Any, issuer: Any) -> None:
    settings = SETTINGS.format(issuer=issuer.url, up=issuer.url) + "public_url: https://gate.lab.org\n"
    with served(gate_of, settings) as gate:
        with pytest.raises(LoginError, match=r"calls itself https://gate\.lab\.org"):
            labgate.login(gate)
    assert issuer.asked == []


def test_without_a_way_to_log_in_a_pasted_token_is_tested_and_kept(
    gate_of: Any, token_for: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.delenv("LABGATE_TOKEN", raising=False)
    with served(gate_of, "policies: [{to: [authenticated], allow: ['*']}]\n") as gate:
        token = token_for("ada", "lab")
        with pytest.raises(SetupError, match="nobody is here to be asked"):
            labgate.login(gate)
        assert "labgated token create" in capsys.readouterr().err
        with pytest.raises(Unauthenticated):
            labgate.login(gate, token="labgate-of-nobody")
        assert kept("tokens") == []
        done = subprocess.run(
            [*COMMAND, "login", "--paste", gate],
            input=f"{token}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["subject"] == "ada"
        assert token not in done.stdout + done.stderr
        (path,) = kept("tokens")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert labgate.whoami(labgate.connect(gate)).subject == "ada"
        assert labgate.logout(gate)
        assert kept("tokens") == []


def test_a_token_takes_the_place_of_a_login_and_a_login_that_of_a_token(gate: str, token_for: Any) -> None:
    labgate.login(gate)
    labgate.login(gate, token=token_for("eve", "lab"))
    assert (kept(), len(kept("tokens"))) == ([], 1)
    assert labgate.whoami(labgate.connect(gate)).subject == "eve"
    labgate.login(gate)
    assert (len(kept()), kept("tokens")) == (1, [])
    assert labgate.whoami(labgate.connect(gate)).subject == "ada"


def test_nothing_is_sent_by_plain_http_beyond_this_machine_unless_asked() -> None:
    with pytest.raises(SetupError, match="in the clear"):
        labgate.login("http://gate.lab.org", token="a-token")


def test_a_server_that_the_gate_does_not_name_is_no_way_to_log_in(gate: str, issuer: Any) -> None:
    with pytest.raises(SetupError, match="names no login at https://other") as caught:
        labgate.login(gate, issuer="https://other")
    assert issuer.url in caught.value.hint
    assert labgate.login(gate, issuer=issuer.url + "/").subject == "ada"


def test_a_notebook_shows_a_link_that_cannot_carry_markup(monkeypatch: pytest.MonkeyPatch) -> None:
    from labgate import _shown_code
    from labgate._device import Offer
    from labgate._outside import Told

    said = {
        "device_code": "a",
        "user_code": "<b>\x1b",
        "verification_uri": "https://login.lab.org/'\"<script>",
    }
    offer = Offer(Told(200, said), "login.lab.org")
    text = _shown_code.html(offer)
    assert "<script>" not in text
    assert "<b>&lt;b&gt;" in text
    assert "\x1b" not in " ".join(_shown_code.words(offer))


def test_the_command_logs_in_writes_a_profile_and_logs_out(gate: str) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LABGATE_")}
        return subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False, env=environ)

    done = run("login", gate, "--profile", "lab")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["subject"] == "ada"
    assert "WDJB-MJHT" in done.stderr
    (row,) = json.loads(run("profiles").stdout)
    assert (row["name"], row["url"]) == ("lab", gate)
    done = run("call", "jobs.hello", "--profile", "lab")
    assert (done.returncode, done.stdout) == (0, '"hello"\n'), done.stderr
    said = json.loads(run("whoami", "hidden.secret", "--profile", "lab").stdout)
    assert said["permission"]["allowed"] is False
    assert "no policy allows it" in said["permission"]["why"]
    assert json.loads(run("logout", "--profile", "lab").stdout) == {"forgotten": True}
    done = run("call", "jobs.hello", "--profile", "lab")
    assert done.returncode == 4
    assert "labgate login" in done.stderr


def test_what_is_asked_of_a_person_is_not_shown(
    gate: str, token_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def unseen(prompt: str) -> str:
        asked.append(prompt)
        return f" {token} \n"

    class Terminal:
        def isatty(self) -> bool:
            return True

    token = token_for("eve", "lab")
    monkeypatch.setattr(_login.sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", unseen)
    assert labgate.login(gate, paste=True).subject == "eve"
    assert asked == ["Your token (it is not shown): "]


def test_an_account_of_its_own_logs_in_by_its_secret_and_is_renewed_by_it(
    gate: str, issuer: Any, issuer_lab: Any
) -> None:
    name, secret = issuer_lab.ACCOUNT
    assert labgate.login(gate, account=name, secret=secret).subject == "robot"
    (path,) = kept()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "expires": 1.0, "access_token": "ended"}))
    lab = labgate.connect(gate)
    assert lab.jobs.hello() == "hello"
    forms = issuer.forms("/token")
    assert forms == [forms[0]] * 2
    assert forms[0] == {
        "grant_type": "client_credentials",
        "scope": "openid offline_access",
        "resource": gate,
    }
    found = labgate.doctor(gate)
    assert found["token"].text.endswith("robot; it renews itself")
    assert secret not in repr(found) + repr(lab._session.link.way()[1].login)


def test_an_account_that_the_server_does_not_know_is_an_error(gate: str) -> None:
    with pytest.raises(LoginError, match="does not let robot in: invalid_client"):
        labgate.login(gate, account="robot", secret="wrong")
    with pytest.raises(SetupError, match="no secret of 'robot'"):
        labgate.login(gate, account="robot")
    with pytest.raises(SetupError, match="is empty"):
        labgate.login(gate, account="robot", secret=" ")
    assert kept() == []


def test_an_account_needs_no_client_that_people_log_in_by(gate_of: Any, issuer: Any, issuer_lab: Any) -> None:
    name, secret = issuer_lab.ACCOUNT
    settings = SETTINGS.format(issuer=issuer.url, up=issuer.url)
    settings = "".join(line for line in settings.splitlines(keepends=True) if "device:" not in line)
    issuer.metadata = {"device_authorization_endpoint": None}
    with served(gate_of, settings) as gate:
        done = subprocess.run(
            [*COMMAND, "login", gate, "--account", name],
            input=f"{secret}\n",
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert secret not in done.stdout + done.stderr
        assert labgate.connect(gate).jobs.hello() == "hello"
    with served(gate_of, "policies: []\n") as gate:
        with pytest.raises(SetupError, match="no server that gives tokens to accounts"):
            labgate.login(gate, account=name, secret=secret)


def test_a_token_of_the_environment_that_hides_the_login_is_told(
    gate: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    labgate.login(gate)
    assert "Mind" not in capsys.readouterr().err
    monkeypatch.setenv("LABGATE_TOKEN", "of-the-environment")
    labgate.login(gate)
    err = capsys.readouterr().err
    assert "Mind that LABGATE_TOKEN goes before this login" in err
    assert "of-the-environment" not in err


NOTEBOOK = """\
import sys
import labgate
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

InteractiveShell.instance()
sys.modules["ipykernel"] = sys
with capture_output() as shown:
    labgate.login(sys.argv[1])
print(*[output.data["text/html"] for output in shown.outputs])
"""


def test_in_a_notebook_the_link_is_displayed(gate: str) -> None:
    run = [sys.executable, "-c", NOTEBOOK, gate]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('target="_blank"') == 1
    assert "<b>WDJB-MJHT</b>" in done.stdout
