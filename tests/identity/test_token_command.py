"""`labgated token`, as it is typed."""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime

import jwt
import pytest

from gateway.core.api_keys import is_key
from gateway.identity.identities import Trusted


@pytest.fixture
def labgated(tmp_path):
    """`labgated(*words)`: runs the command in an empty folder, with a home of its own."""
    (tmp_path / "here").mkdir()

    def run(*words, stdin="", **environ):
        return subprocess.run(
            [sys.executable, "-m", "gateway.cli", *words],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path / "here",
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"} | environ,
        )

    return run


@pytest.fixture
def config(tmp_path):
    """A settings file whose state is in the folder that `opening` uses."""
    path = tmp_path / "gate.yaml"
    path.write_text(json.dumps({"state_dir": str(tmp_path / "state")}))
    return path


async def test_create_prints_the_token_and_nothing_else_and_the_gate_takes_it(labgated, config, opening):
    words = (
        "--group",
        "admins",
        "--group",
        "people",
        "--scope",
        "em.read",
        "--scope",
        "em.write",
        "--ttl",
        "90m",
    )
    done = labgated("token", "create", "--subject", "ada", *words, "--config", str(config))
    assert done.returncode == 0
    assert done.stdout.count("\n") == 1
    assert done.stdout.count(".") == 2
    assert done.stdout.strip() not in done.stderr
    token = done.stdout.strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"
    assert (claims["iss"], claims["aud"], claims["exp"] - claims["iat"]) == ("labgate", "labgate", 5400)
    async with opening(now=claims["iat"]) as identities:
        principal = await identities.identify(token, claims["iat"])
    assert principal.subject == "ada"
    assert principal.groups == ("admins", "people")
    assert principal.scopes == ("em.read", "em.write")


def test_list_shows_who_has_a_token_and_never_the_token(labgated, config):
    tokens = [
        labgated("token", "create", "--subject", subject, "--config", str(config)).stdout.strip()
        for subject in ("ada", "bob")
    ]
    listed = labgated("token", "list", "--config", str(config)).stdout
    assert [line.split()[1] for line in listed.splitlines()] == ["SUBJECT", "ada", "bob"]
    described = json.loads(labgated("token", "list", "--json", "--config", str(config)).stdout)
    ids = [jwt.decode(token, options={"verify_signature": False})["jti"] for token in tokens]
    assert [(entry["id"], entry["subject"], entry["state"]) for entry in described] == [
        (ids[0], "ada", "valid"),
        (ids[1], "bob", "valid"),
    ]
    kept = b"".join(path.read_bytes() for path in (config.parent / "state").iterdir()).decode()
    for token in tokens:
        for part in token.split("."):
            assert part not in listed + kept


async def test_an_opaque_key_is_printed_once_listed_with_its_last_use_and_taken_back_by_itself(
    labgated, config, opening
):
    words = ("--subject", "robot", "--scope", "em.read", "--ttl", "1h", "--config", str(config))
    done = labgated("token", "create", "--opaque", *words)
    key = done.stdout.strip()
    assert is_key(key)
    assert done.stderr.startswith("key ")
    (listed,) = json.loads(labgated("token", "list", "--json", "--config", str(config)).stdout)
    assert (listed["kind"], listed["subject"], listed["scopes"]) == ("key", "robot", ["em.read"])
    assert "last_used" not in listed
    now = time.time()
    async with opening(now=now) as identities:
        assert (await identities.identify(key, now)).token_id == listed["id"]
        (listed,) = json.loads(labgated("token", "list", "--json", "--config", str(config)).stdout)
        assert listed["last_used"] == datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        table = labgated("token", "list", "--config", str(config)).stdout
        assert listed["last_used"] in table
        assert key not in table
        done = labgated("token", "revoke", "-", "--config", str(config), stdin=f"{key}\n")
        assert done.stdout.startswith(f"revoked {listed['id']} of robot")
        assert identities.changed(now + 1)
        assert identities.known(key, now + 1) is None


@pytest.mark.parametrize("by", ["id", "prefix", "token"])
async def test_a_token_revoked_by_hand_is_refused_by_the_running_gate_within_a_second(
    labgated, config, opening, world, keys_file, by
):
    token = labgated("token", "create", "--subject", "ada", "--config", str(config)).stdout.strip()
    claims = jwt.decode(token, options={"verify_signature": False})
    now = claims["iat"]
    async with opening(Trusted(world.issuer, keys_file), now=now) as identities:
        assert (await identities.identify(token, now)).subject == "ada"
        word = {"id": claims["jti"], "prefix": claims["jti"][:6], "token": "-"}[by]
        done = labgated("token", "revoke", word, "--config", str(config), stdin=f"{token}\n")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"revoked {claims['jti']} of ada")
        assert identities.changed(now + 1)
        assert identities.known(token, now + 1) is None
    again = labgated("token", "revoke", word, "--config", str(config), stdin=token)
    assert (again.returncode, again.stdout) == (0, f"{claims['jti']} of ada was revoked before\n")
    assert "revoked" in labgated("token", "list", "--config", str(config)).stdout


