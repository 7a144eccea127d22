"""A key can be read back: what made it stands in it, and bytes that are no key are told as that."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.call import Call, Http, Params
from gateway.core.keys import EVERYONE as FOR_ALL
from gateway.core.keys import LONG, framed, key
from gateway.core.method import CacheRule, Method, RpcBinding
from gateway.core.principal import Principal
from gateway.core.told_key import frames, in_words, told
from gateway.core.vary import PRINCIPAL, variant

EVERYONE = CacheRule(fresh=1, share="everyone")
NOBODY = CacheRule(fresh=1)


def call(
    raw, *, service="jobs", upstream="get", issuer="labgate", subject="alice", http=None, groups=("lab",)
):
    method = Method(name=f"{service}.{upstream}", service=service, binding=RpcBinding(upstream), safe=True)
    principal = Principal(subject=subject, issuer=issuer, groups=groups, token_id="secret-id")
    return Call("r", principal, method, Params(raw), deadline=0.0, http=http)


texts = st.text(alphabet="ab|:1smp-*é", max_size=6)
params = st.none() | st.lists(st.integers() | texts, max_size=3) | st.dictionaries(texts, texts, max_size=3)


@given(texts, texts, texts, texts, params, st.sampled_from([EVERYONE, NOBODY]))
def test_what_made_a_key_can_be_read_back_from_it(service, upstream, issuer, subject, value, rule):
    raw = None if value is None else json.dumps(value, separators=(",", ":")).encode()
    made = key(call(raw, service=service, upstream=upstream, issuer=issuer, subject=subject), rule)
    found = told(made)
    assert found is not None
    assert (found.service, found.target) == (service, upstream)
    assert found.whom == (None if rule is EVERYONE else (issuer, subject))
    assert found.what == (((b"-", b""),) if raw is None else ((b"j", raw),))


@given(st.sampled_from(["GET", "QUERY"]), st.binary(max_size=20), st.lists(st.binary(max_size=9), max_size=4))
def test_the_request_of_a_mounted_call_can_be_read_back(verb, target, chooses):
    found = told(key(call(None, http=Http(verb, target, tuple(chooses), b"body")), EVERYONE))
    assert found is not None
    assert (found.part(b"h"), found.part(b"t")) == (verb.encode(), target)
    assert [part for kind, part in found.what if kind == b"f"] == chooses
    assert in_words(found)["body"]["bytes"] == 4


@given(st.binary(max_size=40))
def test_bytes_that_are_no_key_are_told_as_that_and_nothing_else_happens(junk):
    found = told(junk)
    assert found is None or in_words(found)["service"] == found.service


@given(st.integers(1, 60))
def test_a_key_that_is_cut_off_is_no_key(cut):
    made = key(call(b'{"project":"P3","job":"J1"}'), NOBODY)
    assert told(made[:-cut]) is None or cut >= len(made)


@pytest.mark.parametrize("junk", [b"s", b"s:", b"sx:", b"s5:ab", b"s-1:", b"s99999999999:a", b"s3:abcm"])
def test_a_part_without_its_length_or_its_bytes_is_refused(junk):
    with pytest.raises(ValueError, match="cut off"):
        frames(junk)


def test_words_name_the_principal_and_no_more_of_the_credential():
    said = in_words(told(key(call(b'["J1"]'), NOBODY)))
    assert said == {
        "service": "jobs",
        "target": "get",
        "for": {"issuer": "labgate", "subject": "alice"},
        "params": '["J1"]',
    }
    assert "secret-id" not in json.dumps(said)


def test_of_long_parameters_the_digest_and_their_length_are_told():
    raw = json.dumps(["x" * LONG]).encode()
    said = in_words(told(key(call(raw), EVERYONE)))
    assert said["for"] == "everyone"
    assert said["params"]["bytes"] == len(raw)
    assert len(bytes.fromhex(said["params"]["digest"])) == 32


def test_parts_of_a_kind_that_is_not_known_here_are_shown_and_not_lost():
    said = in_words(told(key(call(b"[]"), EVERYONE) + b"z2:hi"))
    assert said["others"] == ["z: hi"]


# of requests through mounts

ROOT = (
    framed(b"s", b"files")
    + framed(b"m", b"http")
    + FOR_ALL
    + framed(b"h", b"GET")
    + framed(b"f", b"")
    + framed(b"f", b"4:text")
    + b"t:/a?b=1"
)
PERSON = framed(b"p", framed(b"i", b"labgate") + framed(b"u", b"ada"))


def test_a_target_that_ends_a_key_needs_no_length():
    found = told(ROOT)
    assert found is not None
    assert (found.service, found.target, found.whom) == ("files", None, None)
    assert (found.part(b"t"), found.part(b"h"), found.part(b"z")) == (b"/a?b=1", b"GET", None)
    assert in_words(found) == {
        "service": "files",
        "for": "everyone",
        "verb": "GET",
        "fields": ["4:text"],
        "path": "/a?b=1",
    }


def test_of_several_replies_to_a_request_it_is_told_by_what_they_differ():
    names = framed(b"n", b"accept") + framed(b"f", b"a,b") + framed(b"n", b"x-a") + b"-"
    at = framed(b"s", b"files") + framed(b"v", ROOT)
    assert at + names == variant(ROOT, (b"accept", b"x-a"), ((b"Accept", b"a, b"),), PERSON)
    said = in_words(told(at + names))
    assert said["vary"] == {"accept": "a,b", "x-a": None}
    assert (said["path"], said["for"]) == ("/a?b=1", "everyone")
    mine = in_words(told(variant(ROOT, (PRINCIPAL,), (), PERSON)))
    assert mine["for"] == {"issuer": "labgate", "subject": "ada"}


def test_of_a_credential_for_the_service_nothing_is_told_but_that_there_is_one():
    secret = framed(b"c", b"\x01" * 32)
    found = told(
        framed(b"s", b"files") + framed(b"m", b"http") + PERSON + framed(b"h", b"GET") + secret + b"t:/a"
    )
    said = in_words(found)
    assert said["credential"] == "the caller's own for the service"
    assert "01" not in json.dumps(said)


@given(st.binary(max_size=60))
def test_a_key_within_a_key_that_is_none_is_none(junk):
    assert told(framed(b"s", b"files") + framed(b"v", junk)) is None or told(junk) is not None


def test_no_key_is_within_a_key_within_a_key():
    one = framed(b"s", b"files") + framed(b"v", ROOT)
    assert told(one) == told(ROOT)
    assert told(framed(b"s", b"files") + framed(b"v", one)) is None


def test_whoever_has_a_right_is_told_by_the_right():
    parts = framed(b"s", b"jobs") + framed(b"m", b"get") + framed(b"r", b"view:minnie") + framed(b"j", b"[]")
    found = told(parts)
    assert found is not None
    assert (found.whom, in_words(found)["for"]) == ("view:minnie", {"right": "view:minnie"})
    assert told(parts.replace(b"r11:", b"q11:")) is None


def test_a_method_that_is_called_http_is_one():
    found = told(framed(b"s", b"jobs") + framed(b"m", b"http") + FOR_ALL + framed(b"j", b"[]"))
    assert found is not None
    assert found.target == "http"
