"""Does a program written for cryosparc.command get from labgate.command what it got, with another import line?"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

# The first test may have to build the environments.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

HERE = Path(__file__).parent
UUID = re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")
SDK = HERE.parents[1] / "sdk"
# Answers that are none, which the original meets with exceptions that are not its own.
BETTER = {
    "odd_empty": ("JSONDecodeError", "Error"),
    "odd_no_content": ("JSONDecodeError", "Error"),
    "odd_page": ("JSONDecodeError", "Error"),
    "odd_array": ("TypeError", "Error"),
    "odd_error_null": ("AttributeError", None),
    "odd_error_text": ("AttributeError", "Error"),
    "odd_label_400": ("JSONDecodeError", "Error"),
    # It leaves out what was given by position, and the server misses it.
    "by both": ("CommandError", None),
}


def had(python, url, path):
    """What the caller's program got; `path` are folders in which it finds modules first."""
    command = [python, HERE / "callers" / "commandclient.py", url.rpartition(":")[2], "", "none", "all"]
    environ = {"PATH": os.environ["PATH"], "NO_PROXY": "*", "CRYOSPARC_COMMAND_RETRY_SECONDS": "0"}
    environ["PYTHONPATH"] = os.pathsep.join(map(str, path))
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environ, timeout=120, check=True)
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def outcomes(command_server, python_of, tmp_path_factory):
    """The original's, and ours."""
    folder = tmp_path_factory.mktemp("shim")
    (folder / "cryosparc").mkdir()
    (folder / "cryosparc" / "__init__.py").touch()
    (folder / "cryosparc" / "command.py").write_text("from labgate.command import *\n")
    original = had(python_of("cryosparc-tools"), command_server, [])
    return original, had(sys.executable, command_server, [folder, SDK])


def told(outcome):
    """What must agree: values, codes and data whole; of words and warnings only that there are as many."""
    kept = {"code": outcome.get("code")}
    for name in ("data", "value", "status", "reason", "size", "sha256", "fields"):
        found = outcome.get(name)
        if name == "fields":
            found = [pair for pair in found or () if pair[0] != "Date"]
        if isinstance(found, str):
            found = UUID.sub("ID", found)
        kept[name] = found
    kept["failed"] = "error" in outcome
    kept["warnings"] = len(outcome.get("warnings", ()))
    return kept


def test_values_errors_files_and_uploads_are_those_of_the_original(outcomes):
    original, ours = outcomes
    assert original.keys() == ours.keys()
    same = [name for name in original if name not in BETTER and isinstance(original[name], dict)]
    assert len(same) > 50
    differing = {
        name: (one, other) for name in same if (one := told(original[name])) != (other := told(ours[name]))
    }
    assert differing == {}


@pytest.mark.parametrize("name", BETTER)
def test_what_the_original_stumbles_over_is_an_error_of_ours_or_an_answer(outcomes, name):
    original, ours = outcomes
    assert (original[name].get("error"), ours[name].get("error")) == BETTER[name]
