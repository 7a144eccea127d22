"""Whom the gate knows, for how long, and what it forgets."""

import json

import jwt
import pytest
from aiohttp import ClientSession
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.claims import Issuer
from gateway.core.faults import Unauthenticated
from gateway.core.ports import Identity
from gateway.identity import ledger, local
from gateway.identity.errors import IdentityError
from gateway.identity.identities import Identities, Trusted
from gateway.identity.signing import signing_keys

NOW = 1_800_000_000.0


def make(folder, subject="ada", ttl=3600.0, now=NOW, groups=("admins",), scopes=("em.read",)):
    """A local token and its ledger entry."""
    return local.issue(signing_keys(folder, ()), subject, groups, scopes, ttl, now)


async def test_identities_are_the_port_that_doors_ask(opening):
    async with opening() as identities:
        port: Identity = identities
        assert port.known("abc", NOW) is None


async def test_a_local_token_speaks_for_its_subject_with_groups_and_scopes(opening, tmp_path):
    async with opening() as identities:
        token, issued = make(tmp_path / "state")
        assert identities.known(token, NOW) is None
        principal = await identities.identify(token, NOW)
        assert (principal.subject, principal.issuer) == ("ada", "labgate")
        assert (principal.groups, principal.scopes) == (("admins",), ("em.read",))
        assert (principal.token_id, principal.expires) == (issued.id, NOW + 3600)
        assert identities.known(token, NOW) is principal


async def test_a_local_verdict_holds_to_the_tokens_end_and_another_issuers_for_a_minute(
    opening, tmp_path, world, keys_file
):
    async with opening(Trusted(world.issuer, keys_file)) as identities:
        mine, _ = make(tmp_path / "state")
        theirs, ending = world.token(), world.token(exp=int(NOW) + 30)
        for token in (mine, theirs, ending):
            await identities.identify(token, NOW)
        assert [identities.known(token, NOW + 29.9) is not None for token in (mine, theirs, ending)] == [
            True
        ] * 3
        assert [identities.known(token, NOW + 30) is not None for token in (mine, theirs, ending)] == [
            True,
            True,
            False,
        ]
        assert [identities.known(token, NOW + 60) is not None for token in (mine, theirs, ending)] == [
            True,
            False,
            False,
        ]
        assert identities.known(mine, NOW + 3599.9) is not None
        assert identities.known(mine, NOW + 3600) is None
        with pytest.raises(Unauthenticated, match=r"expired 5 minutes ago.*labgated token create"):
            await identities.identify(mine, NOW + 3900)


async def test_a_revoked_token_is_refused_at_the_next_look_and_others_stay(opening, tmp_path):
    folder = tmp_path / "state"
    async with opening() as identities:
        (token, issued), (other, _) = make(folder), make(folder, "bob")
        for each in (token, other):
            await identities.identify(each, NOW)
        assert not identities.changed(NOW)
        ledger.record_revoked(folder, issued.id, NOW + 0.1)
        assert identities.known(token, NOW + 0.25) is None
        with pytest.raises(Unauthenticated, match=r"was revoked\. Ask .*labgated token create"):
            await identities.identify(token, NOW + 0.25)
        assert (await identities.identify(other, NOW + 0.25)).subject == "bob"
        assert identities.changed(NOW + 0.25)
        assert not identities.changed(NOW + 0.26)


def held(identities):
    """All that this object keeps, and what is in it."""
    found, left = [], [identities]
    while left:
        one = left.pop()
        found.append(one)
        left += one.values() if isinstance(one, dict) else ()
        left += vars(one).values() if one is identities else ()
    return found


async def test_a_credential_itself_is_kept_until_the_next_look_and_its_verdict_longer(opening, tmp_path):
    async with opening() as identities:
        token, _ = make(tmp_path / "state")
        await identities.identify(token, NOW)
        principal = identities.known(token, NOW)
        assert principal is not None
        assert any(isinstance(one, dict) and token in one for one in held(identities))
        assert identities.known(token, NOW + 0.24) is principal
        assert not identities.changed(NOW + 0.26)
        assert not any(isinstance(one, dict) and token in one for one in held(identities))
        assert identities.known(token, NOW + 0.26) is principal


