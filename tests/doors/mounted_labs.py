"""Labs behind mounts: one that describes nothing, one that does by OpenAPI, one that speaks JSON-RPC; with rules for each."""

import json
import re
from typing import Any

from mounting import Asked, told

PLAIN = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
services:
  up:
    dialect: listed
    url: "{url}"
    mount: /up
    methods:
      get: {{http: "GET /thing", cache: {{fresh: 1h, tags: [things]}}}}
      put: {{http: "PUT /thing/{{id}}", invalidates: [things]}}
  brief: {{dialect: listed, url: "{url}", mount: /brief, timeout: 300ms, idle: 1200ms}}
  other: {{dialect: listed, url: "{url}/other", mount: /other}}
"""

REST = """\
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:paths"], allow: ["/**"]}}
services:
  lab:
    dialect: openapi
    url: "{url}"
    describe: /openapi.json
    mount: /lab
    listen: "127.0.0.1:0"
    methods:
      get_thing: {{cache: {{fresh: 1h, share: everyone, tags: [things]}}}}
      get_mine: {{cache: {{fresh: 1h, tags: [things]}}}}
      get_small: {{cache: {{fresh: 1h, share: everyone, max_size: 8B}}}}
      get_brief: {{cache: {{fresh: 0.000001s, stale: 1h, share: everyone, tags: [things]}}}}
      put_thing: {{invalidates: [things]}}
      http: {{invalidates: [things]}}
"""


def document() -> dict[str, Any]:
    """What the REST service says of itself."""
    described = {"responses": {"200": {"description": "it"}}}
    thing = [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}]
    paths = {
        f"/{name}/{{id}}": {"get": {"operationId": f"get_{name}", "parameters": thing, **described}}
        for name in ("thing", "mine", "small", "brief", "other")
    }
    paths["/thing/{id}"]["put"] = {"operationId": "put_thing", "parameters": thing, **described}
    return {"openapi": "3.1.0", "info": {"title": "lab", "version": "1"}, "paths": paths}


RPC = """\
limits: {{body: 64KiB, batch: 5, depth: 20, describe: 32KiB}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:some"], allow: ["calc.get", "calc.add", "POST /calc/**", "GET /calc/**"]}}
  - {{to: ["group:rest"], allow: ["calc.http", "/calc/**"]}}
services:
  calc:
    dialect: jsonrpc
    url: "{url}"
    rpc_path: /api
    mount: /calc
    methods:
      "get*": {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [numbers]}}}}
      "set": {{invalidates: [numbers]}}
      "add": {{safe: true}}
"""
NAMES = ("get", "get_error", "get_odd", "set", "add", "secret")
INTROSPECTION = ("system.describe", "rpc.discover", "rpc.describe", "system.listMethods")
_params = re.compile(rb'"params": ?(\[.*\])')


class Calc:
    """Answers entries of a body as they are written: `add` with its own params, byte for byte."""

    def __init__(self):
        self.value = 0
        self.codings = []

    def one(self, raw: bytes, said: dict) -> bytes | None:
        token = raw[m.start(1) : m.end(1)] if (m := re.search(rb'"id":\s*("[^"]*"|[^,}\s]+)', raw)) else None
        name = said.get("method")
        result = b"%d" % self.value
        if name in INTROSPECTION:
            result = self.listed(name)
        elif name == "set":
            self.value += 1
        elif name == "add":
            result = m[1] if (m := _params.search(raw)) else b"null"
        elif name == "get_odd":
            token = b'  "other"'
        elif name == "get_error":
            return b'{"jsonrpc":"2.0","error":{"code":1,"message":"no"},"id":%b}' % (token or b"null")
        if token is None:
            return None
        return b'{ "jsonrpc":"2.0", "result":%b, "id":%b }' % (result, token)

    def listed(self, name: str) -> bytes:
        if name == "system.listMethods":
            return json.dumps(NAMES, separators=(", ", " : ")).encode()
        member = "methods" if name.startswith("rpc.") else "procs"
        listed = [{"name": one, "weight": 1e400} for one in NAMES]
        return json.dumps({"openrpc": "1.3.2", member: listed}).encode()

    async def __call__(self, asked: Asked) -> bytes:
        said = json.loads(asked.body)
        if isinstance(said, list):
            answers = [self.one(json.dumps(one).encode(), one) for one in said]
            return told(b"[%b]" % b",".join(filter(None, answers)), "Content-Type: application/json")
        answer = self.one(asked.body, said)
        return told(answer or b"", "Content-Type: application/json", status="200 Fine")


def call(method: str, *params: object, token: object = 1) -> dict[str, Any]:
    """A call with this id."""
    return {"jsonrpc": "2.0", "method": method, "params": list(params), "id": token}
