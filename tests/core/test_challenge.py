"""What stands in WWW-Authenticate."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.challenge import for_scopes, www_authenticate
from gateway.core.faults import Forbidden, Unauthenticated


def test_without_a_credential_the_challenge_has_no_error():
    assert www_authenticate(None) == 'Bearer realm="labgate"'
    assert www_authenticate(Unauthenticated("A token is needed.", missing=True)) == 'Bearer realm="labgate"'


def test_a_credential_that_failed_is_told_why():
    challenge = www_authenticate(Unauthenticated('The "token" expired.'))
    assert (
        challenge
        == 'Bearer realm="labgate", error="invalid_token", error_description="The \'token\' expired."'
    )


def test_it_is_told_where_tokens_come_from_and_what_to_ask_for_there():
    told = www_authenticate(
        None, "https://gate.lab.org/.well-known/oauth-protected-resource", ("em.read", "openid")
    )
    assert told == (
        'Bearer realm="labgate", scope="em.read openid", '
        'resource_metadata="https://gate.lab.org/.well-known/oauth-protected-resource"'
    )
    failed = www_authenticate(Unauthenticated("no"), "https://gate/m", ("a",))
    assert re.findall(r'(\w+)="[^"]*"', failed) == [
        "realm",
        "error",
        "error_description",
        "scope",
        "resource_metadata",
    ]


@pytest.mark.parametrize("address", ['http://a"b/m', "http://a\\b/m", "http://a\r\nX: y/m", "http://é/m"])
def test_an_address_that_would_leave_its_quotes_is_not_told(address):
    assert www_authenticate(None, address) == 'Bearer realm="labgate"'


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


def test_who_lacks_a_scope_is_told_which_and_who_showed_no_token_of_no_error():
    fault = Forbidden('not "you"', scopes=["em.read"])
    assert for_scopes(fault, "https://gate/m") == (
        'Bearer realm="labgate", error="insufficient_scope", error_description="not \'you\'", scope="em.read", '
        'resource_metadata="https://gate/m"'
    )
    assert for_scopes(fault, anonymous=True) == 'Bearer realm="labgate", scope="em.read"'


@pytest.mark.parametrize("scopes", [[], ["a b"], ['a"'], ["a\\"], ["é"], ["a\r\nX: y"], [""]])
def test_what_is_no_scope_is_not_told(scopes):
    assert for_scopes(Forbidden("no", scopes=scopes)) is None
    assert for_scopes(Forbidden("no")) is None
