"""Keys that are fetched: when, how often, and what is never followed or believed."""

import asyncio
import base64
import gzip
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from gateway.core.faults import Unauthenticated, Unavailable
from gateway.identity.errors import IdentityError
from gateway.identity.identities import Trusted
from gateway.identity.jwks import KeySetError, read_keys
from gateway.identity.keysets import ABSENT, LAST_GOOD, LIFE, RETRY, UNKNOWN, UrlKeys

NOW = 1_800_000_000.0


class Withdrawals(list):
    """Counts how often keys were withdrawn."""

    def __call__(self):
        self.append(None)


@pytest.fixture
async def keys(key_server, session, world):
    """The issuer's keys as they come from the server, which counts."""
    key_server.document = world.jwks()
    source = UrlKeys(world.issuer, key_server.url, session, Withdrawals())
    yield source
    await source.close()


async def settled(source: UrlKeys) -> None:
    """Waits for what runs in the background."""
    while source._flight is not None:
        await source._flight


def header_part(header: dict) -> str:
    """A header as it stands in a token."""
    return base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()


async def test_keys_are_fetched_once_for_all_who_wait_and_then_kept(keys, key_server, world):
    key_server.open.clear()
    waiting = [
        asyncio.create_task(keys.find(kid, alg, NOW)) for kid, alg in (("rsa", "RS256"), ("ed", "EdDSA")) * 20
    ]
    await key_server.asked.wait()
    key_server.open.set()
    found = await asyncio.gather(*waiting)
    assert {key.key_id for key in found} == {"rsa", "ed"}
    await keys.find("ec", "ES256", NOW + 0.7 * LIFE)
    assert key_server.hits == 1


async def test_a_waiter_who_leaves_does_not_end_the_fetch_of_the_others(keys, key_server):
    key_server.open.clear()
    first, second = (asyncio.create_task(keys.find("rsa", "RS256", NOW)) for _ in range(2))
    await key_server.asked.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    key_server.open.set()
    assert (await second).key_id == "rsa"
    assert key_server.hits == 1


async def test_at_four_fifths_of_their_life_keys_are_refreshed_in_the_background(keys, key_server):
    await keys.find("rsa", "RS256", NOW)
    key_server.open.clear()
    for _ in range(5):
        assert (await keys.find("rsa", "RS256", NOW + 0.8 * LIFE)).key_id == "rsa"
    key_server.open.set()
    await settled(keys)
    assert key_server.hits == 2
    await keys.find("rsa", "RS256", NOW + 1.5 * LIFE)
    assert key_server.hits == 2


@pytest.mark.parametrize(
    ("header", "life"),
    [
        ("max-age=1000", 1000),
        ("public, max-age=1000, must-revalidate", 1000),
        ('MAX-AGE="1000"', 1000),
        ("max-age=1", 60),
        ("max-age=99999999", 3600),
        ("s-max-age=1000", 300),
        ("no-store", 300),
    ],
)
async def test_an_answer_may_say_how_long_its_keys_serve_within_bounds(keys, key_server, header, life):
    key_server.headers = {"Cache-Control": header}
    await keys.find("rsa", "RS256", NOW)
    await keys.find("rsa", "RS256", NOW + 0.79 * life)
    assert keys._flight is None
    await keys.find("rsa", "RS256", NOW + 0.81 * life)
    await settled(keys)
    assert key_server.hits == 2


async def test_a_withdrawn_key_ends_with_its_life_and_is_told_of(keys, key_server, world, jwk):
    await keys.find("rsa", "RS256", NOW)
    key_server.document = {"keys": [jwk(world.ed, "ed")]}
    assert (await keys.find("rsa", "RS256", NOW + 0.9 * LIFE)).key_id == "rsa"
    await settled(keys)
    assert len(keys._on_withdrawn) == 1
    with pytest.raises(Unauthenticated, match="unknown key"):
        await keys.find("rsa", "RS256", NOW + 0.9 * LIFE)


async def test_keys_past_their_life_are_asked_for_before_they_are_used(keys, key_server, world, jwk):
    await keys.find("rsa", "RS256", NOW)
    key_server.document = {"keys": [jwk(world.ed, "ed")]}
    with pytest.raises(Unauthenticated, match="unknown key"):
        await keys.find("rsa", "RS256", NOW + LIFE)


