"""What an authorization server says of a token, in the gate's own values."""

import pytest

from gateway.core.claims import Issuer
from gateway.core.faults import Unauthenticated
from gateway.core.introspected import is_active, judge_introspected
from gateway.core.vouching import token_id

NOW = 1_800_000_000.0
URL = "https://login.lab.org/introspect"
ISSUER = Issuer(URL, ("labgate",), ())
SAID = {
    "active": True,
    "sub": "ada",
    "aud": ["labgate", "x"],
    "exp": NOW + 10,
    "scope": "a b",
    "groups": ["lab"],
}


def judged(issuer=ISSUER, fresh=60.0, named=None, **changes):
    said = {name: value for name, value in (SAID | changes).items() if value is not ...}
    return judge_introspected(said, issuer, "secret-token", NOW, fresh, named)


@pytest.mark.parametrize(
    ("said", "active"),
    [
        ({"active": True}, True),
        ({"active": False, "sub": "ada"}, False),
        ({"active": "true"}, None),
        ({"active": 1}, None),
        ({"active": None}, None),
        ({}, None),
        ([True], None),
        (None, None),
    ],
)
def test_only_true_and_false_say_whether_a_token_is_active(said, active):
    assert is_active(said) is active


def test_a_token_speaks_for_its_subject_with_groups_and_scopes_under_the_name_of_who_was_asked():
    vouched = judged()
    one = vouched.principal
    assert (one.subject, one.issuer, one.groups, one.scopes) == ("ada", URL, ("lab",), ("a", "b"))
    assert one.token_id == token_id("secret-token")
    assert "secret-token" not in repr(vouched)


@pytest.mark.parametrize(("fresh", "expires"), [(60.0, NOW + 10), (5.0, NOW + 5)])
def test_a_verdict_ends_with_the_token_or_before(fresh, expires):
    vouched = judged(fresh=fresh)
    assert vouched.principal.expires == expires
    assert vouched.ends == NOW + 10
    assert judged(fresh=fresh, exp=...).principal.expires == NOW + fresh


@pytest.mark.parametrize(
    ("changes", "subject"),
    [
        ({}, "ada"),
        ({"sub": ..., "username": "bob"}, "bob"),
        ({"sub": ..., "client_id": "robot"}, "client:robot"),
    ],
)
def test_a_client_that_acts_for_itself_is_a_subject_too_and_no_person(changes, subject):
    assert judged(**changes).principal.subject == subject


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"exp": NOW}, "has expired"),
        ({"exp": "soon"}, "exp is no time"),
        ({"exp": True}, "exp is no time"),
        ({"exp": float("nan")}, "exp is no time"),
        ({"nbf": NOW + 61}, "does not hold yet"),
        ({"aud": ...}, "for whom it was made"),
        ({"aud": "elsewhere"}, "for another audience"),
        ({"aud": {"a": 1}}, "neither text nor a list"),
        ({"token_type": "DPoP"}, "of the type 'DPoP'"),
        ({"token_type": "refresh_token"}, "of the type 'refresh_token'"),
        ({"token_type": 1}, "of the type 1"),
        ({"cnf": {"jkt": "x"}}, "bound to a key"),
        ({"sub": ...}, "whom the token speaks for"),
        ({"sub": ""}, "or empty"),
        ({"sub": "a\r\nX: y"}, "control characters"),
        ({"sub": 7}, "no text"),
        ({"groups": 7}, "neither text nor a list"),
        ({"scope": ["a\x00"]}, "control characters"),
    ],
)
def test_what_does_not_hold_or_is_not_of_its_kind_is_refused_with_the_reason(changes, words):
    with pytest.raises(Unauthenticated) as caught:
        judged(**changes)
    assert words in caught.value.message
    assert "secret-token" not in caught.value.message


def test_the_issuer_must_be_the_one_that_is_named_where_one_is():
    with pytest.raises(Unauthenticated, match="another issuer"):
        judged(named="https://login.lab.org")
    with pytest.raises(Unauthenticated, match="another issuer"):
        judged(named="https://login.lab.org", iss="https://login.lab.org/")
    assert judged(named="https://login.lab.org", iss="https://login.lab.org")


@pytest.mark.parametrize("kind", ["Bearer", "bearer", ...])
def test_a_bearer_token_may_say_that_it_is_one(kind):
    assert judged(token_type=kind).principal.subject == "ada"


def test_a_token_for_the_gate_is_for_nobody_behind_it():
    assert judged().principal.bearer.exchanged
    assert not judged(Issuer(URL, (), ())).principal.bearer.exchanged
