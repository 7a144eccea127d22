"""Exceptions of cache rules, and the rights by which callers share."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.call import Call, Params
from gateway.core.conditions import (
    LARGEST,
    in_force,
    may_keep,
    named_in_request,
    named_in_result,
    named_params,
    right_of,
    shared_by,
)
from gateway.core.keys import key
from gateway.core.method import CacheRule, Clause, HttpBinding, Method, Param, Place, RpcBinding, When
from gateway.core.principal import Principal

RPC = Method(name="s.get", service="s", binding=RpcBinding("get"), params=(Param("node"), Param("version")))
REST = Method(
    name="s.tile",
    service="s",
    binding=HttpBinding("GET", "/tiles/{level}/{name}.png", (Place("scale", "query", "s"),)),
)


def fresh(test: Clause, params=None, result=None) -> bool:
    """Whether the test holds."""
    on_result = result is not None
    when = When(1.0, 0.0, () if on_result else (test,), (test,) if on_result else ())
    return in_force(CacheRule(fresh=0, when=(when,)), params or {}, result or {}, 1e9).fresh == 1.0


@pytest.mark.parametrize(
    ("globs", "value", "holds"),
    [
        (("*",), "x", True),
        (("*",), "", True),
        (("*",), "a/b\nc", True),
        (("*",), 0, True),
        (("*",), False, True),
        (("*",), None, False),
        (("*",), {"a": 1}, False),
        ((None,), None, True),
        ((None,), "x", False),
        (("a*c",), "abc", True),
        (("a*c",), "a/b/c", True),
        (("a*c",), "abd", False),
        (("a.c",), "abc", False),
        (("true",), True, True),
        (("true",), "true", True),
        (("1",), 1, True),
        (("1",), 1.5, False),
        (("a", "b"), "b", True),
        (("a", None), None, True),
    ],
)
def test_a_test_holds_where_the_member_is_one_of_its_globs(globs, value, holds):
    assert fresh(Clause("a", globs), {"a": value}) is holds
    assert fresh(Clause("a", globs), result={"a": value, "b": 1}) is holds
    if value is None:
        assert fresh(Clause("a", globs), {}) is holds


def test_a_dotted_name_finds_a_member_within_and_a_member_of_that_very_name():
    assert fresh(Clause("job.status", ("done",)), result={"job": {"status": "done"}})
    assert fresh(Clause("job.status", ("done",)), result={"job.status": "done"})
    assert not fresh(Clause("job.status", ("done",)), result={"job": [1]})


def test_the_first_exception_that_holds_counts_and_without_one_the_rule():
    rule = CacheRule(
        fresh=1,
        stale=2,
        when=(When(10, 20, (Clause("v", ("1",)),)), When(100, 200, (Clause("v", ("*",)),))),
    )
    found = [in_force(rule, {"v": value}, {}, 0.0) for value in ("1", "2", None)]
    assert [(one.fresh, one.stale) for one in found] == [(10, 20), (100, 200), (1, 2)]
    assert may_keep(CacheRule(fresh=0, when=rule.when))
    assert not may_keep(CacheRule(fresh=0, when=(When(0, 0, (Clause("v", ("1",)),)),)))


def test_all_tests_of_an_exception_must_hold():
    when = When(9, 0, (Clause("a", ("1",)), Clause("b", ("2",))), (Clause("c", ("3",)),))
    rule = CacheRule(fresh=0, when=(when,))
    assert in_force(rule, {"a": "1", "b": "2"}, {"c": 3}, 0.0).fresh == 9
    assert in_force(rule, {"a": "1", "b": "9"}, {"c": 3}, 0.0).fresh == 0
    assert in_force(rule, {"a": "1", "b": "2"}, {}, 0.0).fresh == 0


def test_parameters_have_names_by_position_too():
    assert named_params(b'["n", 7]', RPC) == named_params(b'{"node":"n","version":7}', RPC)
    assert named_params(b'["n"]', RPC) == {"node": "n"}
    for raw in (None, b"", b"7", b"{", b"[" * 100_000, b"\xff"):
        assert named_params(raw, RPC) == {}


def test_those_of_a_request_come_from_its_path_and_its_query():
    found = named_in_request(REST, (b"tiles", b"3", b"a b.png"), b"?s=2&x=&y=1&y=2")
    assert found == {"level": "3", "name": "a b", "s": "2", "scale": "2", "x": "", "y": "2"}
    assert named_in_request(REST, (b"other",), b"") == {}
    assert named_in_request(RPC, (b"tiles", b"3"), b"?a=1") == {"a": "1"}


def test_only_a_json_object_of_a_size_has_members():
    assert named_in_result(b'{"a":1}') == {"a": 1}
    for body in (b"[1]", b"", b"7", b"{", b'{"a":"' + b"x" * LARGEST + b'"}'):
        assert named_in_result(body) == {}


BY_RIGHT = CacheRule(fresh=1, share="authorized", authorized="view:{params.dataset}")


@pytest.mark.parametrize(
    ("authorized", "params", "right"),
    [
        ("view:{params.dataset}", {"dataset": "fly1"}, "scope:view:fly1"),
        ("scope:view:{params.dataset}", {"dataset": "fly1"}, "scope:view:fly1"),
        ("group:{params.dataset}", {"dataset": "fly1"}, "group:fly1"),
        ("em.read", {}, "scope:em.read"),
        ("view:{params.id}", {"id": 7}, "scope:view:7"),
        ("view:{params.a}:{params.b}", {"a": "1", "b": "2"}, "scope:view:1:2"),
        ("view:{params.dataset}", {}, None),
        ("view:{params.dataset}", {"dataset": None}, None),
        ("view:{params.dataset}", {"dataset": ["fly1"]}, None),
        ("view:{params.dataset}", {"dataset": ""}, None),
        ("view:{params.dataset}", {"dataset": "fly1:x"}, None),
        ("view:{params.dataset}", {"dataset": "fly1 scope:b"}, None),
    ],
)
def test_a_right_is_made_of_plain_words_alone(authorized, params, right):
    assert right_of(CacheRule(fresh=1, share="authorized", authorized=authorized), params) == right


def test_only_who_has_the_right_shares():
    viewer = Principal("ada", "labgate", scopes=("view:fly1",))
    assert shared_by(BY_RIGHT, viewer, {"dataset": "fly1"}) == "scope:view:fly1"
    assert shared_by(BY_RIGHT, viewer, {"dataset": "fly2"}) is None
    assert shared_by(BY_RIGHT, Principal("bob", "labgate"), {"dataset": "fly1"}) is None


names = st.sampled_from(["ada", "bob", "view:x", "x"])
datasets = st.sampled_from(["x", "y", "x:y", "", 7, None])
people = st.builds(
    Principal,
    names,
    st.sampled_from(["labgate", "elsewhere"]),
    scopes=st.lists(st.sampled_from(["view:x", "view:y", "view:7", "x"]), max_size=2).map(tuple),
)


@given(people, people, datasets, datasets)
def test_two_callers_share_a_key_only_with_equal_parameters_and_both_with_the_right_or_as_the_same(
    one, other, first, second
):
    def made(who, dataset):
        raw = json.dumps({"dataset": dataset}).encode()
        return key(Call("r", who, RPC, Params(raw), 0.0), BY_RIGHT)

    same = made(one, first) == made(other, second)
    alike = (one.subject, one.issuer) == (other.subject, other.issuer)
    right = f"view:{first}"
    both = right in one.scopes and right in other.scopes
    neither = right not in one.scopes and right not in other.scopes
    assert same == (json.dumps(first) == json.dumps(second) and (both or (alike and neither)))


@pytest.mark.parametrize(
    ("value", "is_past"),
    [
        (999_999_399, True),
        (999_999_401, False),
        ("999999399.5", True),
        ("2001-09-09T01:36:40", True),
        ("2001-09-09T01:36:41+00:00", False),
        ("2001-09-09T03:36:40+02:00", True),
        (None, False),
        ("now", False),
        (True, False),
        ("nan", False),
        ("-inf", False),
        ([1], False),
    ],
)
def test_a_moment_is_past_by_at_least_the_time_that_is_asked_for(value, is_past):
    clause = Clause("timestamp", (), 600.0)
    rule = CacheRule(fresh=0, when=(When(1.0, params=(clause,)),))
    assert (in_force(rule, {"timestamp": value}, {}, 1e9).fresh == 1.0) is is_past