@pytest.mark.parametrize(
    ("words", "stdin", "text"),
    [
        (
            ("create", "--subject", "ada", "--ttl", "soon"),
            "",
            "'soon' is no length of time: write 90m, 12h or 30d",
        ),
        (("create", "--subject", "ada", "--ttl", "2y"), "", "is no length of time"),
        (("create", "--subject", "ada", "--ttl", "0"), "", "lasts from 1s to 366d, not 0"),
        (("create", "--subject", "ada", "--ttl", "400d"), "", "lasts from 1s to 366d, not 400d"),
        (("create", "--subject", "ada", "--ttl=-1h"), "", "is no length of time"),
        (("create",), "", "--subject"),
        (("create", "--subject", ""), "", "texts of 1 to 256 characters"),
        (("create", "--subject", "a\tb"), "", "control characters"),
        (("create", "--subject", "a", "--scope", "b c"), "", "a scope has no spaces"),
        (("revoke", "zz"), "", "no token has an id that begins with 'zz'"),
        (("revoke", "-"), "", "no token"),
        (("revoke", "-"), "not a token", "what came on stdin is no token"),
        ((), "", "ACTION"),
    ],
)
def test_what_cannot_be_done_is_told_on_stderr_and_nothing_is_printed(labgated, words, stdin, text):
    done = labgated("token", *words, stdin=stdin)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert text in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


def test_tokens_of_other_issuers_are_not_revoked_here(labgated, config, world):
    done = labgated("token", "revoke", "-", "--config", str(config), stdin=world.token(jti="a" * 32))
    assert done.returncode == 1
    assert "made by another issuer" in done.stderr


def test_without_settings_the_state_is_the_users_and_with_them_the_configured_one(labgated, config, tmp_path):
    done = labgated("token", "create", "--subject", "ada", XDG_STATE_HOME=str(tmp_path / "xdg"))
    assert (tmp_path / "xdg" / "labgate" / "tokens.jsonl").exists()
    assert "there is no labgate.yaml here" in done.stderr
    labgated("token", "create", "--subject", "ada")
    assert (tmp_path / ".local" / "state" / "labgate" / "tokens.jsonl").exists()
    assert labgated("token", "create", "--subject", "ada", LABGATE_CONFIG=str(config)).returncode == 0
    assert (tmp_path / "state" / "tokens.jsonl").exists()


def test_settings_that_cannot_be_used_end_the_command(labgated, tmp_path):
    missing = labgated("token", "list", "--config", str(tmp_path / "none.yaml"))
    assert missing.returncode == 1
    assert "none.yaml" in missing.stderr
    (tmp_path / "off.yaml").write_text("identity: {local_tokens: false}\n")
    off = labgated("token", "create", "--subject", "ada", "--config", str(tmp_path / "off.yaml"))
    assert (off.returncode, off.stdout) == (1, "")
    assert "local_tokens: false" in off.stderr


def test_configured_keys_sign_and_are_never_shown(labgated, tmp_path, config):
    labgated("token", "create", "--subject", "ada", "--config", str(config))
    pem = (tmp_path / "state" / "signing-key.pem").read_text()
    settings = {"state_dir": str(tmp_path / "new"), "identity": {"signing_keys": ["${env:KEY}"]}}
    (tmp_path / "keys.yaml").write_text(json.dumps(settings))
    done = labgated("token", "create", "--subject", "ada", "--config", str(tmp_path / "keys.yaml"), KEY=pem)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["tokens.jsonl"]
    broken = pem.replace("PRIVATE KEY-----\n", "PRIVATE KEY-----\nAAAA")
    bad = labgated("token", "create", "--subject", "ada", "--config", str(tmp_path / "keys.yaml"), KEY=broken)
    assert (bad.returncode, bad.stdout) == (1, "")
    assert "identity.signing_keys[0] is no private key" in bad.stderr
    assert pem.splitlines()[1] not in bad.stderr


def test_a_readable_key_is_refused_with_what_to_do(labgated, tmp_path, config):
    labgated("token", "create", "--subject", "ada", "--config", str(config))
    (tmp_path / "state" / "signing-key.pem").chmod(0o644)
    done = labgated("token", "create", "--subject", "ada", "--config", str(config))
    assert (done.returncode, done.stdout) == (1, "")
    assert "chmod 600" in done.stderr
