"""What goes with requests to a service that is told who asks, and what tells callers apart there."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.core.introducing import Introducer, Introduction, Nobody, WithFields, with_rights
from gateway.core.keys import person
from gateway.core.principal import Principal
from gateway.core.upstream import Request

names = st.lists(st.text(min_size=1, max_size=5), max_size=4, unique=True)


def of(groups=(), scopes=()):
    return with_rights(Principal("ada", "labgate", tuple(groups), tuple(scopes)))


@given(names, names, names, names)
def test_keys_tell_a_subject_apart_exactly_where_its_groups_or_scopes_differ(groups, scopes, others, more):
    one, other = of(groups, scopes), of(others, more)
    same = (set(groups), set(scopes)) == (set(others), set(more))
    assert (person("i", "ada", one.rights) == person("i", "ada", other.rights)) == same


def test_a_group_is_no_scope_and_two_names_are_not_one():
    assert (
        len({one.rights for one in (of(["a"]), of([], ["a"]), of(["a", "b"]), of(["ab"]), of(["a;b"]), of())})
        == 6
    )


def test_without_rights_a_key_is_as_it_always_was():
    assert person("labgate", "ada", b"") == b"p16:i7:labgateu3:ada"


def test_a_token_is_added_only_where_the_caller_has_shown_none_for_the_service():
    found = Introduction("t", ((b"X-Who", b"ada"),))
    assert found.added(()) == ((b"Authorization", b"Bearer t"), (b"X-Who", b"ada"))
    own = ((b"authorization", b"Basic YTpi"),)
    assert found.added(own) == (*own, (b"X-Who", b"ada"))
    assert Introduction().added(own) == own


async def test_every_request_to_an_upstream_carries_the_fields_too():
    sent = []

    class Upstream:
        async def exchange(self, request):
            sent.append(request)

    request = Request("GET", "/x", ((b"A", b"b"),), None, deadline=1.0, max_reply=2, repeatable=True)
    await WithFields(Upstream(), ((b"X-Who", b"ada"),)).exchange(request)
    (passed,) = sent
    assert passed == replace(request, fields=((b"A", b"b"), (b"X-Who", b"ada")))


async def test_a_gate_whose_services_are_told_nothing_tells_them_nothing():
    nobody: Introducer = Nobody()
    assert nobody.at_hand(None, None) == await nobody.obtain(None, None) == Introduction()
