"""Does the demo's DVID version what it holds: nodes, branches, locks, and who sees whose data?"""

from typing import Any

import pytest

BLOCK = "raw/0_1_2/32_32_32/0_0_0"


def test_a_child_sees_its_parents_data_and_a_parent_not_its_childs(dvid) -> None:
    before = dvid.get("root", f"gray/{BLOCK}")
    assert dvid.get("open", f"gray/{BLOCK}") == before
    assert dvid.ask("POST", dvid.node("open", f"gray/{BLOCK}"), bytes([9]) * 32**3)[0] == 200
    assert dvid.get("open", f"gray/{BLOCK}") == bytes([9]) * 32**3
    assert dvid.get("middle", f"gray/{BLOCK}") == dvid.get("branch", f"gray/{BLOCK}") == before
    beside = "gray/raw/0_1_2/32_32_32/32_0_0"
    assert dvid.get("open", beside) == dvid.get("root", beside)


def test_a_locked_node_refuses_every_write_and_says_which_node_it_is(dvid) -> None:
    uuid = dvid.content.root.uuid
    for verb, path in (
        ("POST", f"gray/{BLOCK}"),
        ("POST", "keys/key/a"),
        ("DELETE", "keys/key/a"),
        ("POST", "points/elements"),
        ("DELETE", "points/element/1_2_3"),
        ("POST", "area/roi"),
    ):
        endpoint = path.split("/")[1]
        text = dvid.refused(verb, dvid.node("root", path), b"[]")
        assert text == f'Cannot do {verb} on endpoint "{endpoint}" of locked node {uuid}'
    assert "locked node" in dvid.refused("POST", dvid.node("root", "commit"))


def test_unversioned_data_has_one_state_for_all_nodes_and_knows_no_lock(dvid) -> None:
    assert dvid.ask("POST", dvid.node("root", "flat/key/a"), b"1")[0] == 200
    assert {dvid.get(name, "flat/key/a") for name in ("root", "open", "branch")} == {b"1"}
    assert dvid.ask("POST", dvid.node("branch", "flat/key/a"), b"2")[0] == 200
    assert dvid.get("open", "flat/key/a") == b"2"
    assert dvid.json(dvid.node("open", "flat/info"))["Base"]["Versioned"] is False


def test_commit_locks_and_newversion_and_branch_need_a_locked_parent(dvid) -> None:
    uuid = dvid.content.open.uuid
    for word, value in (("newversion", {}), ("branch", {"branch": "b"}), ("tag", {"tag": "v9"})):
        body = str(value).replace("'", '"').encode()
        assert dvid.refused("POST", dvid.node("open", word), body) == "can't branch an unlocked node"
    assert (
        dvid.json(dvid.node("open", "status")) == dvid.json(dvid.node("open", "commit")) == {"Locked": False}
    )
    said = {"note": "done", "log": ["line one"]}
    assert dvid.json(dvid.node("open", "commit"), "POST", said) == {"committed": uuid}
    assert (
        dvid.json(dvid.node("open", "status")) == dvid.json(dvid.node("open", "commit")) == {"Locked": True}
    )
    assert dvid.json(dvid.node("open", "note")) == {"note": "done"}
    assert dvid.json(dvid.node("open", "log"))["log"][0].endswith("line one")

    child = dvid.json(dvid.node("open", "newversion"), "POST", {"note": "next"})["child"]
    assert "already exists" in dvid.refused("POST", dvid.node("open", "newversion"))
    branch = dvid.json(dvid.node("open", "branch"), "POST", {"branch": "b"})["child"]
    assert "already exists" in dvid.refused("POST", dvid.node("open", "branch"), b'{"branch": "b"}')
    own = {"branch": "c", "uuid": "c" * 32}
    assert dvid.json(dvid.node("open", "branch"), "POST", own) == {"child": "c" * 32}
    nodes = dvid.json("/api/repos/info")[dvid.content.root.uuid]["DAG"]["Nodes"]
    assert (nodes[child]["Branch"], nodes[child]["Note"], nodes[branch]["Branch"]) == ("", "next", "b")
    assert nodes[child]["Parents"] == [nodes[uuid]["VersionID"]]
    assert set(nodes[uuid]["Children"]) == {nodes[one]["VersionID"] for one in (child, branch, "c" * 32)}


