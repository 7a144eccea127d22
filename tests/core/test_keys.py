"""Keys: two calls share one only if the upstream could not tell them apart."""

import json

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.call import Call, Params
from gateway.core.keys import LONG, constant, framed, key, service_of
from gateway.core.method import CacheRule, Method, RpcBinding
from gateway.core.principal import Principal

ALICE = Principal(subject="alice", issuer="labgate")
BOB = Principal(subject="bob", issuer="labgate")


def call(raw, *, principal=ALICE, service="jobs", upstream="get"):
    method = Method(name=f"{service}.{upstream}", service=service, binding=RpcBinding(upstream), safe=True)
    return Call("r", principal, method, Params(raw), deadline=0.0)


def made(raw, rule=CacheRule(fresh=1), **others):  # noqa: B008 - a rule is a frozen value
    return key(call(raw, **others), rule)


def test_absent_params_an_empty_array_and_an_empty_object_differ():
    assert len({made(None), made(b"[]"), made(b"{}")}) == 3


def test_whitespace_between_tokens_does_not_matter_and_within_strings_does():
    assert made(b'[1, {"a" : 2}]') == made(b'[1,{"a":2}]')
    assert made(b'["a b"]') != made(b'["ab"]')


def test_numbers_are_never_decoded():
    texts = [b"[1]", b"[1.0]", b"[1e0]", b"[-0]", b"[0]", b"[9007199254740993]", b"[9007199254740992]"]
    assert len({made(text) for text in texts}) == len(texts)


def test_the_order_of_named_params_matters_unless_the_rule_says_by_name():
    by_name = CacheRule(fresh=1, by_name=True)
    one, other = b'{"a":1,"b":2}', b'{"b":2,"a":1}'
    assert made(one) != made(other)
    assert made(one, by_name) == made(other, by_name)


def test_duplicate_members_are_never_put_in_order():
    by_name = CacheRule(fresh=1, by_name=True)
    assert made(b'{"a":1,"a":2}', by_name) != made(b'{"a":2,"a":1}', by_name)


def test_each_principal_has_entries_of_their_own_unless_everyone_shares():
    everyone = CacheRule(fresh=1, share="everyone")
    assert made(b"[]", principal=ALICE) != made(b"[]", principal=BOB)
    assert made(b"[]", everyone, principal=ALICE) == made(b"[]", everyone, principal=BOB)


def test_the_same_subject_of_two_issuers_is_two_principals():
    assert made(b"[]") != made(b"[]", principal=Principal(subject="alice", issuer="elsewhere"))


def test_targets_differ_by_service_and_by_upstream_method():
    assert made(b"[]", service="a") != made(b"[]", service="minnie65/a")
    assert made(b"[]", upstream="get") != made(b"[]", upstream="get2")


def test_long_params_differ_in_their_last_byte_though_the_key_is_short():
    one = json.dumps(["x" * 10 * LONG + "a"]).encode()
    other = json.dumps(["x" * 10 * LONG + "b"]).encode()
    assert made(one) != made(other)
    assert len(made(one)) < LONG


texts = st.text(alphabet="ab|:1sm,", max_size=4)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)
calls = st.tuples(
    texts, texts, texts, texts, st.none() | st.lists(values, max_size=3) | st.dictionaries(texts, values)
)


@given(calls, calls)
def test_two_calls_share_a_key_only_if_all_their_parts_are_equal(one, other):
    def of(parts):
        service, upstream, subject, issuer, params = parts
        raw = None if params is None else json.dumps(params).encode()
        return made(
            raw, principal=Principal(subject=subject, issuer=issuer), service=service, upstream=upstream
        )

    def said(parts):  # json.dumps keeps True and 1 apart, which == does not
        return (*parts[:4], json.dumps(parts[4]) if parts[4] is not None else None)

    assert (of(one) == of(other)) == (said(one) == said(other))


@given(st.lists(st.tuples(st.sampled_from([b"s", b"m"]), st.binary(max_size=6))), st.data())
def test_framing_can_be_read_back(parts, data):
    joined = b"".join(framed(kind, part) for kind, part in parts)
    read = []
    while joined:
        kind, joined = joined[:1], joined[1:]
        length, _, joined = joined.partition(b":")
        read.append((kind, joined[: int(length)]))
        joined = joined[int(length) :]
    assert read == parts


@given(st.text(max_size=20), st.sampled_from([b"s", b"H"]), st.binary(max_size=20))
def test_every_key_says_whose_reply_it_is_of(service, kind, rest):
    name = service.encode("utf-8", "replace")
    assert service_of(framed(kind, name) + rest) == name.decode()


def test_a_calls_key_says_its_service():
    assert service_of(made(b"[1]", service="fly1/cg")) == "fly1/cg"


@given(st.binary(max_size=30))
def test_what_is_no_key_is_of_some_service_or_none_and_no_mistake(data):
    assert isinstance(service_of(data), str)


requests = st.tuples(
    st.sampled_from(["GET", "QUERY", "G"]),
    st.lists(st.binary(max_size=3), min_size=2, max_size=2).map(tuple),
    st.none() | st.binary(max_size=4),
    st.sampled_from([b"", b"c", b"cc"]),
    st.binary(max_size=6),
)


@given(requests, requests)
def test_two_requests_share_a_key_only_if_the_service_could_not_tell_them_apart(one, other):
    def of(parts):
        verb, chooses, body, credential, target = parts
        return constant(verb, chooses, body, credential) + target

    assert (of(one) == of(other)) == (one == other)
