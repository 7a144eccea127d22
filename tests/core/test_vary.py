"""By which fields replies differ, and when two requests say the same in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.keys import framed, target
from gateway.core.vary import MOST_NAMES, PRINCIPAL, names_of, variant


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([], set()),
        ([b""], set()),
        ([b"Accept, X-A"], {b"accept", b"x-a"}),
        ([b"Accept", b",x-a ,,"], {b"accept", b"x-a"}),
    ],
)
def test_names_are_those_of_every_line_in_lower_case(values, names):
    assert names_of(tuple((b"Vary", value) for value in values)) == names


@pytest.mark.parametrize("value", [b"*", b"a, *", b"a b", b'"a"', b"via", b"X-Forwarded-For", b":principal"])
def test_what_no_request_can_be_compared_by_is_said(value):
    assert isinstance(names_of(((b"vary", value),)), str)


def test_too_many_names_are_too_many():
    def many(count):
        return names_of(((b"vary", b",".join(b"x-%d" % n for n in range(count))),))

    assert len(many(MOST_NAMES)) == MOST_NAMES
    assert isinstance(many(MOST_NAMES + 1), str)


texts = st.text('ab ,:"-0123f', max_size=6).map(str.encode)
requests = st.lists(st.tuples(st.sampled_from([b"x-a", b"X-A", b"x-b"]), texts), max_size=4).map(tuple)
people = st.sampled_from([b"p1:a", b"p1:b", b"p3:n3:"])


def normal(value: bytes) -> bytes:
    return b",".join(part.strip(b" ") for part in value.strip(b" ").split(b","))


@given(requests, requests, people, people, st.sets(st.sampled_from([b"x-a", b"x-b", PRINCIPAL])).map(sorted))
def test_two_requests_share_a_variant_exactly_if_they_say_the_same_under_each_name(
    one, other, first, second, names
):
    def meant(asked, person):
        said = []
        for name in names:
            if name == PRINCIPAL:
                said.append(person)
                continue
            found = [value.strip(b" ") for key, value in asked if key.lower() == name]
            joined = b",".join(found)
            said.append(None if not found else (joined if b'"' in joined else normal(joined)))
        return said

    made = [
        variant(b"root", tuple(names), asked, person) for asked, person in ((one, first), (other, second))
    ]
    assert (made[0] == made[1]) == (meant(one, first) == meant(other, second))


def test_a_variants_key_begins_with_the_service_of_its_root():
    root = target("fly1/cg", "http") + b"rest"
    for asked in ((), ((b"x-a", b"1"),)):
        assert variant(root, (b"x-a",), asked, b"").startswith(framed(b"s", b"fly1/cg") + b"v")


def test_other_roots_and_other_names_are_other_keys():
    asked = ((b"x-a", b"1"), (b"x-b", b"1"))
    keys = {
        variant(root, names, asked, b"")
        for root in (b"a", b"b")
        for names in ((b"x-a",), (b"x-b",), (b"x-a", b"x-b"))
    }
    assert len(keys) == 6


@pytest.mark.parametrize("name", [b"authorization", b"cookie", b"labgate-token", b"proxy-authorization"])
def test_no_credential_stands_in_a_key(name):
    made = [
        variant(b"root", (name,), ((name.title(), value),), b"")
        for value in (b"Bearer secret", b"Bearer other")
    ]
    assert made[0] != made[1]
    assert b"secret" not in made[0]
    assert variant(b"root", (name,), (), b"") not in made
