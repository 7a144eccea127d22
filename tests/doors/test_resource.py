"""What a client reads before it has a token: where tokens come from (RFC 9728), and the gate's keys (RFC 7517)."""

import json
import re

import jwt
import pytest

SETTINGS = """\
{more}
identity:
  scopes: [files.read, openid]
  issuers:
    - {{issuer: "https://login.lab.org/", audience: labgate, jwks: "{keys}"}}
    - {{issuer: by-hand, audience: labgate, jwks: "{keys}"}}
policies:
  - {{to: ["group:lab"], allow: ["*", "/**"]}}
services:
  files: {{dialect: listed, url: "{up}", mount: /files}}
  deep: {{dialect: listed, url: "{up}", mount: /a/deep/place, listen: "127.0.0.1:0"}}
"""
METADATA = "/.well-known/oauth-protected-resource"


@pytest.fixture
def gate(stand, tmp_path):
    async def made(more: str = "") -> None:
        keys = tmp_path / "jwks.json"
        keys.write_text(json.dumps({"keys": []}))
        up = await stand.upstream()
        await stand.gate(SETTINGS.format(more=more, keys=keys, up=up.url))

    return made


def metadata_in(answer) -> str:
    """The address that the challenge of a refusal tells."""
    assert answer.status == 401
    (found,) = re.findall(r'resource_metadata="([^"]*)"', answer["WWW-Authenticate"])
    assert 'scope="files.read openid"' in answer["WWW-Authenticate"]
    return found


@pytest.mark.parametrize("path", ["", "/rpc", "/files", "/a/deep/place"])
async def test_anybody_may_read_where_tokens_for_a_resource_come_from(gate, stand, path):
    await gate()
    nobody = stand.nobody()
    answer = await nobody.get(METADATA + path)
    assert (answer.status, answer["Content-Type"]) == (200, "application/json")
    assert answer["Access-Control-Allow-Origin"] == "*"
    origin = f"http://127.0.0.1:{nobody.port}"
    assert json.loads(answer.body) == {
        "resource": origin + path,
        "resource_name": "labgate",
        "authorization_servers": ["https://login.lab.org/"],
        "scopes_supported": ["files.read", "openid"],
        "bearer_methods_supported": ["header"],
        "jwks_uri": f"{origin}/.well-known/jwks.json",
    }


@pytest.mark.parametrize(
    "path", ["/", "/none", "/files/x", "/files/", "/files/..", "/-", "/%2e%2e/rpc", "/rpc/x"]
)
async def test_what_is_no_resource_has_no_metadata(gate, stand, path):
    await gate()
    assert (await stand.nobody().get(METADATA + path)).status in (400, 404)


@pytest.mark.parametrize(
    ("asked", "resource"),
    [
        ("/rpc", "/rpc"),
        ("/rpc/files.x", "/rpc"),
        ("/openrpc.json", ""),
        ("/-/whoami", ""),
        ("/files/x", "/files"),
        ("/a/deep/place/x", "/a/deep/place"),
    ],
)
async def test_a_refusal_leads_to_the_metadata_of_what_was_asked_for_which_names_it(
    gate, stand, asked, resource
):
    await gate()
    nobody = stand.nobody()
    verb = "POST" if asked == "/rpc" else "GET"
    body = b"{}" if verb == "POST" else None
    address = metadata_in(await nobody.ask(verb, asked, "Content-Type: application/json", body=body))
    origin = f"http://127.0.0.1:{nobody.port}"
    assert address == f"{origin}{METADATA}{resource}"
    told = await nobody.get(address.removeprefix(origin))
    assert json.loads(told.body)["resource"] == origin + resource


async def test_the_public_url_stands_wherever_the_gate_names_itself(gate, stand):
    await gate("public_url: https://gate.lab.org")
    nobody = stand.nobody()
    for asked, resource in (("/rpc/files.x", "/rpc"), ("/files/x", "/files")):
        assert metadata_in(await nobody.get(asked)) == f"https://gate.lab.org{METADATA}{resource}"
    assert json.loads((await nobody.get(METADATA)).body)["resource"] == "https://gate.lab.org"


async def test_behind_a_proxy_that_is_trusted_the_origin_is_the_callers(gate, stand):
    await gate("trusted_proxies: [127.0.0.1]")
    nobody, lines = stand.nobody(), ("X-Forwarded-Proto: https", "X-Forwarded-Host: gate.lab.org")
    for asked, resource in (("/-/whoami", ""), ("/files/x", "/files")):
        assert metadata_in(await nobody.get(asked, *lines)) == f"https://gate.lab.org{METADATA}{resource}"


async def test_a_port_of_a_services_own_tells_nothing_of_the_gates(gate, stand):
    await gate()
    nobody = stand.at(stand.nobody(), "deep")
    answer = await nobody.get("/x")
    assert answer.status == 401
    assert "resource_metadata" not in answer["WWW-Authenticate"]


async def test_the_keys_that_are_published_verify_what_the_gate_signs_and_sign_nothing(gate, stand):
    await gate()
    answer = await stand.nobody().get("/.well-known/jwks.json")
    (key,) = json.loads(answer.body)["keys"]
    assert set(key) == {"kty", "crv", "x", "use", "alg", "kid"}
    token = stand.caller("lab").token
    assert jwt.get_unverified_header(token)["kid"] == key["kid"]
    claims = jwt.decode(token, jwt.PyJWK(key), algorithms=["EdDSA"], audience="labgate", issuer="labgate")
    assert claims["sub"] == "ada"


async def test_without_tokens_of_its_own_the_gate_publishes_no_key(stand):
    await stand.gate("identity: {local_tokens: false}\npolicies: []\n")
    assert json.loads((await stand.nobody().get("/.well-known/jwks.json")).body) == {"keys": []}


async def test_where_people_can_log_in_is_told_with_the_client_that_does_it(stand, tmp_path):
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": []}))
    entry = f'audience: labgate, jwks: "{keys}"'
    await stand.gate(
        "identity:\n  issuers:\n"
        f'    - {{issuer: "https://login.lab.org/", {entry}, device: {{client_id: cli, scopes: [openid, em.read]}}}}\n'
        f'    - {{issuer: "https://other.org/", {entry}, device: {{client_id: c, audience: a, resource: false}}}}\n'
        f'    - {{issuer: "https://without.org/", {entry}}}\n'
        "policies: []\n"
    )
    said = json.loads((await stand.nobody().get(METADATA)).body)
    assert said["authorization_servers"] == [
        "https://login.lab.org/",
        "https://other.org/",
        "https://without.org/",
    ]
    first = {"issuer": "https://login.lab.org/", "client_id": "cli", "scopes": ["openid", "em.read"]}
    second = {"issuer": "https://other.org/", "client_id": "c", "scopes": [], "audience": "a"}
    assert said["x-labgate"] == {"login": [first | {"resource": True}, second | {"resource": False}]}
    assert json.loads((await stand.nobody().get(f"{METADATA}/rpc")).body)["x-labgate"] == said["x-labgate"]


async def test_a_gate_with_tokens_of_its_own_alone_names_no_authorization_server(stand):
    await stand.gate("policies: []\n")
    said = json.loads((await stand.nobody().get(METADATA)).body)
    assert {"authorization_servers", "scopes_supported", "x-labgate"}.isdisjoint(said)
