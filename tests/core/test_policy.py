"""Which methods the policies open to whom."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.paths import steps
from gateway.core.policy import MEMO, NONE, Access, Policies, Policy, concerns, is_path
from gateway.core.principal import ANONYMOUS, Principal

ADA = Principal("ada", "labgate", groups=("admins", "people"), scopes=("em.read",))


@pytest.mark.parametrize(
    ("word", "of_ada", "of_nobody"),
    [
        ("subject:ada", True, False),
        ("subject:bob", False, False),
        ("subject:anonymous", False, False),
        ("subject:", False, False),
        ("group:admins", True, False),
        ("group:admin", False, False),
        ("group:em.read", False, False),
        ("scope:em.read", True, False),
        ("scope:admins", False, False),
        ("authenticated", True, False),
        ("authenticated:ada", False, False),
        ("anonymous", False, True),
        ("ada", False, False),
        ("", False, False),
        ("*", False, False),
    ],
)
def test_a_policy_speaks_of_subjects_groups_scopes_the_authenticated_and_the_anonymous(
    word, of_ada, of_nobody
):
    policy = Policy((word,), ("*",))
    assert concerns(policy, ADA) is of_ada
    assert concerns(policy, ANONYMOUS) is of_nobody


def test_one_word_that_fits_is_enough_and_no_words_fit_nobody():
    assert concerns(Policy(("group:x", "subject:ada"), ("*",)), ADA)
    assert not concerns(Policy((), ("*",)), ADA)


def test_a_subject_with_a_colon_is_meant_whole():
    mail = Principal("mailto:ada", "i")
    assert concerns(Policy(("subject:mailto:ada",), ("*",)), mail)
    assert not concerns(Policy(("subject:mailto",), ("*",)), mail)


@pytest.mark.parametrize(
    ("glob", "allowed", "refused"),
    [
        ("*", ["jobs.get", "minnie65/chunkedgraph.roots", "jobs.a/b", "jobs.a\nb"], []),
        (
            "jobs.*",
            ["jobs.get", "jobs.", "jobs.a.b"],
            ["jobs", "job.get", "xjobs.get", "minnie65/jobs.get", "jobsx.get"],
        ),
        ("jobs.get_*", ["jobs.get_job", "jobs.get_"], ["jobs.get", "jobs.put_job"]),
        ("*.read", ["dvid.read", "a.b.read"], ["minnie65/dvid.read", "dvid.read_more"]),
        ("dvid.re*d*", ["dvid.read", "dvid.reads"], ["dvid.write"]),
        ("minnie65/*", ["minnie65/jobs.get"], ["minnie66/jobs.get", "jobs.get"]),
        ("*/jobs.get", ["minnie65/jobs.get"], ["jobs.get", "a/b/jobs.get"]),
        ("jobs.get", ["jobs.get"], ["jobsXget", "jobs.get\n", "JOBS.GET"]),
        ("jobs.[ab]", ["jobs.[ab]"], ["jobs.a"]),
        ("/**", [], ["jobs.get", "", "minnie65/jobs.get"]),
        ("GET /jobs/**", [], ["jobs.get", "GET /jobs/1"]),
    ],
)
def test_a_glob_stands_for_methods_within_one_datastack_and_a_path_for_none(glob, allowed, refused):
    access = Access((Policy(("authenticated",), (glob,)),), (0,))
    assert [name for name in allowed if not access.allows(name)] == []
    assert [name for name in refused if access.allows(name)] == []


@pytest.mark.parametrize(
    ("globs", "allowed", "refused"),
    [
        (["*"], [], ["GET /", "GET /jobs", "GET /*"]),
        (["jobs.*", "*/jobs.get"], [], ["GET /jobs.get", "GET /x/jobs.get"]),
        (["/**"], ["GET /", "DELETE /a/b/", "PROPFIND /jobs.get"], []),
        (["GET /**"], ["GET /", "HEAD /a"], ["POST /a", "OPTIONS /"]),
        (
            ["GET /files/**", "PUT /files/mine/*"],
            ["GET /files", "HEAD /files/a/b", "PUT /files/mine/a"],
            ["PUT /files/a", "PUT /files/mine/a/b", "GET /file", "GET /x/files", "DELETE /files/mine/a"],
        ),
        (["/datastack/*/info"], ["GET /datastack/minnie65/info"], ["GET /datastack/info", "GET /info"]),
        (["GET /a", "POST /b"], ["GET /a", "POST /b"], ["POST /a", "GET /b"]),
    ],
)
def test_path_globs_open_mounted_paths_and_method_globs_open_none(globs, allowed, refused):
    access = Access((Policy(("authenticated",), tuple(globs)),), (0,))

    def may(asked):
        verb, path = asked.split(" ")
        return access.allows_path(verb, steps(path.encode()))

    assert [asked for asked in allowed if not may(asked)] == []
    assert [asked for asked in refused if may(asked)] == []


def test_a_path_is_open_to_a_principal_of_whom_a_policy_that_opens_it_speaks():
    policies = Policies(
        (Policy(("group:admins",), ("/**",)), Policy(("authenticated",), ("GET /files/**", "files.*")))
    )
    bob, files = Principal("bob", "labgate"), (b"files", b"x")
    assert policies.access(ADA).allows_path("DELETE", (b"",))
    assert policies.access(bob).allows_path("GET", files)
    assert not policies.access(bob).allows_path("DELETE", files)
    assert not policies.access(ANONYMOUS).allows_path("GET", files)
    assert not Policies(()).access(ADA).allows_path("GET", files)


@pytest.mark.parametrize(
    ("glob", "is_one"),
    [
        *(("/**", True), ("/", True), ("GET /a", True), ("GET /a b/*", True)),
        *(("*", False), ("a/b.c", False), ("get /a", False), ("GET a", False), (" /a", False)),
    ],
)
def test_what_begins_with_a_slash_or_with_a_verb_and_one_speaks_of_paths(glob, is_one):
    assert is_path(glob) is is_one


def test_what_no_policy_allows_is_refused():
    assert not Policies(()).access(ADA).allows("jobs.get")
    nothing = Policies(
        (Policy(("group:others",), ("*",)), Policy(("anonymous",), ("*",)), Policy(("subject:ada",), ()))
    )
    assert not nothing.access(ADA).allows("jobs.get")


def test_what_any_policy_of_a_principal_allows_is_allowed():
    policies = Policies(
        (Policy(("subject:ada",), ("jobs.get",)), Policy(("group:people",), ("jobs.p*", "info.*")))
    )
    access = policies.access(ADA)
    assert [access.allows(name) for name in ("jobs.get", "jobs.put", "info.x", "jobs.delete")] == [
        True
    ] * 3 + [False]


def test_operators_are_those_of_whom_a_policy_says_so():
    policies = Policies((Policy(("group:admins",), (), operate=True), Policy(("authenticated",), ("*",))))
    assert policies.access(ADA).operate
    assert not policies.access(Principal("bob", "labgate")).operate
    assert not policies.access(ANONYMOUS).operate


def test_principals_of_whom_the_same_policies_speak_share_one_answer():
    policies = Policies((Policy(("group:admins",), ("*",)), Policy(("authenticated",), ("jobs.*",))))
    bob, eve = Principal("bob", "labgate"), Principal("eve", "https://issuer.test/")
    assert policies.access(bob) is policies.access(eve)
    assert policies.access(bob) is not policies.access(ADA)
    assert policies.access(bob).key != policies.access(ADA).key


def test_decisions_stay_right_when_more_names_are_asked_than_are_remembered():
    access = Access((Policy(("authenticated",), ("jobs.*",)),), (0,))
    assert all(access.allows(f"jobs.{n}") is not access.allows(f"other.{n}") for n in range(MEMO))
    assert access.allows("jobs.0")
    assert not access.allows("other.0")


def matches(glob: str, name: str) -> bool:
    """The meaning of a glob, slowly: a star is some run of characters other than `/`."""
    if not glob:
        return not name
    if glob[0] != "*":
        return bool(name) and name[0] == glob[0] and matches(glob[1:], name[1:])
    ends = next((n for n, char in enumerate(name) if char == "/"), len(name))
    return any(matches(glob[1:], name[n:]) for n in range(ends + 1))


@given(
    st.lists(st.text("ab.*/", min_size=1, max_size=6).filter(lambda glob: glob[0] != "/"), max_size=6),
    st.text("ab./", max_size=6),
)
def test_the_first_policy_that_allows_a_method_is_the_one_that_counts(globs, name):
    policies = Policies(Policy(("authenticated",), (glob,)) for glob in globs)
    slowly = [at for at, glob in enumerate(globs) if glob == "*" or matches(glob, name)]
    assert policies.access(ADA).first(name) == (slowly[0] if slowly else NONE)
    assert policies.access(ADA).allows(name) is bool(slowly)


def test_the_place_of_a_policy_is_that_among_all_whoever_it_speaks_of():
    policies = Policies(
        (
            Policy(("group:others",), ("*", "/**")),
            Policy(("authenticated",), ("jobs.put",)),
            Policy(("group:people",), ("jobs.*", "GET /jobs/**")),
        )
    )
    access = policies.access(ADA)
    assert [access.first(name) for name in ("jobs.put", "jobs.get", "info.x")] == [1, 2, NONE]
    assert access.first_path("GET", (b"jobs", b"7")) == 2
    assert access.first_path("PUT", (b"jobs", b"7")) == NONE


@given(
    st.text("ab.*/", min_size=2, max_size=8).filter(lambda glob: glob[0] != "/"), st.text("ab./", max_size=8)
)
def test_globs_mean_what_they_say(glob, name):
    assert Access((Policy(("authenticated",), (glob,)),), (0,)).allows(name) is matches(glob, name)


def test_of_a_thousand_rules_only_those_for_the_service_are_looked_at():
    rules = [Policy(("authenticated",), (f"s{n}.get_*", f"GET /s{n}/**")) for n in range(1000)]
    access = Policies(rules).access(ADA)
    assert access.first("s999.get_x") == 999
    asked = access._names._by_service
    assert [asked[name]._places for name in ("", "s999.")] == [(), (999,)]


def test_the_scope_that_would_do_is_what_the_first_policy_says_that_speaks_of_one_and_allows_it():
    policies = Policies(
        [
            Policy(("group:a",), ("*", "/**")),
            Policy(("group:b", "scope:one", "scope:two"), ("jobs.get", "GET /jobs/**")),
            Policy(("scope:three",), ("jobs.*", "/jobs/**")),
            Policy(("authenticated",), ("*", "/**")),
        ]
    )
    assert [policies.scope_for(name) for name in ("jobs.get", "jobs.put", "files.get")] == [
        "one",
        "three",
        None,
    ]
    path = steps(b"/jobs/7")
    assert [policies.scope_for_path(verb, path) for verb in ("GET", "HEAD", "PUT")] == ["one", "one", "three"]
    assert policies.scope_for_path("GET", steps(b"/files")) is None
    assert Policies([]).scope_for("jobs.get") is None


@given(name=st.sampled_from(["a.x", "a.y", "b.x", "b.y"]), order=st.permutations(range(4)))
def test_whoever_is_given_the_scope_that_was_named_may_call_it(name, order):
    made = [
        Policy(("scope:s",), ("a.*",)),
        Policy(("group:g", "scope:t"), ("*.x",)),
        Policy(("subject:ada",), ("*",)),
        Policy(("scope:u", "scope:s"), ("b.y",)),
    ]
    policies = Policies([made[at] for at in order])
    eve = Principal("eve", "labgate")
    assert not policies.access(eve).allows(name)
    scope = policies.scope_for(name)
    assert scope is not None
    assert policies.access(Principal("eve", "labgate", scopes=(scope,))).allows(name)


def steps_of(work):
    """How many lines of Python run while it works."""
    count = 0

    def line(frame, event, _):
        nonlocal count
        count += event == "line"
        return line

    sys.settrace(line)
    try:
        work()
    finally:
        sys.settrace(None)
    return count


def test_among_a_thousand_rules_a_decision_takes_as_many_steps_as_among_ten():
    def access(rules):
        others = [
            Policy(("group:people",), (f"other{n}.get_*", f"GET /other{n}/**")) for n in range(rules - 1)
        ]
        mine = Policy(("group:people",), ("jobs.get_*", "GET /jobs/*/state"))
        return Policies([*others, mine]).access(ADA)

    names = ("jobs.get_7", "jobs.put_7", "nobody.get_7", "other3.get_x", "other3.put")
    paths = (b"/jobs/7/state", b"/jobs/7", b"/nobody/7", b"/other3/a/b")
    few, many = access(10), access(1000)
    for name in names:
        assert steps_of(lambda name=name: few.first(name)) == steps_of(lambda name=name: many.first(name))
    for path in map(steps, paths):
        asked = [steps_of(lambda one=one, path=path: one.first_path("GET", path)) for one in (few, many)]
        assert asked[0] == asked[1]


@pytest.mark.parametrize(
    ("policies", "needed"),
    [
        ((Policy(("scope:em.read",), ("jobs.*",)),), ("em.read",)),
        ((Policy(("group:people", "scope:em.read", "scope:em.all"), ("*",)),), ("em.read", "em.all")),
        ((Policy(("scope:em.read",), ("jobs.*",)), Policy(("group:people",), ("*",))), ()),
        ((Policy(("group:people",), ("jobs.get",)), Policy(("scope:em.read",), ("*",))), ()),
        ((Policy(("group:people",), ("info.*",)), Policy(("scope:em.read",), ("*",))), ("em.read",)),
        ((Policy(("scope:other",), ("*",)), Policy(("group:people", "scope:em.read"), ("*",))), ("em.read",)),
        ((Policy(("scope:em.read",), ("/**",)), Policy(("scope:em.read",), ("info.*",))), ()),
        ((Policy(("authenticated",), ("*",)),), ()),
    ],
)
def test_a_method_needs_the_scopes_of_the_policies_that_open_it_unless_one_does_without(policies, needed):
    access = Policies(policies).access(ADA)
    assert access.scopes("jobs.get") == needed
    assert access.speaks_of_scopes is any("scope:em.read" in one.to for one in policies)
