"""Who may not do something is told the scope with which they might, and nothing of what there is (RFC 6750 section 3.1)."""

import json
import re

import pytest
from mounting import Upstream, as_json

SETTINGS = """\
{more}
policies:
  - {{to: ["group:admins"], allow: ["*", "/**"]}}
  - {{to: [authenticated], allow: ["files.get_one", "GET /files/open/**", "GET /files/ones/*", "PUT /files/ones/*"]}}
  - {{to: ["group:staff", "scope:files.write"], allow: ["files.*", "/files/**"]}}
  - {{to: ["scope:files.all"], allow: ["*", "/**"]}}
  - {{to: ["scope:not told"], allow: ["odd.*", "/odd/**"]}}
services:
  files: {{dialect: openapi, url: "{url}", describe: /openapi.json, mount: /files, listen: "127.0.0.1:0"}}
"""
DOCUMENT = {
    "openapi": "3.1.0",
    "info": {"title": "files", "version": "1"},
    "paths": {
        "/ones/{id}": {
            "get": {"operationId": "get_one", "responses": {"200": {"description": "one"}}},
            "put": {"operationId": "put_one", "responses": {"200": {"description": "done"}}},
        },
        "/twos": {"get": {"operationId": "get_two", "responses": {"200": {"description": "two"}}}},
    },
}


@pytest.fixture
def gate(stand):
    async def made(more: str = "") -> Upstream:
        upstream = await stand.upstream()
        upstream.on("/openapi.json", as_json(DOCUMENT))
        await stand.gate(SETTINGS.format(more=more, url=upstream.url))
        return upstream

    return made


def challenge(answer) -> dict[str, str]:
    """What the challenge of a 403 says."""
    assert answer.status == 403
    said = answer["WWW-Authenticate"]
    assert not said or said.startswith("Bearer ")
    return dict(re.findall(r'(\w+)="([^"]*)"', said))


def scopes(answer) -> list[str] | None:
    """What the error says of scopes."""
    said = json.loads(answer.body)
    return said.get("error", said)["data"].get("scopes")  # a plain URL is answered with the error alone


async def test_a_403_of_a_mount_names_the_scope_of_the_first_policy_that_would_do(gate, stand):
    await gate()
    caller = stand.caller("guests")
    for verb, target in (("PUT", "/files/ones/7"), ("GET", "/files/other"), ("GET", "/files/open/x")):
        answer = await caller.ask(verb, target)
        said = challenge(answer)
        assert (said["error"], said["scope"]) == ("insufficient_scope", "files.write")
        assert said["realm"] == "labgate"
        origin = f"http://127.0.0.1:{caller.port}"
        assert said["resource_metadata"] == f"{origin}/.well-known/oauth-protected-resource/files"
        assert scopes(answer) == ["files.write"]
    own = stand.at(caller, "files")
    said = challenge(await own.get("/other"))
    assert said["scope"] == "files.write"
    assert "resource_metadata" not in said


async def test_whoever_comes_with_the_scope_they_were_told_is_let_in(gate, stand):
    await gate()
    told = challenge(await stand.caller("guests").ask("PUT", "/files/ones/7"))["scope"]
    caller = stand.caller("guests", scopes=(told,))
    assert (await caller.ask("PUT", "/files/ones/7")).status == 200


async def test_an_error_of_rpc_names_the_scope_and_so_does_a_plain_url(gate, stand):
    await gate()
    caller = stand.caller("guests")
    answer = await caller.rpc("/rpc", {"jsonrpc": "2.0", "method": "files.put_one", "params": {}, "id": 1})
    assert (answer.status, answer.fault, scopes(answer)) == (200, "Forbidden", ["files.write"])
    assert not answer["WWW-Authenticate"]
    assert "'files.write'" in json.loads(answer.body)["error"]["message"]
    plain = await caller.get("/rpc/files.get_two")
    said = challenge(plain)
    assert (said["error"], said["scope"]) == ("insufficient_scope", "files.write")
    assert scopes(plain) == ["files.write"]


async def test_what_there_is_and_what_there_is_not_are_refused_alike(gate, stand):
    await gate()
    caller = stand.caller("guests")
    there = await caller.ask("DELETE", "/files/ones/7")
    not_there = await caller.ask("DELETE", "/files/none/7")
    assert challenge(there)["scope"] == challenge(not_there)["scope"] == "files.write"
    assert scopes(there) == scopes(not_there)


async def test_where_no_scope_would_help_none_is_named(stand):
    upstream = await stand.upstream()
    await stand.gate(
        "policies:\n"
        '  - {to: ["group:admins"], allow: ["*", "/**"]}\n'
        '  - {to: ["scope:other"], allow: ["other.*", "/other/**"]}\n'
        '  - {to: ["scope:paths"], allow: ["/half/**"]}\n'
        f'services: {{files: {{dialect: listed, url: "{upstream.url}", mount: /files}},\n'
        f'  half: {{dialect: listed, url: "{upstream.url}", mount: /half}}}}\n'
    )
    answer = await stand.caller("guests").get("/files/x")
    assert challenge(answer) == {}
    assert scopes(answer) is None
    # The path is allowed with one scope, and the method that it is with none.
    answer = await stand.caller("guests", scopes=("paths",)).get("/half/x")
    assert challenge(answer) == {}
    assert scopes(answer) is None


async def test_whoever_showed_no_token_is_told_of_no_error_of_theirs(gate, stand):
    await gate("identity: {anonymous: true}")
    said = challenge(await stand.nobody().get("/files/other"))
    assert said["scope"] == "files.write"
    assert "error" not in said
