"""Laws of what is shipped: both wheels are built, installed alone in clean environments, and used there."""

import fcntl
import hashlib
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CACHE = ROOT / ".cache" / "house"

# The build backend and, once, the gateway's dependencies are downloaded.
pytestmark = pytest.mark.timeout(900)


def run(*command: str | Path, cwd: Path, **environ: str) -> str:
    """What the command prints; it must succeed, and it knows nothing of this checkout."""
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))
    }
    found = subprocess.run(
        list(map(str, command)), cwd=cwd, env=clean | environ, capture_output=True, text=True, timeout=600
    )
    assert found.returncode == 0, f"{command}\n{found.stdout}\n{found.stderr}"
    return found.stdout


def pip(*arguments: str | Path, cwd: Path) -> None:
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments, cwd=cwd)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("wheels")
    pip("wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT, ROOT / "sdk", cwd=folder)
    return {path.name.split("-")[0]: path for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def alone_sdk(wheels: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the SDK and nothing else."""
    folder = tmp_path_factory.mktemp("sdk") / "venv"
    venv.create(folder)
    pip("--python", folder / "bin/python", "install", "--quiet", "--no-index", wheels["labgate"], cwd=folder)
    return folder / "bin"


@pytest.fixture(scope="module")
def alone_gateway(wheels: dict[str, Path]) -> Iterator[Path]:
    """An environment with the gateway and its dependencies; these are kept for the next time."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        wanted = repr((tomllib.load(file)["project"]["dependencies"], sys.version))
    folder = CACHE / f"gateway-{hashlib.sha256(wanted.encode()).hexdigest()[:12]}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        python = folder / "bin" / "python"
        if not (folder / "complete").exists():
            venv.create(folder, clear=True)
            pip(
                "--python", python, "install", "--quiet", "--no-compile", wheels["labgate_gateway"], cwd=CACHE
            )
            (folder / "complete").touch()
        again = ["--quiet", "--no-deps", "--force-reinstall"]
        pip("--python", python, "install", *again, wheels["labgate_gateway"], cwd=CACHE)
        yield folder / "bin"


def test_both_wheels_are_built(wheels: dict[str, Path]) -> None:
    assert set(wheels) == {"labgate", "labgate_gateway"}
    assert all(path.name.endswith("-py3-none-any.whl") for path in wheels.values())


def test_a_wheel_holds_its_package_and_nothing_else(wheels: dict[str, Path]) -> None:
    for name, package in (("labgate", "labgate"), ("labgate_gateway", "gateway")):
        names = zipfile.ZipFile(wheels[name]).namelist()
        assert {path.split("/")[0] for path in names if ".dist-info/" not in path} == {package}
        assert f"{package}/py.typed" in names
        assert not [
            path for path in names if path.endswith((".toml", ".gitkeep", ".pyc")) or "/tests/" in path
        ]
        sources = {
            str(path) for path in (ROOT / "sdk" if package == "labgate" else ROOT).glob(f"{package}/**/*.py")
        }
        assert len([path for path in names if path.endswith(".py")]) == len(sources)


def test_the_gateways_wheel_carries_packs_the_demos_settings_the_console_and_the_licence(
    wheels: dict[str, Path],
) -> None:
    archive = zipfile.ZipFile(wheels["labgate_gateway"])
    packs = {f"gateway/packs/{path.name}" for path in (ROOT / "config" / "packs").glob("*.yaml")}
    assert packs
    assert packs | {"gateway/demo/demo.yaml"} <= set(archive.namelist())
    assert archive.read("gateway/demo/demo.yaml") == (ROOT / "config" / "demo.yaml").read_bytes()
    console = ROOT / "gateway" / "doors" / "console"
    for path in (one for one in console.rglob("*") if one.is_file()):
        assert archive.read(path.relative_to(ROOT).as_posix()) == path.read_bytes()
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in archive.namelist())


def test_the_sdk_is_imported_alone_without_numpy_and_without_the_gateway(
    alone_sdk: Path, tmp_path: Path
) -> None:
    code = """
import importlib.util, sys
import labgate
assert all(importlib.util.find_spec(name) is None for name in ("numpy", "msgpack", "gateway", "aiohttp"))
foreign = {name.split(".")[0] for name in sys.modules} - set(sys.stdlib_module_names) - {"labgate", "__main__"}
print(sorted(name for name in foreign if not name.startswith(("_", "site"))))
"""
    assert run(alone_sdk / "python", "-I", "-W", "error", "-c", code, cwd=tmp_path) == "[]\n"
    assert "usage: labgate" in run(alone_sdk / "labgate", "--help", cwd=tmp_path)


def test_the_gateway_is_imported_alone_without_the_sdk(alone_gateway: Path, tmp_path: Path) -> None:
    code = """
import importlib, importlib.util, pkgutil
import gateway
assert importlib.util.find_spec("labgate") is None
names = [module.name for module in pkgutil.walk_packages(gateway.__path__, "gateway.") if "__main__" not in module.name]
for name in names:
    importlib.import_module(name)
print(len(names) > 30)
"""
    assert run(alone_gateway / "python", "-I", "-c", code, cwd=tmp_path) == "True\n"


def test_the_installed_command_finds_its_data(alone_gateway: Path, tmp_path: Path) -> None:
    assert "usage: labgated" in run(alone_gateway / "labgated", "--help", cwd=tmp_path)
    with (ROOT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    assert run(alone_gateway / "labgated", "--version", cwd=tmp_path) == f"labgated {version}\n"
    code = "from gateway import resources; print(resources.demo_config(), resources.pack('cryosparc'))"
    demo, pack = run(alone_gateway / "python", "-I", "-c", code, cwd=tmp_path).split()
    assert [Path(path).is_relative_to(ROOT / ".cache") for path in (demo, pack)] == [True, True]
    environ = {
        "LABGATE_DEMO_JOBS": "http://127.0.0.1:1",
        "LABGATE_DEMO_FILES": "http://127.0.0.1:2",
        "LABGATE_DEMO_DVID": "http://127.0.0.1:3",
        "LABGATE_STATE_DIR": str(tmp_path),
    }
    told = run(alone_gateway / "labgated", "check", demo, cwd=tmp_path, **environ)
    assert told.endswith("can be served: 0 errors, 0 warnings\n")


def test_both_are_installed_together_and_their_requirements_agree(
    alone_gateway: Path, wheels: dict[str, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "both"
    pip("install", "--quiet", "--no-deps", "--target", folder, *wheels.values(), cwd=tmp_path)
    code = "import gateway, labgate; print(labgate.__file__, gateway.__file__)"
    found = run(alone_gateway / "python", "-c", code, cwd=tmp_path, PYTHONPATH=str(folder))
    assert [Path(path).is_relative_to(folder) for path in found.split()] == [True, True]
    pip("--python", alone_gateway / "python", "check", cwd=tmp_path)
