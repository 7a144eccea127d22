"""What does the server tell of itself, and which repos does it show?"""

import os
from html import escape

from gateway.demo.dvid.errors import DvidError, PlainError, unrouted
from gateway.demo.dvid.help import SERVER_HELP, type_help
from gateway.demo.dvid.http import Answer, DvidServer, Request, as_json, as_text
from gateway.demo.dvid.kinds import KINDS

_LOAD = ("file bytes read", "file bytes written", "key bytes read", "key bytes written")
_LOADS = (*_LOAD, "value bytes read", "value bytes written", "GET requests", "PUT requests", "goroutines")


def plain(server: DvidServer, request: Request) -> Answer:
    """The answer to what lies outside of repos and nodes."""
    match (request.verb, *request.parts):
        case ("GET" | "HEAD", "help"):
            return as_text(f"<html><body><pre>{escape(SERVER_HELP)}</pre></body></html>", "text/html")
        case ("GET" | "HEAD", "help", kind):
            return as_text(type_help(kind))
        case ("GET" | "HEAD", "load"):
            return as_json(dict.fromkeys(_LOADS, 0) | {"handlers active": 0})
        case ("GET" | "HEAD", "heartbeat"):
            return as_text("OK")
        case ("GET" | "HEAD", "server", what):
            return _about(server, request, what)
        case ("POST", "server", "reload-auth" | "reload-blocklist" | "settings"):
            _require_admin(server, request)
            return Answer()
        case ("GET" | "HEAD", "repos", "info"):
            return as_json(_repos(server, request))
        case ("POST", "repos"):
            return _new_repo(server, request)
    raise unrouted()


def _about(server: DvidServer, request: Request, what: str) -> Answer:
    match what:
        case "info":
            return as_json(_info(server))
        case "note":
            return as_text("")
        case "types":
            used = {one.kind for repo in server.store.repos.values() for one in repo.instances.values()}
            return as_json({kind.name: kind.url for kind in used})
        case "compiled-types":
            return as_json({kind.name: kind.url for kind in KINDS.values()})
        case "token":
            return as_text(server.access.token(request.fields))
    raise unrouted()


def _info(server: DvidServer) -> dict[str, str]:
    cores = str(os.cpu_count() or 1)
    told = {
        "Cores": cores,
        "Maximum Cores": cores,
        "DVID Version": "demo",
        "Datastore Version": "1.0",
        "Storage backend": "memory",
        "Host": server.url.removeprefix("http://"),
    }
    return told | ({"Mode": server.store.mode} if server.store.mode else {})


def _repos(server: DvidServer, request: Request) -> dict[str, object]:
    """Every repo with the nodes that the caller may see; none without any."""
    found: dict[str, object] = {}
    for root, repo in list(server.store.repos.items()):
        shown = server.access.shown(repo, request.fields, request.query)
        if shown:
            found[root] = repo.document(shown)
    return found


def _require_admin(server: DvidServer, request: Request) -> None:
    if not server.access.is_admin(request.fields, request.query):
        text = "this needs admin rights"
        raise PlainError(403, text) if server.access.way == "dsg" else DvidError(text)


def _new_repo(server: DvidServer, request: Request) -> Answer:
    _require_admin(server, request)
    said = request.said() if request.body else {}
    if not isinstance(said, dict) or not all(isinstance(one, str) for one in said.values()):
        raise DvidError("a repo is made from a JSON object of strings")
    options = {name: said[name] for name in ("root", "passcode") if said.get(name)}
    repo = server.store.new_repo(said.get("alias", ""), said.get("description", ""), **options)
    return as_json({"root": repo.root.uuid})