def test_a_tag_is_a_locked_node_whose_uuid_is_free_text(dvid) -> None:
    assert dvid.json(dvid.node("middle", "tag"), "POST", {"tag": "v1.0"}) == {"tag": "v1.0"}
    assert dvid.json("/api/node/v1.0/status") == {"Locked": True}
    _, _, body = dvid.ask("GET", f"/api/node/v1.0/gray/{BLOCK}")
    assert body == dvid.get("root", f"gray/{BLOCK}")


def test_a_merge_sees_what_both_parents_wrote(dvid) -> None:
    for name in ("open", "branch"):
        dvid.ask("POST", dvid.node(name, f"keys/key/{name}"), name.encode())
        dvid.json(dvid.node(name, "commit"), "POST", {})
    parents = [dvid.content.open.uuid, dvid.content.branch.uuid]
    said = {"mergeType": "conflict-free", "parents": parents, "note": "both"}
    child = dvid.json(f"/api/repo/{parents[0]}/merge", "POST", said)["child"]
    assert dvid.json(f"/api/node/{child}/keys/keys") == ["branch", "open"]


def test_repos_info_tells_the_whole_graph_and_extents_of_the_master_leaf(dvid) -> None:
    dvid.ask("POST", dvid.node("open", "gray/raw/0_1_2/32_32_32/128_0_0"), bytes(32**3))
    told = dvid.json("/api/repos/info")
    root = dvid.content.root.uuid
    assert list(told) == [root]
    assert (told[root]["Root"], told[root]["Alias"], told[root]["DAG"]["Root"]) == (root, "small", root)
    assert set(told[root]["DataInstances"]) == {"gray", "labels", "keys", "flat", "points", "area"}
    assert told[root]["DataInstances"]["gray"]["Extended"]["MaxPoint"] == [159, 69, 39]
    nodes = told[root]["DAG"]["Nodes"]
    fields = [
        "Branch",
        "Note",
        "Log",
        "UUID",
        "VersionID",
        "Locked",
        "Parents",
        "Children",
        "Created",
        "Updated",
    ]
    assert all(list(node) == fields for node in nodes.values())
    assert {uuid: node["Locked"] for uuid, node in nodes.items()} == {
        root: True,
        dvid.content.middle.uuid: True,
        dvid.content.open.uuid: False,
        dvid.content.branch.uuid: False,
    }
    assert dvid.json(f"/api/repo/{dvid.content.open.uuid}/info") == told[root]


def test_a_node_is_found_by_any_unique_beginning_of_its_uuid(dvid) -> None:
    root = dvid.content.root
    first = dvid.json(f"/api/node/{root.uuid[:12]}/gray/info")
    assert first == dvid.json(dvid.node("root", "gray/info"))
    children = []
    for digit in "01":
        said = {"branch": f"b{digit}", "uuid": "abc" + digit * 29}
        children.append(dvid.json(dvid.node("root", "branch"), "POST", said)["child"])
    path = "/api/node/abc/status"
    assert dvid.refused("GET", path) == "more than one UUID matches abc!"
    assert dvid.refused("GET", path.replace("abc", "xyz")) == "could not find UUID with partial match to xyz!"
    assert dvid.json("/api/node/abc1/status") == {"Locked": False}


