"""Revocations that come from other hosts are those of this host from then on."""

import logging

from gateway.identity.ledger import Revocations, all_revoked, record_revoked
from gateway.identity.shared_ledger import SharedLedger, shared_ledger

ID, OTHER = "a" * 32, "b" * 32


def test_a_token_that_was_revoked_elsewhere_is_refused_here(tmp_path):
    here = shared_ledger(tmp_path / "state", local_tokens=True)
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
    here = shared_ledger(tmp_path, local_tokens=True)
    here.add({"": 1.0, "x" * 32: 1.0, "a" * 31: 1.0, "A" * 32: 1.0, ID + "\n": 1.0})
    assert here.all() == {}


def test_a_gate_without_tokens_of_its_own_shares_none(tmp_path):
    assert shared_ledger(tmp_path / "state", local_tokens=False) is None
    assert not (tmp_path / "state").exists()


def test_a_ledger_that_cannot_be_used_is_said_once_and_raises_nothing(tmp_path, caplog):
    caplog.set_level(logging.ERROR)
    (tmp_path / "file").write_text("in the way")
    broken = SharedLedger(tmp_path / "file")
    assert broken.all() == {}
    broken.add({ID: 1.0})
    assert broken.all() == {}
    assert len(caplog.messages) == 1
