"""Laws of single values: sizes, durations, addresses and texts mean one thing, or are refused with a fix."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from gateway.settings import Address, Settings, SettingsError, load
from gateway.settings.addresses import address, upstream_url
from gateway.settings.values import seconds, size


def settings_of(tmp_path: Path, data: dict[str, Any], **environ: str) -> Settings:
    file = tmp_path / "labgate.yaml"
    file.write_text(yaml.safe_dump(data))
    return load(file, environ)


def findings(tmp_path: Path, data: dict[str, Any], **environ: str) -> list[str]:
    """`path: text` of every error."""
    with pytest.raises(SettingsError) as caught:
        settings_of(tmp_path, data, **environ)
    return [f"{found.path}: {found.text}" for found in caught.value.problems if found.level == "error"]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30s", 30),
        ("10m", 600),
        ("10min", 600),
        ("24h", 86400),
        ("30d", 2592000),
        ("2w", 1209600),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("0s", 0),
        (0, 0),
        (2.5, 2.5),
        (30, 30),
        ("30", 30),
    ],
)
def test_durations_are_seconds(written: str | float, meant: float) -> None:
    assert seconds(written) == meant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "s",
        "30 s",
        "10 parsecs",
        "-1s",
        "1e3s",
        "٣s",
        "30S",
        "nan",
        "9" * 400 + "s",
        -1,
        True,
        None,
        [],
        {},
        float("nan"),
        float("inf"),
        10**400,
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(written: Any) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        seconds(written)
    assert "30s" in caught.value.context["fix"]  # type: ignore[index]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("256MiB", 256 << 20),
        ("1GiB", 1 << 30),
        ("64KiB", 65536),
        ("1TiB", 1 << 40),
        ("500MB", 500000000),
        ("1.5 GiB", 3 << 29),
        ("10B", 10),
        (0, 0),
        (4096, 4096),
        ("4096", 4096),
    ],
)
def test_sizes_are_bytes(written: str | int, meant: int) -> None:
    assert size(written) == meant


@pytest.mark.parametrize(
    "written", ["", "MiB", "256M", "256mib", "-1KiB", "9" * 400 + "B", 1.5, -1, True, None, []]
)
def test_what_is_no_size_is_refused_with_an_example(written: Any) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        size(written)
    assert "256MiB" in caught.value.context["fix"]  # type: ignore[index]


@given(st.integers(0, 1 << 60), st.sampled_from(["B", "KiB", "MiB", "GiB"]))
def test_a_size_with_a_unit_is_the_number_times_the_unit(number: int, unit: str) -> None:
    factor = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}[unit]
    small = number % 1_000_000
    assert size(f"{small}{unit}") == small * factor


@pytest.mark.parametrize(
    ("written", "host", "port", "loopback"),
    [
        ("127.0.0.1:8700", "127.0.0.1", 8700, True),
        ("localhost:0", "localhost", 0, True),
        ("[::1]:8700", "::1", 8700, True),
        ("127.9.9.9:1", "127.9.9.9", 1, True),
        ("0.0.0.0:80", "0.0.0.0", 80, False),
        ("[::]:80", "::", 80, False),
        ("gate.lab.org:443", "gate.lab.org", 443, False),
    ],
)
def test_an_address_is_a_host_and_a_port_and_is_written_back_the_same(
    written: str, host: str, port: int, loopback: bool
) -> None:
    found = address(written)
    assert (found, str(found), found.is_loopback) == (Address(host, port), written, loopback)


@pytest.mark.parametrize(
    ("written", "fix"),
    [
        (":8700", "127.0.0.1:8700"),
        (8700, "127.0.0.1:8700"),
        ("localhost", "HOST:PORT"),
        ("::1:8700", "[::1]:8700"),
        ("127.0.0.1:99999", "HOST:PORT"),
        ("127.0.0.1:", "HOST:PORT"),
        ("http://127.0.0.1:8700", "brackets"),
        ("[nonsense]:1", "HOST:PORT"),
        ("127.0.0.1:٣", "HOST:PORT"),
    ],
)
def test_what_is_no_address_is_refused_with_the_way_to_write_it(written: Any, fix: str) -> None:
    with pytest.raises(PydanticCustomError) as caught:
        address(written)
    assert fix in caught.value.context["fix"]  # type: ignore[index]


def test_the_parts_of_a_url_are_read_once_and_for_all() -> None:
    plain = upstream_url("http://Lab.Org/v2/")
    assert (plain.scheme, plain.host, plain.port, plain.path, plain.userinfo) == (
        "http",
        "lab.org",
        80,
        "/v2",
        None,
    )
    assert (plain.origin, str(plain), plain.text) == (
        "http://lab.org",
        "http://lab.org/v2",
        "http://lab.org/v2",
    )
    bracketed = upstream_url("https://[::1]:8443")
    assert (bracketed.host, bracketed.port, bracketed.path) == ("::1", 8443, "")
    assert (bracketed.origin, bracketed.is_loopback) == ("https://[::1]:8443", True)


def test_a_password_in_a_url_is_kept_and_never_shown() -> None:
    found = upstream_url("http://ada:hun%20ter2@127.0.0.1/x")
    assert found.userinfo is not None
    assert found.userinfo.get_secret_value() == "ada:hun ter2"
    assert "hun" not in f"{found} {found!r} {found.text} {found.origin}"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "127.0.0.1:39002",
        "ftp://h",
        "unix:/x",
        "http://",
        "http://:80",
        "http://h:99999",
        "http://h:0",
        "http://h/?a=1",
        "http://h/#a",
        "http://h/?",
        "http://h/a b",
        "http://h\\@evil",
        "http://[::1",
        "http://[x]/",
        "http://ü.org",
        "http://-h",
        "http://a..b",
        "http://h\n/",
        5,
        None,
    ],
)
def test_what_is_no_upstream_url_is_refused(written: Any) -> None:
    with pytest.raises(PydanticCustomError):
        upstream_url(written)


def test_hosts_are_names_without_scheme_and_port(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, {"hosts": ["Gate.Lab.org", "[::1]", "10.0.0.1"]})
    assert settings.hosts == ("gate.lab.org", "::1", "10.0.0.1")
    assert len(findings(tmp_path, {"hosts": ["gate:80", "https://gate", "a b", "", 5]})) == 5


def test_paths_start_from_the_folder_of_their_file_and_tilde_is_home(tmp_path: Path) -> None:
    for written, meant in (
        ("state", tmp_path / "state"),
        ("~/s", Path("/home/ada/s")),
        ("/var/x", Path("/var/x")),
    ):
        assert settings_of(tmp_path, {"state_dir": written}, HOME="/home/ada").state_dir == meant


def test_what_a_placeholder_gives_is_read_like_what_is_written(tmp_path: Path) -> None:
    data = {
        "limits": {"batch": "${env:N}", "idle_seconds": "${env:N}"},
        "identity": {"anonymous": "${env:B}"},
    }
    settings = settings_of(tmp_path, data, N="7", B="true")
    assert (settings.limits.batch, settings.limits.idle_seconds, settings.identity.anonymous) == (
        7,
        7.0,
        True,
    )


def test_numbers_and_words_are_never_guessed_from_other_types(tmp_path: Path) -> None:
    data = {
        "limits": {"batch": True, "depth": 0, "connections": 1.5, "body": "big"},
        "identity": {"anonymous": "yes"},
        "services": {"jobs": {"url": "http://h", "summary": 5, "dialect": "jsonrcp", "timeout": 0}},
        "telemetry": {"access_log": "jsno"},
    }
    found = findings(tmp_path, data)
    assert len(found) == 9, found
    assert "limits.batch: expected a whole number from 1 on, found `true`" in found
    assert "services.jobs.summary: expected text, found a whole number" in found
    assert "telemetry.access_log: expected 'json', 'text' or 'off', found `jsno`" in found


def test_a_bare_off_is_the_word_and_not_false(tmp_path: Path) -> None:
    file = tmp_path / "labgate.yaml"
    file.write_text("telemetry: {access_log: off}\n")
    assert load(file, {}).telemetry.access_log == "off"


@pytest.mark.parametrize("dialect", ["cave", "dvid"])
def test_a_dialect_that_leads_its_answers_back_needs_no_links(tmp_path: Path, dialect: str) -> None:
    service = {"url": "http://127.0.0.1:1", "dialect": dialect, "links": True}
    (found,) = findings(tmp_path, {"services": {"a": service}})
    assert found.startswith("services.a.links: ")
    assert dialect in found


@pytest.mark.parametrize(
    ("key", "name"), [("drop_cookies", "a b"), ("secret_query", "käse"), ("secret_query", "")]
)
def test_what_can_be_no_name_of_a_cookie_or_parameter_is_refused(tmp_path: Path, key: str, name: str) -> None:
    service = {"url": "http://127.0.0.1:1", "http_cache": {key: name}}
    (found,) = findings(tmp_path, {"services": {"a": service}})
    assert found.startswith(f"services.a.http_cache.{key}")
