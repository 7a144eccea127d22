"""Laws of `labgated init`: what services are they say themselves, and what is there is not written over."""

import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from gateway.settings import examine
from gateway.settings.beginning import Found, named, written

PYTHON = [sys.executable, "-m", "gateway.cli"]
ENVIRON = {"PATH": "/usr/bin:/bin", "PYTHONPATH": os.pathsep.join(sys.path), "HOME": "/nonexistent"}


@pytest.fixture(scope="module")
def lab():
    """The addresses of the demo's lab: a job manager, a REST service, a DVID."""
    command = [*PYTHON, "demo", "--lab-only"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = {}
    try:
        for line in child.stdout:
            name, _, address = line.strip().partition(" ")
            found[name] = address
            if name == "ready":
                break
        yield found
    finally:
        child.terminate()
        child.communicate()


def init(folder, *words):
    """What the command does, where nobody sits before a terminal."""
    command = [*PYTHON, "init", *words, "--config", str(folder / "labgate.yaml")]
    return subprocess.run(command, env=ENVIRON, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_it_writes_what_each_service_is_and_the_gate_can_be_served_with_it(lab, tmp_path):
    done = init(tmp_path, f"jobs={lab['ready']}", lab["dvid"], lab["files"], "gone=http://127.0.0.1:9")
    assert (done.returncode, done.stderr) == (0, "")
    file = tmp_path / "labgate.yaml"
    services = yaml.safe_load(file.read_text())["services"]
    said = {name: (one.get("dialect"), one["url"], one["mount"]) for name, one in services.items()}
    assert said == {
        "jobs": ("jsonrpc", lab["ready"], "/jobs"),
        "dvid": ("dvid", lab["dvid"], "/dvid"),
        "rest": ("openapi", lab["files"], "/rest"),
        "gone": (None, "http://127.0.0.1:9", "/gone"),
    }
    assert services["jobs"]["rpc_path"] == "/api"
    assert "# It has not answered: The service 'gone' could not be reached" in file.read_text()
    checked = subprocess.run([*PYTHON, "check", str(file)], env=ENVIRON, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    assert "0 errors, 0 warnings" in checked.stdout
    assert file.stat().st_mode & 0o077 == 0
    assert os.listdir(tmp_path) == ["labgate.yaml"]  # noqa: PTH208 - of names


def test_what_it_proposes_in_comments_can_be_used_as_it_stands(lab, tmp_path):
    assert init(tmp_path, f"jobs={lab['ready']}").returncode == 0
    file = tmp_path / "labgate.yaml"
    file.write_text(re.sub(r"^    # (methods:|  \")", r"    \1", file.read_text(), flags=re.MULTILINE))
    settings, problems = examine(file, {})
    assert problems == ()
    assert set(settings.services["jobs"].methods) == {"get_*", "list_*"}


def test_a_file_that_is_there_is_written_over_only_by_force(lab, tmp_path):
    file = tmp_path / "labgate.yaml"
    file.write_text("mine")
    refused = init(tmp_path, lab["dvid"])
    assert (refused.returncode, file.read_text()) == (1, "mine")
    assert "--force writes over it" in refused.stderr
    assert init(tmp_path, lab["dvid"], "--force").returncode == 0
    assert "dvid" in file.read_text()


def test_without_a_terminal_nothing_is_asked(tmp_path):
    done = init(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "name the services" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ftp://lab"], "does not begin with http:// or https://"),
        (["a=http://127.0.0.1:9", "a=http://127.0.0.1:9"], "each service needs a name of its own"),
        (["rpc=http://127.0.0.1:9"], "rpc"),
    ],
)
def test_what_cannot_be_is_said_and_no_file_is_written(tmp_path, words, said):
    done = init(tmp_path, *words)
    assert done.returncode == 1
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_names_are_of_the_host_or_of_what_it_is_and_each_is_there_once():
    assert named("http://dvid-a.lab.org:8000", "dvid", []) == "dvid_a"
    assert named("http://127.0.0.1:8000", "dvid", []) == "dvid"
    assert named("http://127.0.0.1:8001", "dvid", ["dvid"]) == "dvid2"
    assert named("http://localhost:1", "", []) == "service"
    assert named("http://rpc:1", "jsonrpc", []) == "methods"
    assert named("http://[::1]:1", "listed", ["pages", "pages2"]) == "pages3"


def test_nothing_that_a_service_says_of_itself_gets_out_of_its_comment(tmp_path):
    hostile = "\n    url: http://elsewhere\r\u2028\x85# \x1b[31m" + "x" * 500
    names = (f"get_{hostile}", 'list_"}: {')
    one = Found("jobs", 'http://h/"\\#', "jsonrpc", hostile, hostile, names, f'/a"{hostile}')
    found = yaml.safe_load(written([one, Found("gone", "http://h", why=hostile)]))
    assert set(found["services"]) == {"jobs", "gone"}
    assert (found["services"]["jobs"]["url"], found["services"]["gone"]["url"]) == (one.url, "http://h")
    assert found["services"]["jobs"]["rpc_path"] == one.rpc_path
    assert json.loads(json.dumps(found)) == found
    assert "\x1b" not in written([one])