async def test_no_more_credentials_are_kept_than_a_bound_and_all_that_hold_are_known(
    opening, tmp_path, monkeypatch
):
    monkeypatch.setattr("gateway.identity.identities.LATEST", 2)
    async with opening() as identities:
        tokens = [make(tmp_path / "state", subject)[0] for subject in ("ada", "eve", "tom")]
        for token in tokens * 2:
            found = identities.known(token, NOW) or await identities.identify(token, NOW)
            assert identities.known(token, NOW) is found
        kept = [one for one in held(identities) if isinstance(one, dict) and tokens[0] in one]
        assert [len(one) for one in kept] == [2]


async def test_the_question_for_changes_looks_for_revocations_itself(opening, tmp_path):
    folder = tmp_path / "state"
    async with opening() as identities:
        token, issued = make(folder)
        await identities.identify(token, NOW)
        ledger.record_revoked(folder, issued.id, NOW)
        assert not identities.changed(NOW + 0.2)
        assert identities.changed(NOW + 0.4)
        assert identities.known(token, NOW + 0.4) is None


async def test_a_clock_that_was_put_back_does_not_stop_the_look_for_revocations(opening, tmp_path):
    folder = tmp_path / "state"
    async with opening() as identities:
        token, issued = make(folder)
        await identities.identify(token, NOW)
        ledger.record_revoked(folder, issued.id, NOW)
        assert identities.known(token, NOW - 1000) is None


async def test_what_was_revoked_before_the_start_is_no_change_and_stays_revoked(opening, tmp_path):
    folder = tmp_path / "state"
    async with opening():
        token, issued = make(folder)
        ledger.record_revoked(folder, issued.id, NOW)
    async with opening() as identities:
        assert not identities.changed(NOW)
        with pytest.raises(Unauthenticated, match="revoked"):
            await identities.identify(token, NOW)


async def test_tokens_of_another_gate_and_of_a_replaced_key_are_signed_by_an_unknown_key(opening, tmp_path):
    (tmp_path / "other").mkdir(mode=0o700)
    token, _ = make(tmp_path / "other")
    async with opening() as identities:
        with pytest.raises(Unauthenticated, match=r"signed by an unknown key.*labgated token create"):
            await identities.identify(token, NOW)


async def test_a_local_token_cannot_be_made_into_another_kind_of_token(opening, tmp_path):
    async with opening() as identities:
        keys = signing_keys(tmp_path / "state", ())
        claims = {"iss": "labgate", "aud": "labgate", "sub": "ada", "iat": int(NOW), "exp": int(NOW) + 60}
        for typ in ("JWT", None, "id+jwt"):
            token = jwt.encode(claims, keys.signs, "EdDSA", headers={"kid": keys.key_id, "typ": typ})
            with pytest.raises(Unauthenticated, match="of the type"):
                await identities.identify(token, NOW)


async def test_configured_keys_replace_the_one_in_the_state_folder_and_every_one_of_them_verifies(
    opening, tmp_path
):
    folder = tmp_path / "state"
    async with opening():
        made, _ = make(folder)
    pems = [(folder / "signing-key.pem").read_text()]
    (tmp_path / "new").mkdir(mode=0o700)
    newer, _ = make(tmp_path / "new")
    pems.insert(0, (tmp_path / "new" / "signing-key.pem").read_text())
    async with opening(keys=tuple(pems)) as identities:
        assert [(await identities.identify(token, NOW)).subject for token in (made, newer)] == ["ada", "ada"]
    async with opening(keys=(pems[0],)) as identities:
        with pytest.raises(Unauthenticated, match="unknown key"):
            await identities.identify(made, NOW)
    signer = signing_keys(folder, pems)
    assert jwt.get_unverified_header(local.issue(signer, "a", (), (), 60, NOW)[0])["kid"] == signer.key_id
    assert signer.key_id == jwt.get_unverified_header(newer)["kid"]


