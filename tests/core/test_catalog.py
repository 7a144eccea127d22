"""What is in the catalog, under which names, and what is known of each method?"""

from collections.abc import Iterable, Mapping
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.catalog import Catalog, build
from gateway.core.faults import Fault, NeedsDatastack, UnknownDatastack, UnknownMethod, UpstreamUnreachable
from gateway.core.listing import Change, Offer, changes
from gateway.core.method import CacheRule, Param, RpcBinding
from gateway.core.naming import alike, is_fit, shown
from gateway.core.policy import Access, Policies, Policy
from gateway.core.principal import Principal
from gateway.core.service import Described, Description, Rule, Service


def described(*methods: Any, **more: Any) -> Description:
    """A description of these methods, given as `Described` or by name."""
    return Description(
        tuple(one if isinstance(one, Described) else Described(one) for one in methods),
        convention="rpc.discover",
        address="/api",
        **more,
    )


def service(name: str = "jobs", rules: Mapping[str, Rule] | None = None, **more: Any) -> Service:
    return Service(name, more.pop("dialect", "jsonrpc"), ("http://127.0.0.1:1",), rules=rules or {}, **more)


def catalog(*methods: Any, rules: Mapping[str, Rule] | None = None, **more: Any) -> Catalog:
    """A catalog of the one service `jobs`."""
    return build([Offer(service(rules=rules, **more), described(*methods))])


def access(*allow: str) -> Access:
    return Policies([Policy(("authenticated",), allow)]).access(Principal("someone", "here"))


EVERYTHING = access("*")


def found(catalog: Catalog, name: str, datastack: str | None = None) -> Any:
    return catalog.find(name, datastack, EVERYTHING)


def refusal(catalog: Catalog, name: str, datastack: str | None = None, access: Access = EVERYTHING) -> Fault:
    with pytest.raises(Fault) as caught:
        catalog.find(name, datastack, access)
    return caught.value


# --- names -----------------------------------------------------------------------------------------------


def test_a_method_is_called_by_its_service_and_its_own_name_and_bound_to_its_own_name() -> None:
    method = found(catalog("files.get-raw"), "jobs.files.get-raw")
    assert (method.name, method.service, method.binding) == (
        "jobs.files.get-raw",
        "jobs",
        RpcBinding("files.get-raw"),
    )


@pytest.mark.parametrize(
    "name",
    [
        "",
        "x" * 257,
        "a\x00b",
        "a\nb",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "\ud800",
        None,
        7,
        ["a"],
        {"a": 1},
        b"a",
    ],
)
def test_names_that_cannot_be_taken_are_left_out_and_counted(name: Any) -> None:
    listing = catalog("get", name).listings["jobs"]
    assert listing.names == ("jobs.get",)
    assert listing.left_out == 1


@pytest.mark.parametrize(
    "name", ["__class__", "_url", "class", "x" * 256, "a b", "é", "a/b", ".", "a..b", "1"]
)
def test_odd_names_are_methods_like_others(name: str) -> None:
    assert found(catalog(name), f"jobs.{name}").binding.method == name


@pytest.mark.parametrize(
    "name", ["rpc.discover", "rpc.x", "system.multicall", "system.listMethods", "JSONRPC.Introspect"]
)
def test_methods_about_the_server_and_those_that_call_others_are_never_exported(name: str) -> None:
    listing = catalog("get", name).listings["jobs"]
    assert listing.names == ("jobs.get",)
    assert listing.left_out == 0


def test_of_several_methods_of_one_name_the_first_is_taken_and_the_others_are_counted() -> None:
    listing = catalog(Described("get", summary="first"), Described("get", summary="second")).listings["jobs"]
    assert listing.items["jobs.get"].method.summary == "first"
    assert listing.left_out == 1


def test_what_the_dialect_left_out_is_counted_too() -> None:
    assert build([Offer(service(), described("a", "", left_out=3))]).listings["jobs"].left_out == 4


def test_names_are_in_the_order_of_their_code_points() -> None:
    names = ["b", "B", "a.b", "a", "é", "z", "_"]
    assert list(catalog(*names).listings["jobs"].names) == sorted(f"jobs.{name}" for name in names)


@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029"), max_size=300)
)
def test_a_fit_name_is_any_text_of_1_to_256_characters_without_controls(name: str) -> None:
    assert is_fit(name) == (1 <= len(name) <= 256)


