"""How does an authorization server of Authlib take device logins? RFC 8628, 6749, 7009, 8414, 9068, with ada as its user."""

import os
import time
from typing import Any

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # this machine only

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc8628 import (
    DeviceAuthorizationEndpoint,
    DeviceCodeGrant,
    DeviceCredentialDict,
)
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, jsonify, request
from joserfc.jwk import ECKey, KeySet
from running import run
from werkzeug.serving import make_server

app = Flask(__name__)
KEYS = KeySet([ECKey.generate_key("P-256", parameters={"kid": "one", "alg": "ES256", "use": "sig"})])
CODES: dict[str, DeviceCredentialDict] = {}
TYPED: set[str] = set()
TOKENS: list["Token"] = []


class Ada:
    """The user."""

    def get_user_id(self) -> str:
        """Its subject."""
        return "ada"


class Client(ClientMixin):
    """A public client."""

    def get_client_id(self) -> str:
        return "labgate-cli"

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "none"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in (DeviceCodeGrant.GRANT_TYPE, "refresh_token")


class Token(TokenMixin):
    """What was issued at once."""

    def __init__(self, said: dict[str, Any]) -> None:
        self.said = said
        self.ended = False

    def check_client(self, client: Client) -> bool:
        return True

    def get_scope(self) -> str:
        return str(self.said.get("scope", ""))

    def get_expires_in(self) -> int:
        return int(self.said["expires_in"])

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return self.ended


def kept(name: str, value: str) -> Token | None:
    """The token that has this member."""
    return next((one for one in TOKENS if one.said.get(name) == value and not one.ended), None)


class Device(DeviceAuthorizationEndpoint):
    """Gives codes."""

    CLIENT_AUTH_METHODS = ("none",)
    INTERVAL = 1

    def get_verification_uri(self) -> str:
        return f"{request.url_root}type"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        CODES[data["device_code"]] = DeviceCredentialDict(
            client_id=client_id, scope=scope, expires_at=time.time() + data["expires_in"], **data
        )


class DeviceGrant(DeviceCodeGrant):
    """Trades codes for tokens."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)

    def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
        return CODES.get(device_code)

    def query_user_grant(self, user_code: str) -> tuple[Ada, bool] | None:
        return (Ada(), True) if user_code in TYPED else None

    def should_slow_down(self, credential: DeviceCredentialDict) -> bool:
        return False


class Refresh(grants.RefreshTokenGrant):
    """Trades refresh tokens, each once."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("none",)
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> Token | None:
        return kept("refresh_token", refresh_token)

    def authenticate_user(self, refresh_token: Token) -> Ada:
        return Ada()

    def revoke_old_credential(self, refresh_token: Token) -> None:
        refresh_token.ended = True


class Revocation(RevocationEndpoint):
    """Ends them."""

    CLIENT_AUTH_METHODS = ("none",)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Token | None:
        return kept(token_type_hint or "refresh_token", token_string)

    def revoke_token(self, token: Token, request: Any) -> None:
        token.ended = True


class Writer(JWTBearerTokenGenerator):
    """Writes access tokens as RFC 9068 has them."""

    def get_jwks(self) -> Any:
        return KEYS.as_dict(private=True)

    def get_audiences(self, client: Client, user: Ada, scope: str) -> str:
        return "labgate"

    def get_extra_claims(self, client: Client, grant_type: str, user: Ada, scope: str) -> dict[str, Any]:
        return {"groups": ["lab"]}


server = AuthorizationServer(app, lambda _: Client(), lambda token, _: TOKENS.append(Token(token)))
server.register_endpoint(Device)
server.register_endpoint(Revocation)
server.register_grant(DeviceGrant)
server.register_grant(Refresh)


@app.post("/device")
def device() -> Any:
    """Begin a login."""
    return server.create_endpoint_response(Device.ENDPOINT_NAME)


@app.post("/token")
def token() -> Any:
    """Trade a code or a refresh token."""
    return server.create_token_response()


@app.post("/revoke")
def revoke() -> Any:
    """End a token."""
    return server.create_endpoint_response(Revocation.ENDPOINT_NAME)


@app.get("/type")
def typed() -> str:
    """The page that ada opens in a browser: here to open it is to log in."""
    TYPED.add(request.args["user_code"])
    return "You are logged in."


@app.get("/jwks")
def jwks() -> Any:
    """The public keys."""
    return jsonify(KEYS.as_dict(private=False))


@app.get("/.well-known/oauth-authorization-server")
def metadata() -> Any:
    """RFC 8414."""
    root = request.url_root.rstrip("/")
    return jsonify(
        issuer=root,
        jwks_uri=f"{root}/jwks",
        token_endpoint=f"{root}/token",
        device_authorization_endpoint=f"{root}/device",
        revocation_endpoint=f"{root}/revoke",
        response_types_supported=[],
    )


if __name__ == "__main__":
    serving = make_server("127.0.0.1", 0, app, threaded=True)
    writer = Writer(
        issuer=f"http://127.0.0.1:{serving.server_port}",
        alg="ES256",
        refresh_token_generator=lambda **_: os.urandom(24).hex(),
        expires_generator=lambda *_: 3600,
    )
    server.register_token_generator("default", writer)
    run(serving, serving.server_port)
