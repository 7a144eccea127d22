"""What do repos and their nodes answer?"""

from typing import Any

from gateway.demo.dvid.dag import Node, Repo
from gateway.demo.dvid.errors import DvidError, unrouted
from gateway.demo.dvid.http import Answer, DvidServer, Request, as_json


def on_repo(server: DvidServer, request: Request, repo: Repo, node: Node, rest: list[str]) -> Answer:
    """The answer to /api/repo/<UUID>/…"""
    match (request.verb, *rest):
        case ("HEAD",):
            return Answer()
        case ("GET" | "HEAD", "info"):
            return as_json(repo.document())
        case ("POST", "info"):
            said = _object(request)
            repo.alias = str(said.get("alias", repo.alias))
            repo.description = str(said.get("description", repo.description))
            return Answer()
        case ("GET" | "HEAD", "log"):
            return as_json({"log": repo.log})
        case ("POST", "log"):
            repo.log += _lines(request)
            return Answer()
        case ("GET" | "HEAD", "branch-versions", branch):
            return as_json([one.uuid for one in repo.back(repo.leaf(branch))])
        case ("POST", "instance"):
            return _new_instance(server, request, repo, node)
        case ("POST", "merge"):
            return _merge(server, request, repo)
        case ("DELETE", name):
            return _delete(server, request, repo, name)
    raise unrouted()


def on_node(server: DvidServer, request: Request, repo: Repo, node: Node, word: str) -> Answer:
    """The answer to /api/node/<UUID>/<word>, where the word is DVID's own."""
    match (request.verb, word):
        case ("GET" | "HEAD", "status" | "commit"):
            return as_json({"Locked": node.locked})
        case ("GET" | "HEAD", "note"):
            return as_json({"note": node.note})
        case ("POST", "note"):
            node.note = _text(_object(request), "note")
            node.touch()
            return Answer()
        case ("GET" | "HEAD", "log"):
            return as_json({"log": node.log})
        case ("POST", "log"):
            node.touch(_lines(request))
            return Answer()
        case ("POST", "commit"):
            said = _object(request)
            server.store.commit(node, _text(said, "note"), [str(line) for line in said.get("log", [])])
            return as_json({"committed": node.uuid})
        case ("POST", "branch" | "newversion" | "tag"):
            return _child(server, request, repo, node, word)
    raise unrouted()


def is_word(word: str) -> bool:
    """Whether this behind a node's UUID is no name of data."""
    return word in ("status", "commit", "note", "log", "branch", "newversion", "tag")


def _child(server: DvidServer, request: Request, repo: Repo, node: Node, word: str) -> Answer:
    said = _object(request)
    note, uuid = _text(said, "note"), _text(said, "uuid") or None
    if word == "newversion":
        return as_json({"child": server.store.new_child(repo, [node], note=note, uuid=uuid).uuid})
    name = _text(said, word)
    if not name:
        raise DvidError(f"JSON for {word!r} must have a string {word!r}")
    if word == "branch":
        return as_json(
            {"child": server.store.new_child(repo, [node], note=note, branch=name, uuid=uuid).uuid}
        )
    child = server.store.new_child(repo, [node], note=note, branch=f"TAG-{name}", uuid=name)
    server.store.commit(child)
    return as_json({"tag": child.uuid})


def _merge(server: DvidServer, request: Request, repo: Repo) -> Answer:
    said = _object(request)
    named = said.get("parents")
    if said.get("mergeType", "conflict-free") != "conflict-free" or not isinstance(named, list):
        raise DvidError("merge needs mergeType 'conflict-free' and an array of parents")
    parents = [server.store.find(str(one)) for one in named]
    if len(parents) < 2 or any(owner is not repo for owner, _ in parents):
        raise DvidError("merge needs at least two parents, and all of this repo")
    child = server.store.new_child(repo, [one for _, one in parents], note=_text(said, "note"))
    return as_json({"child": child.uuid})


def _new_instance(server: DvidServer, request: Request, repo: Repo, node: Node) -> Answer:
    settings = {key.lower(): value for key, value in _object(request).items()}
    kind, name = _text(settings, "typename"), _text(settings, "dataname")
    if not kind or not name:
        raise DvidError("new data needs 'typename' and 'dataname'")
    server.store.new_instance(repo, kind, name, settings)
    return as_json({"result": f"Added {name} [{kind}] to node {node.uuid}"})


def _delete(server: DvidServer, request: Request, repo: Repo, name: str) -> Answer:
    if request.query.get("imsure") != "true":
        raise DvidError("cannot delete data without 'imsure=true' in the query")
    with server.store.lock:
        if repo.instances.pop(name, None) is None:
            raise DvidError("invalid data instance name")
    return as_json({"result": f"Started deletion of data instance {name!r}"})


def _object(request: Request) -> dict[str, Any]:
    said = request.said() if request.body.strip() else {}
    if not isinstance(said, dict):
        raise DvidError("the body of the request must be a JSON object")
    return said


def _text(said: dict[str, Any], name: str) -> str:
    found = said.get(name, "")
    if not isinstance(found, str):
        raise DvidError(f"{name!r} must be a string")
    return found


def _lines(request: Request) -> list[str]:
    lines = _object(request).get("log")
    if not isinstance(lines, list):
        raise DvidError("log needs an array of strings 'log'")
    return [str(line) for line in lines]
