"""Which texts are a gate's address, and which tokens go there?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import labgate
from labgate._address import parse_address
from labgate._tokens import find_token, refuse_exposure, stored_token_path
from labgate.errors import SetupError, TokenFileWarning

GATE = parse_address("https://gate.lab.org")


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("http://127.0.0.1:8700", "http://127.0.0.1:8700"),
        ("127.0.0.1:8700", "http://127.0.0.1:8700"),
        ("localhost:1", "http://localhost:1"),
        ("gate.lab.org", "https://gate.lab.org"),
        ("HTTPS://Gate.Lab.org:443/", "https://gate.lab.org"),
        ("http://gate:80/lab/rpc", "http://gate/lab"),
        ("http://gate.lab.org./lab", "http://gate.lab.org./lab"),
        (f"http://{'x' * 63}.lab.org", f"http://{'x' * 63}.lab.org"),
        ("http://[::1]:8700/rpc/", "http://[::1]:8700"),
    ],
)
def test_an_address_is_read_in_the_forms_that_people_write(text: str, read: str) -> None:
    assert str(parse_address(text)) == read


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ftp://gate",
        "http://",
        "http://user:secret@gate",
        "http://gate?x=1",
        "http://gate#x",
        "http://gate:0",
        "http://gate:70000",
        "http://ga te",
        "http://gate..lab.org",
        f"http://{'x' * 64}.lab.org",
        "http://gate/a\r\nX: y",
        "http://gäte",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_a_secret(text: str) -> None:
    with pytest.raises(SetupError) as caught:
        parse_address(text)
    assert "secret" not in str(caught.value)


def test_an_address_that_holds_no_secret_is_named_when_it_is_refused() -> None:
    with pytest.raises(SetupError, match=r"the gate's address 'htp://gate\.lab\.org' cannot be read"):
        parse_address("htp://gate.lab.org")


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("http://127.0.0.1", True),
        ("http://127.9.9.9", True),
        ("http://[::1]", True),
        ("http://localhost", True),
        ("http://a.localhost", True),
        ("http://127.0.0.1.evil.org", False),
        ("http://localhost.evil.org", False),
        ("http://10.0.0.1", False),
    ],
)
def test_only_what_stays_on_this_machine_is_loopback(text: str, loopback: bool) -> None:
    assert parse_address(text).is_loopback is loopback


@pytest.mark.parametrize("text", ["http://[::1]:8700", "https://gate.lab.org", "http://a_b:1"])
def test_a_token_files_name_is_valid_on_every_system(text: str) -> None:
    assert set(parse_address(text).file_name) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-_")


def test_different_origins_have_different_token_files() -> None:
    texts = ["http://a.b", "https://a.b", "http://a.b:81", "http://a-b", "http://[::1]"]
    assert len({parse_address(text).file_name for text in texts}) == len(texts)


def test_no_address_at_all_says_how_to_give_one(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SetupError, match="LABGATE_URL"):
        labgate.connect()


def test_two_values_for_the_two_names_of_the_address_are_refused() -> None:
    with pytest.raises(SetupError, match="server_address"):
        labgate.connect("http://a", server_address="http://b")


def test_the_argument_goes_before_the_variable_and_the_variable_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file\n")
    file.chmod(0o600)
    environ = {"LABGATE_TOKEN": "from-variable", "LABGATE_TOKEN_FILE": str(file)}
    assert find_token(GATE, "given", environ) == "given"
    assert find_token(GATE, None, environ) == "from-variable"
    del environ["LABGATE_TOKEN"]
    assert find_token(GATE, None, environ) == "from-file"
    assert find_token(GATE, None, {}) is None


def test_the_stored_file_belongs_to_one_origin(tmp_path: Path) -> None:
    path = Path(stored_token_path(GATE))
    path.parent.mkdir(parents=True)
    path.write_text("stored")
    path.chmod(0o600)
    assert path.is_relative_to(tmp_path)
    assert find_token(GATE, None, {}) == "stored"
    assert find_token(parse_address("http://gate.lab.org"), None, {}) is None


def test_a_stored_token_that_others_can_read_is_refused_with_the_command_that_closes_it() -> None:
    path = Path(stored_token_path(GATE))
    path.parent.mkdir(parents=True)
    path.write_text("stored")
    path.chmod(0o644)
    with pytest.raises(SetupError, match="chmod 600") as caught:
        find_token(GATE, None, {})
    assert "stored" not in str(caught.value).replace(str(path), "")


def test_a_named_token_file_that_others_can_read_is_used_with_a_warning(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-file")
    file.chmod(0o640)
    with pytest.warns(TokenFileWarning, match="0640"):
        assert find_token(GATE, None, {"LABGATE_TOKEN_FILE": str(file)}) == "from-file"


def test_a_token_of_the_environment_is_not_sent_to_another_origin_than_its_gate() -> None:
    environ = {"LABGATE_TOKEN": "t", "LABGATE_URL": "https://gate.lab.org/path"}
    assert find_token(GATE, None, environ) == "t"
    assert find_token(parse_address("https://other.org"), None, environ) is None


@pytest.mark.parametrize("text", ["", " \n", "a b", "a\r\nX: y", "tök", "a\0"])
def test_a_token_that_no_header_can_carry_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(SetupError) as caught:
        find_token(GATE, text, {})
    assert "tök" not in str(caught.value)


def test_a_token_with_its_scheme_before_it_is_refused_with_what_to_leave_out() -> None:
    with pytest.raises(SetupError, match="the token of LABGATE_TOKEN has `Bearer` before it") as caught:
        find_token(GATE, None, {"LABGATE_TOKEN": "Bearer s3cret"})
    assert "s3cret" not in str(caught.value)


def test_a_token_file_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="no-such-file"):
        find_token(GATE, None, {"LABGATE_TOKEN_FILE": str(tmp_path / "no-such-file")})


def test_a_token_does_not_travel_in_the_clear_beyond_this_machine_unless_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    far = parse_address("http://gate.lab.org")
    with pytest.raises(SetupError, match="LABGATE_INSECURE"):
        refuse_exposure(far, "t", insecure=False)
    with pytest.raises(SetupError, match="in the clear"):
        labgate.connect("http://gate.lab.org", token="t")
    refuse_exposure(far, "t", insecure=True)
    refuse_exposure(far, None, insecure=False)
    refuse_exposure(GATE, "t", insecure=False)
    refuse_exposure(parse_address("http://127.0.0.1"), "t", insecure=False)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"timeout": True},
        {"retries": -1},
        {"retries": 1.5},
        {"headers": {"X-A": "b\r\nc"}},
        {"headers": {"X A": "b"}},
        {"headers": {"Authorization": "Bearer x"}},
        {"headers": {"Content-Length": "1"}},
        {"default": 3},
        {"datastack": ""},
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_before_anything_is_sent(options: dict) -> None:
    with pytest.raises(SetupError):
        labgate.connect("http://127.0.0.1:9", **options)


@pytest.mark.parametrize("value", ["b\r\nc", 3, None, "日"])
def test_a_header_that_cannot_be_sent_is_named_without_its_value(value: Any) -> None:
    with pytest.raises(SetupError, match="the header X-Purpose is none that HTTP can carry") as caught:
        labgate.connect("http://127.0.0.1:9", headers={"X-Purpose": value})
    assert str(value) not in str(caught.value)


def test_the_folders_are_those_of_the_system(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from labgate import _folders

    assert _folders.cache_folder() == str(tmp_path / "cache" / "labgate")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert _folders.cache_folder() == str(tmp_path / ".cache" / "labgate")
    monkeypatch.setattr(_folders.sys, "platform", "darwin")
    assert _folders.cache_folder().endswith("Library/Caches/labgate")
    monkeypatch.setattr(_folders.sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "Local"))
    assert _folders.cache_folder() == str(tmp_path / "Local" / "labgate" / "Cache")