async def test_without_local_tokens_no_state_is_touched_and_they_are_of_an_unknown_issuer(
    opening, tmp_path, keys_file, world
):
    (tmp_path / "other").mkdir(mode=0o700)
    token, _ = make(tmp_path / "other")
    async with opening(Trusted(world.issuer, keys_file), local=False) as identities:
        assert not (tmp_path / "state").exists()
        with pytest.raises(Unauthenticated, match="unknown issuer, 'labgate'"):
            await identities.identify(token, NOW)
        assert (await identities.identify(world.token(), NOW)).subject == "ada"
        assert not identities.changed(NOW + 1)


async def test_every_issuer_is_checked_with_its_own_keys_only(opening, tmp_path, world, jwk):
    mine, theirs = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    trusted = []
    for name, key in (("https://a.test/", mine), ("https://b.test/", theirs)):
        path = tmp_path / f"{len(trusted)}.json"
        path.write_text(json.dumps({"keys": [jwk(key, "same")]}))
        trusted.append(Trusted(Issuer(name, ("labgate",), ("EdDSA",)), path))
    async with opening(*trusted) as identities:
        for name, key, holds in (
            ("https://a.test/", mine, True),
            ("https://b.test/", theirs, True),
            ("https://a.test/", theirs, False),
            ("https://b.test/", mine, False),
        ):
            token = jwt.encode(world.claims(iss=name), key, "EdDSA", headers={"kid": "same"})
            if holds:
                assert (await identities.identify(token, NOW)).issuer == name
            else:
                with pytest.raises(Unauthenticated, match="signature does not hold"):
                    await identities.identify(token, NOW)


@pytest.mark.parametrize("name", ["labgate", "anonymous", "https://issuer.test/"])
async def test_no_issuer_takes_the_name_of_the_gate_of_nobody_or_of_another(opening, world, keys_file, name):
    twice = Trusted(world.issuer, keys_file)
    with pytest.raises(IdentityError, match="is taken"):
        async with opening(twice, Trusted(Issuer(name, ("labgate",), ("RS256",)), keys_file)):
            pass


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"ttl": 0.5}, "from one second to 366 days"),
        ({"ttl": 367 * 86400.0}, "from one second to 366 days"),
        ({"ttl": float("nan")}, "from one second"),
        ({"subject": ""}, "texts of 1 to 256"),
        ({"subject": "a\n"}, "without control characters"),
        ({"subject": "\udcff"}, "without control characters"),
        ({"groups": ("a" * 257,)}, "texts of 1 to 256"),
        ({"groups": tuple(map(str, range(300)))}, "at most 256 groups"),
        ({"groups": tuple(f"{n:0>200}" for n in range(60))}, "fewer groups"),
        ({"scopes": ("a b",)}, "has no spaces"),
    ],
)
def test_a_token_that_would_not_be_accepted_is_not_made(tmp_path, options, text):
    tmp_path.chmod(0o700)
    with pytest.raises(IdentityError, match=text):
        make(tmp_path, **options)


async def test_the_memo_holds_no_token(opening, tmp_path):
    async with opening() as identities:
        token, _ = make(tmp_path / "state")
        await identities.identify(token, NOW)
        assert token not in repr(vars(identities))
        assert [len(key) for key in identities._memo] == [32]


async def test_a_folder_that_cannot_be_used_is_told_at_once(tmp_path):
    (tmp_path / "file").write_text("")
    async with ClientSession() as session:
        with pytest.raises(IdentityError, match=r"the state folder .* cannot be made"):
            async with Identities.open(
                state_dir=tmp_path / "file" / "state",
                local_tokens=True,
                keys=(),
                trusted=(),
                session=session,
                now=NOW,
            ):
                pass