@given(st.text(max_size=200))
def test_what_is_shown_of_a_name_is_short_and_printable(name: str) -> None:
    text = shown(name)
    assert text.isprintable()
    assert len(text) <= 1000
    assert text == name or not name.isprintable() or len(name) > 80


# --- rules -----------------------------------------------------------------------------------------------


def test_rules_that_match_merge_in_order_and_later_ones_win() -> None:
    rules = {
        "*": Rule(idempotent=True, summary="any", invalidates=("all",)),
        "get_*": Rule(safe=True, summary="a read"),
        "get_job": Rule(summary="the job", deprecated=True),
        "*_job": Rule(summary="of a job"),
    }
    methods = catalog("get_job", "get_x", "set_job", rules=rules).listings["jobs"].items
    of = {name: item.method for name, item in methods.items()}
    assert of["jobs.get_job"].summary == "of a job"
    assert of["jobs.get_job"].deprecated
    assert of["jobs.get_x"].summary == "a read"
    assert of["jobs.set_job"].summary == "of a job"
    assert [of[name].safe for name in sorted(of)] == [True, True, False]
    assert of["jobs.set_job"].invalidates == ("all",)


def test_the_order_of_the_rules_decides_and_not_whether_they_are_exact() -> None:
    exact_first = {"get": Rule(summary="exact"), "g*": Rule(summary="glob")}
    assert found(catalog("get", rules=exact_first), "jobs.get").summary == "glob"
    exact_last = dict(reversed(exact_first.items()))
    assert found(catalog("get", rules=exact_last), "jobs.get").summary == "exact"


@pytest.mark.parametrize(
    ("glob", "name", "matches"),
    [
        ("*", "any/thing.at all", True),
        ("get_*", "get_", True),
        ("get_*", "xget_a", False),
        ("*.get", "a/b.get", True),
        ("a*c", "a.b.c", True),
        ("a*c", "acd", False),
        ("a.c", "abc", False),
        ("get", "get_job", False),
        ("[a]?", "[a]?", True),
    ],
)
def test_a_star_in_a_rule_stands_for_any_characters_and_nothing_else_is_special(
    glob: str, name: str, matches: bool
) -> None:
    assert found(catalog(name, rules={glob: Rule(safe=True)}), f"jobs.{name}").safe is matches


def test_what_is_safe_is_idempotent() -> None:
    rules = {"*": Rule(safe=True, idempotent=False)}
    assert found(catalog("get", rules=rules), "jobs.get").idempotent


def test_an_upstreams_hints_hold_until_a_rule_says_otherwise() -> None:
    hints = Described("get", safe=True, idempotent=True, deprecated=True, summary="its own")
    plain = found(catalog(hints), "jobs.get")
    assert (plain.safe, plain.idempotent, plain.deprecated, plain.summary) == (True, True, True, "its own")
    ruled = found(
        catalog(hints, rules={"get": Rule(safe=False, idempotent=False, deprecated=False)}), "jobs.get"
    )
    assert (ruled.safe, ruled.idempotent, ruled.deprecated, ruled.summary) == (False, False, False, "its own")


def test_a_cache_rule_needs_a_safe_method_and_is_ignored_with_a_warning_otherwise() -> None:
    rules = {"*": Rule(cache=CacheRule(30)), "get": Rule(safe=True)}
    made = catalog("get", "set_a", "set_b", rules=rules)
    assert found(made, "jobs.get").cache == CacheRule(30)
    assert found(made, "jobs.set_a").cache is None
    (warning,) = made.warnings
    assert "2 methods, such as jobs.set_a" in warning
    assert "safe: true" in warning
    assert catalog("get", rules=rules).warnings == ()


@pytest.mark.parametrize("way_in", [{"mount": "/jobs"}, {"has_port": True}, {}])
def test_a_method_that_is_named_as_what_no_document_describes_is_one_and_told_of(way_in) -> None:
    one = service(rules={"http": Rule(safe=True, cache=CacheRule(fresh=60))}, **way_in)
    made = build([Offer(one, described("http", "get"))])
    listing = made.listings["jobs"]
    assert listing.names == ("jobs.get", "jobs.http")
    assert listing.by_rpc_name["http"].binding != listing.undescribed("GET", safe=True).binding
    told = [warning for warning in made.warnings if "it has a method jobs.http" in warning]
    assert [warning.startswith("service jobs: ") for warning in told] == ([True] if way_in else [])
    assert build([Offer(one, described("get"))]).warnings == ()


