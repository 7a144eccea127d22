"""What can the service do? Its OpenAPI 3.1 document, which the router obeys."""

from typing import Any

from gateway.demo.files.about import NAME, SUMMARY, VERSION
from gateway.demo.files.schemas import SCHEMAS, SOURCE, TAG_NAME, TITLE, Schema, ref

OCTETS = "application/octet-stream"
JSON = "application/json"

_REASONS = {
    "404": "There is no such thing",
    "409": "What is kept forbids it",
    "415": "The body is of another media type",
    "422": "A parameter or the body does not fit",
}
_UID = ("uid", "path", {"type": "string"}, "The image")
_INDEX: Schema = {"type": "integer", "minimum": 0, "maximum": 1_000_000}

Parameter = tuple[str, str, Schema, str]


def _operation(
    name: str,
    summary: str,
    success: tuple[str, dict[str, Any]],
    *,
    parameters: tuple[Parameter, ...] = (),
    body: dict[str, Any] | None = None,
    errors: tuple[str, ...] = (),
    required: tuple[str, ...] = (),
) -> dict[str, Any]:
    """`success`: status and response; `required`: the query parameters that must be given."""
    operation: dict[str, Any] = {"operationId": name, "summary": summary, "parameters": []}
    for parameter, where, schema, description in parameters:
        needed = where == "path" or parameter in required
        operation["parameters"].append(
            {"name": parameter, "in": where, "required": needed, "schema": schema, "description": description}
        )
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    refusals = {
        status: {"description": _REASONS[status], "content": {JSON: {"schema": ref("Error")}}}
        for status in errors
    }
    status, response = success
    return operation | {"responses": {status: response} | refusals}


def _json(description: str, schema: Schema) -> dict[str, Any]:
    return {"description": description, "content": {JSON: {"schema": schema}}}


def _binary(description: str, media_type: str, **fields: str) -> dict[str, Any]:
    """`fields`: what each additional response header, written with underscores, says."""
    response: dict[str, Any] = {"description": description, "content": {media_type: {}}}
    headers = {
        name.replace("_", "-"): {"schema": {"type": "string"}, "description": text}
        for name, text in fields.items()
    }
    return response | ({"headers": headers} if headers else {})


def _list_of(name: str) -> Schema:
    return {"type": "array", "items": ref(name)}


_NOT_MODIFIED = {"304": {"description": "The caller's copy, named in If-None-Match, is still good"}}

PATHS: dict[str, dict[str, dict[str, Any]]] = {
    "/images": {
        "get": _operation(
            "list_images",
            "List the images, oldest first",
            ("200", _json("A page of images", ref("ImagePage"))),
            parameters=(
                ("source", "query", SOURCE, "Only those from there"),
                ("limit", "query", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "At most so many"),
                ("offset", "query", _INDEX | {"default": 0}, "Leave out so many"),
            ),
            errors=("422",),
        ),
        "post": _operation(
            "upload_image",
            "Keep an image of your own: the body is a .npy file with two dimensions of numbers",
            ("201", _json("The new image", ref("Image"))),
            parameters=(("title", "query", TITLE, "What to call it; no two images share a title"),),
            body={OCTETS: {}},
            errors=("409", "415", "422"),
            required=("title",),
        ),
    },
    "/images/{uid}": {
        "get": _operation(
            "get_image",
            "Get what is known of an image, without its pixels",
            ("200", _json("The image", ref("Image"))),
            parameters=(_UID,),
            errors=("404",),
        ),
        "patch": _operation(
            "update_image",
            "Give an image another title, other tags, or both",
            ("200", _json("The image as it is now", ref("Image"))),
            parameters=(_UID,),
            body={JSON: {"schema": ref("ImageUpdate")}},
            errors=("404", "409", "415", "422"),
        ),
    },
    "/images/{uid}/annotations": {
        "get": _operation(
            "list_annotations",
            "List the annotations of an image, oldest first",
            ("200", _json("All annotations", _list_of("Annotation"))),
            parameters=(_UID,),
            errors=("404",),
        ),
        "post": _operation(
            "create_annotation",
            "Mark a point of an image",
            ("201", _json("The new annotation", ref("Annotation"))),
            parameters=(_UID,),
            body={JSON: {"schema": ref("NewAnnotation")}},
            errors=("404", "409", "415", "422"),
        ),
    },
    "/images/{uid}/annotations/{annotation_id}": {
        "delete": _operation(
            "delete_annotation",
            "Delete an annotation",
            ("204", {"description": "It is gone"}),
            parameters=(_UID, ("annotation_id", "path", {"type": "integer", "minimum": 1}, "The annotation")),
            errors=("404", "422"),
        ),
    },
    "/images/{uid}/statistics": {
        "get": _operation(
            "get_statistics",
            "Get minimum, maximum, mean and standard deviation of an image's pixels",
            ("200", _json("The statistics", ref("Statistics"))),
            parameters=(_UID,),
            errors=("404",),
        ),
    },
    "/images/{uid}/thumbnail": {
        "get": _operation(
            "get_thumbnail",
            "Get a small grey picture of an image",
            ("200", _binary("The picture", "image/png")),
            parameters=(_UID,),
            errors=("404",),
        ),
    },
    "/images/{uid}/tiles/{level}/{x}/{y}": {
        "get": _operation(
            "get_tile",
            "Get a tile of at most 64 x 64 pixels: little-endian float32, row after row",
            (
                "200",
                _binary("The pixels", OCTETS, X_Shape="Rows and columns: 64,64", X_Dtype="In numpy's notation: <f4"),
            ),
            parameters=(
                _UID,
                ("level", "path", _INDEX, "0 is the image itself; each level halves the one before"),
                ("x", "path", _INDEX, "The tile's column"),
                ("y", "path", _INDEX, "The tile's row"),
            ),
            errors=("404", "422"),
        ),
    },
    "/search": {
        "get": _operation(
            "search",
            "Find images by words in their title and by tags",
            ("200", _json("What was found, oldest first", _list_of("Image"))),
            parameters=(
                ("q", "query", {"type": "string", "maxLength": 200, "default": ""}, "Part of the title, in any case"),
                (
                    "tag",
                    "query",
                    {"type": "array", "items": TAG_NAME, "maxItems": 10, "default": []},
                    "Only images that carry this tag or one below it; may be repeated, and then all count",
                ),
            ),
            errors=("422",),
        ),
    },
    "/tags": {
        "get": _operation(
            "list_tags", "Get all tags as trees", ("200", _json("The topmost tags", _list_of("Tag")))
        ),
    },
    "/version": {
        "get": _operation(
            "get_version",
            "Get the version of the service",
            ("200", {"description": "The version", "content": {"text/plain": {"schema": {"type": "string"}}}}),
        ),
    },
}  # fmt: skip
"""Every path with its verbs in lower case and their operations."""

for _verbs in PATHS.values():
    if "get" in _verbs:
        _verbs["get"]["responses"] |= _NOT_MODIFIED


DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": NAME, "version": VERSION, "summary": SUMMARY},
    "servers": [{"url": "/"}],
    "paths": PATHS,
    "components": {"schemas": SCHEMAS},
}
"""The whole document, as JSON."""
