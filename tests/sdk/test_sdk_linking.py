"""How does a user give the gate their own token of a service, and does nobody else ever see it?"""

from __future__ import annotations

import getpass
import json
import sys
from pathlib import Path
from typing import Any

import pytest

import labgate
from labgate.errors import Error, NotFound, SetupError
from tests.sdk.conftest import Gate, Handler

SECRET = "0123456789abcdef0123456789abcdef"


class Keeper:
    """The gate's side of `/-/links/{service}`."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.refusal: tuple[int, str] | None = None

    def __call__(self, asked: Handler) -> None:
        sent = asked.body().decode()
        service = asked.path.removeprefix("/-/links").strip("/")
        if self.refusal is not None:
            asked.reply(self.refusal[0], self.refusal[1].encode(), ("Content-Type", "application/json"))
        elif asked.command == "PUT":
            self.kept[service] = sent
            asked.reply(204)
        elif asked.command == "GET" and not service:
            listed = [{"service": name, "since": "2026-01-01"} for name in self.kept]
            self.says(asked, 200, {"links": listed})
        elif service not in self.kept:
            self.says(asked, 404, refused("no link", linked=False))
        elif asked.command == "DELETE":
            del self.kept[service]
            asked.reply(204)
        else:
            self.says(asked, 200, {"service": service, "linked": True, "since": "2026-01-01"})

    def says(self, asked: Handler, status: int, value: Any) -> None:
        asked.reply(status, json.dumps(value).encode(), ("Content-Type", "application/json"))


def refused(message: str, **data: Any) -> dict[str, Any]:
    return {"error": {"code": -32015, "message": message, "data": {"fault": "NoSuchAddress", **data}}}


@pytest.fixture
def keeper(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> Keeper:
    """A gate that keeps links."""
    made = Keeper()
    gate.service = made
    plain = Handler.do_GET

    def get(asked: Handler) -> None:
        (asked.do_PUT if asked.path.startswith("/-/links") else lambda: plain(asked))()

    monkeypatch.setattr(Handler, "do_GET", get)
    return made


def person(monkeypatch: pytest.MonkeyPatch, types: str, answers: str = "n") -> list[str]:
    """Somebody at the keyboard, who is shown the returned prompts."""
    shown: list[str] = []
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda prompt: shown.append(prompt) or answers)
    monkeypatch.setattr(getpass, "getpass", lambda prompt: shown.append(prompt) or types)
    return shown


def test_a_token_is_handed_over_as_the_body_of_a_put_and_taken_back_by_a_delete(
    gate: Gate, keeper: Keeper
) -> None:
    lab = labgate.connect(gate.url)
    assert labgate.link(lab, "cave", f" {SECRET}\n").linked
    verb, target, headers, body = gate.requests[-1]
    assert (verb, target, body) == ("PUT", "/-/links/cave", SECRET.encode())
    assert headers["content-type"] == "text/plain"
    assert SECRET not in repr(headers)
    told = labgate.links(lab, "cave")
    assert repr(told) == "<cave: linked since 2026-01-01>"
    assert repr(labgate.links(lab)) == "[<cave: linked since 2026-01-01>]"
    assert labgate.unlink(lab, "cave") is True
    assert labgate.unlink(lab, "cave") is False
    assert repr(labgate.links(lab, "cave")) == "<cave: not linked>"
    assert not labgate.links(lab, "cave")
    assert labgate.links(lab) == []


def test_without_a_token_a_person_is_asked_unseen(
    gate: Gate, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = person(monkeypatch, SECRET)
    labgate.link(labgate.connect(gate.url), "cave")
    assert keeper.kept == {"cave": SECRET}
    assert shown == ["Your token for cave (it is not shown): "]


@pytest.mark.parametrize(("answer", "kept"), [("y", "from-the-file"), ("", SECRET), ("no", SECRET)])
def test_caves_own_file_is_offered_and_taken_only_when_the_person_says_so(
    gate: Gate, keeper: Keeper, own_environment: Path, monkeypatch: pytest.MonkeyPatch, answer: str, kept: str
) -> None:
    path = own_environment / ".cloudvolume" / "secrets" / "cave-secret.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"token": "from-the-file"}')
    shown = person(monkeypatch, SECRET, answer)
    labgate.link(labgate.connect(gate.url), "cave")
    assert keeper.kept == {"cave": kept}
    assert shown[0] == f"Use the token in {path}? [y/N] "
    assert "from-the-file" not in "".join(shown)


@pytest.mark.parametrize("content", ["{", "[]", '{"token": ""}', '{"token": 5}', '{"other": "x"}'])
def test_a_file_without_a_token_is_not_offered(
    gate: Gate, keeper: Keeper, own_environment: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    path = own_environment / ".cloudvolume" / "secrets" / "cave-secret.json"
    path.parent.mkdir(parents=True)
    path.write_text(content)
    shown = person(monkeypatch, SECRET)
    labgate.link(labgate.connect(gate.url), "cave")
    assert len(shown) == 1


def test_where_nobody_can_be_asked_the_token_has_to_be_given(
    gate: Gate, keeper: Keeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    with pytest.raises(SetupError, match="nobody is here to be asked"):
        labgate.link(labgate.connect(gate.url), "cave")
    assert keeper.kept == {}


@pytest.mark.parametrize(
    "answer",
    [
        f"the token {SECRET} is wrong",
        json.dumps(
            {"error": {"code": -32002, "message": SECRET, "data": {"fault": "Forbidden", "t": SECRET}}}
        ),
        json.dumps({"message": SECRET}),
    ],
)
def test_an_answer_that_repeats_the_token_does_not_bring_it_into_the_error(
    gate: Gate, keeper: Keeper, answer: str
) -> None:
    keeper.refusal = (403, answer)
    with pytest.raises(Error) as caught:
        labgate.link(labgate.connect(gate.url), "cave", SECRET)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error} {error!r} {vars(error)}"
        error = None if error.__suppress_context__ else error.__cause__ or error.__context__


@pytest.mark.parametrize("verb", [labgate.links, labgate.unlink])
def test_a_gate_that_keeps_no_links_is_an_error_and_not_no_link(
    gate: Gate, keeper: Keeper, verb: Any
) -> None:
    keeper.refusal = (404, json.dumps(refused("no such service")))
    with pytest.raises(NotFound, match="no such service"):
        verb(labgate.connect(gate.url), "cave")


@pytest.mark.parametrize("service", ["", "Cave", "a/b", "../rpc", "a b", "cave?x", 5])
def test_what_is_no_services_name_is_refused_before_anything_is_sent(
    gate: Gate, keeper: Keeper, service: Any
) -> None:
    lab = labgate.connect(gate.url)
    asked = len(gate.requests)
    for act in (lambda: labgate.link(lab, service, SECRET), lambda: labgate.unlink(lab, service)):
        with pytest.raises(SetupError, match="named as in the gate's configuration"):
            act()
    assert len(gate.requests) == asked


@pytest.mark.parametrize("token", ["", "  ", "two words", "é", "a\r\nX: y"])
def test_what_is_no_token_is_refused_before_anything_is_sent(gate: Gate, keeper: Keeper, token: str) -> None:
    with pytest.raises(SetupError, match="characters that no token has"):
        labgate.link(labgate.connect(gate.url), "cave", token)
    assert keeper.kept == {}
