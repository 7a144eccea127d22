"""Validators: what is equal, what is asked, what a 304 confirms and changes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.validators import (
    conditions,
    confirms,
    etag_of,
    etags,
    freshened,
    has_validator,
    is_unchanged,
    others_asked,
    same_body,
    strongly_equal,
    weakly_equal,
)
from gateway.core.verdict import HttpHead

NOW = 1_700_000_000.0
THEN, LATER = b"Thu, 01 Jan 2015 00:00:00 GMT", b"Thu, 01 Jan 2015 00:00:01 GMT"
opaque = st.text("!#ab,~\x80", max_size=4).map(lambda text: b'"%b"' % text.encode("latin-1"))
tags = st.tuples(st.sampled_from([b"", b"W/"]), opaque).map(b"".join)


@pytest.mark.parametrize(
    ("one", "other", "strong", "weak"),
    [
        (b'W/"1"', b'W/"1"', False, True),
        (b'W/"1"', b'W/"2"', False, False),
        (b'W/"1"', b'"1"', False, True),
        (b'"1"', b'"1"', True, True),
    ],
)
def test_the_table_of_rfc_9110_section_8_8_3_2_holds(one, other, strong, weak):
    assert strongly_equal(one, other) is strong
    assert weakly_equal(one, other) is weak


@given(st.lists(tags, min_size=1, max_size=4), st.sampled_from([b", ", b",", b" ,\t", b",,"]))
def test_a_list_of_tags_is_read_as_it_was_written(written, between):
    assert etags(between.join(written)) == written


@given(st.binary(max_size=20))
def test_whatever_is_no_list_is_none(value):
    found = etags(value)
    assert found is None or all(one == b"*" or one.endswith(b'"') for one in found)


@given(st.lists(tags, max_size=3))
def test_a_reply_has_the_tag_that_it_says_once(said):
    fields = tuple((b"ETag", one) for one in said)
    assert etag_of(fields) == (said[0] if len(said) == 1 else None)


@given(tags, st.lists(tags, max_size=3))
def test_the_service_is_asked_about_the_stored_tag_and_each_of_the_callers_once(stored, own):
    asked = ((b"X", b"1"), *((b"If-None-Match", one) for one in own))
    made = conditions(((b"ETag", stored),), asked, NOW)
    sent = [value for name, value in made if name == b"If-None-Match"]
    assert len(sent) == 1
    found = etags(sent[0])
    assert found[-1] == stored
    assert all(any(weakly_equal(one, other) for other in found) for one in own)
    assert sum(weakly_equal(one, stored) for one in found) == 1
    assert made[0] == (b"X", b"1")


def test_what_the_caller_asked_for_themselves_is_known():
    stored = ((b"ETag", b'"a"'),)
    assert others_asked(stored, ((b"If-None-Match", b'"b", W/"a"'),)) == [b'"b"']
    assert others_asked(stored, ((b"If-None-Match", b"*"),)) == []
    assert others_asked((), ((b"If-None-Match", b'"b"'),)) == []
    assert not has_validator(((b"ETag", b"a"), (b"Last-Modified", b"x")), NOW)


@pytest.mark.parametrize(
    ("stored", "told", "alone", "together"),
    [
        ({b"ETag": b'"a"'}, {b"ETag": b'"a"'}, True, True),
        ({b"ETag": b'"a"'}, {b"ETag": b'"b"'}, False, False),
        ({b"ETag": b'W/"a"'}, {b"ETag": b'W/"a"'}, True, True),
        ({b"ETag": b'W/"a"'}, {b"ETag": b'"a"'}, True, True),
        ({b"ETag": b'"a"'}, {}, True, False),
        ({b"ETag": b'"a"'}, {b"Last-Modified": THEN}, True, False),
        ({b"Last-Modified": THEN}, {b"Last-Modified": THEN}, True, True),
        ({b"Last-Modified": THEN}, {b"Last-Modified": LATER}, False, False),
        ({b"Last-Modified": THEN}, {b"ETag": b'"a"'}, False, False),
        ({b"Last-Modified": THEN}, {}, True, False),
    ],
)
def test_a_304_confirms_what_it_can_mean_alone(stored, told, alone, together):
    assert confirms(tuple(stored.items()), tuple(told.items()), alone=True) is alone
    assert confirms(tuple(stored.items()), tuple(told.items()), alone=False) is together


names = st.sampled_from(
    [b"X-A", b"x-a", b"X-B", b"Content-Length", b"Content-Encoding", b"Connection", b"Set-Cookie"]
)
fields = st.lists(st.tuples(names, st.sampled_from([b"1", b"2", b"X-B"])), max_size=5).map(tuple)


@given(fields, fields)
def test_a_304_brings_all_its_fields_but_those_of_the_body_and_the_connection(stored, told):
    made = freshened(stored, told)
    hop = {b"x-b"} if any(name == b"Connection" and value == b"X-B" for name, value in told) else set()
    kept = {b"content-length", b"content-encoding", b"connection", b"set-cookie"} | hop
    new = {name.lower() for name, _ in told} - kept

    def of(some, name):
        return [value for one, value in some if one.lower() == name]

    for name in (b"x-a", b"x-b", *kept):
        assert of(made, name) == of(told if name in new else stored, name)


def head(**said):
    return HttpHead(
        200, b"OK", tuple((name.replace("_", "-").encode(), value) for name, value in said.items())
    )


def test_a_condition_is_judged_by_the_tag_where_there_is_one():
    stored = head(etag=b'"a"', last_modified=THEN)
    assert is_unchanged(((b"if-none-match", b'"a"'),), stored, NOW)
    assert not is_unchanged(((b"if-none-match", b'"b"'), (b"if-modified-since", THEN)), stored, NOW)
    assert is_unchanged(((b"if-modified-since", THEN),), stored, NOW)
    assert not is_unchanged((), stored, NOW)
    assert not is_unchanged(((b"if-none-match", b'"a"'),), HttpHead(404, b"", stored.fields), NOW)


def test_a_head_speaks_of_the_same_body_if_length_and_validators_are_the_same():
    stored = head(etag=b'"a"', last_modified=THEN)
    for told, same in (
        (stored.fields, True),
        ((*stored.fields, (b"content-length", b"5")), True),
        ((*stored.fields, (b"content-length", b"6")), False),
        (((b"etag", b'"b"'), (b"last-modified", THEN)), False),
        (((b"etag", b'"a"'),), False),
        ((), False),
    ):
        assert same_body(stored, 5, told, NOW) is same
