"""What a token with a good signature must say."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.claims import LOCAL, Issuer, judge_claims, judge_header, span
from gateway.core.faults import Unauthenticated
from gateway.core.principal import Principal

NOW = 1_800_000_000.0
ISSUER = Issuer("https://issuer.test/", ("labgate", "lab"), ("RS256", "EdDSA"), max_lifetime=3600.0)
CLAIMS = {"iss": ISSUER.issuer, "aud": "labgate", "sub": "ada", "iat": NOW - 60, "exp": NOW + 600}


def claims(**changes):
    """Claims that hold, with changes; None leaves one out."""
    return {name: value for name, value in (CLAIMS | changes).items() if value is not None}


def test_claims_that_hold_make_a_principal_with_all_that_they_say():
    said = claims(groups=["b", "a", "b"], scope="x  y x", jti="7", aud=["other", "lab"], more={"a": 1})
    assert judge_claims(said, ISSUER, NOW) == Principal(
        "ada", ISSUER.issuer, ("b", "a"), ("x", "y"), expires=NOW + 600, token_id="7"
    )
    assert judge_claims(claims(), ISSUER, NOW) == Principal("ada", ISSUER.issuer, expires=NOW + 600)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (None, ()),
        ([], ()),
        ("", ()),
        (" ", ()),
        ("a b", ("a", "b")),
        (["a b", "c"], ("a b", "c")),
        (["x"] * 256, ("x",)),
    ],
)
def test_groups_and_scopes_are_lists_or_words_in_one_text_under_the_names_the_issuer_uses(value, names):
    issuer = Issuer("i", ("a",), ("RS256",), groups_claim="https://i/roles", scopes_claim="scp")
    said = claims(iss="i", aud="a", **{"https://i/roles": value, "scp": value, "groups": 1, "scope": 2})
    principal = judge_claims(said, issuer, NOW)
    assert (principal.groups, principal.scopes) == (names, names)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"iss": None}, "another issuer, None"),
        ({"iss": "https://issuer.test"}, "another issuer, 'https://issuer.test'"),
        ({"iss": [ISSUER.issuer]}, "another issuer, list"),
        ({"aud": None}, r"\(aud\)"),
        ({"aud": "x"}, "for another audience: 'x', not 'labgate' or 'lab'"),
        ({"aud": "labgate2"}, "another audience"),
        ({"aud": []}, "another audience: nobody"),
        ({"aud": ["labgate", 1]}, "neither text nor a list"),
        ({"aud": {"labgate": 1}}, "neither text nor a list"),
        ({"sub": None}, r"\(sub\)"),
        ({"sub": ""}, "no text, or empty"),
        ({"sub": 7}, "no text"),
        ({"sub": "a" * 257}, "longer than 256"),
        ({"sub": "a\x00"}, "control characters"),
        ({"sub": "a\nb"}, "control characters"),
        ({"sub": "a\x9b"}, "control characters"),
        ({"sub": "a\u2028"}, "control characters"),
        ({"sub": "a\ud800"}, "control characters"),
        ({"jti": 7}, "'jti' holds something"),
        ({"jti": "a\r"}, "control characters"),
        ({"groups": 7}, "neither text nor a list"),
        ({"groups": {"a": 1}}, "neither text nor a list"),
        ({"groups": ["a", 7]}, "no text"),
        ({"groups": ["a", ""]}, "or empty"),
        ({"groups": ["a\x00"]}, "control characters"),
        ({"groups": ["a" * 257]}, "longer than 256"),
        ({"groups": [str(n) for n in range(257)]}, "more than 256 entries"),
        ({"scope": " ".join("a" * 257)}, "more than 256 entries"),
        ({"scope": True}, "neither text nor a list"),
    ],
)
def test_a_claim_that_is_missing_or_not_of_its_kind_is_refused(changes, text):
    with pytest.raises(Unauthenticated, match=text):
        judge_claims(claims(**changes), ISSUER, NOW)


@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize(
    "value", [str(NOW), "x", math.nan, math.inf, -math.inf, 10**400, -1, True, [NOW], {}]
)
def test_only_a_number_of_seconds_since_1970_is_a_time(name, value):
    with pytest.raises(Unauthenticated, match=f"{name} is no time"):
        judge_claims(claims(**{name: value}), ISSUER, NOW)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"exp": None}, r"\(exp\)"),
        ({"exp": NOW}, "expired 1 second ago"),
        ({"exp": NOW - 5 * 60}, "expired 5 minutes ago"),
        ({"exp": 0}, "expired 20833 days ago"),
        ({"iat": NOW + 61}, "clocks"),
        ({"nbf": NOW + 61}, "begins to hold in 1 minute"),
        ({"iat": NOW - 60, "exp": NOW + 3541}, "longer than the 1 hour"),
        ({"iat": 0}, "longer than"),
        ({"iat": None, "exp": NOW + 3661}, "longer than"),
    ],
)
def test_a_token_outside_its_time_or_made_to_last_too_long_is_refused(changes, text):
    with pytest.raises(Unauthenticated, match=text):
        judge_claims(claims(**changes), ISSUER, NOW)


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW + 0.001},
        {"exp": int(NOW) + 1},
        {"iat": NOW + 60},
        {"nbf": NOW + 60},
        {"iat": NOW - 60, "exp": NOW + 3540},
        {"iat": None, "exp": NOW + 3660},
    ],
)
def test_at_the_edges_of_its_time_a_token_holds(changes):
    assert judge_claims(claims(**changes), ISSUER, NOW).subject == "ada"


def test_a_refusal_says_where_to_get_a_new_token():
    with pytest.raises(Unauthenticated, match=r"Get a new one from 'https://issuer.test/'\.$"):
        judge_claims(claims(exp=1), ISSUER, NOW)
    with pytest.raises(Unauthenticated, match="labgated token create"):
        judge_claims({"iss": LOCAL, "aud": LOCAL, "exp": 1}, Issuer(LOCAL, (LOCAL,), ("EdDSA",)), NOW)


@pytest.mark.parametrize("typ", [None, "JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
def test_without_a_configured_type_plain_jwts_and_access_tokens_are_taken(typ):
    header = {"alg": "RS256", "kid": "1"} | ({"typ": typ} if typ else {})
    signature = judge_header(header, ISSUER)
    assert (signature.algorithm, signature.key_id) == ("RS256", "1")


def test_with_a_configured_type_only_that_type_is_taken():
    issuer = Issuer("i", ("a",), ("RS256",), typ="at+jwt")
    assert judge_header({"alg": "RS256", "typ": "application/AT+jwt"}, issuer).key_id is None
    for typ in ("JWT", None, "", 7):
        with pytest.raises(Unauthenticated, match=r"of the type .* at\+jwt is taken"):
            judge_header({"alg": "RS256", "typ": typ}, issuer)


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ({}, "signed by None"),
        ({"alg": "none"}, "signed by 'none'"),
        ({"alg": "HS256"}, "signed by 'HS256'"),
        ({"alg": "rs256"}, "signed by 'rs256'"),
        ({"alg": ["RS256"]}, "signed by list"),
        ({"alg": "x" * 5000}, r"signed by 'x+\.\.\."),
        ({"alg": "RS256", "crit": ["exp"]}, "extensions"),
        ({"alg": "RS256", "crit": []}, "extensions"),
        ({"alg": "RS256", "b64": True}, "extensions"),
        ({"alg": "RS256", "typ": "logout+jwt"}, "of the type"),
        ({"alg": "RS256", "kid": 7}, "not text"),
        ({"alg": "RS256", "kid": "ä" * 129}, "longer than 256 bytes"),
    ],
)
def test_a_header_that_says_anything_unusual_about_the_signature_is_refused(header, text):
    with pytest.raises(Unauthenticated, match=text) as caught:
        judge_header(header, ISSUER)
    assert len(caught.value.message) < 300


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.2, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (7199, "1 hour"),
        (7200, "2 hours"),
        (2e5, "2 days"),
    ],
)
def test_spans_of_time_are_told_in_their_largest_unit(seconds, text):
    assert span(seconds) == text


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner)
)
named = st.dictionaries(
    st.sampled_from(
        ["iss", "aud", "sub", "exp", "iat", "nbf", "jti", "groups", "scope", "alg", "typ", "kid", "crit"]
    ),
    anything,
)


@given(named)
def test_any_json_is_judged_without_another_failure(changes):
    said = CLAIMS | {"alg": "RS256"} | changes
    for message in (refused(judge_claims, said, ISSUER, NOW), refused(judge_header, said, ISSUER)):
        assert message.isascii()
        assert message.isprintable()


def refused(judge, *arguments):
    """The text of the refusal, empty if there is none."""
    try:
        judge(*arguments)
    except Unauthenticated as fault:
        return fault.message
    return ""
