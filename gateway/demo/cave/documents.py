"""What do those services of a deployment say of themselves that say anything? Swagger 2.0, with its authors' habits."""

from __future__ import annotations

from typing import Any


def _document(base: str, title: str, paths: dict[str, dict[str, str]]) -> dict[str, Any]:
    """A document; operations are `verb: operationId`, which may repeat and hold spaces."""
    return {
        "swagger": "2.0",
        "basePath": base,
        "info": {"title": title, "version": "2"},
        "produces": ["application/json"],
        "securityDefinitions": {"apikey": {"type": "apiKey", "in": "query", "name": "middle_auth_token"}},
        "paths": {
            path: {
                **_parameters(path),
                **{
                    verb: {"operationId": name, "responses": {"200": {"description": "Success"}}}
                    for verb, name in verbs.items()
                },
            }
            for path, verbs in paths.items()
        },
    }


def _parameters(path: str) -> dict[str, Any]:
    named = [step[1:-1] for step in path.split("/") if step.startswith("{")]
    found = [{"name": name, "in": "path", "required": True, "type": "string"} for name in named]
    return {"parameters": found} if found else {}


INFO = _document(
    "/info",
    "Info",
    {
        "/api/v2/datastacks": {"get": "get datastacks"},
        "/api/v2/datastack/full/{datastack_name}": {"get": "get datastack full"},
        "/api/v2/aligned_volume": {"get": "get aligned volumes"},
        "/health": {"get": "health"},
    },
)
SCHEMA = _document(
    "/schema", "Schemas", {"/api/v2/type": {"get": "get types"}, "/api/v2/type/{name}": {"get": "get type"}}
)
MATERIALIZE = _document(
    "/materialize",
    "Materialization",
    {
        "/api/v2/datastack/{datastack_name}/versions": {"get": "datastack_versions"},
        "/api/v3/datastack/{datastack_name}/versions": {"get": "datastack_versions"},
        "/api/v2/datastack/{datastack_name}/version/{version}/table/{table_name}/query": {
            "post": "simple_query"
        },
        "/api/v3/datastack/{datastack_name}/version/{version}/table/{table_name}/query": {
            "post": "simple_query"
        },
        "/api/v3/datastack/{datastack_name}/query": {"post": "simple_query"},
        "/health": {"get": "health"},
    },
)
ANNOTATION = _document(
    "/annotation",
    "Annotations",
    {"/api/v2/aligned_volume/{aligned_volume_name}/table": {"get": "get tables", "post": "create table"}},
)
SKELETON = _document(
    "/skeletoncache",
    "Skeletons",
    {
        "/api/version": {"get": "SkeletonResource"},
        "/api/v1/{datastack_name}/precomputed/skeleton/{skeleton_version}/info": {"get": "SkeletonResource"},
        "/api/v1/{datastack_name}/precomputed/skeleton/{skeleton_version}/{root_id}": {
            "get": "SkeletonResource"
        },
    },
)
