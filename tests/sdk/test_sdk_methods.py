"""Are methods real functions with true signatures, and do their arguments reach the wire as they were meant?"""

from __future__ import annotations

import inspect
import pydoc
import typing
from typing import Any

import pytest

import labgate
from tests.sdk.conftest import Gate


def with_params(gate: Gate, *params: dict[str, Any] | str, **described: Any) -> Any:
    """A client of the gate with one more method, `s.f`, that answers its params."""
    listed = [{"name": one} if isinstance(one, str) else one for one in params]
    gate.add("s.f", lambda given: given, params=listed, **described)
    return labgate.connect(gate.url)


def required(name: str, **described: Any) -> dict[str, Any]:
    return {"name": name, "required": True, **described}


def test_a_method_has_the_signature_the_name_and_the_documentation_of_its_description(gate: Gate) -> None:
    get_job = labgate.connect(gate.url).jobs.get_job
    assert str(inspect.signature(get_job)) == (
        "(project_uid: str, job_uid: str, limit: int = 10, lane: str | None = ...) -> dict"
    )
    assert (get_job.__name__, get_job.__qualname__, get_job.__module__) == (
        "get_job",
        "jobs.get_job",
        "labgate",
    )
    assert inspect.ismethod(get_job)
    assert typing.get_type_hints(get_job)["limit"] is int
    assert inspect.getdoc(get_job).startswith(
        "One job. With all that is known of it.\n\nParameters:\n    project_uid: Its project."
    )
    assert "limit (default 10)" in get_job.__doc__
    text = pydoc.plain(pydoc.render_doc(get_job))
    assert "get_job(project_uid: str, job_uid: str, limit: int = 10, lane: str | None = ...) -> dict" in text
    default = inspect.signature(get_job).parameters["limit"].default
    assert default == 10
    assert repr(default) == "10"


def test_help_on_a_namespace_lists_its_methods(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    text = pydoc.plain(pydoc.render_doc(lab.jobs))
    assert "The job manager." in text
    assert "list_lanes(self, /)" in text
    assert "class Client" in pydoc.plain(pydoc.render_doc(lab))


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda f: f(),
            r"jobs.get_job\(\) missing 2 required positional arguments: 'project_uid' and 'job_uid'",
        ),
        (
            lambda f: f("P3", "J1", 1, "a", 5),
            r"jobs.get_job\(\) takes from 3 to 5 positional arguments but 6 were given",
        ),
        (lambda f: f("P3", "J1", project_uid="P4"), r"multiple values for argument 'project_uid'"),
        (lambda f: f("P3", "J1", lnae="x"), r"unexpected keyword argument 'lnae'"),
    ],
)
def test_a_wrong_call_is_pythons_own_type_error_before_anything_is_sent(
    gate: Gate, call: Any, text: str
) -> None:
    lab = labgate.connect(gate.url)
    with pytest.raises(TypeError, match=text):
        call(lab.jobs.get_job)
    assert gate.calls() == []


def test_arguments_by_position_and_by_name_are_the_same_request_and_omitted_ones_are_not_sent(
    gate: Gate,
) -> None:
    lab = labgate.connect(gate.url)
    lab.jobs.get_job("P3", "J1", lane=None)
    lab.jobs.get_job(lane=None, job_uid="J1", project_uid="P3")
    bodies = {body for verb, _, _, body in gate.requests if verb == "POST"}
    assert len(bodies) == 1
    assert gate.calls()[0]["params"] == {"project_uid": "P3", "job_uid": "J1", "lane": None}


