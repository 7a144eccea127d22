"""What stands in WWW-Authenticate."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.faults import Unauthenticated
from gateway.identity.challenge import www_authenticate


def test_without_a_credential_the_challenge_has_no_error():
    assert www_authenticate(None) == 'Bearer realm="labgate"'
    assert www_authenticate(Unauthenticated("A token is needed.", missing=True)) == 'Bearer realm="labgate"'


def test_a_credential_that_failed_is_told_why():
    challenge = www_authenticate(Unauthenticated('The "token" expired.'))
    assert (
        challenge
        == 'Bearer realm="labgate", error="invalid_token", error_description="The \'token\' expired."'
    )


@given(st.text(max_size=1000))
def test_any_text_stays_within_its_quotes_and_short(text):
    challenge = www_authenticate(Unauthenticated(text))
    start, quoted, end = challenge.partition('error_description="')[0], challenge.split('"')[5], challenge[-1]
    assert start == 'Bearer realm="labgate", error="invalid_token", '
    assert end == '"'
    assert challenge.count('"') == 6
    assert "\\" not in challenge
    assert challenge.isascii()
    assert challenge.isprintable()
    assert len(quoted) <= 300
