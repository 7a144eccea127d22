"""The key in the state folder: made once, kept private."""

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from gateway.identity import state
from gateway.identity.errors import IdentityError
from gateway.identity.signing import signing_keys, thumbprint


def pem(key, encryption=None) -> str:
    """A private key as PEM text."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


@pytest.fixture
def folder(tmp_path):
    """A state folder."""
    state.prepare(tmp_path / "a" / "state")
    return tmp_path / "a" / "state"


def test_the_key_is_made_on_first_use_for_its_owner_alone_and_found_again(folder):
    made = signing_keys(folder, ())
    assert [(path.name, path.stat().st_mode & 0o777) for path in folder.iterdir()] == [
        ("signing-key.pem", 0o600)
    ]
    assert folder.stat().st_mode & 0o777 == 0o700
    assert signing_keys(folder, ()).key_id == made.key_id


def test_processes_that_start_together_agree_on_one_key(folder):
    program = (
        "import sys, pathlib; from gateway.identity.signing import signing_keys; sys.stdin.read(); "
        "print(signing_keys(pathlib.Path(sys.argv[1]), ()).key_id)"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        process.stdin.close()
    ids = set()
    for process in processes:
        with process:
            ids.add(process.stdout.read())
    assert len(ids) == 1
    assert ids.pop().strip()
    assert [path.name for path in folder.iterdir()] == ["signing-key.pem"]


def test_a_key_that_is_there_is_never_written_over(folder):
    made = signing_keys(folder, ())
    state.write_once(folder / "signing-key.pem", b"another")
    assert signing_keys(folder, ()).key_id == made.key_id
    assert len(list(folder.iterdir())) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601])
def test_a_key_to_which_others_have_rights_is_refused(folder, mode):
    signing_keys(folder, ())
    (folder / "signing-key.pem").chmod(mode)
    with pytest.raises(IdentityError, match=rf"mode 0{mode:o}\): run `chmod 600 .*signing-key.pem`"):
        signing_keys(folder, ())


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777])
def test_a_folder_in_which_others_can_write_is_refused(folder, mode):
    folder.chmod(mode)
    with pytest.raises(IdentityError, match="run `chmod 700 "):
        state.prepare(folder)
    folder.chmod(0o755)
    state.prepare(folder)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("", "no private key in PEM form"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "no private key in PEM form"),
        (pem(generate_private_key(SECP256R1())), "no Ed25519 key"),
        (pem(Ed25519PrivateKey.generate(), BestAvailableEncryption(b"x")), "is encrypted"),
    ],
)
def test_a_key_that_cannot_sign_is_told_by_its_place_and_never_shown(folder, content, text):
    (folder / "signing-key.pem").write_text(content)
    (folder / "signing-key.pem").chmod(0o600)
    with pytest.raises(IdentityError, match=f"signing-key.pem .*{text}|signing-key.pem is {text}"):
        signing_keys(folder, ())
    with pytest.raises(IdentityError, match=r"^identity.signing_keys\[1\] is") as caught:
        signing_keys(folder, (pem(Ed25519PrivateKey.generate()), content or "x"))
    assert not any(line in str(caught.value) for line in content.splitlines())


def test_a_folder_in_the_keys_place_is_no_file(folder):
    (folder / "signing-key.pem").mkdir()
    with pytest.raises(IdentityError, match="is no file"):
        signing_keys(folder, ())


def test_a_key_is_named_by_its_thumbprint():
    # The example of RFC 8037, appendix A.3.
    raw = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert (
        thumbprint(Ed25519PublicKey.from_public_bytes(raw)) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    )


@pytest.mark.parametrize(
    ("environ", "parts"),
    [
        ({"XDG_STATE_HOME": "/x/state"}, ("/", "x", "state", "labgate")),
        ({"XDG_STATE_HOME": "relative"}, (".local", "state", "labgate")),
        ({}, (".local", "state", "labgate")),
    ],
)
def test_state_is_kept_where_the_desktop_specification_says(environ, parts):
    folder = state.default_state_dir(environ)
    assert folder.is_absolute()
    assert folder.parts[-len(parts) :] == parts