async def test_rotation_refuses_no_good_token(opening, key_server, world, jwk):
    old, new = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    key_server.document = {"keys": [jwk(old, "1")]}
    async with opening(Trusted(world.issuer, key_server.url)) as identities:

        async def use(key, kid, at):
            world.ed, kept = key, world.ed
            try:
                token = world.token({"kid": kid}, key="ed", jti=f"{kid}{at}")
            finally:
                world.ed = kept
            return (await identities.identify(token, NOW + at)).subject

        assert await asyncio.gather(*(use(old, "1", 0) for _ in range(20))) == ["ada"] * 20
        key_server.document = {"keys": [jwk(old, "1"), jwk(new, "2")]}
        mixed = [use(old, "1", 31) for _ in range(20)] + [use(new, "2", 31) for _ in range(20)]
        assert await asyncio.gather(*mixed) == ["ada"] * 40
        assert key_server.hits == 2
        assert not identities.changed(NOW + 31)
        key_server.document = {"keys": [jwk(new, "2")]}
        assert await asyncio.gather(*(use(new, "2", 400) for _ in range(20))) == ["ada"] * 20
        assert identities.changed(NOW + 400)


async def test_ten_thousand_random_key_ids_cost_at_most_two_fetches(opening, key_server, world):
    key_server.document = world.jwks()
    async with opening(Trusted(world.issuer, key_server.url)) as identities:
        good = world.token()
        rest = good.partition(".")[2]

        async def flood(number):
            token = f"{header_part({'alg': 'RS256', 'kid': f'random-{number}'})}.{rest}"
            with pytest.raises(Unauthenticated, match="unknown key"):
                await identities.identify(token, NOW + number / 1000)

        for start in range(0, 10_000, 500):
            await asyncio.gather(*(flood(number) for number in range(start, start + 500)))
            assert (await identities.identify(good, NOW + start / 1000)).subject == "ada"
        assert key_server.hits <= 2


async def test_a_key_id_that_a_fetch_did_not_bring_is_not_asked_for_again_soon(keys, key_server):
    for at in (0, 1, UNKNOWN + 1, 2 * UNKNOWN + 2):
        with pytest.raises(Unauthenticated):
            await keys.find("ghost", "RS256", NOW + at)
    assert key_server.hits == 2
    with pytest.raises(Unauthenticated):
        await keys.find("other", "RS256", NOW + 2 * UNKNOWN + 3)
    assert key_server.hits == 3
    with pytest.raises(Unauthenticated):
        await keys.find(None, "RS256", NOW + 4 * UNKNOWN)
    assert key_server.hits == 3
    with pytest.raises(Unauthenticated):
        await keys.find("ghost", "RS256", NOW + ABSENT)
    await settled(keys)
    assert key_server.hits > 3


async def test_a_time_a_little_in_the_past_asks_for_nothing_and_a_clock_put_back_does(keys, key_server):
    await keys.find("rsa", "RS256", NOW)
    await keys.find("rsa", "RS256", NOW - 1)
    await settled(keys)
    assert key_server.hits == 1
    assert (await keys.find("rsa", "RS256", NOW - 100_000)).key_id == "rsa"
    assert key_server.hits == 2
    await keys.find("rsa", "RS256", NOW - 100_000 + LIFE / 2)
    assert key_server.hits == 2
    key_server.status = 500
    assert (await keys.find("rsa", "RS256", NOW - 200_000)).key_id == "rsa"


@pytest.mark.parametrize("failure", ["500", "junk", "gone"])
async def test_while_no_new_keys_can_be_had_the_last_good_ones_serve(keys, key_server, failure):
    await keys.find("rsa", "RS256", NOW)
    if failure == "gone":
        keys._url = "http://127.0.0.1:1/jwks.json"
    key_server.status = 500 if failure == "500" else 200
    key_server.document = b"<html>" if failure == "junk" else key_server.document
    for minute in range(1, 61):
        assert (await keys.find("rsa", "RS256", NOW + 60 * minute)).key_id == "rsa"
    await settled(keys)
    assert (await keys.find("rsa", "RS256", NOW + LAST_GOOD - 1)).key_id == "rsa"
    await settled(keys)
    with pytest.raises(Unavailable):
        await keys.find("rsa", "RS256", NOW + LAST_GOOD)
    await settled(keys)


async def test_a_failed_fetch_is_repeated_in_the_background_and_not_at_once(keys, key_server):
    await keys.find("rsa", "RS256", NOW)
    key_server.status = 503
    late = NOW + 2 * LIFE
    await keys.find("rsa", "RS256", late)
    assert key_server.hits == 2
    key_server.open.clear()
    await keys.find("rsa", "RS256", late + RETRY - 1)
    assert keys._flight is None
    await keys.find("rsa", "RS256", late + RETRY)
    key_server.open.set()
    await settled(keys)
    assert key_server.hits == 3


