"""Which header field is the gate's credential."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.credentials import MAX_CREDENTIAL, credential
from gateway.core.faults import Unauthenticated

AUTH = b"Authorization"
OWN = b"Labgate-Token"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ((), None),
        (((b"Accept", b"*/*"),), None),
        (((AUTH, b"Bearer abc.def.ghi"),), "abc.def.ghi"),
        (((b"AUTHORIZATION", b"bEARER   abc"),), "abc"),
        (((AUTH, b" \tBearer abc \t"),), "abc"),
        (((AUTH, b"Bearer a-._~+/=="),), "a-._~+/=="),
        (((AUTH, b"Basic dXNlcjpwYXNz"),), None),
        (((AUTH, b"Negotiate"),), None),
        (((AUTH, b'Digest username="a", realm="b"'),), None),
        (((AUTH, b"BearerToken abc"),), None),
        (((OWN, b"abc"),), "abc"),
        (((b"labgate-TOKEN", b" abc "),), "abc"),
        (((b"Labgate_Token", b"abc"),), None),
        (((b"Cookie", b"middle_auth_token=abc"),), None),
    ],
)
def test_a_bearer_or_the_gates_own_field_is_a_credential_and_other_schemes_are_none(fields, expected):
    assert credential(fields) == expected


def test_the_same_token_twice_is_one_credential_and_two_different_ones_are_refused():
    assert credential(((OWN, b"abc"), (OWN, b"abc "))) == "abc"
    with pytest.raises(Unauthenticated, match="different tokens"):
        credential(((OWN, b"abc"), (OWN, b"abd")))


@pytest.mark.parametrize(
    "authorization", [b"Bearer other", b"Basic dXNlcjpwYXNz", b"Bearer ", b"Bearer a, Bearer b", b"\x00"]
)
def test_beside_the_gates_own_field_authorization_belongs_to_the_upstream(authorization):
    assert credential(((AUTH, authorization), (OWN, b"abc"))) == "abc"
    assert credential(((OWN, b"abc"), (AUTH, authorization), (AUTH, authorization))) == "abc"


@pytest.mark.parametrize("second", [b"Bearer abc", b"Bearer other", b"Basic dXNlcjpwYXNz", b""])
def test_repeated_authorization_fields_are_ambiguous_and_refused(second):
    for fields in (
        ((AUTH, b"Bearer abc"), (AUTH, second)),
        ((AUTH, second), (b"authorization", b"Bearer abc")),
    ):
        with pytest.raises(Unauthenticated, match="several Authorization fields"):
            credential(fields)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"Bearer", "no token after"),
        (b"bearer ", "no token after"),
        (b"Bearer abc, def", "a list"),
        (b"Bearer abc,Bearer def", "a list"),
        (b"Bearer abc def", "characters that no token has"),
        (b'Bearer "abc"', "characters that no token has"),
        (b"Bearer a=bc", "characters that no token has"),
        (b"Bearer abc\x00", "characters that no token has"),
        (b"Bearer a\nb", "characters that no token has"),
        (b"Bearer \xc3\xa4", "characters that no token has"),
        (b"Bearer\tabc", "cannot be read"),
        (b"Bearer, abc", "cannot be read"),
        (b"\x00Bearer abc", "cannot be read"),
        (b"", "cannot be read"),
        (b"Bearer " + b"a" * (MAX_CREDENTIAL + 1), "at most 8192"),
    ],
)
def test_a_bearer_credential_that_cannot_be_one_is_refused_and_never_anonymous(value, text):
    with pytest.raises(Unauthenticated, match=text):
        credential(((AUTH, value),))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"", "no token after"),
        (b"Bearer abc", "without quotes or spaces"),
        (b"a,b", "a list"),
        (b"a" * 8193, "at most"),
    ],
)
def test_what_cannot_be_a_token_is_refused_in_the_gates_own_field_too(value, text):
    with pytest.raises(Unauthenticated, match=text):
        credential(((OWN, value), (AUTH, b"Bearer abc")))


def test_the_longest_token_is_taken():
    assert credential(((AUTH, b"Bearer " + b"a" * MAX_CREDENTIAL),)) == "a" * MAX_CREDENTIAL


names = st.sampled_from([AUTH, OWN, b"authorization", b"labgate-token"]) | st.binary(max_size=20)
values = st.binary(max_size=40) | st.builds(
    lambda scheme, rest: scheme + rest, st.just(b"Bearer "), st.binary(max_size=20)
)


@given(st.lists(st.tuples(names, values), max_size=4))
def test_any_bytes_give_a_token_without_odd_characters_or_none_or_a_refusal(fields):
    try:
        found = credential(tuple(fields))
    except Unauthenticated:
        return
    assert found is None or (found.isascii() and found.isprintable() and not set(found) & set(' ,"'))


@given(st.text("abcdefXYZ0189-._~+/", min_size=1, max_size=30))
def test_a_refusal_never_holds_the_token(token):
    for fields in (((AUTH, f'Bearer "{token}Q"'.encode()),), ((OWN, f"{token}Q;".encode()),)):
        with pytest.raises(Unauthenticated) as caught:
            credential(fields)
        assert f"{token}Q" not in caught.value.message
