"""Bindings: a request through a mount is the method whose verb and path it has, the most particular path first."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.bindings import Bindings, request_of
from gateway.core.method import HttpBinding, Method, RpcBinding
from gateway.core.paths import steps


def method(written: str) -> Method:
    verb, _, path = written.partition(" ")
    return Method(name=f"s.{written}", service="s", binding=HttpBinding(verb, path))


def bindings(*written: str, base: str = "") -> Bindings:
    return Bindings(map(method, written), base)


def found(among: Bindings, asked: str) -> str | None:
    verb, _, path = asked.partition(" ")
    hit = among.find(verb, steps(path.encode()))
    return None if hit is None else hit.name[2:]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("GET /tiles", "GET /tiles"),
        ("POST /tiles", "POST /tiles"),
        ("PUT /tiles", None),
        ("GET /tiles/", None),
        ("GET /tiles/7", "GET /tiles/{id}"),
        ("GET /tiles/7/", None),
        ("GET /tiles/latest", "GET /tiles/latest"),
        ("GET /tiles/late%73t", "GET /tiles/latest"),
        ("GET //tiles//7", "GET /tiles/{id}"),
        ("GET /tiles/7.png", "GET /tiles/{id}.png"),
        ("GET /tiles/.png", "GET /tiles/{id}"),
        ("GET /tiles/7.PNG", "GET /tiles/{id}"),
        ("GET /tiles/a%C2%85b.png", "GET /tiles/{id}.png"),
        ("DELETE /tiles/latest", "DELETE /tiles/{id}"),
        ("GET /tiles/latest/meta", "GET /tiles/{id}/meta"),
        ("GET /tiles/3-4/meta", "GET /tiles/{x}-{y}/meta"),
        ("GET /", "GET /"),
        ("GET /a", None),
        ("GET /docs/", "GET /docs/"),
        ("GET /docs", None),
    ],
)
def test_a_step_that_is_named_goes_before_one_with_parameters_and_that_before_a_parameter(asked, expected):
    among = bindings(
        *("GET /tiles/{id}", "GET /tiles/{id}.png", "GET /tiles/latest", "GET /tiles", "POST /tiles"),
        *("DELETE /tiles/{id}", "GET /tiles/{id}/meta", "GET /tiles/{x}-{y}/meta", "GET /", "GET /docs/"),
    )
    assert found(among, asked) == expected


def test_head_is_the_get_of_its_path_unless_it_is_a_method_itself():
    among = bindings("GET /a", "GET /b", "HEAD /b", "POST /c", "GET /{x}")
    assert found(among, "HEAD /a") == "GET /a"
    assert found(among, "HEAD /b") == "HEAD /b"
    assert found(among, "HEAD /c") == "GET /{x}"
    assert found(among, "GET /b") == "GET /b"


@pytest.mark.parametrize("base", ["/v2", "/v2/", "//v2"])
def test_paths_begin_at_the_base(base):
    among = bindings("GET /a/{x}", base=base)
    assert found(among, "GET /v2/a/1") == "GET /a/{x}"
    assert found(among, "GET /a/1") is None
    assert found(among, "GET /v2/v2/a/1") is None


@pytest.mark.parametrize("template", ["/caf%C3%A9/{x}", "/café/{x}", "/caf%c3%a9/{y}"])
def test_a_template_is_compared_with_the_decoded_steps(template):
    among = bindings(f"GET {template}")
    assert found(among, "GET /caf%C3%A9/1")
    assert found(among, "GET /café/1")
    assert not found(among, "GET /cafe/1")


def test_what_looks_like_a_pattern_in_a_template_is_text():
    among = bindings("GET /a.b/{x}", "GET /a+(b)", "GET /v{x}.*", "GET /%7Bx%7D")
    assert found(among, "GET /a.b/1")
    assert not found(among, "GET /aXb/1")
    assert found(among, "GET /a+(b)")
    assert found(among, "GET /v1.*")
    assert not found(among, "GET /v1.x")
    assert found(among, "GET /%7Bx%7D")
    assert not found(among, "GET /7")


def test_of_two_methods_with_one_verb_and_path_the_first_is_meant():
    assert found(bindings("GET /{a}/x", "GET /{b}/x"), "GET /1/x") == "GET /{a}/x"


def test_what_a_template_says_of_the_query_does_not_matter():
    assert found(bindings("GET /a?x={x}"), "GET /a") == "GET /a?x={x}"


def test_methods_of_other_kinds_are_never_found():
    rpc = Method(name="s.get", service="s", binding=RpcBinding("/a"))
    assert Bindings((rpc,), "").find("GET", (b"a",)) is None


def test_a_parameter_is_never_empty():
    among = bindings("GET /{a}", "GET /{a}/x")
    assert among.find("GET", (b"",)) is None
    assert among.find("GET", (b"", b"x")) is None


def test_many_parameters_in_a_step_take_no_more_time_than_its_characters():
    among = bindings("GET /" + "".join(f"{{p{n}}}-" for n in range(12)) + "{q}.png")
    assert found(among, "GET /" + "-" * 8000) is None
    assert found(among, "GET /" + "-" * 8000 + ".png")


# --- against a look at every template ------------------------------------------------------------------------

PARTS = ["a", "b", "{x}", "{y}", "a{x}", "{x}b", "{x}-{y}"]
TEMPLATES = st.lists(
    st.tuples(
        st.sampled_from(["GET", "HEAD", "PUT"]), st.lists(st.sampled_from(PARTS), min_size=1, max_size=3)
    ),
    max_size=8,
)


def kind(part: str) -> str:
    """What a part of a template is to the search: all whole parameters are alike."""
    return "{}" if re.fullmatch(r"\{\w\}", part) else part


def fits(part: str, step: str) -> bool:
    return re.fullmatch(re.sub(r"\{\w\}", ".+", part), step) is not None


def looked_up(templates: list[tuple[str, list[str]]], verb: str, path: list[str]) -> int | None:
    """The template that is meant, slowly: by its place in the order of preference."""

    def preference(parts: list[str]) -> list[tuple[int, int]]:
        kinds = [*map(kind, parts)]
        firsts = [
            next(
                n
                for n, (_, other) in enumerate(templates)
                if [*map(kind, other)][: at + 1] == kinds[: at + 1]
            )
            for at in range(len(kinds))
        ]
        ranks = [2 if one == "{}" else 1 if "{" in one else 0 for one in kinds]
        return [(rank, first if rank == 1 else 0) for rank, first in zip(ranks, firsts, strict=True)]

    wanted = ("HEAD", "GET") if verb == "HEAD" else (verb,)
    matching = [
        (preference(parts), wanted.index(one), number)
        for number, (one, parts) in enumerate(templates)
        if one in wanted and len(parts) == len(path) and all(map(fits, parts, path))
    ]
    return min(matching)[2] if matching else None


@given(
    TEMPLATES,
    st.sampled_from(["GET", "HEAD", "PUT", "POST"]),
    st.lists(st.sampled_from(["a", "b", "ab", "a-b", "c", "--"]), min_size=1, max_size=3),
)
def test_the_search_finds_what_a_look_at_every_template_finds(templates, verb, path):
    methods = [method(f"{one} /{'/'.join(parts)}") for one, parts in templates]
    hit = Bindings(methods, "").find(verb, tuple(step.encode() for step in path))
    expected = looked_up(templates, verb, path)
    assert hit is (None if expected is None else methods[expected])


STEPS = st.lists(st.sampled_from(["a", "b%20c", "{id}", "{x}-{y}", "d.{z}"]), max_size=4).map("/".join)


@given(
    st.sampled_from(["GET", "PUT"]), STEPS, st.sampled_from(["", "/v2"]), st.sampled_from(["/", "/m", "/m/n"])
)
def test_the_request_that_a_method_is_said_to_be_leads_through_the_mount_to_it(verb, path, base, mount):
    one = method(f"{verb} /{path}?kind=x")
    said = request_of(one.binding, base, mount)
    assert said is not None
    verb, _, written = said.partition(" ")
    filled = re.sub(r"\{\w+\}", "7", written)
    assert filled.startswith(mount)
    inner = filled.removeprefix(mount.rstrip("/"))
    assert Bindings([one], base).find(verb, steps(inner.encode())) is one


def test_what_nobody_reaches_below_a_mount_is_no_request():
    assert request_of(HttpBinding("GET", "/a"), "", None) is None
    assert request_of(RpcBinding("a"), "", "/m") is None
    assert request_of(None, "", "/m") is None
