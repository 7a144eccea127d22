"""Which part of the server answers a request, and may the caller ask it?"""

import base64
import hashlib
from typing import Any

from gateway.demo.dvid import on_annotation, on_keyvalue, on_labels, on_repo, on_roi, on_voxels
from gateway.demo.dvid.asking import Ask, Calls
from gateway.demo.dvid.dag import Node, Repo
from gateway.demo.dvid.errors import DvidError, PlainError, unrouted
from gateway.demo.dvid.help import type_help
from gateway.demo.dvid.http import OCTETS, Answer, DvidServer, Request, as_json, as_text
from gateway.demo.dvid.instances import Instance
from gateway.demo.dvid.kinds import KINDS
from gateway.demo.dvid.on_server import plain

_OF_PACKAGE: dict[str, Calls] = {
    "imageblk": on_voxels.IMAGES,
    "labelblk": on_labels.CALLS,
    "labelarray": on_labels.CALLS,
    "labelmap": on_labels.CALLS,
    "keyvalue": on_keyvalue.CALLS,
    "annotation": on_annotation.CALLS,
    "roi": on_roi.CALLS,
}
_QUESTIONS = {("POST", "ptquery")}
"""What is asked by POST and changes nothing."""


def respond(server: DvidServer, request: Request) -> Answer:
    """The answer. Raises DvidError."""
    parts = request.parts
    if not request.path.startswith("/api/") or not parts:
        raise unrouted()
    if request.query.get("u") in server.access.blocked:
        raise PlainError(429, f"user {request.query['u']!r} is blocked")
    if request.verb == "OPTIONS":
        return Answer(status=204, fields={"Access-Control-Allow-Methods": "GET, HEAD, POST, DELETE"})
    if server.store.mode == "read only" and not _looks(request):
        raise DvidError("Server in read-only mode and will only accept GET and HEAD requests")
    if parts[0] not in ("repo", "node"):
        return plain(server, request)
    if len(parts) < 2 or not parts[1]:
        raise unrouted()
    repo, node = server.store.find(parts[1])
    right = "view" if _looks(request) else "edit"
    server.access.check(repo, node, right, request.fields, request.query)  # type: ignore[arg-type]
    if parts[0] == "repo":
        return on_repo.on_repo(server, request, repo, node, parts[2:])
    if len(parts) == 3 and on_repo.is_word(parts[2]):
        return on_repo.on_node(server, request, repo, node, parts[2])
    if len(parts) < 4:
        raise unrouted()
    return _on_instance(server, request, repo, node)


def _looks(request: Request) -> bool:
    return request.reads or (request.verb, request.kind) in _QUESTIONS


def _on_instance(server: DvidServer, request: Request, repo: Repo, node: Node) -> Answer:
    _, _, name, endpoint, *args = request.parts
    instance = repo.instances.get(name)
    if instance is None:
        raise DvidError("invalid data instance name")
    writable = server.store.mode == "allow writes on committed nodes" or not instance.versioned
    if node.locked and not writable and not _looks(request):
        text = f"Cannot do {request.verb} on endpoint {endpoint!r} of locked node {node.uuid}"
        raise DvidError(text.replace("'", '"'))
    ask: Ask[Any] = Ask(server, request, repo, node, instance, args)
    calls = {**_ANY, **_OF_PACKAGE[instance.kind.package]}
    found = calls.get((request.verb, endpoint))
    if found is None and request.verb == "HEAD":
        found = calls.get(("GET", endpoint))
    if found is not None:
        return found(ask)
    if any(known == endpoint for _, known in calls):
        raise DvidError(f"{request.verb} is not possible for endpoint {endpoint!r}")
    raise DvidError(
        f"unrecognized API call {endpoint!r} for {instance.kind.name} data {name!r}.  See API help."
    )


def _help(ask: Ask[Instance]) -> Answer:
    return as_text(type_help(ask.instance.kind.name))


def _info(ask: Ask[Instance]) -> Answer:
    return as_json(ask.instance.document(ask.lineage))


def _tags(ask: Ask[Instance]) -> Answer:
    return as_json(ask.instance.tags)


def _set_tags(ask: Ask[Instance]) -> Answer:
    said = ask.request.said()
    if not isinstance(said, dict):
        raise DvidError("tags must be a JSON object")
    new = {str(key): str(value) for key, value in said.items()}
    ask.instance.tags = new if ask.request.flag("replace") else ask.instance.tags | new
    return Answer()


def _sync(ask: Ask[Instance]) -> Answer:
    said = ask.request.said()
    if not isinstance(said, dict) or not isinstance(said.get("sync"), str):
        raise DvidError("sync needs a string 'sync'")
    ask.instance.settings["sync"] = said["sync"].partition(",")[0]
    return Answer()


def _put_blob(ask: Ask[Instance]) -> Answer:
    digest = hashlib.blake2b(ask.request.body, digest_size=24).digest()
    reference = base64.urlsafe_b64encode(digest).decode()
    ask.instance.blobs[reference] = ask.request.body
    return as_json({"reference": reference})


def _blob(ask: Ask[Instance]) -> Answer:
    (reference,) = ask.take(1, "blobstore/<reference>")
    found = ask.instance.blobs.get(reference)
    if found is None:
        raise PlainError(404, f"no blob {reference!r}")
    return Answer([found], OCTETS)


_ANY: Calls = {
    ("GET", "blobstore"): _blob,
    ("POST", "blobstore"): _put_blob,
    ("GET", "help"): _help,
    ("GET", "info"): _info,
    ("GET", "tags"): _tags,
    ("POST", "tags"): _set_tags,
    ("POST", "sync"): _sync,
}
ENDPOINTS = {kind.name: sorted({**_ANY, **_OF_PACKAGE[kind.package]}) for kind in KINDS.values()}
"""Every (verb, endpoint) of each type."""
