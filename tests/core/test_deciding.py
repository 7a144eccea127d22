"""The policy and the rule that are named are those that decide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.catalog import build
from gateway.core.deciding import path_permit, permit, sources, speaking
from gateway.core.listing import Offer
from gateway.core.method import CacheRule
from gateway.core.paths import steps
from gateway.core.policy import Policies, Policy
from gateway.core.principal import ANONYMOUS, Principal
from gateway.core.service import Described, Description, Rule, Service

ADA = Principal("ada", "labgate", groups=("lab",), scopes=("em.read",))
LISTED = (
    Policy(("group:admins",), ("*", "/**"), operate=True),
    Policy(("group:others", "group:lab"), ("info.*", "jobs.get_*", "GET /files/**")),
    Policy(("scope:em.read",), ("jobs.*",)),
)


@pytest.mark.parametrize(
    ("name", "number", "to", "allow"),
    [("jobs.get_job", 2, "group:lab", "jobs.get_*"), ("jobs.enqueue", 3, "scope:em.read", "jobs.*")],
)
def test_the_first_policy_that_allows_is_named_with_the_words_of_it_that_fit(name, number, to, allow):
    found = permit(LISTED, ADA, name)
    assert found is not None
    assert (found.number, found.to, found.allow) == (number, to, allow)
    assert found.policy is LISTED[number - 1]


def test_what_nothing_allows_has_no_policy_but_those_that_speak_of_the_principal_are_known():
    assert permit(LISTED, ADA, "dvid.read") is None
    assert permit(LISTED, ANONYMOUS, "jobs.get_job") is None
    assert speaking(LISTED, ADA) == (2, 3)
    assert speaking(LISTED, ANONYMOUS) == ()


def test_globs_of_paths_speak_of_paths_alone():
    found = path_permit(LISTED, ADA, "GET", steps(b"/files/a/b"))
    assert found is not None
    assert (found.number, found.allow) == (2, "GET /files/**")
    assert path_permit(LISTED, ADA, "PUT", steps(b"/files/a/b")) is None
    assert permit((Policy(("authenticated",), ("/**",)),), ADA, "jobs.get") is None


words = st.sampled_from(
    ["authenticated", "anonymous", "group:lab", "group:x", "subject:ada", "scope:em.read"]
)
globs = st.sampled_from(["*", "a.*", "a.b*", "*.c", "a.bc", "d/a.*", "/**", "GET /a/*", "/a/**/c"])
policies = st.lists(
    st.builds(
        Policy,
        st.lists(words, min_size=1, max_size=2).map(tuple),
        st.lists(globs, min_size=1, max_size=3).map(tuple),
    ),
    max_size=4,
)


@given(
    policies,
    st.sampled_from([ADA, ANONYMOUS]),
    st.sampled_from(["a.b", "a.bc", "x.c", "d/a.c", "x.y"]),
    st.sampled_from([b"/a/b", b"/a/b/c", b"/x"]),
)
def test_there_is_such_a_policy_exactly_where_it_is_allowed(listed, principal, name, path):
    access = Policies(listed).access(principal)
    assert (permit(listed, principal, name) is not None) == access.allows(name)
    for verb in ("GET", "HEAD", "PUT"):
        where = steps(path)
        assert (path_permit(listed, principal, verb, where) is not None) == access.allows_path(verb, where)


rules = st.dictionaries(
    st.sampled_from(["*", "get*", "g*t", "get", "*t", "http"]),
    st.builds(
        Rule,
        safe=st.sampled_from([None, True]),
        cache=st.none() | st.builds(CacheRule, fresh=st.integers(1, 9).map(float)),
        summary=st.none() | st.sampled_from(["one", "two"]),
    ),
)


@given(rules)
def test_the_glob_that_is_named_is_the_one_by_which_the_method_is_treated(rules):
    service = Service("up", "jsonrpc", ("http://127.0.0.1:1",), rules={**rules, "get*": Rule(safe=True)})
    offer = Offer(service, Description((Described("get"),), "rpc.discover", "/"))
    method = build([offer]).listings["up"].items["up.get"].method
    found = sources(service.rules, "get")
    assert method.cache == (service.rules[found["cache"]].cache if "cache" in found else None)
    assert method.summary == (service.rules[found["summary"]].summary if "summary" in found else "")
