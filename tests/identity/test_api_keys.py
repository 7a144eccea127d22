"""Keys of the gate's: who has one, until when, and what is kept of it."""

import pytest

from gateway.core.api_keys import digest, key_of
from gateway.core.faults import Unauthenticated
from gateway.identity import ledger
from gateway.identity.api_keys import NOTED, Uses, issue_key
from gateway.identity.identities import FOREIGN_VERDICT, LOOK

NOW = 1_800_000_000.0


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "state"
    path.mkdir(mode=0o700)
    return path


@pytest.fixture
def made(folder):
    """`made(subject)`: a new key that the folder knows, and its id."""

    def make(subject: str = "ada", ttl: float = 86400.0, **names) -> tuple[str, str]:
        key, issued = issue_key(subject, names.get("groups", ()), names.get("scopes", ()), ttl, NOW)
        ledger.record_issued(folder, issued)
        return key, issued.id

    return make


async def test_a_key_speaks_for_its_subject_with_groups_and_scopes(opening, made):
    key, key_id = made(groups=("lab",), scopes=("em.read",))
    async with opening() as identities:
        one = await identities.identify(key, NOW)
        assert (one.subject, one.issuer, one.groups, one.scopes) == ("ada", "labgate", ("lab",), ("em.read",))
        assert (one.token_id, one.expires) == (key_id, NOW + 86400)
        assert identities.known(key, NOW + 1) == one
        assert identities.may_know(key)


async def test_a_key_made_while_gates_run_is_known_to_each_at_once(opening, made):
    async with opening() as first, opening() as second:
        key, _ = made()
        assert (await first.identify(key, NOW)).subject == "ada"
        assert (await second.identify(key, NOW)).subject == "ada"


async def test_a_revoked_key_ends_at_every_worker_at_its_next_look(opening, made, folder):
    key, key_id = made()
    other, _ = made("bob")
    async with opening() as first, opening() as second:
        for worker in (first, second):
            await worker.identify(key, NOW)
            await worker.identify(other, NOW)
        ledger.record_revoked(folder, key_id, NOW)
        for worker in (first, second):
            assert worker.changed(NOW + LOOK)
            assert worker.known(key, NOW + LOOK) is None
            with pytest.raises(Unauthenticated, match="was revoked"):
                await worker.identify(key, NOW + LOOK)
            assert (await worker.identify(other, NOW + LOOK)).subject == "bob"


async def test_a_key_ends_when_it_was_said_to(opening, made):
    key, _ = made(ttl=100)
    async with opening() as identities:
        await identities.identify(key, NOW + 99)
        assert identities.known(key, NOW + 99) is not None
        assert identities.known(key, NOW + 100) is None
        with pytest.raises(Unauthenticated, match="expired 5 minutes ago"):
            await identities.identify(key, NOW + 400)


async def test_an_unknown_key_and_one_that_was_cut_off_are_told_apart(opening, made):
    key, _ = made()
    async with opening() as identities:
        with pytest.raises(Unauthenticated, match="none that this gate has made"):
            await identities.identify(key_of(bytes(32)), NOW)
        for broken in (key[:-1], key[:20], "lgk_", key.swapcase()[:4].lower() + key[4:].swapcase()):
            with pytest.raises(Unauthenticated, match="was it cut off"):
                await identities.identify(broken, NOW)
            assert not identities.may_know(broken)


async def test_where_the_gate_has_no_tokens_of_its_own_it_has_no_keys(opening, made):
    key, _ = made()
    async with opening(local=False) as identities:
        assert not identities.may_know(key)
        with pytest.raises(Unauthenticated):
            await identities.identify(key, NOW)


def test_what_is_kept_of_a_key_makes_no_key(made, folder):
    key, key_id = made()
    Uses(folder).note(key_id, NOW)
    kept = [file for file in folder.rglob("*") if file.is_file()]
    assert kept
    for file in kept:
        text = file.name.encode() + file.read_bytes()
        assert key.encode() not in text
        assert key[4:47].encode() not in text
        assert not file.stat().st_mode & 0o077, "nobody else may read it"
    (issued,) = ledger.all_issued(folder)
    assert issued.digest == digest(key)


async def test_the_last_use_is_noted_once_a_minute_and_by_whichever_worker(opening, made, folder):
    key, key_id = made()
    noted = {}
    async with opening() as first, opening() as second:
        for at in range(int(NOW), int(NOW) + 200, 10):
            if first.known(key, at) is None:
                await first.identify(key, at)
            noted[at] = Uses(folder).all()[key_id]
        await second.identify(key, NOW + 300)
    assert NOTED == FOREIGN_VERDICT == 60
    assert noted == {at: at - (at - NOW) % 60 for at in noted}
    assert Uses(folder).all() == {key_id: NOW + 300}


async def test_a_use_that_cannot_be_noted_refuses_nobody(opening, made, folder, caplog):
    key, _ = made()
    (folder / "used").write_text("in the way")
    async with opening() as identities:
        assert (await identities.identify(key, NOW)).subject == "ada"
        assert (await identities.identify(key, NOW + 100)).subject == "ada"
    assert caplog.text.count("not noted when keys are used") == 1
    assert key not in caplog.text
