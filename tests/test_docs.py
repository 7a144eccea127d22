"""The documentation is true: every snippet runs against the demo, every settings text loads, every link leads somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.commands import COMMANDS
from gateway.core.faults import TABLE
from gateway.settings import examine
from tests.lab.demo import demo as running

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "sdk" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SECRETS = (
    "LICENSE_ID",
    "LABGATE_REDIS_PASSWORD",
    "CAVE_TOKEN",
    "INTROSPECT_SECRET",
    "EXCHANGE_SECRET",
    "TILES_SECRET",
    "COLLECTOR_TOKEN",
)
ENVIRON = dict.fromkeys(SECRETS, "x") | {"LABGATE_SIGNING_KEY": "-----BEGIN PRIVATE KEY-----"}
"""What the settings of the pages take from the environment."""
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DEV = re.compile(r"^\./dev (\w+)", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(page.read_text()) if kind == language]


def named(pages):
    return pytest.mark.parametrize("page", pages, ids=[str(page.relative_to(ROOT)) for page in pages])


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo, and the environment in which its snippets work."""
    folder = tmp_path_factory.mktemp("demo")
    with running(folder) as environ:
        yield environ


def test_what_the_page_on_security_names_as_proof_is_there():
    named = re.findall(r"`(tests/[\w/]+\.\w+)`", (ROOT / "docs" / "security.md").read_text())
    assert len(named) > 30
    assert not [name for name in named if not (ROOT / name).is_file()]


def ran(command: list[str], environ: dict[str, str], **how) -> str:
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, timeout=60, check=False, **how
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@named([page for page in PAGES if blocks(page, "python")])
def test_the_python_of_a_page_runs_from_top_to_bottom(page, demo, tmp_path):
    text = "\n".join(blocks(page, "python")).replace("http://127.0.0.1:8700", demo["LABGATE_URL"])
    assert ran([sys.executable, "-c", text], demo, cwd=tmp_path)


@named([page for page in PAGES if blocks(page, "sh")])
def test_the_shell_lines_of_a_page_run(page, demo, tmp_path):
    for text in blocks(page, "sh"):
        for command in DEV.findall(text):
            assert f"  {command} " in ran(["sh", str(ROOT / "dev"), "help"], demo)
        if not DEV.search(text):
            here = text.replace("http://127.0.0.1:8700", demo["LABGATE_URL"])
            assert '"error"' not in ran(["sh", "-ec", here], demo, cwd=tmp_path)


@named([page for page in PAGES if blocks(page, "yaml")])
def test_the_settings_of_a_page_can_be_served(page, tmp_path):
    for text in blocks(page, "yaml"):
        file = tmp_path / "labgate.yaml"
        file.write_text(text)
        settings, problems = examine(file, ENVIRON)
        assert settings is not None, "\n".join(map(str, problems))


def test_every_command_that_is_shown_exists():
    shown = {word for page in PAGES for word in re.findall(r"\blabgated ([a-z]+)", page.read_text())}
    assert shown <= set(COMMANDS)


def test_every_link_leads_somewhere():
    for page in PAGES:
        prose = re.sub(r"`[^`]*`", "", BLOCK.sub("", page.read_text()))
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_test_that_a_page_names_exists():
    for page in PAGES:
        for file, name in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", page.read_text()):
            assert f"def {name}(" in (ROOT / file).read_text(), f"{page}: {file}::{name}"


def test_every_yes_of_the_sdks_table_names_a_test():
    rows = [
        line.split("|")[1:-1]
        for line in (ROOT / "docs/why/sdk.md").read_text().splitlines()
        if line[:2] == "| "
    ]
    ours = [cells[1] for cells in rows[1:]]
    assert len(ours) > 15
    assert not [one for one in ours if not re.fullmatch(r" yes: `tests/[\w/]+\.py::test_\w+` ", one)]


def test_the_table_of_faults_is_the_code():
    text = (ROOT / "docs" / "reference" / "faults.md").read_text()
    rows = [
        f"| {one.code} | `{one.__name__}` | {one.status} | {one.plain or one.status} | {one.summary} |"
        for one in TABLE
    ]
    assert [line for line in text.splitlines() if line.startswith("| -")] == rows


def test_codes_are_unique_and_within_the_range_that_is_ours():
    own = [fault.code for fault in TABLE if fault.code > -32600]
    assert len({fault.code for fault in TABLE}) == len(TABLE)
    assert all(-32019 <= code <= -32000 for code in own)
