"""Versions are found by whatever names them, as DVID finds them; a document that is none is said to be none."""

import json
import re
import time

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.faults import InvalidParams
from gateway.dialects.dvid.repos import Repos
from gateway.dialects.dvid.volumes import block_of, described

ROOT, CHILD, LEAF = "aaaa" + "0" * 28, "aabb" + "0" * 28, "abcd" + "0" * 28
SIDE, OTHER = "acac" + "0" * 28, "bbbb" + "0" * 28


def node(version, parents=(), children=(), *, branch="", locked=True, **more):
    said = {"VersionID": version, "Locked": locked, "Branch": branch, "Note": "", "Log": None}
    return {**said, "Parents": list(parents) or None, "Children": list(children) or None, **more}


def document(**changes):
    line = {
        ROOT: node(1, (), (2,)),
        CHILD: node(2, (1,), (3, 4)),
        LEAF: node(3, (2,), locked=False),
        SIDE: node(4, (2,), branch="side", locked=False),
        "v1.0": node(6, (2,), branch="TAG-v1.0"),
    }
    base = {"TypeName": "uint8blk", "DataUUID": "d", "Versioned": True, "Tags": None}
    first = {
        "Alias": "one",
        "DAG": {"Root": ROOT, "Nodes": line},
        "DataInstances": {"gray": {"Base": base, "Extended": {"BlockSize": [32, 32, 32]}}},
    }
    second = {"Alias": "two", "DAG": {"Root": OTHER, "Nodes": {OTHER: node(5, locked=False)}}}
    return {ROOT: first, OTHER: second, "private": None} | changes


def repos(value=None):
    return Repos(orjson.dumps(document() if value is None else value))


ALIASES = {"prod": ROOT[:6], "newest": "aaaa:master", "trial": "aaaa"}


@pytest.mark.parametrize(
    ("selector", "uuid"),
    [
        (ROOT, ROOT),
        ("aaaa", ROOT),
        ("aab", CHILD),
        ("v1.0", "v1.0"),
        ("v1", "v1.0"),
        ("aaaa:", LEAF),
        ("aaaa:master", LEAF),
        ("abcd:master~0", LEAF),
        ("aaaa:master~2", ROOT),
        ("aaaa:side", SIDE),
        ("aaaa:side~1", CHILD),
        ("b:master", OTHER),
        ("prod", ROOT),
        ("newest", LEAF),
        ("trial:side", SIDE),
        ("prod:master~1", CHILD),
    ],
)
def test_a_version_is_found_by_uuid_prefix_branch_and_names_of_ours(selector, uuid):
    assert repos().node(selector, ALIASES)[1].uuid == uuid


@pytest.mark.parametrize(
    ("selector", "words"),
    [
        ("a", "may be any of"),
        ("aa", "may be any of"),
        ("", "No version is called"),
        ("cccc", "No version is called"),
        ("a:master", "may be any of"),
        (":master", "one of 2 repositories"),
        ("aaaa:none", "no branch 'none'"),
        ("aaaa:master~3", "beyond the root"),
        ("aaaa:master~" + "9" * 5000, "beyond the root"),
        ("aaaa:master~", "how many versions"),
        ("aaaa:master~-1", "how many versions"),
        ("aaaa:master~٣", "how many versions"),
        ("newest:side", "No version is called"),
        ("private", "No version is called"),
    ],
)
def test_what_names_no_version_or_several_is_said(selector, words):
    with pytest.raises(InvalidParams, match=re.escape(words)) as caught:
        repos().node(selector, ALIASES)
    assert len(str(caught.value)) < 500


def test_the_only_repository_needs_no_uuid_before_a_branch():
    only = repos({ROOT: document()[ROOT]})
    assert only.node(":master")[1].uuid == LEAF
    assert only.node(":master~1")[1].uuid == CHILD


