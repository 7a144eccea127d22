"""The gate's sources as agents are told of them: addresses, parameters, sizes, and lines of Python that mean the same."""

import json
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.intake.refusals import Refusal
from gateway.core.mcp import source_about, source_resources
from gateway.core.mcp.python_lines import LONGEST, intake_line, sdk_line
from gateway.core.mcp.source_resources import SourceAsked, address, source_asked
from gateway.core.source_layout import of_array
from gateway.core.sources import Reader, Source

# --- addresses --------------------------------------------------------------------------------------------


@given(
    st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,20}", fullmatch=True),
    st.none() | st.lists(st.integers(0, 10**9), min_size=1, max_size=5),
    st.lists(st.tuples(st.text(min_size=1, max_size=5), st.text(max_size=9)), max_size=4),
)
def test_an_address_asks_for_what_it_was_made_of(name, part, pairs):
    found = source_asked(address(name, part, pairs))
    assert found == SourceAsked(name, None if part is None else tuple(part), pairs)


@pytest.mark.parametrize(
    "uri",
    [
        "labgate:/rpc/a.b",
        "labgate:/sources",
        "http://gate/sources/a",
        "labgate:/sources/a/",
        "labgate:/sources/a/-1",
        "labgate:/sources/a/1,",
        "labgate:/sources/a/1/2",
        "labgate:/sources/a/x",
        "labgate:/sources/a/1#x",
        "labgate:/sources/a/" + "9" * 11,
        "labgate:/sources/a/" + "1," * 64 + "1",
        "labgate:/sources/a/\u0661",
        "labgate:/sources/a?x=%ff",
        "labgate:/sources/a?" + "x" * 4000,
        "labgate:/sources/a?" + "&".join(f"{one}=1" for one in range(300)),
    ],
)
def test_no_other_address_is_one_of_a_source(uri):
    assert source_asked(uri) is None


def test_commas_may_come_escaped_as_templates_are_expanded():
    assert source_asked("labgate:/sources/a/1%2C2") == SourceAsked("a", (1, 2), [])


def declared(**kinds):
    return tuple(
        {"name": name, "type": kind, "default": 1, "description": ""} for name, kind in kinds.items()
    )


def test_parameters_are_texts_and_lists_are_of_json_or_texts():
    source = Source("a", "s.m", declared=declared(n="int", many="list"))
    said = source_resources.given(source, [("n", "3"), ("many", "1"), ("many", "x"), ("other", "y")])
    assert said == {"n": "3", "many": [1, "x"], "other": "y"}
    assert source_resources.given(source, [("many", "[1, 2]")]) == {"many": [1, 2]}
    with pytest.raises(Refusal, match="n is given twice"):
        source_resources.given(source, [("n", "3"), ("n", "4")])


def test_a_template_names_the_part_and_every_parameter_once():
    source = Source("a", "s.m", declared=declared(part="int", **{"x y": "str"}), description="Cells.")
    (one,) = source_resources.templates([(source, Reader("ndarray", None))])
    said = json.loads(one.text)
    assert said["uriTemplate"] == "labgate:/sources/a{/part_}{?part,x%20y}"
    assert said["description"].startswith("Cells. An array")
    assert "part_: the index" in said["description"]


def test_nothing_that_people_cannot_see_stands_in_a_description():
    source = Source("a", "s.m", description="one\u202etwo\U000e0041" + "x" * 9000)
    (one,) = source_resources.fixed([(source, Reader("dataframe", None))])
    words = json.loads(one.text)["description"]
    assert words.startswith("onetwoxx")
    assert len(words) <= 1024


# --- what is said of one ----------------------------------------------------------------------------------


def test_sizes_are_those_of_the_whole_and_of_each_part():
    layout = of_array("<u2", (10, 7), (4, 7))
    assert source_about.size_of(layout) == 140
    assert [source_about.size_of(layout, (at, 0)) for at in range(3)] == [56, 56, 28]
    assert source_about.telling_part(layout) == [1, 0]
    assert "140 bytes" in source_about.note(layout, 0, 100)
    assert "140 bytes" not in source_about.note(layout, 0, 1000)
    assert source_about.note(of_array("<u2", (2,), (2,)), 0, 100) == "All of it follows."


@given(st.integers(0, 4000), st.integers(300, 3000))
def test_what_is_too_long_to_be_told_is_left_out_and_named(length, most):
    said = {"name": "a", "columns": {"x" * length: "int64"}, "metadata": {"y": "z" * length}, "read": {}}
    text = source_about.written(said, most)
    assert len(text) <= most
    told = json.loads(text)
    assert {*told, *told.get("left_out", ())} >= said.keys()


# --- lines of Python --------------------------------------------------------------------------------------


class Said:
    """Stands for the SDK: what is called of it, with which arguments."""

    def connect(self, url, **options):
        self.connected = url, options
        return Called()


class Called:
    def __init__(self, path=()):
        self.path = path

    def __getattr__(self, name):
        return Called((*self.path, name))

    def __getitem__(self, name):
        return Called((*self.path, *name.split(".")))

    def __call__(self, *args, **kwargs):
        return ".".join(self.path), args, kwargs


def evaluated(line):
    labgate = Said()
    return labgate, eval(line, {"labgate": labgate})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=9,
)


@given(
    st.sampled_from(["a.get", "a.class", "a.get-it", "a.b.c", "a.'x"]),
    st.dictionaries(st.text(max_size=6).filter(lambda one: one != "self"), VALUES, max_size=4)
    | st.lists(VALUES, max_size=3),
    st.none() | st.just("fly'1"),
)
def test_the_line_calls_the_method_with_the_same_arguments(method, params, datastack):
    line = sdk_line("https://gate.lab", datastack, method, json.dumps(params).encode())
    if line is None:
        return
    assert len(line) <= LONGEST
    assert "\n" not in line
    labgate, (called, args, kwargs) = evaluated(line)
    assert labgate.connected == ("https://gate.lab", {"datastack": datastack} if datastack else {})
    assert called == method
    assert (list(args) or kwargs) == (params or {})


def test_digits_stay_as_they_were_written():
    line = sdk_line("http://g", None, "a.get", b'{"x":1e400,"y":18446744073709551617,"z":[0.10],"n":NaN}')
    assert (
        line == "labgate.connect('http://g').a.get(x=1e400, y=18446744073709551617, z=[0.10], n=float('nan'))"
    )


def test_there_is_no_line_of_what_would_be_too_long():
    assert sdk_line("http://g", None, "a.get", json.dumps({"x": "y" * LONGEST}).encode()) is None
    assert sdk_line("http://g", None, "a.get", None) == "labgate.connect('http://g').a.get()"


def test_intake_is_told_of_tls_by_an_option_and_never_by_the_address():
    chosen = {"scale": 1, "day": datetime.fromisoformat("2024-05-01")}
    line = intake_line("https://gate.lab", "/sources", "tissue", chosen, "to_dask()")
    assert line == (
        "intake.open_catalog('intake://gate.lab/sources', http_args={'headers': {'Authorization': 'Bearer TOKEN'}, 'ssl': True})"
        "['tissue'](scale=1, day='2024-05-01T00:00:00').to_dask()"
    )
    assert "ssl" not in intake_line("http://gate.lab", "/sources", "tissue", {}, "read()")
