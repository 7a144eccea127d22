"""What does the global server answer? info, auth, states and schemas."""

from __future__ import annotations

from typing import Any

from gateway.demo.cave.documents import INFO, SCHEMA
from gateway.demo.cave.http import Asked, Refusal, Route
from gateway.demo.cave.people import DATASETS

_POINT = {
    "type": "object",
    "properties": {
        "position": {"type": "array"},
        "supervoxel_id": {"type": "integer"},
        "root_id": {"type": "integer"},
    },
}
SCHEMAS = {
    name: {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$ref": f"#/definitions/{name}",
        "definitions": {
            name: {
                "type": "object",
                "required": ["pt"],
                "properties": {"pt": {"$ref": "#/definitions/SpatialPoint"}, **more},
            },
            "SpatialPoint": _POINT,
        },
    }
    for name, more in {
        "synapse": {"size": {"type": "number"}},
        "nucleus_detection": {"size": {"type": "number"}},
        "cell_type_local": {"cell_type": {"type": "string"}, "size": {"type": "number"}},
    }.items()
}


def routes() -> list[Route]:
    """Every address of the global server."""
    return [
        Route("GET", "/info/version", lambda _: "4.3.1", None),
        Route("GET", "/info/health", lambda _: {"ok": True}, None),
        Route("GET", "/info/api/swagger.json", lambda _: INFO, None),
        Route("GET", "/info/api/v2/datastacks", _datastacks, ""),
        Route(
            "GET",
            "/info/api/v2/datastack/full/{stack}",
            lambda asked, stack: asked.deployment.record(stack),
            "view",
        ),
        Route("GET", "/info/api/v2/datastack/{stack}/image_sources", _image_sources, "view"),
        Route("GET", "/info/api/v2/aligned_volume", lambda _: ["minnie_em", "fly_em"], ""),
        Route("GET", "/info/api/v2/aligned_volume/id/{number}", _volume_by_id, ""),
        Route(
            "GET", "/info/api/v2/aligned_volume/{name}", lambda asked, name: asked.deployment.volume(name), ""
        ),
        Route("GET", "/info/api/v2/aligned_volume/{name}/datastacks", _of_volume, ""),
        Route("GET", "/auth/api/v1/user/cache", lambda asked: asked.user, ""),
        Route("GET", "/auth/api/v1/user/token", _tokens, ""),
        Route("GET", "/auth/api/v1/user", _users, ""),
        Route("GET", "/auth/api/v1/group/{number}/user", _group, ""),
        Route("GET", "/auth/api/v1/service/{space}/table/{name}/dataset", _dataset, ""),
        Route("GET", "/auth/api/v1/username", _usernames, ""),
        Route(
            "GET",
            "/sticky_auth/.*",
            lambda _: (b"<html>log in here</html>", {"Content-Type": "text/html"}),
            None,
        ),
        Route("GET", "/nglstate/api/v1/version", lambda _: "0.4.0", ""),
        Route("POST", "/nglstate/api/v1/post", lambda asked: _save(asked, asked.deployment.states, ""), ""),
        Route(
            "POST",
            "/nglstate/api/v1/property/post",
            lambda asked: _save(asked, asked.deployment.properties, "property/"),
            "",
        ),
        Route(
            "GET",
            "/nglstate/api/v1/property/{number}/info",
            lambda asked, number: _state(asked.deployment.properties, number),
            "",
        ),
        Route(
            "GET",
            "/nglstate/api/v1/{number}",
            lambda asked, number: _state(asked.deployment.states, number),
            "",
        ),
        Route("GET", "/schema/versions", lambda _: [2], ""),
        Route("GET", "/schema/api/swagger.json", lambda _: SCHEMA, None),
        Route("GET", "/schema/api/v2/type", lambda _: sorted(SCHEMAS), ""),
        Route("GET", "/schema/api/v2/type/{name}", _schema, ""),
        Route("POST", "/schema/api/v2/types", _schemas, ""),
        Route("GET", "/schema/api/v2/types_all", lambda _: SCHEMAS, ""),
    ]


def _datastacks(asked: Asked) -> Any:
    ignoring = asked.user.get("permissions_v2_ignore_tos", {})
    return [name for name in asked.deployment.stacks if "view" in ignoring.get(DATASETS[name], ())]


def _image_sources(asked: Asked, stack: str) -> Any:
    volume = asked.deployment.stacks[stack].volume
    return [
        {"name": "default", "image_source": f"precomputed://gs://demo/{volume}"},
        {"name": "mirror", "image_source": f"precomputed://https://mirror.example/{volume}"},
    ]


def _volume_by_id(asked: Asked, number: str) -> Any:
    return asked.deployment.volume({"1": "minnie_em", "2": "fly_em"}[number])


def _of_volume(asked: Asked, name: str) -> Any:
    return [one.name for one in asked.deployment.stacks.values() if one.volume == name]


def _tokens(asked: Asked) -> Any:
    token = asked.headers.get("Authorization", "")[7:]
    return [{"id": asked.user["id"], "token": token, "user_id": asked.user["id"]}]


def _users(asked: Asked) -> Any:
    wanted = {int(one) for one in asked.query.get("id", "").split(",") if one}
    return [
        {"id": number, "name": one["name"], "email": one["email"], "pi": ""}
        for number, one in asked.deployment.by_id.items()
        if number in wanted
    ]


def _group(asked: Asked, number: str) -> Any:
    name = {"1": "proofreaders", "2": "lab", "3": "guests"}.get(number)
    return [
        {"id": one["id"], "name": one["name"]}
        for one in asked.deployment.by_id.values()
        if name in one["groups"]
    ]


def _dataset(asked: Asked, space: str, name: str) -> Any:
    if space == "datastack" and name in DATASETS:
        return DATASETS[name]
    stack = asked.deployment.of_table(name)
    if stack is None:
        raise Refusal(404, {"message": "no such table"})
    return DATASETS[stack.name]


def _usernames(asked: Asked) -> Any:
    wanted = {int(one) for one in asked.query.get("id", "").split(",") if one}
    return [
        {"id": number, "name": one["name"]}
        for number, one in asked.deployment.by_id.items()
        if number in wanted
    ]


def _save(asked: Asked, kept: dict[int, Any], below: str) -> Any:
    said = asked.said
    with asked.deployment.lock:
        number = 5_000_000_000_000_000 + len(kept) + 1
        kept[number] = said
    host = asked.headers.get("Host", "")
    return f"http://{host}/nglstate/api/v1/{below}{number}"


def _state(kept: dict[int, Any], number: str) -> Any:
    found = kept.get(int(number)) if number.isdigit() else None
    if found is None:
        raise Refusal(404, {"message": "no such state"})
    return found


def _schema(_: Asked, name: str) -> Any:
    if name not in SCHEMAS:
        raise Refusal(404, {"message": f"no schema {name}"})
    return SCHEMAS[name]


def _schemas(asked: Asked) -> Any:
    return {name: SCHEMAS[name] for name in asked.query.get("schema_names", "").split(",")}