def test_what_is_safe_invalidates_nothing() -> None:
    rules = {"*": Rule(invalidates=("jobs",)), "get": Rule(safe=True)}
    made = catalog("get", "set", rules=rules)
    assert found(made, "jobs.get").invalidates == ()
    assert found(made, "jobs.set").invalidates == ("jobs",)


def test_a_rule_describes_parameters_and_results_that_the_upstream_does_not() -> None:
    rules = {"tile": Rule(params=(Param("dataset", True),), result="array", item=True)}
    method = found(catalog("tile", rules=rules), "jobs.tile")
    assert method.params == (Param("dataset", True),)
    assert method.facts == {"result": "array", "item": True}
    assert (
        found(catalog(Described("tile", (Param("x"),)), rules={"tile": Rule(params=())}), "jobs.tile").params
        == ()
    )


def test_rules_for_methods_that_do_not_exist_make_none_but_of_a_listed_service() -> None:
    rules = {"get": Rule(safe=True), "set_*": Rule()}
    assert catalog(rules=rules).listings["jobs"].names == ()
    listed = service(rules=rules, dialect="listed")
    assert build([Offer(listed)]).listings["jobs"].names == ()
    for description in (described(), described("get")):
        listing = build([Offer(listed, description)]).listings["jobs"]
        assert listing.names == ("jobs.get",)
        assert listing.items["jobs.get"].method.safe


@pytest.mark.parametrize("way_in", [{"mount": "/jobs"}, {"has_port": True}])
def test_a_rule_for_what_no_document_describes_makes_no_method_of_a_listed_service(way_in) -> None:
    rules = {"http": Rule(cache=CacheRule(fresh=60)), "get": Rule()}
    listed = service(rules=rules, dialect="listed", **way_in)
    listing = build([Offer(listed, described())]).listings["jobs"]
    assert (listing.names, listing.warnings) == (("jobs.get",), ())
    assert listing.undescribed("GET", safe=True).cache == CacheRule(fresh=60)
    unmounted = build([Offer(service(rules=rules, dialect="listed"), described())]).listings["jobs"]
    assert unmounted.names == ("jobs.get", "jobs.http")


# --- parameters ------------------------------------------------------------------------------------------


def test_no_parameter_list_is_not_an_empty_one() -> None:
    made = catalog(Described("open"), Described("none", ()))
    assert found(made, "jobs.open").params is None
    assert found(made, "jobs.none").params == ()


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["a", "a"], ["a", "a_2"]),
        (["", "b"], ["arg1", "b"]),
        (["", ""], ["arg1", "arg2"]),
        (["a_2", "a", "a"], ["a_2", "a", "a_3"]),
        (["a", "a", "a_2"], ["a", "a_2", "a_2_3"]),
    ],
)
def test_parameters_that_their_names_cannot_tell_apart_go_by_position(
    names: Iterable[str], told: list[str]
) -> None:
    method = found(catalog(Described("m", tuple(Param(name) for name in names))), "jobs.m")
    assert [param.name for param in method.params] == told
    assert method.structure == "by-position"


def test_required_parameters_come_first_where_positions_mean_nothing() -> None:
    params = (Param("a"), Param("b", True), Param("c"), Param("d", True))
    by_name = found(catalog(Described("m", params, "by-name")), "jobs.m")
    assert [param.name for param in by_name.params] == ["b", "d", "a", "c"]
    either = found(catalog(Described("m", params)), "jobs.m")
    assert either.params == params


def test_an_unheard_of_structure_is_either() -> None:
    assert found(catalog(Described("m", (), "sideways")), "jobs.m").structure == "either"


# --- finding ---------------------------------------------------------------------------------------------


def datastacks() -> Catalog:
    """`info` and `jobs` for all; `chunks` in two datastacks, one of which has an `info` of its own."""
    return build(
        [
            Offer(service("info"), described("get", "version")),
            Offer(service("jobs"), described("get_job", "get_jobs", "kill")),
            Offer(service("chunks", datastack="minnie"), described("roots")),
            Offer(service("chunks", datastack="fly"), described("roots", "leaves")),
            Offer(service("info", datastack="fly"), described("get")),
        ]
    )


