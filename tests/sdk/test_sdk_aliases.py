"""Is a namespace reached under the other spellings that its own manual has?"""

from __future__ import annotations

import pickle  # noqa: TID251 - the law is that users can pickle their clients

import pytest

import labgate
from labgate.errors import NotFound
from tests.sdk.conftest import Gate


@pytest.fixture
def spelled(gate: Gate) -> Gate:
    """A gate whose namespace `jobs` is also called `tasks`."""
    gate.about = {"namespaces": {"jobs": {}}, "aliases": {"tasks": "jobs", "gone": "nowhere", "bad": 5}}
    return gate


def test_another_spelling_is_the_same_namespace_and_is_not_listed(spelled: Gate) -> None:
    lab = labgate.connect(spelled.url)
    assert lab.tasks is lab.jobs
    assert lab.tasks.list_lanes() == lab["tasks.list_lanes"]() == ["a", "b"]
    assert lab["tasks"] is lab.jobs
    assert dir(lab) == ["jobs"]
    assert [call["method"] for call in spelled.calls()] == ["jobs.list_lanes"] * 2
    with labgate.batch(lab) as b:
        handle = b.tasks.list_lanes()
    assert handle.result() == ["a", "b"]
    assert pickle.loads(pickle.dumps(lab.tasks)).list_lanes() == ["a", "b"]


def test_a_spelling_that_leads_nowhere_is_as_unknown_as_any_name(spelled: Gate) -> None:
    lab = labgate.connect(spelled.url)
    for name in ("gone", "bad", "other"):
        with pytest.raises(AttributeError, match=f"no {name!r}"):
            getattr(lab, name)
        with pytest.raises(NotFound):
            lab[f"{name}.list_lanes"]
    with pytest.raises(NotFound):
        lab["tasks.nothing"]


def test_a_namespace_of_its_own_comes_before_another_ones_spelling(spelled: Gate) -> None:
    spelled.add("tasks.own", 1)
    assert labgate.connect(spelled.url).tasks.own() == 1


@pytest.mark.parametrize("aliases", [None, [], "x", {"a": "a"}, {"a": "b", "b": "a"}, {"": "jobs"}])
def test_spellings_that_are_none_do_no_harm(spelled: Gate, aliases: object) -> None:
    spelled.about = {"aliases": aliases}
    lab = labgate.connect(spelled.url)
    assert lab.jobs.list_lanes()
    with pytest.raises(AttributeError):
        _ = lab.a
    with pytest.raises(NotFound):
        lab["a.b"]
