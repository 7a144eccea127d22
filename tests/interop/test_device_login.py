"""Do people log in, through `labgate login`, at an authorization server that others have written?"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SETTINGS = """\
identity:
  issuers:
    - issuer: "{issuer}"
      audience: labgate
      algorithms: [ES256]
      typ: at+jwt
      device: {{client_id: labgate-cli, scopes: [openid, offline_access]}}
policies: [{{to: ["group:lab"], allow: ["*"]}}]
"""
SCRIPT = """\
import labgate
lab = labgate.connect()
print(labgate.whoami(lab).subject)
"""


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., Any]:
    """Starts a program of a user who has nothing yet."""
    environ = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(tmp_path),
    }

    def started(*words: str, url: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, *words],
            env={**environ, "LABGATE_URL": url},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return started


def logged_in(run: Any, url: str) -> tuple[int, str, str]:
    """Log in as a person does: see the address, open it elsewhere, wait."""
    with run("-m", "labgate.cli", "login", url=url) as login:
        said = ""
        while not (found := re.search(r"^Open (\S+)$", said, re.MULTILINE)):
            line = login.stderr.readline()
            assert line, said
            said += line
        with urllib.request.urlopen(found[1], timeout=60) as page:
            assert b"You are logged in." in page.read()
        out, err = login.communicate(timeout=120)
        return login.returncode, out, said + err


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    with process:
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


async def test_a_login_at_authlib_works_is_renewed_and_ends(
    upstream: Any, gate_of: Any, run: Any, tmp_path: Path
) -> None:
    issuer = await asyncio.to_thread(upstream, "authlib-issuer")
    async with gate_of(SETTINGS.format(issuer=issuer.url)) as gate:
        url = "http://{}:{}".format(*gate.address)
        code, out, err = await asyncio.to_thread(logged_in, run, url)
        assert code == 0, err
        assert json.loads(out)["subject"] == "ada"

        def program() -> tuple[int, str, str]:
            return ended(run("-c", SCRIPT, url=url))

        assert (await asyncio.to_thread(program))[:2] == (0, "ada\n")
        (file,) = (tmp_path / ".config" / "labgate" / "logins").glob("*.json")
        before = json.loads(file.read_text())
        file.write_text(json.dumps({**before, "expires": time.time()}))
        assert (await asyncio.to_thread(program))[:2] == (0, "ada\n")
        after = json.loads(file.read_text())
        assert after["id"] == before["id"]
        assert after["access_token"] != before["access_token"]
        assert after["refresh_token"] != before["refresh_token"]

        # The one before was for one use.
        file.write_text(json.dumps({**before, "expires": time.time()}))
        code, _, err = await asyncio.to_thread(program)
        assert code == 1
        assert "labgate login" in err
        file.write_text(json.dumps(after))
        code, out, err = await asyncio.to_thread(lambda: ended(run("-m", "labgate.cli", "logout", url=url)))
        assert (code, json.loads(out), err) == (0, {"forgotten": True}, "")
        file.write_text(json.dumps({**after, "expires": time.time()}))
        file.chmod(0o600)
        code, _, err = await asyncio.to_thread(program)
        assert code == 1
        assert "has ended your login" in err
