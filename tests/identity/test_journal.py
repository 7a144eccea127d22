"""Files that only grow, and the ledger in them."""

import json
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.identity import ledger
from gateway.identity.errors import IdentityError
from gateway.identity.journal import Follower, append


@pytest.fixture
def path(tmp_path):
    """A journal that is not there yet."""
    return tmp_path / "journal.jsonl"


def test_what_was_appended_is_read_once_in_order(path):
    follower = Follower(path)
    assert follower.poll() == []
    append(path, {"n": 1})
    append(path, {"n": "\n\ud800"})
    assert follower.poll() == [{"n": 1}, {"n": "\n\ud800"}]
    assert follower.poll() == []
    append(path, {"n": 3})
    assert follower.poll() == [{"n": 3}]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_last_line_that_is_torn_is_not_lost_when_its_rest_arrives(path):
    follower = Follower(path)
    append(path, {"n": 1})
    with path.open("ab") as file:
        file.write(b'{"n"')
    assert follower.poll() == [{"n": 1}]
    with path.open("ab") as file:
        file.write(b": 2}")
    assert follower.poll() == [{"n": 2}]
    with path.open("ab") as file:
        file.write(b"\n")
    assert follower.poll() == [{"n": 2}]


def test_a_writer_that_died_in_its_line_spoils_no_other(path):
    follower = Follower(path)
    append(path, {"n": 1})
    with path.open("ab") as file:
        file.write(b'{"n": 2, "x')
    append(path, {"n": 3})
    assert follower.poll() == [{"n": 1}, {"n": 3}]
    assert Follower(path).poll() == [{"n": 1}, {"n": 3}]


def test_a_file_that_was_replaced_or_shortened_is_read_from_its_beginning(path):
    follower = Follower(path)
    append(path, {"n": 1})
    append(path, {"n": 2})
    assert len(follower.poll()) == 2
    path.write_text('{"n": 9}\n')
    assert follower.poll() == [{"n": 9}]
    other = path.with_name("other")
    other.write_text('{"n": 7}\n{"n": 8}\n')
    other.replace(path)
    assert follower.poll() == [{"n": 7}, {"n": 8}]
    path.unlink()
    assert follower.poll() == []
    append(path, {"n": 5})
    assert follower.poll() == [{"n": 5}]


@given(st.binary(max_size=60))
def test_any_bytes_are_read_without_a_failure(tmp_path_factory, raw):
    path = tmp_path_factory.mktemp("any") / "journal.jsonl"
    path.write_bytes(raw + b"\n")
    append(path, {"n": 1})
    assert Follower(path).poll()[-1] == {"n": 1}


def test_processes_that_write_together_lose_nothing(path):
    program = (
        "import sys, pathlib; from gateway.identity.journal import append\n"
        "for n in range(25): append(pathlib.Path(sys.argv[1]), {'who': sys.argv[2], 'n': n, 'text': 'x' * 5000})"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program, str(path), str(who)]) for who in range(3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    records = Follower(path).poll()
    assert sorted((record["who"], record["n"]) for record in records) == [
        (str(w), n) for w in range(3) for n in range(25)
    ]


def test_a_full_disk_leaves_the_journal_as_it_was(path):
    append(path, {"n": 1})
    before = path.read_bytes()
    program = (
        "import resource, signal, sys, pathlib; from gateway.identity.journal import append\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "sys.dont_write_bytecode = True\n"  # else Python leaves its own files cut, too
        "resource.setrlimit(resource.RLIMIT_FSIZE, (50, 50))\n"
        "append(pathlib.Path(sys.argv[1]), {'n': 'x' * 500})"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)
    assert "OSError" in done.stderr
    assert path.read_bytes() == before


def test_a_token_once_revoked_stays_revoked_when_the_file_is_cut_or_gone(tmp_path):
    revocations = ledger.Revocations(tmp_path)
    ledger.record_revoked(tmp_path, "a" * 32, 1.0)
    assert revocations.poll()
    assert not revocations.poll()
    (tmp_path / "revoked.jsonl").write_text("")
    assert not revocations.poll()
    (tmp_path / "revoked.jsonl").unlink()
    assert not revocations.poll()
    assert "a" * 32 in revocations
    assert None not in revocations


def test_records_of_another_kind_are_passed_over(tmp_path, caplog):
    (tmp_path / "revoked.jsonl").write_text(
        '{"id": 7}\n[1]\nhello\n{"id": "a", "revoked": 1, "later": true}\n'
    )
    assert ledger.all_revoked(tmp_path) == {"a": 1.0}
    assert "no Revoked was passed over" in caplog.text


def test_a_file_that_cannot_be_read_leaves_what_is_known_and_is_told_once(tmp_path, caplog):
    revocations = ledger.Revocations(tmp_path)
    ledger.record_revoked(tmp_path, "a" * 32, 1.0)
    revocations.poll()
    (tmp_path / "revoked.jsonl").unlink()
    (tmp_path / "revoked.jsonl").mkdir()
    for _ in range(3):
        assert not revocations.poll()
    assert "a" * 32 in revocations
    assert caplog.text.count("revoked tokens cannot be read") == 1
    with pytest.raises(IdentityError, match=r"revoked\.jsonl cannot be read"):
        ledger.all_revoked(tmp_path)
    with pytest.raises(IdentityError, match=r"revoked\.jsonl cannot be written"):
        ledger.record_revoked(tmp_path, "b" * 32, 2.0)


def test_the_ledger_holds_what_was_written(tmp_path):
    issued = ledger.Issued("a" * 32, "ada \u00e4", ("admins",), ("em.read",), 1.0, 2.5)
    ledger.record_issued(tmp_path, issued)
    assert ledger.all_issued(tmp_path) == [issued]
    assert json.loads((tmp_path / "tokens.jsonl").read_text())["subject"] == "ada \u00e4"


def test_a_token_is_meant_by_its_id_or_by_a_beginning_that_only_one_has():
    issued = [ledger.Issued(name, "s", (), (), 0, 0) for name in ("abc1" + "0" * 28, "abd2" + "0" * 28)]
    assert ledger.resolve("abc", issued) == issued[0].id
    assert ledger.resolve(issued[1].id, issued) == issued[1].id
    assert ledger.resolve("f" * 32, issued) == "f" * 32
    for given_, text in (
        ("ab", "of 2 ids"),
        ("x", "no token has"),
        ("", "no token has"),
        ("f" * 31, "no token has"),
    ):
        with pytest.raises(IdentityError, match=text):
            ledger.resolve(given_, issued)