def test_a_local_service_is_found_in_its_datastack_only() -> None:
    made = datastacks()
    assert found(made, "chunks.roots", "minnie").service == "minnie/chunks"
    assert found(made, "chunks.leaves", "fly").qualified == "fly/chunks.leaves"
    assert isinstance(refusal(made, "chunks.leaves", "minnie"), UnknownMethod)


def test_a_local_service_stands_in_front_of_the_global_one_of_its_name() -> None:
    made = datastacks()
    assert found(made, "info.get").service == "info"
    assert found(made, "info.get", "minnie").service == "info"
    assert found(made, "info.get", "fly").service == "fly/info"
    assert isinstance(refusal(made, "info.version", "fly"), UnknownMethod)


def test_a_local_namespace_without_a_datastack_names_those_that_have_it() -> None:
    fault = refusal(datastacks(), "chunks.roots")
    assert isinstance(fault, NeedsDatastack)
    assert fault.data == {"datastacks": ["fly", "minnie"]}


def test_only_datastacks_where_the_caller_may_call_something_are_named() -> None:
    made = datastacks()
    fault = refusal(made, "chunks.roots", access=access("fly/chunks.leaves"))
    assert fault.data == {"datastacks": ["fly"]}
    assert isinstance(refusal(made, "chunks.roots", access=access("info.*")), UnknownMethod)
    assert refusal(made, "info.get", "mini", access("minnie/*")).data == {"datastacks": ["minnie"]}


def test_an_unknown_datastack_is_refused_even_for_a_global_method() -> None:
    fault = refusal(datastacks(), "jobs.kill", "mini")
    assert isinstance(fault, UnknownDatastack)
    assert fault.data == {"datastacks": ["fly", "minnie"]}


@pytest.mark.parametrize(
    ("name", "suggestions"),
    [
        ("jobs.get_jbo", ["jobs.get_job", "jobs.get_jobs"]),
        ("jobs.Kill", ["jobs.kill"]),
        ("job.kill", ["jobs.kill"]),
        ("jobs.nothing_like_it_at_all", []),
        ("kill", []),
        ("", []),
        ("jobs", []),
        ("jobs." + "kill" * 20, []),
        ("zzz.kill", []),
    ],
)
def test_an_unknown_name_is_answered_with_what_may_have_been_meant(name: str, suggestions: list[str]) -> None:
    fault = refusal(datastacks(), name)
    assert isinstance(fault, UnknownMethod)
    assert fault.data.get("did_you_mean", []) == suggestions
    assert all(suggestion in fault.message for suggestion in suggestions)


def test_suggestions_are_made_of_what_the_caller_may_call() -> None:
    fault = refusal(datastacks(), "jobs.get_jbo", access=access("jobs.get_jobs"))
    assert fault.data["did_you_mean"] == ["jobs.get_jobs"]
    assert refusal(datastacks(), "jobs.get_jbo", access=access("info.*")).data == {}
    assert refusal(datastacks(), "job.kill", access=access("jobs.get_jobs")).data == {}


def test_a_method_that_may_not_be_called_is_found_all_the_same() -> None:
    assert datastacks().find("jobs.kill", None, access("info.*")).name == "jobs.kill"


def test_of_many_names_the_neighbours_are_compared_only() -> None:
    known = sorted(f"jobs.{first}{number:04}" for first in "ab" for number in range(5000))
    assert alike("jobs.a17777", known)[0] in known
    assert alike("jobs.b0042x", known)[0] == "jobs.b0042"
    assert len(alike("jobs.a", known)) <= 3


@given(st.text(max_size=400))
def test_no_name_whatever_makes_finding_fail_otherwise_than_by_a_fault(name: str) -> None:
    fault = refusal(datastacks(), f"jobs.{name}" if name not in ("get_job", "get_jobs", "kill") else "jobs.")
    assert isinstance(fault, UnknownMethod)
    assert len(fault.message) < 2000
    assert fault.message.isprintable()


# --- services that do not answer -------------------------------------------------------------------------


