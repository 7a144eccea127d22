"""The short tokens by which services are told who asks."""

import jwt
import pytest
from msgspec.structs import replace

from gateway.core.faults import Forbidden
from gateway.core.principal import Principal
from gateway.identity.passport import LIFE, Passports
from gateway.identity.signing import signing_keys

NOW = 1_800_000_000.0
ADA = Principal("ada", "labgate", ("lab",), ("em.read", "em.write"))
BOTH = ("groups", "scope")


@pytest.fixture
def passports(tmp_path):
    tmp_path.chmod(0o700)
    return Passports(signing_keys(tmp_path, ()), lambda: "https://gate.lab.org")


def said(token):
    return jwt.decode(token, options={"verify_signature": False})


def test_a_token_says_who_asks_for_whom_and_by_whose_word(passports):
    assert said(passports.of(ADA, "files", BOTH, NOW)) == {
        "iss": "https://gate.lab.org",
        "aud": "files",
        "sub": "ada",
        "idp": "labgate",
        "groups": ["lab"],
        "scope": "em.read em.write",
        "iat": NOW,
        "exp": NOW + LIFE,
    }
    assert {"groups", "scope"}.isdisjoint(said(passports.of(ADA, "files", (), NOW)))


def test_it_is_made_once_for_half_of_its_life_and_for_each_audience_and_caller(passports):
    first = passports.of(ADA, "files", BOTH, NOW)
    assert passports.of(ADA, "files", BOTH, NOW + LIFE / 2 - 1) == first
    others = (
        passports.of(ADA, "files", BOTH, NOW + LIFE / 2),
        passports.of(ADA, "tiles", BOTH, NOW),
        passports.of(ADA, "files", ("groups",), NOW),
        passports.of(replace(ADA, subject="bob"), "files", BOTH, NOW),
        passports.of(replace(ADA, issuer="https://login"), "files", BOTH, NOW),
        passports.of(replace(ADA, groups=()), "files", BOTH, NOW),
    )
    assert len({first, *others}) == 7


def test_it_never_outlives_the_callers_own_token(passports):
    short = replace(ADA, expires=NOW + 10)
    assert said(passports.of(short, "files", BOTH, NOW))["exp"] == NOW + 10
    assert said(passports.of(short, "files", BOTH, NOW + 9))["exp"] == NOW + 10


def test_what_no_head_has_room_for_is_refused_and_never_left_out(passports):
    many = replace(ADA, groups=tuple(f"group-{number:0100d}" for number in range(256)))
    with pytest.raises(Forbidden, match="leave `groups` or `scope` out"):
        passports.of(many, "files", BOTH, NOW)
    assert said(passports.of(many, "files", ("scope",), NOW))["sub"] == "ada"


def test_it_shows_itself_in_no_memory_that_is_printed(passports):
    token = passports.of(ADA, "files", BOTH, NOW)
    assert token not in repr(passports._made)
