"""Revocations that come from other hosts are those of this host from then on."""

import json
import logging

import jwt
import pytest

from gateway.core.faults import Unauthenticated
from gateway.identity.api_keys import issue_key
from gateway.identity.key_records import sealed, unsealed
from gateway.identity.ledger import Revocations, all_issued, all_revoked, record_issued, record_revoked
from gateway.identity.shared_ledger import SharedLedger, shared_ledger
from gateway.identity.signing import signing_keys

NOW = 1_800_000_000.0
ID, OTHER = "a" * 32, "b" * 32


def test_a_token_that_was_revoked_elsewhere_is_refused_here(tmp_path):
    here = shared_ledger(tmp_path / "state", lambda: NOW, local_tokens=True)
    revocations = Revocations(tmp_path / "state")
    record_revoked(tmp_path / "state", ID, 5.0)
    assert here.all() == {ID: 5.0}
    here.add({ID: 7.0, OTHER: 6.0})
    assert here.all() == all_revoked(tmp_path / "state") == {ID: 5.0, OTHER: 6.0}
    assert revocations.poll()
    assert OTHER in revocations
    here.add({OTHER: 9.0})
    assert (tmp_path / "state" / "revoked.jsonl").read_text().count("\n") == 2


def test_what_is_no_id_of_a_token_is_not_written_down(tmp_path):
    here = shared_ledger(tmp_path, lambda: NOW, local_tokens=True)
    here.add({"": 1.0, "x" * 32: 1.0, "a" * 31: 1.0, "A" * 32: 1.0, ID + "\n": 1.0})
    assert here.all() == {}


def test_a_gate_without_tokens_of_its_own_shares_none(tmp_path):
    assert shared_ledger(tmp_path / "state", lambda: NOW, local_tokens=False) is None
    assert not (tmp_path / "state").exists()


def test_a_ledger_that_cannot_be_used_is_said_once_and_raises_nothing(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    (tmp_path / "file").write_text("in the way")
    broken = SharedLedger(tmp_path / "file", lambda: NOW)
    assert broken.all() == {}
    broken.add({ID: 1.0})
    assert broken.all() == {}
    assert len(caplog.messages) == 1


class Host:
    """A gate's state folder and its ledger; `signing` is the key that it has in common with others."""

    def __init__(self, folder, signing) -> None:
        folder.mkdir(mode=0o700)
        self.folder = folder
        self.now = NOW
        self.ledger = SharedLedger(folder, lambda: self.now, signing)

    def makes(self, subject="ada", ttl=1000.0):
        """A key, and its id."""
        key, issued = issue_key(subject, ("lab",), (), ttl, NOW)
        record_issued(self.folder, issued)
        return key, issued.id


@pytest.fixture
def signing(tmp_path):
    (tmp_path / "keys").mkdir(mode=0o700)
    return signing_keys(tmp_path / "keys", ())


@pytest.fixture
def hosts(tmp_path, signing):
    return Host(tmp_path / "one", signing), Host(tmp_path / "other", signing)


async def test_a_key_that_was_made_elsewhere_is_known_here(hosts, opening, tmp_path):
    one, other = hosts
    key, key_id = one.makes()
    told = one.ledger.keys()
    assert set(told) == {key_id}
    assert key not in told[key_id]
    assert other.ledger.add_keys(told) == []
    assert other.ledger.add_keys(told) == []
    (issued,) = all_issued(other.folder)
    assert (issued.subject, issued.groups, issued.id) == ("ada", ("lab",), key_id)
    assert set(other.ledger.keys()) == {key_id}
    other.folder.rename(tmp_path / "state")
    async with opening() as identities:
        assert (await identities.identify(key, NOW)).subject == "ada"


def test_a_key_that_was_revoked_or_has_ended_is_told_no_longer_and_taken_over_by_nobody(hosts):
    one, other = hosts
    revoked, over, fine = (one.makes(ttl=ttl)[1] for ttl in (1000, 10, 1000))
    told = one.ledger.keys()
    record_revoked(other.folder, revoked, NOW)
    one.now = other.now = NOW + 10
    assert sorted(other.ledger.add_keys(told)) == sorted((revoked, over))
    assert [issued.id for issued in all_issued(other.folder)] == [fine]
    record_revoked(one.folder, revoked, NOW)
    assert set(one.ledger.keys()) == {fine}


def test_nobody_without_the_signing_key_makes_keys_by_what_gates_share(hosts, tmp_path, signing, caplog):
    one, other = hosts
    (tmp_path / "evil").mkdir(mode=0o700)
    _, issued = issue_key("root", ("admins",), (), 1000, NOW)
    forged = sealed(issued, signing_keys(tmp_path / "evil", ()))
    header, _, signature = forged.split(".")
    _, key_id = one.makes()
    good = one.ledger.keys()[key_id]
    changed = ".".join((good.split(".")[0], forged.split(".")[1], good.split(".")[2]))
    bare = jwt.encode({"iss": "labgate", "record": {}}, signing.signs, "EdDSA", {"kid": signing.key_id})
    texts = (forged, changed, bare, "", "a.b.c", f"{header}..{signature}", json.dumps({}))
    for text in texts:
        assert unsealed(text, signing) is None
        assert other.ledger.add_keys({issued.id: text}) == []
    assert other.ledger.add_keys({issued.id: good}) == [], "a record stands under its own id alone"
    assert not (other.folder / "tokens.jsonl").exists()
    assert caplog.text.count("another signing key") == 1


async def test_the_record_of_a_key_is_no_token(hosts, opening, tmp_path):
    one, _ = hosts
    one.makes()
    (record,) = one.ledger.keys().values()
    (tmp_path / "keys").rename(tmp_path / "state")
    async with opening() as identities:
        with pytest.raises(Unauthenticated):
            await identities.identify(record, NOW)
