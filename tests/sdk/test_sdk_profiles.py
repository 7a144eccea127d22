"""Does the name of a gate stand for its address, datastack, time-out, certificates and token?"""

from __future__ import annotations

import os
import pickle  # noqa: TID251 - clients are pickled by multiprocessing
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import labgate
from labgate._profiles import profiles_path, read_profiles, write_profile
from labgate.errors import SetupError
from tests.sdk.conftest import TOKEN, Gate


def write(text: str) -> Path:
    path = Path(profiles_path())
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_a_profile_has_everything_that_a_connect_needs(gate: Gate, tmp_path: Path) -> None:
    write(f'[lab]\nurl = "{gate.url}"\ndatastack = "minnie65"\ntimeout = 7\n')
    lab = labgate.connect(profile="lab")
    session = lab._session
    assert (str(session.link.address), session.link.datastack, session.options.timeout) == (
        gate.url,
        "minnie65",
        7,
    )
    assert labgate.connect(profile="lab", timeout=9, datastack="other")._session.options.timeout == 9
    assert labgate.connect(profile="lab", timeout=None)._session.options.timeout is None


def test_the_environment_can_name_it_and_default_is_the_one_that_nobody_names(
    gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(f'[lab]\nurl = "{gate.url}"\ntimeout = 7\n[default]\nurl = "{gate.url}"\ntimeout = 8\n')
    assert labgate.connect()._session.options.timeout == 8
    monkeypatch.setenv("LABGATE_PROFILE", "lab")
    assert labgate.connect()._session.options.timeout == 7
    assert labgate.connect(profile="default")._session.options.timeout == 8


def test_a_profile_says_nothing_of_another_gate(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    write('[lab]\nurl = "https://gate.lab.org"\ntimeout = 7\n')
    with pytest.raises(SetupError, match="another address was given"):
        labgate.connect(gate.url, profile="lab")
    monkeypatch.setenv("LABGATE_PROFILE", "lab")
    assert labgate.connect(gate.url)._session.options.timeout == 300
    monkeypatch.setenv("LABGATE_URL", gate.url)
    assert labgate.connect()._session.options.timeout == 300


def test_its_token_file_goes_before_the_stored_one_and_behind_the_environment(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "lab.token"
    file.write_text("of-the-file")
    file.chmod(0o600)
    write(f'[lab]\nurl = "{gate.url}"\ntoken_file = "{file}"\n')
    gate.token = None
    labgate.refresh(labgate.connect(profile="lab"))
    monkeypatch.delenv("LABGATE_TOKEN")
    labgate.refresh(labgate.connect(profile="lab"))
    shown = [headers["authorization"] for _, _, headers, _ in gate.requests]
    assert shown[0] == f"Bearer {TOKEN}"
    assert shown[-1] == "Bearer of-the-file"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[lab", "cannot be read"),
        ("[lab]\nurl = 7\n", "'url' that is no text"),
        ("[lab]\n", "has no 'url'"),
        ('[lab]\nurl = "https://g"\ntimeout = -1\n', "'timeout'"),
        ('[lab]\nurl = "https://g"\ntimeout = true\n', "'timeout'"),
        ('[lab]\nurl = "https://g"\ntoken = "secret-of-mine"\n', "'token'"),
        ("lab = 7\n", "is no table"),
        ('[lap]\nurl = "https://g"\n', "no profile 'lab'"),
        ("\xff", "no profile 'lab'|cannot be read"),
    ],
)
def test_a_profile_that_cannot_be_used_is_an_error_that_names_the_file(text: str, words: str) -> None:
    write(text)
    with pytest.raises(SetupError, match=words) as caught:
        labgate.connect(profile="lab")
    assert profiles_path() in str(caught.value)
    assert "secret-of-mine" not in str(caught.value)


def test_an_unknown_name_is_met_with_what_was_meant() -> None:
    write('[minnie]\nurl = "https://g"\n')
    with pytest.raises(SetupError) as caught:
        labgate.connect(profile="minie")
    assert caught.value.hint == "Did you mean minnie?"


def test_a_file_that_others_may_write_is_refused() -> None:
    write('[lab]\nurl = "https://g"\n').chmod(0o666)
    with pytest.raises(SetupError, match="others may write it"):
        labgate.connect(profile="lab")


def test_writing_one_leaves_the_rest_of_the_file_as_it_is() -> None:
    text = '# my gates\n[a]\nurl = "https://a" # the old one\n\n[lab]\nurl = "https://old"\ntimeout = 3\n\n[z]\nurl = "https://z"\n'
    path = write(text)
    write_profile("lab", {"url": 'https://new/"\\', "datastack": None, "timeout": 4.5})
    after = path.read_text()
    assert after.startswith('# my gates\n[a]\nurl = "https://a" # the old one\n\n[z]\n')
    assert read_profiles() == {
        "a": {"url": "https://a"},
        "z": {"url": "https://z"},
        "lab": {"url": 'https://new/"\\', "timeout": 4.5},
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_profile("new", {"url": "https://n\x7f\n"})
    assert read_profiles()["new"] == {"url": "https://n\x7f\n"}


def test_a_file_that_only_a_person_can_change_stays_as_it_is() -> None:
    text = '[a]\nurl = """\n[lab]\nnot a table\n"""\n[lab]\nurl = "https://old"\n'
    path = write(text)
    with pytest.raises(SetupError, match="only a person"):
        write_profile("lab", {"url": "https://new"})
    assert path.read_text() == text
    with pytest.raises(SetupError, match="letters, digits"):
        write_profile("a.b", {"url": "https://new"})


def test_the_command_takes_a_profile_and_lists_them(gate: Gate) -> None:
    write(f'[minnie]\nurl = "{gate.url}"\ndatastack = "minnie65"\n')
    run = [sys.executable, "-m", "labgate.cli"]
    done = subprocess.run(
        [*run, "call", "jobs.list_lanes", "--profile", "minnie"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, '["a","b"]\n'), done.stderr
    named = {**os.environ, "LABGATE_PROFILE": "minie"}
    done = subprocess.run([*run, "methods"], capture_output=True, text=True, check=False, env=named)
    assert done.returncode == 2
    assert "Did you mean minnie?" in done.stderr


def test_a_pickled_client_has_its_profile_where_there_is_one(
    gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LABGATE_TOKEN")
    file = tmp_path / "lab.token"
    file.write_text("of-the-file")
    file.chmod(0o600)
    path = write(f'[lab]\nurl = "{gate.url}"\ntimeout = 7\ntoken_file = "{file}"\n')
    gate.token = "of-the-file"
    data = pickle.dumps(labgate.connect(profile="lab"))
    assert b"of-the-file" not in data
    again = pickle.loads(data)
    assert again.jobs.list_lanes() == ["a", "b"]
    assert again._session.options.timeout == 7
    for elsewhere in ("", '[lab]\nurl = "https://gate.lab.org"\n'):
        path.write_text(elsewhere)
        monkeypatch.setenv("LABGATE_TOKEN", "of-the-file")
        assert pickle.loads(data).jobs.list_lanes() == ["a", "b"]
