"""Does the SDK's wheel, alone, do its whole work on every Python that it is for?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.sdk.conftest import TOKEN, Gate

# The build backend is downloaded once, and each Python gets an environment of its own.
pytestmark = pytest.mark.timeout(600)
SDK = Path(__file__).parents[2] / "sdk"
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
SCRIPT = """
import asyncio, importlib.util, multiprocessing, pathlib, pickle, sys, warnings
import labgate
from labgate import errors

url, folder = sys.argv[1:]

def job(method, item):
    return method(item)

async def awaited():
    async with labgate.aconnect(url) as lab:
        lanes, job = await labgate.gather(lab.jobs.list_lanes(), lab.jobs.get_job("P", "J"))
        assert lanes == ["a", "b"]
        assert job["params"]["job_uid"] == "J"

def main():
    assert all(importlib.util.find_spec(name) is None for name in ("numpy", "msgpack", "gateway"))
    assert "site-packages" in labgate.__file__
    lab = labgate.connect(url)
    assert lab.jobs.get_job("P3", job_uid="J42", lane=None)["params"] == {"project_uid": "P3", "job_uid": "J42", "lane": None}
    with labgate.batch(lab) as together:
        one, other = together.jobs.list_lanes(), together.jobs.enqueue_job("J0")
    assert (one.result(), other.result()) == (["a", "b"], {"job_uid": "J0"})
    assert [answer for _, answer in labgate.map(lab.jobs.enqueue_job, ["J1", "J2"])] == [{"job_uid": "J1"}, {"job_uid": "J2"}]
    with labgate.request(lab.files, "PUT", "/x", data=b"12345") as reply:
        assert reply.text() == "PUT /files/x 5"
    try:
        lab.jobs.get_job("P3")
    except TypeError as error:
        assert "job_uid" in str(error)
    try:
        lab.jobs.nothing()
    except AttributeError as error:
        assert "nothing" in str(error)
    try:
        labgate.connect("http://127.0.0.1:1", retries=0, cache_dir=folder)
    except errors.GateUnreachable as error:
        assert type(pickle.loads(pickle.dumps(error))) is errors.GateUnreachable
    for way in ("spawn", "fork"):
        with multiprocessing.get_context(way).Pool(1) as pool:
            assert pool.apply(job, (lab.jobs.enqueue_job, "J3")) == {"job_uid": "J3"}
            pool.close()
            pool.join()
    asyncio.run(awaited())
    labgate.stubs(lab, folder)
    assert "def get_job" in "".join(path.read_text() for path in pathlib.Path(folder).rglob("*.pyi"))
    assert labgate.methods(lab, "get_*") and repr(lab)
    print("all of it")

if __name__ == "__main__":
    main()
"""


def interpreter(version: str) -> Path | None:
    """A Python of this version, None where there is none."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return Path(sys.executable)
    kept = sorted(Path.home().joinpath(".pyenv", "versions").glob(f"{version}.*/bin/python"))
    found = kept[-1] if kept else shutil.which(f"python{version}")
    if found is None:
        return None
    # A name that leads to a chooser of versions is no Python yet.
    asked = subprocess.run([found, "-c", "import ssl, venv"], capture_output=True, timeout=60, check=False)
    return Path(found) if asked.returncode == 0 else None


PYTHONS = {version: interpreter(version) for version in VERSIONS}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    done(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, SDK)
    return next(folder.glob("*.whl"))


def done(*command: str | Path, **environ: str) -> str:
    """What a command prints, which knows nothing of this checkout."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    ran = subprocess.run(
        list(map(str, command)),
        env=clean | environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, f"{ran.stdout}\n{ran.stderr}"
    return ran.stdout


def test_the_oldest_python_that_it_is_for_is_there() -> None:
    assert PYTHONS["3.11"] is not None


@pytest.mark.parametrize("version", VERSIONS)
def test_the_wheel_alone_does_its_whole_work(version: str, wheel: Path, files: Gate, tmp_path: Path) -> None:
    python = PYTHONS[version]
    if python is None:
        pytest.skip(f"there is no Python {version} on this machine")
    done(python, "-m", "venv", "--without-pip", tmp_path / "venv")
    own = tmp_path / "venv" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", own)
    done(*pip, "install", "--quiet", "--no-index", wheel)
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    told = done(
        own, "-W", "error", script, files.url, tmp_path / "out", LABGATE_TOKEN=TOKEN, HOME=str(tmp_path)
    )
    assert told == "all of it\n"
