"""Does `labgated demo` bring up everything, say how to use it, and leave nothing behind?"""

import http.client
import json
import os
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway.commands.demo import LAB, DemoError, _free_port
from gateway.settings import load

MARK = "LABGATE_TEST_MARK"
LAST_LINE = "Ctrl-C ends it.\n"
SECONDS = 60


@dataclass(slots=True)
class Demo:
    """A running `labgated demo`, what it has printed, and the mark that all its processes carry."""

    process: subprocess.Popen[str]
    mark: str
    text: str

    def said(self, word: str) -> str:
        """What stands behind `word` in the summary."""
        found = re.search(rf"^  {word} +(\S+)", self.text, re.MULTILINE)
        assert found
        return found[1]

    def snippet(self) -> str:
        """The lines to be pasted into Python."""
        found = re.search(r"^import labgate\n(?:.+\n)+", self.text, re.MULTILINE)
        assert found
        return found[0]

    def curl(self, part: str) -> list[str]:
        """The words of the curl line that has this part."""
        lines = re.findall(r"^curl (?:.*\\\n)*.*\n", self.text, re.MULTILINE)
        (line,) = (line for line in lines if part in line)
        return shlex.split(line)

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait until every process of the demo has ended, and return the exit status."""
        with ExitStack() as handles:
            left = set()
            for pid in marked(self.mark):
                left.add(os.pidfd_open(pid))
            for handle in left:
                handles.callback(os.close, handle)
            self.process.send_signal(number)
            while left:
                ended, _, _ = select.select(left, [], [], SECONDS)
                assert ended, "a process of the demo is still there"
                left -= set(ended)
        assert not marked(self.mark)
        return self.process.wait()


def marked(mark: str) -> set[int]:
    """The processes whose environment carries `mark`."""
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (folder / "environ").read_bytes():
                found.add(int(folder.name))
        except OSError:  # it has ended meanwhile, or belongs to somebody else
            continue
    return found


def start(home: Path, *arguments: str, last: str = LAST_LINE) -> Demo:
    """Start the command and read what it prints, up to the line `last`."""
    mark = uuid.uuid4().hex
    environ = os.environ | {MARK: mark, "HOME": str(home), "TMPDIR": str(home)}
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway.cli", "demo", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ,
    )
    assert process.stdout is not None
    text = ""
    for line in process.stdout:
        text += line
        if line.startswith(last):
            return Demo(process, mark, text)
    _, error = process.communicate()
    raise AssertionError(f"the demo ended with {process.returncode}: {text}{error}")


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A whole demo on free ports."""
    running = start(tmp_path, "--port", "0", "--operator-port", "0")
    with running.process:
        yield running
        if running.process.poll() is None:
            running.end(signal.SIGTERM)


def test_the_printed_snippet_works_when_pasted(demo: Demo, tmp_path: Path) -> None:
    assert demo.snippet().count("\n") == 10
    environ = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", demo.snippet()], capture_output=True, text=True, env=environ)
    # The six micrographs that the job manager starts with hold 8, 9, … 13 particles.
    assert re.fullmatch(
        r"completed 63 particles\nexposure 1 \d+ bytes of PNG\n\(64, 512, 512\) 158\.5\d*\nProject P3\n504403158265495553\n"
        r"\(12, 96, 128\)\n",
        done.stdout,
    )
    assert done.stderr == ""


def test_the_printed_curl_line_lists_the_projects_and_needs_its_token(demo: Demo) -> None:
    _, _, url, _, authorization, _, media_type, _, body = demo.curl("/rpc ")
    fields = dict(field.split(": ", 1) for field in (authorization, media_type))
    parts = urlsplit(url)

    def post(headers: dict[str, str]) -> tuple[int, bytes]:
        with closing(http.client.HTTPConnection(parts.netloc, timeout=SECONDS)) as connection:
            connection.request("POST", parts.path, body, headers)
            response = connection.getresponse()
            return response.status, response.read()

    status, answer = post(fields)
    assert status == 200
    assert [project["uid"] for project in json.loads(answer)["result"]] == ["P1"]
    del fields["Authorization"]
    assert post(fields)[0] == 401