def test_an_explicit_value_that_equals_the_default_is_sent(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    lab.jobs.get_job("P3", "J1", 10)
    assert gate.calls()[0]["params"]["limit"] == 10


def test_a_method_that_takes_positions_only_gets_a_list_with_known_defaults_in_its_gaps(gate: Gate) -> None:
    lab = with_params(
        gate,
        required("a"),
        {"name": "b", "schema": {"default": [1]}},
        "c",
        "d",
        paramStructure="by-position",
    )
    assert lab.s.f(1) == [1]
    assert lab.s.f(a=1, b=2) == [1, 2]
    assert lab.s.f(1, c=3) == [1, [1], 3]
    with pytest.raises(TypeError, match="'c' cannot be left out"):
        lab.s.f(1, d=4)


def test_a_method_without_parameters_sends_none(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    lab.jobs.list_lanes()
    assert "params" not in gate.calls()[0]


def test_an_undescribed_method_takes_positions_or_names_but_not_both(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    assert str(inspect.signature(lab.jobs.anything)) == "(*args, **kwargs)"
    assert lab.jobs.anything(1, "b") == [1, "b"]
    assert lab.jobs.anything(a=1, self=2) == {"a": 1, "self": 2}
    assert lab.jobs.anything() is None
    with pytest.raises(TypeError, match="not mixed"):
        lab.jobs.anything(1, b=2)


def test_parameters_may_have_any_name_of_the_language_and_of_this_package(gate: Gate) -> None:
    names = [
        "self",
        "cls",
        "method",
        "receiver",
        "_labgate",
        "_labgate_",
        "more",
        "args",
        "__class__",
        "_x",
        "import",
        "None",
        "print",
    ]
    lab = with_params(gate, *map(required, names))
    given = {name: at for at, name in enumerate(names)}
    assert lab.s.f(*given.values()) == given
    keywords = {
        {"import": "import_", "None": "None_"}.get(name, name): value for name, value in given.items()
    }
    assert lab.s.f(**keywords) == given
    assert list(inspect.signature(lab.s.f).parameters) == list(keywords)
    code = lab.s.f.__code__
    assert not {*code.co_varnames} & {*code.co_freevars}


def test_a_keyword_and_its_underscored_twin_are_two_parameters(gate: Gate) -> None:
    lab = with_params(gate, "import_", "import")
    assert str(inspect.signature(lab.s.f)) == "(import_=..., import__=...)"
    assert lab.s.f(import_=1, import__=2) == {"import_": 1, "import": 2}


def test_a_parameter_without_a_python_name_is_given_by_its_own_name_in_stars(gate: Gate) -> None:
    lab = with_params(gate, required("odd-name"), required("plain"), "other name", "more")
    assert str(inspect.signature(lab.s.f)) == "(plain, more=..., **more_)"
    assert lab.s.f(1, **{"odd-name": 2}) == {"plain": 1, "odd-name": 2}
    assert lab.s.f(1, 5, **{"odd-name": 2, "other name": 3}) == {
        "plain": 1,
        "more": 5,
        "odd-name": 2,
        "other name": 3,
    }
    assert '**{"odd-name": ...}' in lab.s.f.__doc__
    with pytest.raises(TypeError, match=r"missing.*'odd-name'"):
        lab.s.f(1)
    with pytest.raises(TypeError, match=r"unexpected.*'odd_name'"):
        lab.s.f(1, odd_name=2)


def test_a_required_parameter_behind_an_optional_one_is_given_by_name(gate: Gate) -> None:
    lab = with_params(gate, required("a"), "b", required("c"), {"name": "d", "schema": {"default": 4}})
    assert str(inspect.signature(lab.s.f)) == "(a, b=..., *, c, d=4)"
    assert lab.s.f(1, c=3) == {"a": 1, "c": 3}
    with pytest.raises(TypeError, match="missing 1 required keyword-only argument: 'c'"):
        lab.s.f(1, 2)


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string"}, str),
        ({"type": ["integer", "null"]}, int | None),
        ({"type": "null"}, type(None)),
        ({"anyOf": [{"type": "array"}, {"type": "null"}]}, list | None),
        ({"type": "string", "enum": ["a"]}, str),
        ({"$ref": "#/components/schemas/s.Thing"}, dict),
    ],
)
def test_annotations_are_pythons_own_types(gate: Gate, schema: dict[str, Any], kind: Any) -> None:
    gate.components = {"schemas": {"s.Thing": {"type": "object"}}}
    lab = with_params(gate, {"name": "x", "schema": schema})
    assert typing.get_type_hints(lab.s.f)["x"] == kind


@pytest.mark.parametrize(
    "schema",
    [
        {},
        7,
        {"type": "nonsense"},
        {"type": [7]},
        {"type": []},
        {"type": ["null", "null"]},
        {"anyOf": [{}, 7]},
        {"$ref": "#/components/schemas/__import__('os').abort()"},
        {"$ref": "#/components/schemas/Loop"},
        {"$ref": 7},
    ],
)
def test_no_schema_whatever_becomes_text_that_a_tool_would_evaluate(gate: Gate, schema: Any) -> None:
    gate.components = {"schemas": {"Loop": {"$ref": "#/components/schemas/Loop"}}}
    lab = with_params(gate, {"name": "x", "schema": schema})
    hints = typing.get_type_hints(lab.s.f)
    assert not any(isinstance(kind, str) for kind in lab.s.f.__annotations__.values())
    assert set(hints) <= {"x"}


def test_documentation_is_plain_text_with_everything_that_is_known(gate: Gate) -> None:
    lab = with_params(
        gate,
        {"name": "import", "description": "What\x1b[31m to\nbring"},
        summary="Short.",
        description="Other words.",
        deprecated=True,
        externalDocs={"url": "https://docs.lab.org/f"},
        result={"name": "result", "description": "The thing."},
        **{"x-labgate": {"result": "array", "down": True}},
    )
    doc = lab.s.f.__doc__
    assert "\x1b" not in doc
    for words in (
        "Short.\n\nOther words.",
        "Deprecated.",
        "was down",
        "import_ (optional, import on the wire): What [31m to bring",
        "Returns: a numpy array: The thing.",
        "https://docs.lab.org/f",
        "On the wire: s.f",
    ):
        assert words in doc


def test_a_deprecated_method_warns_at_the_callers_line_and_works(gate: Gate) -> None:
    gate.add("jobs.old", lambda params: params, params=[{"name": "x", "required": True}], deprecated=True)
    gate.add("jobs.oldest", 7, deprecated=True, **{"x-labgate": {"undescribed": True}})
    lab = labgate.connect(gate.url)
    for call, answer in ((lambda: lab.jobs.old(1), {"x": 1}), (lab["jobs.oldest"], 7)):
        with pytest.warns(DeprecationWarning, match=r"jobs\.old.* is deprecated") as caught:
            assert call() == answer
        assert [one.filename for one in caught] == [__file__]
    lab.jobs.list_lanes()  # the others say nothing: warnings are errors here


def test_a_function_keeps_working_when_it_is_held_and_named(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    held = lab.jobs.list_lanes
    assert held() == ["a", "b"]
    assert held == lab.jobs.list_lanes == lab["jobs.list_lanes"]
    assert "list_lanes" in repr(held)