@given(st.text("abv01.:~master", max_size=12))
def test_no_selector_makes_the_search_fail_in_any_other_way(selector):
    try:
        repo, found = repos().node(selector, ALIASES)
    except InvalidParams:
        return
    assert repo.nodes[found.uuid] is found


def test_a_version_is_locked_only_if_the_document_says_true():
    for said, locked in ((True, True), (False, False), ("false", False), (1, False), (None, False)):
        value = {ROOT: {"DAG": {"Nodes": {ROOT: node(1, locked=said)}}}}
        assert repos(value).node(ROOT)[1].locked is locked


def test_a_circle_of_parents_has_an_end():
    nodes = {ROOT: node(1, (2,), (2,)), CHILD: node(2, (1,), (1,)), LEAF: node(3, (2,))}
    found = repos({ROOT: {"DAG": {"Nodes": nodes}}})
    assert found.node(":master~999999999")[1].uuid in nodes


HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"[1]",
    b"5",
    b'"text"',
    b"{" * 100_000,
    b'{"a": 1}',
    b'{"a": {}}',
    b'{"a": {"DAG": null}}',
    b'{"a": {"DAG": {"Nodes": null}}}',
    b'{"a": {"DAG": {"Nodes": [1]}}}',
    b'{"a": {"DAG": {"Nodes": {"u": null}}}}',
    b'{"a": {"DAG": {"Nodes": {"u": {"VersionID": "x", "Locked": true}}}}}',
    b'{"a": {"DAG": {"Nodes": {"u": {"VersionID": 1}}}}}',
    b'{"a": {"DAG": {"Nodes": {"u": {"VersionID": 1, "Locked": true, "Parents": "12"}}}}}',
    b'{"a": {"DAG": {"Nodes": {"u": {"VersionID": 1, "Locked": true, "Children": {"1": 2}}}}}}',
    b'{"a": {"DAG": {"Nodes": {}}, "DataInstances": [1]}}',
    b'{"a": {"DAG": {"Nodes": {}}, "DataInstances": {"gray": null}}}',
    b'{"a": {"DAG": {"Nodes": {}}, "DataInstances": {"gray": {"Base": []}}}}',
    b"\xff\xfe",
]


@pytest.mark.parametrize("body", HOSTILE)
def test_what_is_no_list_of_repositories_is_an_error_of_one_kind(body):
    with pytest.raises(ValueError, match=r"\w"):
        Repos(body)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
said_settings = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("BlockSize", "VoxelSize", "VoxelUnits", "MinPoint", "MaxPoint", "MaxDownresLevel", "Values"),
        json_values,
    ),
)


@given(
    st.sampled_from(["uint8blk", "labelmap"]),
    said_settings | json_values,
    said_settings | json_values,
    json_values,
)
def test_whatever_the_settings_of_data_are_they_are_described_or_a_fault(kind, extended, extents, tags):
    base = {"TypeName": kind, "DataUUID": "d", "Versioned": True, "Tags": tags}
    value = document()[ROOT] | {
        "DataInstances": {"gray": {"Base": base, "Extended": extended, "Extents": extents}}
    }
    repo, found = Repos(json.dumps({ROOT: value}).encode()).node(ROOT)
    made = repo.instance("gray")
    assert all(side > 0 for side in block_of(made))
    told = described(repo, found, made, {"Extended": extended, "Extents": extents}, ROOT)
    assert orjson.dumps(told)
    assert all(side >= 0 for side in told["shape"])
    assert dict(made.tags) == made.tags


def test_ten_mebibytes_of_versions_are_read_in_a_moment():
    many = {f"{number:032x}": node(number, [number - 1] if number else []) for number in range(80_000)}
    value = orjson.dumps({ROOT: {"Alias": "x", "DAG": {"Nodes": many}}})
    assert len(value) > 8 << 20
    began = time.perf_counter()
    found = Repos(value)
    assert found.node(f"{79_999:032x}")[1].version == 79_999
    assert time.perf_counter() - began < 20
