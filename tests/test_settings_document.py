"""Laws of reading YAML: every refusal is a problem with its line, and nothing in the file can hurt."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway.settings import Problem, examine


def errors(tmp_path: Path, text: str | bytes) -> list[Problem]:
    file = tmp_path / "labgate.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    settings, problems = examine(file, {"HOME": str(tmp_path)})
    found = [problem for problem in problems if problem.level == "error"]
    assert (settings is None) == bool(found)
    assert all(problem.file == str(file) and problem.text and problem.fix for problem in found)
    return found


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("listen: [127.0.0.1:8700\n", 2, "not readable as YAML"),
        ("a:\n\t- 1\n", 2, "not readable as YAML"),
        ("services:\n  jobs:\n    methods:\n      *: {}\n", 4, "not readable as YAML"),
        ("limits: {}\n---\nlimits: {}\n", 2, "more than one YAML document"),
        ("- a\n- b\n", 1, "no mapping of settings"),
        ("just text\n", 1, "no mapping of settings"),
        ("cache: {}\nlimits: {}\ncache: {memory: 1}\n", 3, "written twice, first on line 1"),
        ("5: x\n", 1, "the key 5 is no text"),
        ("on: x\n", 1, "the key on is no text"),
        ("[a, b]: x\n", 1, "a key is no text"),
        ("cache: !!python/object/apply:os.system [ls]\n", 1, "a YAML tag that settings do not know"),
        ("cache: !!binary aGk=\n", 1, "a YAML tag that settings do not know"),
        ("cache: &again [*again]\n", 1, "an alias that holds itself"),
        ("cache: " + "[" * 100 + "]" * 100 + "\n", 1, "nested too deeply"),
        ("cache: " + "[" * 50_000 + "\n", 1, "nested too deeply"),
        (f"limits: {{batch: {'9' * 5000}}}\n", 1, "no value that can be read"),
        ("hosts: [2026-13-45]\n", 1, "no value that can be read"),
        ("<<: 5\n", 1, "only mappings can be merged"),
        ("a: b\n}\n", 2, "expected <block end>, but found '}'"),
        ("cache: *nowhere\n", 1, "not readable as YAML: found undefined alias …"),
        ("cache: \x01\n", 1, "a character that text cannot hold"),
        (b"\x7fELF\x02\x01\x01\x00\xff\xfe", 1, "not UTF-8 text"),
        ("listen: 1\n".encode("utf-16"), 1, "not UTF-8 text"),
        (b"cache: {}\nhosts: [\xff]\n", 2, "not UTF-8 text"),
    ],
)
def test_what_is_no_settings_file_is_refused_with_its_line(
    tmp_path: Path, text: str | bytes, line: int, words: str
) -> None:
    found = errors(tmp_path, text)
    assert [(problem.line, words in problem.text) for problem in found[:1]] == [(line, True)], found


def test_an_alias_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    assert "more than 100000 values" in errors(tmp_path, bomb)[0].text


def test_a_file_of_100_megabytes_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "labgate.yaml"
    with file.open("wb") as huge:
        huge.truncate(100 << 20)
    settings, problems = examine(file, {})
    assert settings is None
    assert [problem.text for problem in problems] == ["more than 1 MiB are no settings"]


def test_a_missing_file_and_a_folder_are_refused_and_named(tmp_path: Path) -> None:
    for path, words in ((tmp_path / "nowhere.yaml", "no such file"), (tmp_path, "cannot be read")):
        settings, problems = examine(path, {})
        assert settings is None
        assert str(problems[0]).startswith(f"{path}: {words}")
        assert len(problems) == 1


def test_an_empty_file_is_all_defaults_with_warnings(tmp_path: Path) -> None:
    file = tmp_path / "labgate.yaml"
    file.write_text("# nothing yet\n")
    settings, problems = examine(file, {"HOME": "/home/ada"})
    assert settings is not None
    assert str(settings.listen) == "127.0.0.1:8700"
    assert str(settings.state_dir) == "/home/ada/.local/state/labgate"
    assert {problem.path for problem in problems} == {"policies", "services"}


def test_a_file_that_says_null_says_nothing(tmp_path: Path) -> None:
    for text in ("null\n", "~\n", "!\n", "---\n"):
        assert errors(tmp_path, text) == []


def test_aliases_and_merge_keys_are_followed_and_ones_own_keys_count(tmp_path: Path) -> None:
    file = tmp_path / "labgate.yaml"
    file.write_text(
        """
services:
  one: &one
    url: http://127.0.0.1:1
    timeout: 5s
  two:
    timeout: 7s
    <<: [*one, {summary: kept, timeout: 9s}]
"""
    )
    settings, _ = examine(file, {})
    assert settings is not None
    two = settings.services["two"]
    assert (str(two.url[0]), two.timeout, two.summary) == ("http://127.0.0.1:1", 7.0, "kept")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    assert errors(tmp_path, b"\xef\xbb\xbfcache: {memory: 1}\n") == []


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(st.binary(max_size=200), st.text("abc:{}[]-&*!'\"%@|>#\n\t ?,<$", max_size=60).map(str.encode))
)
def test_no_bytes_end_in_anything_but_settings_or_problems(tmp_path: Path, raw: bytes) -> None:
    file = tmp_path / "labgate.yaml"
    file.write_bytes(raw)
    settings, problems = examine(file, {})
    assert (settings is None) == any(problem.level == "error" for problem in problems)
    assert all("\n" not in str(problem) for problem in problems)
