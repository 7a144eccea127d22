"""Laws of settings that go to another process: they arrive as they are, whatever became of the file."""

import json
import re
from datetime import date
from pathlib import Path

import pytest

from gateway.settings import SettingsError, load
from gateway.settings.handing import read, settings_from

ROOT = Path(__file__).parents[1]
SECRET = "hunter2-0123456789"
TEXT = """\
workers: 3
state_dir: state
services:
  files:
    dialect: listed
    url: "http://127.0.0.1:1"
    headers: {X-Key: "${env:KEY}", X-Other: "${file:key.txt}"}
    methods:
      get: {params: [{name: day, schema: {default: 2026-11-26, maximum: 99999999999999999999999, other: .inf}}]}
policies: [{to: [authenticated], allow: ["*"]}]
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "key.txt").write_text("from a file")
    file = tmp_path / "labgate.yaml"
    file.write_text(TEXT)
    return file


def test_they_are_the_same_in_the_other_process(file):
    environ = {"KEY": SECRET, "HOME": "/home/ada"}
    settings, text = read(file, environ)
    assert settings == load(file, environ)
    handed = settings_from(text)
    assert handed == settings
    assert handed.state_dir == file.parent / "state"
    schema = handed.services["files"].methods["get"].params[0].json_schema
    assert schema == {
        "default": date(2026, 11, 26),
        "maximum": 99999999999999999999999,
        "other": float("inf"),
    }
    assert handed.services["files"].headers["X-Key"].get_secret_value() == SECRET
    assert handed.services["files"].headers["X-Other"].get_secret_value() == "from a file"


def test_what_becomes_of_the_file_and_the_environment_does_not_matter(file):
    settings, text = read(file, {"KEY": SECRET})
    file.write_text("nonsense: [")
    (file.parent / "key.txt").unlink()
    assert settings_from(text) == settings


@pytest.mark.parametrize("name", ["lab.yaml", "demo.yaml"])
def test_the_files_of_the_repository_arrive_too(name):
    names = re.findall(r"\$\{env:(\w+)\}", (ROOT / "config" / name).read_text())
    environ = dict.fromkeys(names, "x") | {
        "LABGATE_SIGNING_KEY": "-----BEGIN PRIVATE KEY-----",
        "LABGATE_DEMO_JOBS": "http://127.0.0.1:1",
        "LABGATE_DEMO_FILES": "http://127.0.0.1:2",
        "LABGATE_DEMO_DVID": "http://127.0.0.1:3",
        "LABGATE_STATE_DIR": "/nowhere",
        "HOME": "/home/ada",
    }
    settings, text = read(ROOT / "config" / name, environ)
    assert settings_from(text) == settings


def test_a_bad_file_is_refused_with_every_problem(file):
    file.write_text("workers: 0\nlimits: {upstream_concurrency: none}\n")
    with pytest.raises(SettingsError) as caught:
        read(file, {})
    assert {one.path for one in caught.value.problems if one.level == "error"} == {
        "workers",
        "limits.upstream_concurrency",
    }


@pytest.mark.parametrize(
    "text", ["", "{}", '{"data": ["odd"], "home": null}', json.dumps({"data": {"listen": SECRET}, "home": 1})]
)
def test_what_was_not_handed_on_is_refused_without_what_it_holds(text):
    with pytest.raises(ValueError, match=r"cannot be used|Expecting value") as caught:
        settings_from(text)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("workers: 65", "workers"),
        ("workers: 4\nlimits: {upstream_concurrency: 3}", "limits.upstream_concurrency"),
        ('workers: 4\nservices: {a: {url: "http://h", concurrency: 3}}', "services.a.concurrency"),
        (
            'workers: 4\ndatastacks: {d: {services: {a: {url: "http://h", concurrency: 3}}}}',
            "datastacks.d.services.a.concurrency",
        ),
    ],
)
def test_what_the_workers_share_is_enough_for_all_of_them(tmp_path, text, where):
    file = tmp_path / "labgate.yaml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert [one.path for one in caught.value.problems if one.level == "error"] == [where]