@pytest.mark.parametrize(
    ("selector", "name"),
    [
        ("ROOT:master", "open"),
        ("ROOT:master~0", "open"),
        ("ROOT:master~1", "middle"),
        ("ROOT:master~2", "root"),
        (":master", "open"),
        (":master~1", "middle"),
        ("ROOT:side", "branch"),
        (":side~1", "root"),
    ],
)
def test_a_branch_selects_its_leaf_or_a_node_so_far_back(dvid, selector, name) -> None:
    for node in ("open", "branch"):
        dvid.ask("POST", dvid.node(node, "keys/key/who"), node.encode())
    path = f"/api/node/{selector.replace('ROOT', dvid.content.root.uuid[:10])}/keys/key/who"
    status, _, body = dvid.ask("GET", path)
    expected = (200, name.encode()) if name in ("open", "branch") else (404, b'Key "who" not found\n')
    assert (status, body) == expected


def test_a_branch_that_is_not_there_or_not_so_long_is_refused(dvid) -> None:
    root = dvid.content.root.uuid
    assert "was not found in repo" in dvid.refused("GET", f"/api/node/{root}:none/status")
    assert "no node 9 back" in dvid.refused("GET", f"/api/node/{root}:master~9/status")
    dvid.json("/api/repos?admintoken=sesame", "POST", {"alias": "second"})
    assert "needs the UUID of a repo" in dvid.refused("GET", "/api/node/:master/status")


def test_branch_versions_go_from_the_leaf_to_the_root(dvid) -> None:
    content: Any = dvid.content
    path = f"/api/repo/{content.root.uuid}/branch-versions"
    assert dvid.json(f"{path}/master") == [content.open.uuid, content.middle.uuid, content.root.uuid]
    assert dvid.json(f"{path}/side") == [content.branch.uuid, content.root.uuid]


def test_instances_are_of_the_repo_and_their_names_can_be_used_again(dvid) -> None:
    path = f"/api/repo/{dvid.content.branch.uuid}/instance"
    said = {"typename": "keyvalue", "dataname": "more", "versioned": "0", "Tags": "a=b,c=d"}
    dvid.json(path, "POST", said)
    first = dvid.json(dvid.node("root", "more/info"))["Base"]
    assert (first["TypeName"], first["Versioned"], first["Tags"]) == ("keyvalue", False, {"a": "b", "c": "d"})
    assert (
        dvid.refused("POST", path, b'{"typename": "roi", "dataname": "more"}') == "data name already exists"
    )
    assert "not supported" in dvid.refused("POST", path, b'{"typename": "nope", "dataname": "x"}')
    dvid.ask("POST", dvid.node("root", "more/key/a"), b"1")
    gone = f"/api/repo/{dvid.content.root.uuid}/more"
    assert "imsure" in dvid.refused("DELETE", gone)
    assert dvid.ask("DELETE", gone + "?imsure=true")[0] == 200
    assert dvid.refused("GET", dvid.node("root", "more/info")) == "invalid data instance name"
    dvid.json(path, "POST", said)
    assert dvid.json(dvid.node("root", "more/keys")) == []
    assert dvid.json(dvid.node("root", "more/info"))["Base"]["DataUUID"] != first["DataUUID"]


def test_tags_of_data_are_added_or_replaced(dvid) -> None:
    path = dvid.node("open", "gray/tags")
    dvid.json(path, "POST", {"a": "1"})
    dvid.json(path, "POST", {"b": "2"})
    assert dvid.json(path) == {"a": "1", "b": "2"}
    dvid.json(path + "?replace=true", "POST", {})
    assert dvid.json(path) == {}


def test_notes_and_logs_are_kept(dvid) -> None:
    dvid.json(dvid.node("open", "note"), "POST", {"note": "mine"})
    assert dvid.json(dvid.node("open", "note")) == {"note": "mine"}
    path = f"/api/repo/{dvid.content.root.uuid}/log"
    dvid.json(path, "POST", {"log": ["one", "two"]})
    assert dvid.json(path) == {"log": ["one", "two"]}
    dvid.json(f"/api/repo/{dvid.content.root.uuid}/info", "POST", {"alias": "renamed"})
    assert dvid.json(f"/api/repo/{dvid.content.root.uuid}/info")["Alias"] == "renamed"
