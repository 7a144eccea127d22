"""Does the demo's DVID let in whom its way of access lets in?"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.demo.dvid.access import Access, Person

BOTH, VIEW = frozenset({"view", "edit"}), frozenset({"view"})
PEOPLE = {
    "ada-token": Person("ada", {"small": BOTH}),
    "eve-token": Person("eve", {"small": VIEW}),
    "tom-token": Person("tom"),
    "root-token": Person("root", admin=True),
}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def content(dvid_lab: Any) -> Any:
    return dvid_lab.small()


@pytest.fixture
def dsg(dvid_lab: Any, content: Any) -> Iterator[Any]:
    """A server with datasets and people of a gateway, where the root may be read by anybody."""
    access = Access("dsg", PEOPLE, "sesame", public=frozenset({content.root.uuid}))
    with dvid_lab.running(content.store, access) as server:
        yield server


@pytest.fixture
def legacy(dvid_lab: Any, content: Any) -> Iterator[Any]:
    """A server that issues tokens of its own."""
    with dvid_lab.running(content.store, Access("token", PEOPLE, "sesame")) as server:
        yield server


def test_a_dataset_gateways_token_opens_what_its_owner_may_see_and_edit(dsg, content) -> None:
    look, edit = f"/api/node/{content.open.uuid}/gray/info", f"/api/node/{content.open.uuid}/keys/key/a"
    expected = {"ada-token": (200, 200), "eve-token": (200, 403), "tom-token": (403, 403), "none": (401, 401)}
    for token, statuses in expected.items():
        fields = bearer(token)
        assert (dsg.ask("GET", look, None, fields)[0], dsg.ask("POST", edit, b"1", fields)[0]) == statuses
    assert dsg.ask("GET", look)[0] == 401
    assert dsg.ask("GET", look, None, {"Cookie": "a=b; dsg_token=eve-token"})[0] == 200
    _, fields, body = dsg.ask("GET", look, None, bearer("tom-token"))
    assert (fields["Content-Type"], b"tom" in body) == ("text/plain; charset=utf-8", True)


def test_public_nodes_are_read_by_anybody_and_written_by_nobody_else(dsg, content) -> None:
    root = f"/api/node/{content.root.uuid}"
    assert dsg.ask("GET", f"{root}/gray/info")[0] == 200
    assert dsg.ask("POST", f"{root}/flat/key/a", b"1")[0] == 401
    assert dsg.ask("POST", f"{root}/flat/key/a", b"1", bearer("ada-token"))[0] == 200


def test_repos_info_is_open_and_shows_each_what_they_may_see(dsg, content) -> None:
    def shown(fields: dict[str, str]) -> set[str]:
        status, _, body = dsg.ask("GET", "/api/repos/info", None, fields)
        assert status == 200
        told = json.loads(body)
        return set(told[content.root.uuid]["DAG"]["Nodes"]) if told else set()

    everything = {node.uuid for node in content.repo.nodes.values()}
    assert shown(bearer("eve-token")) == shown(bearer("root-token")) == everything
    assert shown({}) == shown(bearer("tom-token")) == {content.root.uuid}
    dsg.access.public = frozenset()
    assert shown({}) == set()
    dsg.access.public = frozenset({content.middle.uuid})
    assert shown({}) == {content.root.uuid, content.middle.uuid}


def test_the_internal_header_is_believed_from_anyone_unless_told_otherwise(dsg, content) -> None:
    path = f"/api/node/{content.open.uuid}/gray/info"
    assert dsg.ask("GET", path, None, {"X-DVID-Internal": "true"})[0] == 200
    dsg.access.believes_internal = False
    assert dsg.ask("GET", path, None, {"X-DVID-Internal": "true"})[0] == 401


def test_only_admins_make_repos(dsg, dvid_lab, content) -> None:
    assert dsg.ask("POST", "/api/repos", b"{}", bearer("ada-token"))[0] == 403
    assert dsg.ask("POST", "/api/repos", b"{}", bearer("root-token"))[0] == 200
    assert dsg.ask("POST", "/api/repos?admintoken=wrong", b"{}")[0] == 403
    root = {"alias": "new", "description": "d", "root": "d" * 32}
    assert dsg.json("/api/repos?admintoken=sesame", "POST", root) == {"root": "d" * 32}
    assert dsg.json(f"/api/repo/{'d' * 32}/info?admintoken=sesame")["Alias"] == "new"
    assert dsg.ask("GET", "/api/server/token", None, bearer("ada-token"))[0] == 400
    with dvid_lab.running(dvid_lab.small().store, Access()) as server:
        assert server.ask("POST", "/api/repos?admintoken=", b"{}")[0] == 400


def test_a_known_user_gets_a_token_as_bare_text_that_opens_the_server(legacy, content) -> None:
    path = f"/api/node/{content.open.uuid}/keys/key/a"
    status, fields, body = legacy.ask("GET", "/api/server/token", None, bearer("tom-token"))
    token = body.decode()
    assert (status, fields["Content-Type"], token.count(".")) == (200, "text/plain", 2)
    assert legacy.ask("POST", path, b"1", bearer(token))[0] == 200
    assert legacy.ask("GET", path, None, bearer(token))[2] == b"1"


def test_failures_of_the_servers_own_tokens_are_400(legacy, content) -> None:
    path = f"/api/node/{content.open.uuid}/gray/info"
    assert legacy.ask("GET", "/api/server/token")[0] == 400
    status, _, body = legacy.ask("GET", path)
    assert (status, body.partition(b" (")[0]) == (400, b"JWT required via Authorization in request header")
    good = legacy.ask("GET", "/api/server/token", None, bearer("ada-token"))[2].decode()
    head, claims, signature = good.split(".")
    for bad in ("tom-token", "a.b.c", good[:-2], f"{head}.{claims}x.{signature}", ".."):
        status, _, body = legacy.ask("GET", path, None, bearer(bad))
        assert (status, body.partition(b" (")[0]) == (400, b"JWT in request header is invalid")
    assert legacy.ask("GET", "/api/repos/info")[0] == 200
