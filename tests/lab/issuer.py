"""How is an authorization server run within a test? One that takes device logins, on threads of this process.

It keeps the RFCs' rules itself (8628 for codes, 6749 for refresh tokens, which it rotates: one that comes twice ends the
login), and tests let it break them.
"""

import json
import secrets
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, quote_plus

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from jwt.algorithms import ECAlgorithm

AUDIENCE = "labgate"
CLIENT = "labgate-cli"
ACCOUNT = ("robot", "a secret: with %, /, +")
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
Answer = tuple[int, Any]


class Issuer:
    """An authorization server with one key and one user, ada.

    Attributes:
        url: how it calls itself; it may have a path.
        asked: the form of every POST, by path, in order.
        metadata: what its metadata says otherwise than it should; None leaves a member out.
        script: what the token endpoint answers before it goes by its own rules.
        offers: the same for the device endpoint.
        approves: the code is typed at once.
        life: seconds that an access token is given for.
        interval: of the polls.
        rotates: a refresh token is good for one use.
        answers: answers a path in the server's place.
    """

    def __init__(self, path: str = "") -> None:
        self.url = ""
        self.path = path
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.metadata: dict[str, Any] = {}
        self.script: list[Answer] = []
        self.offers: list[Answer] = []
        self.approves = True
        self.life = 3600.0
        self.interval: float | None = 0.05
        self.rotates = True
        self.refreshes = True
        self.audience = AUDIENCE
        self.answers: dict[str, Callable[[BaseHTTPRequestHandler], None]] = {}
        self._key = generate_private_key(SECP256R1())
        self._lock = threading.Lock()
        self._codes: dict[str, str] = {}
        self._live: dict[str, str] = {}
        self._used: dict[str, str] = {}
        self.ended: set[str] = set()

    def keys(self) -> dict[str, Any]:
        """Its key set."""
        key = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**key, "kid": "one", "alg": "ES256", "use": "sig"}]}

    def said(self) -> dict[str, Any]:
        """Its metadata."""
        said = {
            "issuer": self.url,
            "jwks_uri": f"{self.url}/jwks",
            "token_endpoint": f"{self.url}/token",
            "device_authorization_endpoint": f"{self.url}/device",
            "revocation_endpoint": f"{self.url}/revoke",
            **self.metadata,
        }
        return {name: value for name, value in said.items() if value is not None}

    def forms(self, path: str) -> list[dict[str, str]]:
        """The forms that came to a path."""
        return [form for where, form in self.asked if where == path]

    def token(self, **claims: Any) -> str:
        """An access token of ada's, another one each time."""
        now = time.time()
        whole = {
            "iss": self.url,
            "aud": self.audience,
            "sub": "ada",
            "groups": ["lab"],
            "iat": int(now),
            "exp": now + self.life,
            "jti": secrets.token_hex(8),
            **claims,
        }
        return jwt.encode(whole, self._key, "ES256", {"kid": "one"})

    def posted(self, path: str, form: dict[str, str], credential: str | None = None) -> Answer:
        """The answer to a form; `credential` is its Authorization."""
        with self._lock:
            if form.get("grant_type") == "client_credentials" and path == "/token":
                self.asked.append((path, form))
                return self._account(credential)
            self.asked.append((path, form))
            if path == "/device":
                return self.offers.pop(0) if self.offers else self._offered(form)
            if path == "/token":
                return self.script.pop(0) if self.script else self._granted(form)
            if path == "/revoke":
                self.ended.add(self._live.pop(form["token"], ""))
                return 200, {}
        return 404, {}

    def _offered(self, form: dict[str, str]) -> Answer:
        if form.get("client_id") != CLIENT:
            return 401, {"error": "invalid_client"}
        secret = secrets.token_hex(16)
        self._codes[secret] = "login-" + secrets.token_hex(4)
        told = {
            "device_code": secret,
            "user_code": "WDJB-MJHT",
            "verification_uri": f"{self.url}/type",
            "verification_uri_complete": f"{self.url}/type?code=WDJB-MJHT",
            "expires_in": 600,
            "interval": self.interval,
        }
        return 200, {name: value for name, value in told.items() if value is not None}

    def _granted(self, form: dict[str, str]) -> Answer:
        if form.get("grant_type") == DEVICE:
            if form.get("device_code") not in self._codes:
                return 400, {"error": "invalid_grant"}
            if not self.approves:
                return 400, {"error": "authorization_pending"}
            return self._tokens(self._codes.pop(form["device_code"]))
        shown = form.get("refresh_token", "")
        if shown in self._used:
            # RFC 6749 section 10.4: somebody has had it who should not.
            self.ended.add(self._used[shown])
        login = self._live.get(shown)
        if login is None or login in self.ended:
            return 400, {"error": "invalid_grant", "error_description": "the session has ended"}
        if self.rotates:
            self._used[shown] = self._live.pop(shown)
        return self._tokens(login, None if self.rotates else shown)

    def _account(self, credential: str | None) -> Answer:
        # RFC 6749 section 2.3.1: each part is encoded as a value of a form.
        pair = ":".join(quote_plus(part) for part in ACCOUNT).encode()
        if credential != f"Basic {b64encode(pair).decode()}":
            return 401, {"error": "invalid_client"}
        said = {"access_token": self.token(sub=ACCOUNT[0]), "token_type": "bearer", "expires_in": self.life}
        return 200, said

    def _tokens(self, login: str, refresh: str | None = None) -> Answer:
        said = {"access_token": self.token(), "token_type": "Bearer", "expires_in": self.life}
        if self.refreshes:
            said["refresh_token"] = refresh or secrets.token_hex(16)
            self._live[said["refresh_token"]] = login
        return 200, said


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def log_message(self, *_: Any) -> None:
        """Nothing: tests ask the issuer's record."""

    def do_GET(self) -> None:
        issuer = self.server.issuer
        if self._answered():
            return
        if self.path in (
            f"{issuer.path}/.well-known/openid-configuration",
            f"/.well-known/oauth-authorization-server{issuer.path}",
        ):
            self.reply(200, issuer.said())
        elif self.path == f"{issuer.path}/jwks":
            self.reply(200, issuer.keys())
        else:
            self.reply(404, {})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self._answered():
            return
        form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
        path = self.path.removeprefix(self.server.issuer.path)
        self.reply(*self.server.issuer.posted(path, form, self.headers.get("Authorization")))

    def reply(self, status: int, said: Any, **fields: str) -> None:
        """An answer in JSON, or of bytes."""
        body = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **fields}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _answered(self) -> bool:
        answer = self.server.issuer.answers.get(self.path.partition("?")[0])
        if answer is not None:
            answer(self)
        return answer is not None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, issuer: Issuer, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.issuer = issuer
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_side=True)
        scheme = "http" if tls is None else "https"
        issuer.url = f"{scheme}://127.0.0.1:{self.server_address[1]}{issuer.path}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is part of the tests."""


@contextmanager
def running(path: str = "", tls: ssl.SSLContext | None = None) -> Iterator[Issuer]:
    """An issuer, served until the block ends."""
    issuer = Issuer(path)
    server = _Server(issuer, tls)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield issuer
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
