"""An issuer whose key set is not in the settings: its metadata says where it is, and is read once."""

import pytest
from msgspec.structs import replace

from gateway.core.faults import Unauthenticated, Unavailable
from gateway.identity.errors import IdentityError
from gateway.identity.keysets import ABSENT, LIFE, RETRY, UNKNOWN, UrlKeys
from gateway.identity.metadata import addresses

NOW = 1_800_000_000.0
OIDC = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"


class Login:
    """An issuer with its server; `metadata` is what it says of itself, at the path `at`."""

    def __init__(self, server, world, told, as_json) -> None:
        self.server, self.told, self.as_json = server, told, as_json
        self.issuer = replace(world.issuer, issuer=server.url)
        self.world = world
        server.on("*", told(b"no", status="404 Not Found"))
        server.on("/keys", as_json(world.jwks()))

    def says(self, at: str = OIDC, **more: object) -> None:
        self.server.on(
            at, self.as_json({"issuer": self.server.url, "jwks_uri": f"{self.server.url}/keys"} | more)
        )

    def asked(self, path: str) -> int:
        return len(self.server.to(path))


@pytest.fixture
async def login(stand, world) -> Login:
    from mounting import as_json, told

    return Login(await stand.upstream(), world, told, as_json)


@pytest.fixture
async def keys(login, session):
    source = UrlKeys(login.issuer, None, session, list)
    yield source
    await source.close()


def test_metadata_is_looked_for_where_both_standards_put_it():
    assert addresses("https://login.lab.org") == (
        "https://login.lab.org/.well-known/openid-configuration",
        "https://login.lab.org/.well-known/oauth-authorization-server",
    )
    assert addresses("https://login.lab.org/realms/lab/") == (
        "https://login.lab.org/realms/lab/.well-known/openid-configuration",
        "https://login.lab.org/.well-known/oauth-authorization-server/realms/lab",
        "https://login.lab.org/.well-known/openid-configuration/realms/lab",
    )


@pytest.mark.parametrize("at", [OIDC, OAUTH])
async def test_the_keys_are_where_the_metadata_says_and_it_is_read_once(login, keys, at):
    login.says(at)
    for moment in (NOW, NOW + LIFE, NOW + 2 * LIFE):
        assert (await keys.find("rsa", "RS256", moment)).key_id == "rsa"
    for number in range(3):
        with pytest.raises(Unauthenticated):
            await keys.find(f"unknown{number}", "RS256", NOW + 2 * LIFE + number * (UNKNOWN + ABSENT))
    assert login.asked(at) == 1
    assert login.asked("/keys") > 3


async def test_a_token_of_such_an_issuer_comes_in(login, opening):
    from gateway.identity.identities import Trusted

    login.says()
    async with opening(Trusted(login.issuer, None)) as identities:
        token = login.world.token(iss=login.server.url)
        assert (await identities.identify(token, NOW)).issuer == login.server.url


@pytest.mark.parametrize(
    "more",
    [
        {"issuer": "https://evil.test"},
        {"issuer": None},
        {"jwks_uri": None},
        {"jwks_uri": ["https://a/k"]},
        {"jwks_uri": "http://evil.test/keys"},
        {"jwks_uri": "file:///etc/passwd"},
        {"filler": "x" * 300_000},
    ],
)
async def test_metadata_of_another_issuer_or_of_no_use_is_believed_in_nothing(login, keys, more):
    login.says(**more)
    login.says(OAUTH)  # what is at one place is the issuer's word: the next is not asked for a better one
    with pytest.raises(Unavailable):
        await keys.find("rsa", "RS256", NOW)
    assert login.asked("/keys") == 0


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000])
async def test_metadata_that_is_no_json_object_is_none(login, keys, body):
    login.server.on(OIDC, login.told(body))
    with pytest.raises(Unavailable):
        await keys.find("rsa", "RS256", NOW)


@pytest.mark.parametrize("status", ["302 Found", "307 Temporary Redirect"])
async def test_metadata_is_not_followed_to_another_place(login, keys, status):
    login.says("/elsewhere")
    login.server.on(OIDC, login.told(b"", f"Location: {login.server.url}/elsewhere", status=status))
    with pytest.raises(Unavailable):
        await keys.find("rsa", "RS256", NOW)
    assert login.asked("/elsewhere") == 0


async def test_metadata_that_cannot_be_had_is_asked_for_again_after_a_while(login, keys):
    login.server.on(OIDC, login.told(b"", status="503 Service Unavailable"))
    with pytest.raises(Unavailable):
        await keys.find("rsa", "RS256", NOW)
    assert (login.asked(OIDC), login.asked(OAUTH)) == (1, 0)
    login.says()
    with pytest.raises(Unavailable):
        await keys.find("rsa", "RS256", NOW + RETRY / 2)
    assert login.asked(OIDC) == 1
    assert (await keys.find("rsa", "RS256", NOW + RETRY)).key_id == "rsa"


async def test_an_issuer_that_is_no_https_url_has_no_metadata(session, world):
    for name in ("http://login.lab.org", "login", "https://"):
        with pytest.raises(IdentityError, match="neither https nor http on loopback"):
            UrlKeys(replace(world.issuer, issuer=name), None, session, list)
