"""The form of the gate's keys."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.api_keys import PREFIX, RANDOM_BYTES, digest, is_key, key_of
from gateway.core.credentials import credential

KEYS = st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES).map(key_of)


@given(KEYS)
def test_what_was_made_is_a_key_of_one_length_that_a_header_field_can_hold(key):
    assert is_key(key)
    assert re.fullmatch("lgk_[0-9A-Za-z]{49}", key)
    assert credential(((b"Authorization", b"Bearer " + key.encode()),)) == key


@given(st.lists(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES), min_size=2, max_size=2, unique=True))
def test_different_chance_makes_different_keys_and_digests(chances):
    first, second = map(key_of, chances)
    assert first != second
    assert digest(first) != digest(second)


@settings(max_examples=300)
@given(KEYS, st.data())
def test_no_change_of_one_character_leaves_a_key(key, data):
    at = data.draw(st.integers(0, len(key) - 1))
    other = data.draw(st.sampled_from("0aZ_-. é"))
    changed = key[:at] + other + key[at + 1 :]
    assert changed == key or not is_key(changed)


@given(st.text(max_size=60) | KEYS.map(lambda key: key[:-1]) | KEYS.map(lambda key: key + "\n"))
def test_any_other_text_is_none(text):
    assert not is_key(text)


def test_the_form_stays_as_it_is_for_scanners_and_for_keys_that_were_given_out():
    assert key_of(bytes(RANDOM_BYTES)) == PREFIX + "0" * 43 + "4bae8C"
    assert key_of(b"\xff" * RANDOM_BYTES).startswith("lgk_")