def test_the_printed_curl_line_reads_the_rest_service_below_its_mount_as_it_is(demo: Demo) -> None:
    _, _, _, authorization, url = demo.curl("/files/")

    def get(url: str, headers: dict[str, str]) -> tuple[int, bytes]:
        parts = urlsplit(url)
        with closing(http.client.HTTPConnection(parts.netloc, timeout=SECONDS)) as connection:
            connection.request("GET", f"{parts.path}?{parts.query}", headers=headers)
            response = connection.getresponse()
            return response.status, response.read()

    got = get(url, dict([authorization.split(": ", 1)]))
    assert got == get(url.replace(f"{demo.said('address')}/files", demo.said("files")), {})
    assert [image["uid"] for image in json.loads(got[1])["items"]] == ["I1", "I2"]
    assert get(url, {})[0] == 401


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_everything_and_removes_the_temporary_folder(
    number: signal.Signals, demo: Demo
) -> None:
    folder = Path(demo.said("logs"))
    assert folder.is_dir()
    assert demo.end(number) == 0
    assert not folder.exists()


def test_no_process_outlives_a_demo_that_was_killed(demo: Demo) -> None:
    assert len(marked(demo.mark)) >= 3
    assert demo.end(signal.SIGKILL) == -signal.SIGKILL


@pytest.mark.parametrize(
    "child",
    [
        "gateway.cli\0serve",
        "gateway.demo.jobs",
        "gateway.demo.files",
        "gateway.demo.command",
        "gateway.demo.cave",
        "gateway.demo.dvid",
        "gateway.demo.catalog",
    ],
    ids=["gate", "jobs", "files", "command", "cave", "dvid", "catalog"],
)
def test_when_a_part_of_the_demo_dies_all_is_ended_and_said(child: str, demo: Demo) -> None:
    (victim,) = (
        pid for pid in marked(demo.mark) if child.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    )
    os.kill(victim, signal.SIGKILL)
    _, error = demo.process.communicate(timeout=SECONDS)
    assert demo.process.returncode == 1
    assert re.search(
        r"labgated demo: (gate|jobs|files|command|cave|dvid|catalog) ended with status -9", error
    )
    assert not marked(demo.mark)


def test_a_state_folder_is_kept_with_settings_that_can_be_read(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    running = start(tmp_path, "--port", "0", "--operator-port", "0", "--state-dir", str(folder))
    with running.process:
        assert running.end(signal.SIGTERM) == 0
    environ = {f"LABGATE_DEMO_{name.upper()}": "http://127.0.0.1:1" for name in LAB}
    own = {
        "LABGATE_DEMO_LICENSE": "x",
        "LABGATE_DEMO_CAVE_TOKEN": "y",
        "LABGATE_STATE_DIR": str(folder / "gate"),
    }
    settings = load(folder / "labgate.yaml", environ | own)
    assert sorted(settings.services) == ["cave", "cryosparc", "data", "dvid", "files", "jobs"]
    assert folder.stat().st_mode & 0o077 == 0


def test_the_lab_alone_says_where_it_listens_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    running = start(tmp_path, "--lab-only", "--listen", "127.0.0.1:0", last="ready ")
    with running.process:
        assert [line.split()[0] for line in running.text.splitlines()] == ["dvid", "files", "ready"]
        with closing(http.client.HTTPConnection(urlsplit(running.text.split()[-1]).netloc)) as connection:
            connection.request("GET", "/")
            assert b"Demo job manager" in connection.getresponse().read()
        assert running.end(signal.SIGINT) == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--listen", "127.0.0.1:0"), "--listen needs --lab-only"),
        (("--listen-dvid", "127.0.0.1:0"), "--listen-dvid needs --lab-only"),
        (("--lab-only", "--port", "1"), "starts no gate"),
        (("--lab-only", "--listen", "8700"), "no HOST:PORT"),
        (("--port", "70000"), "no port"),
        (("--port", "9", "--operator-port", "9"), "must differ"),
    ],
)
def test_options_that_make_no_sense_are_told(arguments: tuple[str, ...], complaint: str) -> None:
    command = [sys.executable, "-m", "gateway.cli", "demo", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert complaint in done.stderr


def test_a_port_that_was_asked_for_and_is_taken_is_told_and_nothing_is_started() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        command = [sys.executable, "-m", "gateway.cli", "demo", "--port", str(port)]
        done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"port {port} is taken; choose another with --port" in done.stderr


def test_a_port_that_nobody_asked_for_gives_way_to_the_next_free_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        used = _free_port("--port", None, port, {port + 1})
    assert used > port + 1
    assert f"port {port} is taken, {used} is used instead" in capsys.readouterr().out


def test_the_operators_port_is_never_the_callers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(DemoError, match="is taken; choose another with --operator-port"):
            _free_port("--operator-port", port, 8701, set())
