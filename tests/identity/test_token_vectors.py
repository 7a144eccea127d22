"""Every token of the conformance table against the verification of a gate."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.challenge import www_authenticate
from gateway.core.faults import Unauthenticated
from gateway.identity.jwks import read_keys
from gateway.identity.tokens import opened, verify


async def test_a_token_of_the_conformance_table_is_refused_with_its_reason(from_file, world, vector):
    token = vector.build(world)
    with pytest.raises(Unauthenticated) as caught:
        await from_file.identify(token, world.now)
    message = caught.value.message
    assert vector.says in message
    assert re.search("labgated token create|Get a new one from 'https://issuer.test/'", message)
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 400
    assert not any(len(part) > 20 and part in message for part in token.split("."))
    assert re.fullmatch(
        r'Bearer realm="labgate", error="invalid_token", error_description="[ !#-\[\]-~]+"',
        www_authenticate(caught.value),
    )
    assert from_file.known(token, world.now) is None


async def test_a_good_token_is_taken_and_then_known(from_file, world, good):
    token = good(world)
    assert from_file.known(token, world.now) is None
    principal = await from_file.identify(token, world.now)
    assert (principal.subject, principal.issuer) == ("ada", world.issuer.issuer)
    assert from_file.known(token, world.now) == principal


@pytest.mark.parametrize("key", ["rsa", "ec", "ed"])
@settings(max_examples=60)
@given(data=st.data())
def test_no_change_of_a_token_by_one_character_survives(world, key, data):
    token = world.token(key=key)
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("ABCXYZabcxyz0189-_.=+ "))
    changed = token[:at] + other + token[at + 1 :]
    if changed == token:
        return
    ring = read_keys(json.dumps(world.jwks()).encode())
    with pytest.raises(Unauthenticated):
        verify(
            opened(changed),
            ring.find(key, world.header({}, key)["alg"]),
            world.header({}, key)["alg"],
            world.issuer,
        )


@given(st.text("ABCXYZabcxyz0189-_.=", max_size=60) | st.text(max_size=20) | st.just("e30.e30."))
def test_any_text_is_opened_or_refused_without_another_failure(text):
    try:
        token = opened(text)
    except Unauthenticated:
        return
    assert (dict(token.header), dict(token.claims), token.issuer) == ({}, {}, None)