def test_a_service_that_is_down_keeps_its_methods_and_says_why() -> None:
    made = build([Offer(service(), described("get"), down=True, why="refused the connection")])
    assert found(made, "jobs.get").name == "jobs.get"
    assert made.down("jobs") == "refused the connection"
    assert catalog("get").down("jobs") is None
    assert made.down("nobody") is None


def test_a_service_that_never_answered_is_said_to_be_unreachable_to_those_who_might_call_it() -> None:
    made = build([Offer(service(), None, down=True, why="refused the connection")])
    assert isinstance(refusal(made, "jobs.get"), UpstreamUnreachable)
    assert isinstance(refusal(made, "jobs.get", access=access("jobs.get")), UpstreamUnreachable)
    assert isinstance(refusal(made, "jobs.get", access=access("jobs.put")), UnknownMethod)
    assert isinstance(refusal(made, "jobs.\x00"), UnknownMethod)


def test_the_offer_of_a_service_says_where_its_calls_go() -> None:
    offer = Offer(service(), described("get"), dialect="jsonrpc")
    made = build([offer])
    assert made.offer("jobs") is offer
    assert made.offer("nobody") is None


# --- versions and changes --------------------------------------------------------------------------------

OFFERS = (
    Offer(service("info"), described("get", "version")),
    Offer(service("jobs"), described(Described("get", (Param("uid", True, {"type": "string"}),)))),
    Offer(service("chunks", datastack="fly"), described("roots"), down=True, why="gone"),
)


def test_the_version_does_not_depend_on_the_order_of_services_and_methods() -> None:
    reversed_methods = Offer(service("info"), described("version", "get"))
    versions = {build(order).version for order in permutations(OFFERS)}
    versions.add(build([reversed_methods, *OFFERS[1:]]).version)
    assert len(versions) == 1
    assert len(versions.pop()) >= 16


CHANGED: dict[str, list[Any]] = {
    "a method more": [described("get", "version", "put")],
    "a method less": [described("get")],
    "another name": [described("get", "versions")],
    "a summary": [described("get", Described("version", summary="the version"))],
    "a parameter list": [described("get", Described("version", ()))],
    "a parameter": [described("get", Described("version", (Param("a"),)))],
    "a result": [described("get", Described("version", result={"type": "string"}))],
    "deprecation": [described("get", Described("version", deprecated=True))],
    "the service's version": [described("get", "version", version="2")],
    "down": [described("get", "version"), True],
    "gone": [None, True],
}


@pytest.mark.parametrize("change", CHANGED)
def test_the_version_changes_with_what_is_advertised(change: str) -> None:
    changed = build([Offer(service("info"), *CHANGED[change]), *OFFERS[1:]])
    versions = {build(OFFERS).version, changed.version}
    views = {made.view(EVERYTHING).version for made in (build(OFFERS), changed)}
    assert (len(versions), len(views)) == (2, 2)


def test_an_equal_description_keeps_every_method_and_the_listing_itself() -> None:
    one = service()
    before = build([Offer(one, described("get", "put"))])
    after = build([Offer(one, described("put", "get"))], previous=before)
    assert after.listings["jobs"] is before.listings["jobs"]


def test_only_methods_that_changed_are_made_anew() -> None:
    one = service()
    before = build([Offer(one, described("get", "put", "old"))]).listings["jobs"]
    later = build(
        [Offer(one, described("new", "get", Described("put", summary="puts")))],
        previous=build([before.offer]),
    )
    assert changes(later.listings["jobs"], later.listings["jobs"]) == Change()
    after = build([later.listings["jobs"].offer], previous=Catalog([before])).listings["jobs"]
    assert changes(before, after) == Change(added=("jobs.new",), changed=("jobs.put",), removed=("jobs.old",))
    assert after.items["jobs.get"] is before.items["jobs.get"]


def test_going_down_changes_no_method() -> None:
    one = service()
    description = described("get")
    before = build([Offer(one, description)])
    after = build([Offer(one, description, down=True, why="gone")], previous=before)
    assert not changes(before.listings["jobs"], after.listings["jobs"])
    assert found(after, "jobs.get") is found(before, "jobs.get")
    assert before.version != after.version


def test_a_service_of_other_rules_takes_nothing_from_before() -> None:
    before = build([Offer(service(), described("get"))])
    after = build([Offer(service(rules={"get": Rule(safe=True)}), described("get"))], previous=before)
    assert found(after, "jobs.get").safe
