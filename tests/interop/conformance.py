"""Where is the official conformance suite of the Model Context Protocol, and the Node.js that runs it?

`locks/conformance/` names both; they are fetched once and kept under `.cache/interop` by the hash of that.
"""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

LOCK = Path(__file__).with_name("locks") / "conformance"
CACHE = Path(__file__).parents[2] / ".cache" / "interop"
_SUITE = "node_modules/@modelcontextprotocol/conformance/dist/index.js"
_NODE = "node_modules/node/bin/node"


def suite() -> list[str]:
    """The command that runs it, fetched now unless it is there already. Raises CalledProcessError."""
    digest = hashlib.sha256(LOCK.joinpath("package-lock.json").read_bytes()).hexdigest()[:12]
    folder = CACHE / f"conformance-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with CACHE.joinpath(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.joinpath(".complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            for name in ("package.json", "package-lock.json"):
                shutil.copy(LOCK / name, folder)
            command = ["npm", "ci", "--no-audit", "--no-fund", "--foreground-scripts"]
            subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=300)
            folder.joinpath(".complete").touch()
    return [str(folder / _NODE), str(folder / _SUITE)]
