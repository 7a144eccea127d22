"""`labgated service`, as it is typed: at a real operator's door, and what is meant by a time."""

import asyncio
import time
from datetime import datetime

import pytest

from gateway import cli
from gateway.commands.service import moment

NOW = datetime(2026, 11, 27, 12, 0).timestamp()  # noqa: DTZ001 - of the clock on the wall

SERVICES = """\
policies: [{to: ["group:lab"], allow: ["*"], operate: true}]
services:
  jobs: {dialect: listed, url: "http://127.0.0.1:1", methods: {get: {}}}
"""


@pytest.fixture
async def typed(gate_of, token_for, tmp_path, capsys, monkeypatch):
    async with gate_of(SERVICES) as gate:
        config = tmp_path / "here.yaml"
        config.write_text("operator: {{listen: '{}:{}'}}\n".format(*gate.operator_address))
        monkeypatch.setenv("LABGATE_TOKEN", token_for("ada", "lab"))

        async def run(*words):
            capsys.readouterr()
            try:
                status = await asyncio.to_thread(cli.main, [*words, "--config", str(config)])
            except SystemExit as end:
                status = end.code
            return status, *capsys.readouterr()

        run.gate = gate
        yield run


async def test_a_service_is_drained_disabled_and_enabled(typed):
    before = time.time()
    words = ("--message", "new disks", "--until", "2h")
    assert await typed("service", "jobs", "drain", *words) == (0, "jobs is drained\n", "")
    one = typed.gate.switches.withdrawn["jobs"]
    assert (one.state, one.by, one.message) == ("drained", "ada", "new disks")
    assert before + 7100 < one.until < before + 7400
    _, out, _ = await typed("status")
    assert "jobs     up, drained" in out or "drained" in out.split("jobs", 1)[1].splitlines()[0]
    assert "jobs: an operator drained it at 2" in out
    assert await typed("service", "jobs", "disable") == (0, "jobs is disabled\n", "")
    assert await typed("service", "jobs", "enable") == (0, "jobs is enabled\n", "")
    assert typed.gate.switches.withdrawn == {}


async def test_what_cannot_be_done_is_told_on_stderr(typed):
    status, out, err = await typed("service", "job", "drain")
    assert (status, out) == (1, "")
    assert "perhaps jobs" in err
    status, out, err = await typed("service", "jobs", "drain", "--until", "soon")
    assert (status, out) == (1, "")
    assert "'soon' is no moment: write 18:30" in err
    status, _, err = await typed("service", "jobs", "drain", "--until", "2020-01-01")
    assert (status, "yet to come" in err) == (1, True)
    assert (await typed("service", "jobs", "halt"))[0] == 2
    assert typed.gate.switches.withdrawn == {}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1d", 86400), ("12:30", 1800), ("11:30", 84600), ("12:00", 86400)],
)  # fmt: skip
def test_a_time_is_from_now_or_the_next_one_of_the_day(text, seconds):
    assert moment(text, NOW) == NOW + seconds


def test_a_whole_date_is_that_moment():
    assert moment("2026-11-27T18:00", NOW) == NOW + 6 * 3600
    assert moment("2026-12-24T08:00+00:00", NOW) == datetime.fromisoformat("2026-12-24T08:00Z").timestamp()


@pytest.mark.parametrize("text", ["", "soon", "25:00", "12:77", "2h30", "-2h", "2026-13-01", "h"])
def test_what_is_no_time_is_none(text):
    assert moment(text, NOW) is None
