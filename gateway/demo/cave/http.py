"""How do the servers of a deployment answer over HTTP? Who asks is checked first, as every CAVE service does."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gateway.demo.cave.deployment import Deployment
from gateway.demo.cave.people import DATASETS
from gateway.demo.serving import LabHandler, LabServer

JSON = "application/json"
_COOKIE = re.compile(r"(?:^|;\s*)middle_auth_token=([^;]*)")


class Refusal(Exception):  # noqa: N818 - what is answered instead
    """Another answer than the one that was asked for."""

    def __init__(self, status: int, said: Any, **fields: str) -> None:
        super().__init__(status)
        self.status = status
        self.said = said
        self.fields = fields


Answer = tuple[int, dict[str, str], bytes]
Endpoint = Callable[..., Any]


class Route:
    """A verb, the pattern of a path, and what answers; `right` is what a caller must have for the datastack."""

    def __init__(self, verbs: str, path: str, endpoint: Endpoint, right: str | None) -> None:
        self.verbs = frozenset(verbs.split())
        self.match = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "/?").fullmatch
        self.endpoint = endpoint
        self.right = right


class CaveServer(LabServer):
    """One server of the deployment: `global`, `a`, `b` or `bucket`."""

    def __init__(
        self, address: tuple[str, int], name: str, deployment: Deployment, routes: list[Route]
    ) -> None:
        super().__init__(address, CaveHandler)
        self.name = name
        self.deployment = deployment
        self.routes = routes
        deployment.urls[name] = self.url


class Asked:
    """A request: its path, query, fields and body, and who asks."""

    def __init__(self, handler: CaveHandler, path: str, query: str, body: bytes) -> None:
        self.deployment = handler.server.deployment
        self.server = handler.server.name
        self.verb = handler.command
        self.path = path
        self.raw_query = query
        self.query = {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()}
        self.headers = handler.headers
        self.body = body
        self.user: dict[str, Any] = {}
        self.handler = handler

    @property
    def said(self) -> Any:
        """The body as JSON."""
        try:
            return json.loads(self.body or b"{}")
        except ValueError:
            raise Refusal(400, {"message": "the body is no JSON"}) from None

    def flag(self, name: str) -> bool:
        """Whether a parameter says yes."""
        return self.query.get(name, "").lower() in ("true", "1")

    def when(self, name: str = "timestamp") -> float | None:
        """A moment in the query."""
        value = self.query.get(name)
        return None if value in (None, "") else float(value)

    def may(self, right: str, datastack: str) -> bool:
        """Whether who asks has this right for a datastack."""
        return right in self.user.get("permissions_v2", {}).get(DATASETS[datastack], ())


class CaveHandler(LabHandler):
    """The requests of one connection."""

    server: CaveServer

    def _answer(self) -> None:
        split = urlsplit(self.path)
        path = re.sub("/+", "/", unquote(split.path))
        length = self.body_length("0")
        if length is None:
            body = self._chunks()
        else:
            whole = self.body(length)
            if whole is None:
                return
            body = whole
        asked = Asked(self, path, split.query, body)
        deployment = self.server.deployment
        for pattern, hook in list(deployment.hooks):
            if pattern.search(f"{self.server.name} {self.command} {path}") and hook(asked):
                return
        try:
            status, fields, answer = self._found(asked)
        except Refusal as refusal:
            status, fields, answer = (
                refusal.status,
                {"Content-Type": JSON, **refusal.fields},
                json.dumps(refusal.said).encode(),
            )
        except (ValueError, KeyError, IndexError, TypeError) as mistake:
            status, fields = 400, {"Content-Type": JSON}
            answer = json.dumps({"message": f"{type(mistake).__name__}: {mistake}"}).encode()
        name = asked.user.get("email", "-").partition("@")[0]
        with deployment.lock:
            deployment.asked[self.server.name, self.command, path, name] += 1
        self.write(status, fields, answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer  # noqa: N815 - what http.server calls

    def _chunks(self) -> bytes:
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _found(self, asked: Asked) -> Answer:
        for route in self.server.routes:
            found = route.match(asked.path)
            if found is not None and (
                asked.verb in route.verbs or (asked.verb == "HEAD" and "GET" in route.verbs)
            ):
                if route.right is not None:
                    self._identify(asked, route.right, found.groupdict())
                return _told(route.endpoint(asked, **found.groupdict()))
        raise Refusal(404, {"message": "Not Found"})

    # --- who asks

    def _identify(self, asked: Asked, right: str, named: Mapping[str, str]) -> None:
        token = self._token(asked)
        deployment = self.server.deployment
        # The auth service knows; others ask it.
        is_auth = asked.path.startswith("/auth/")
        user = deployment.who(token) if is_auth else deployment.vouched(self.server.name, token)
        if user is None:
            realm = f'Bearer realm="{deployment.urls["global"]}/auth", error="invalid_token"'
            raise Refusal(
                401, {"error": "invalid_token", "message": "Unauthorized"}, **{"WWW-Authenticate": realm}
            )
        asked.user = user
        stack = self._stack(named)
        if right and stack is not None:
            self._permit(asked, right, stack)

    def _token(self, asked: Asked) -> str:
        shown = asked.headers.get("Authorization")
        if shown is not None:
            if not shown.startswith("Bearer "):
                raise Refusal(400, {"error": "bad_auth_header"})
            return shown[7:]
        if "middle_auth_token" in asked.query:
            return asked.query["middle_auth_token"]
        cookie = _COOKIE.search(asked.headers.get("Cookie", ""))
        if cookie is not None:
            return cookie[1]
        if "X-Requested-With" in asked.headers or "Origin" in asked.headers:
            raise Refusal(401, {"error": "no_token", "message": "Unauthorized"})
        raise Refusal(
            302, {}, Location=f"{self.server.deployment.urls['global']}/sticky_auth/api/v1/authorize"
        )

    def _stack(self, named: Mapping[str, str]) -> str | None:
        stacks = self.server.deployment.stacks
        if "stack" in named:
            if named["stack"] not in stacks:
                raise Refusal(404, {"message": f"no datastack {named['stack']}"})
            return named["stack"]
        if "table" in named:
            found = self.server.deployment.of_table(named["table"])
            if found is None:
                raise Refusal(404, {"message": f"no table {named['table']}"})
            return found.name
        if "volume" in named:
            return next((name for name, one in stacks.items() if one.volume == named["volume"]), None)
        return None

    def _permit(self, asked: Asked, right: str, stack: str) -> None:
        if asked.may(right, stack):
            return
        dataset = DATASETS[stack]
        for missing in asked.user.get("missing_tos", ()):
            if missing["dataset_name"] == dataset:
                form = f"{asked.deployment.urls['global']}/sticky_auth/api/v1/tos/{missing['tos_id']}/accept"
                raise Refusal(
                    403,
                    {"error": "missing_tos", "message": "accept the terms", "data": {"tos_form_url": form}},
                )
        raise Refusal(403, {"error": "missing_permission", "message": f"{right} of {dataset} is missing"})

    # --- writing

    def write(self, status: int, fields: Mapping[str, str], body: bytes) -> None:
        """Answer; the body is compressed where that was asked for."""
        self.send_response(status)
        if (
            fields.get("Content-Type", "").startswith(JSON)
            and "gzip" in self.headers.get("Accept-Encoding", "")
            and len(body) > 500
        ):
            body = gzip.compress(body, 1)
            fields = {**fields, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
        for name, value in fields.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
        self.wfile.flush()


def _told(said: Any) -> Answer:
    """What an endpoint gives: JSON, or (body, fields) as they are."""
    if isinstance(said, tuple):
        body, fields = said
        return 200, fields, body
    return 200, {"Content-Type": JSON}, json.dumps(said).encode() + b"\n"
