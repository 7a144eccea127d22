"""What does the console show in tests? A gate before a service of odd methods, and before a DVID and a catalog."""

import json
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from aiohttp import ClientSession, web

from gateway.app import Gate, running
from gateway.identity import ledger
from gateway.identity.local import issue
from gateway.identity.signing import signing_keys
from gateway.settings import load

MANY = 10_000
MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
NAME = "get_<img src=x onerror=alert(1)>"
DEEP = b"[" * 50_000 + b"]" * 50_000
LARGE = 50 << 20

SETTINGS = """\
listen: 127.0.0.1:0
operator: {{listen: 127.0.0.1:0}}
state_dir: {state}
telemetry: {{access_log: "off", audit: {audit}}}
shutdown_seconds: 0.5
{identity}
policies:
  - {{to: ["group:admins"], allow: ["*", "/**"], operate: true}}
  - {{to: ["group:lab"], allow: ["odd.*"], rate: 500/s}}
  - {{to: ["group:guests"], allow: ["odd.get_value"]}}
  - {{to: ["group:readers", "scope:odd.read"], allow: ["odd.get_value"]}}
services:
  odd:
    dialect: jsonrpc
    url: {url}
    rpc_path: /odd
    mount: /odd
    methods:
      "get_*": {{safe: true, cache: {{fresh: 1h, share: everyone, tags: [numbers]}}}}
      "set_*": {{invalidates: [numbers]}}
{more}"""


def _method(name: str, *params: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": name, "params": list(params), "result": {"name": "result", "schema": {}}, **more}


def _param(name: str, required: bool = False, **schema: Any) -> dict[str, Any]:
    return {"name": name, "required": required, "schema": schema}


ODD = [
    _method(
        "get_value",
        _param("number", True, type="integer"),
        _param("unit", enum=["nm", "um"]),
        summary="A number, as it came.",
    ),
    _method("set_value", _param("value"), summary="Keep a value."),
    _method(
        "get_markup",
        _param(MARKUP, type="string", description=MARKUP),
        summary=MARKUP,
        description=f"Twice: {MARKUP}\n{MARKUP}",
    ),
    _method(NAME, summary="A name that is no name."),
    _method("get_large", summary="Fifty mebibytes."),
    _method("get_rows", summary="A table."),
    _method("get_deep", summary="A list in a list, and so on."),
]


def _answer(method: str, params: Any) -> Any:
    match method:
        case "get_value":
            return {"number": params["number"], "beyond": 18446744073709551615, "unit": params.get("unit")}
        case "set_value":
            return "kept"
        case "get_large":
            return "x" * LARGE
        case "get_rows":
            return [{"uid": f"J{at}", "score": at / 4, "note": MARKUP} for at in range(300)]
    return {MARKUP: [MARKUP]}


async def _serve(request: web.Request) -> web.Response:
    called = await request.json()
    method, params = called["method"], called.get("params", {})
    if method == "rpc.discover":
        many = request.path == "/many"
        listed = (
            [
                _method(
                    f"get_thing_{at:05d}", _param("at", type="integer"), summary=f"The thing of number {at}."
                )
                for at in range(MANY)
            ]
            if many
            else ODD
        )
        result: Any = {"openrpc": "1.3.2", "info": {"title": "odd", "version": "1"}, "methods": listed}
    else:
        result = _answer(method, params)
        if method == "get_deep":
            body = b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (json.dumps(called["id"]).encode(), DEEP)
            return web.Response(body=body, content_type="application/json")
    return web.json_response({"jsonrpc": "2.0", "id": called["id"], "result": result})


@dataclass
class ConsoleLab:
    """A gate to look at."""

    gate: Gate
    state: Path
    audit: Path
    session: ClientSession
    browser: Any = None
    dvid: Any = None
    small: Any = None
    """A DVID behind it, and what that holds, where it has one."""

    @property
    def address(self) -> str:
        return "http://{}:{}".format(*self.gate.operator_address)

    def token(self, subject: str, *groups: str, ttl: float = 3600.0) -> str:
        """A token for somebody of these groups."""
        token, issued = issue(signing_keys(self.state, ()), subject, groups, (), ttl, time.time())
        ledger.record_issued(self.state, issued)
        return token

    def revoke(self, token: str) -> None:
        """Take it back."""
        token_id = jwt.decode(token, options={"verify_signature": False})["jti"]
        ledger.record_revoked(self.state, token_id, time.time())

    async def ask(
        self, verb: str, path: str, token: str | None, said: Any = None, **fields: str
    ) -> tuple[int, Any, Any]:
        """Status, fields and what the body says; `said` is sent as JSON."""
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        data = None
        if said is not None:
            headers.setdefault("Content-Type", "application/json")
            data = said if isinstance(said, bytes) else json.dumps(said).encode()
        async with self.session.request(verb, self.address + path, headers=headers, data=data) as answer:
            body = await answer.read()
            is_json = answer.headers.get("Content-Type", "").startswith("application/json")
            return answer.status, answer.headers, json.loads(body) if is_json and body else body


@asynccontextmanager
async def console_lab(
    folder: Path, more: str = "", identity: str = "identity: {local_tokens: true}"
) -> AsyncIterator[ConsoleLab]:
    """A running gate; `more` are further services, in which URL stands for the address of the service of odd methods."""
    async with AsyncExitStack() as ends:
        app = web.Application(client_max_size=1 << 30)
        app.router.add_post("/{name}", _serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        ends.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        file = folder / "labgate.yaml"
        audit = folder / "audit.jsonl"
        text = SETTINGS.format(
            state=folder / "state",
            audit=audit,
            url=url,
            identity=identity,
            more=re.sub(r"\bURL\b", url, more),
        )
        file.write_text(text)
        gate = await ends.enter_async_context(running(load(file, {})))
        session = await ends.enter_async_context(ClientSession())
        yield ConsoleLab(gate, folder / "state", audit, session)