async def test_an_issuer_that_is_away_at_the_start_makes_its_tokens_wait_not_fail(opening, key_server, world):
    key_server.status = 500
    key_server.document = world.jwks()
    async with opening(Trusted(world.issuer, key_server.url)) as identities:
        with pytest.raises(Unavailable, match=r"keys of 'https://issuer.test/' cannot be had") as caught:
            await identities.identify(world.token(), NOW)
        assert caught.value.data == {"retry_after": 5}
        with pytest.raises(Unavailable):
            await identities.identify(world.token(), NOW + 1)
        assert key_server.hits == 1
        key_server.status = 200
        assert (await identities.identify(world.token(), NOW + RETRY)).subject == "ada"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(keys, key_server, status):
    key_server.status = status
    key_server.headers = {"Location": key_server.url}
    with pytest.raises(Unavailable):
        await keys.find("rsa", "RS256", NOW)
    assert key_server.hits == 1


@pytest.mark.parametrize("packed", [False, True])
async def test_an_answer_that_is_too_large_is_not_read(keys, key_server, world, packed):
    document = json.dumps(world.jwks() | {"filler": " " * 300_000}).encode()
    if packed:
        key_server.headers = {"Content-Encoding": "gzip"}
        document = gzip.compress(document)
    key_server.document = document
    with pytest.raises(Unavailable):
        await keys.find("rsa", "RS256", NOW)


async def test_an_answer_without_an_end_is_left(key_server, session, world):
    source = UrlKeys(world.issuer, key_server.endless_url, session, Withdrawals())
    with pytest.raises(Unavailable):
        await source.find("rsa", "RS256", NOW)
    await key_server.ended.wait()
    assert key_server.poured < 64 << 20  # what the buffers of both sides may hold, and not ten seconds' worth
    await source.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.test/jwks.json",
        "http://127.0.0.1.evil.test/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "http://[::1",
        "https://",
        "jwks",
    ],
)
async def test_keys_come_by_https_or_from_this_machine_only(session, world, url):
    with pytest.raises(IdentityError, match="neither https nor http on loopback"):
        UrlKeys(world.issuer, url, session, Withdrawals())
    for fine in (
        "https://issuer.test/jwks.json",
        "http://localhost:1/",
        "http://127.8.8.8/",
        "http://[::1]:80/",
    ):
        UrlKeys(world.issuer, fine, session, Withdrawals())


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no list"),
        (b"{}", "no list"),
        (b'{"keys": {}}', "no list"),
        (b" " * (256 * 1024 + 1), "more than 262144 bytes"),
        (b'{"keys": [' + b"{}," * 100 + b"{}]}", "more than 100 keys"),
    ],
)
def test_what_is_no_key_set_is_refused_whole(raw, text):
    with pytest.raises(KeySetError, match=text):
        read_keys(raw)


@pytest.mark.parametrize(
    "change",
    [
        {"use": "enc"},
        {"key_ops": ["sign"]},
        {"alg": "RS512x"},
        {"alg": 7},
        {"kty": "EC"},
        {"kid": 7},
        {"kid": "k" * 257},
        {"n": "!!!"},
        {"n": 7},
        {"e": None},
        {"n": "AA"},
    ],
)
def test_a_key_that_cannot_verify_signatures_is_passed_over(world, jwk, change):
    ring = read_keys(json.dumps({"keys": [jwk(world.rsa, "rsa") | change, jwk(world.ec, "ec")]}).encode())
    assert len(ring) == 1
    assert ring.find("rsa", "RS256") is None
    assert ring.find("ec", "ES256").key_id == "ec"


def test_a_key_verifies_the_algorithms_of_its_kind_or_the_one_that_it_names(world, jwk):
    ring = read_keys(
        json.dumps({"keys": [jwk(world.rsa, "any"), jwk(world.rsa, "one", alg="PS256")]}).encode()
    )
    assert ring.find("any", "RS256") is not None
    assert ring.find("any", "PS512") is not None
    assert ring.find("any", "ES256") is None
    assert ring.find("any", "HS256") is None
    assert ring.find("one", "PS256") is not None
    assert ring.find("one", "RS256") is None


def test_private_members_of_a_leaking_key_set_are_not_read(world, jwk):
    leaking = OKPAlgorithm.to_jwk(world.ed, as_dict=True) | {"kid": "ed"}
    assert "d" in leaking
    key = read_keys(json.dumps({"keys": [leaking]}).encode()).find("ed", "EdDSA")
    assert not hasattr(key.public, "sign")
