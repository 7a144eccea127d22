"""Which shapes do the service's values have? The `components` of its OpenAPI document."""

from typing import Any

Schema = dict[str, Any]

TITLE: Schema = {"type": "string", "minLength": 1, "maxLength": 200}
TAG_NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 40}
SOURCE: Schema = {"type": "string", "enum": ["microscope", "upload"]}
TAGS: Schema = {"type": "array", "items": TAG_NAME, "maxItems": 20}

_MOMENT: Schema = {"type": "string", "format": "date-time"}
_SHAPE: Schema = {
    "type": "array",
    "items": {"type": "integer", "minimum": 1},
    "minItems": 2,
    "maxItems": 2,
    "description": "Rows and columns, in pixels",
}
_POSITION: Schema = {"type": "number", "minimum": 0}


def ref(name: str) -> Schema:
    """A reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(description: str, properties: Schema, optional: tuple[str, ...] = ()) -> Schema:
    required = [name for name in properties if name not in optional]
    schema: Schema = {"type": "object", "description": description, "properties": properties}
    return schema | ({"required": required} if required else {})


SCHEMAS: dict[str, Schema] = {
    "Image": _object(
        "What is known of an image, without its pixels",
        {
            "uid": {"type": "string"},
            "title": TITLE,
            "source": SOURCE,
            "shape": _SHAPE,
            "levels": {"type": "integer", "minimum": 1, "description": "Levels of the tile pyramid"},
            "tags": TAGS,
            "created_at": _MOMENT,
        },
    ),
    "ImagePage": _object(
        "Some of the images, oldest first",
        {
            "items": {"type": "array", "items": ref("Image")},
            "total": {"type": "integer", "description": "How many there are in all"},
            "limit": {"type": "integer"},
            "offset": {"type": "integer"},
        },
    ),
    "ImageUpdate": _object(
        "What is to change; what is left out stays", {"title": TITLE, "tags": TAGS}, ("title", "tags")
    ),
    "NewAnnotation": _object(
        "A point to be marked, in pixels from the top left corner",
        {"x": _POSITION, "y": _POSITION, "label": {"type": "string", "minLength": 1, "maxLength": 200}},
    ),
    "Annotation": _object(
        "A marked point",
        {
            "id": {"type": "integer"},
            "x": _POSITION,
            "y": _POSITION,
            "label": {"type": "string"},
            "created_at": _MOMENT,
        },
    ),
    "Statistics": _object(
        "Statistics over all pixels of an image",
        {"uid": {"type": "string"}, "shape": _SHAPE}
        | {name: {"type": "number"} for name in ("min", "max", "mean", "std")},
    ),
    "Tag": _object(
        "A tag and those that stand below it",
        {"name": TAG_NAME, "children": {"type": "array", "items": ref("Tag")}},
    ),
    "Error": _object("Why there is no result", {"detail": {"type": "string"}}),
}
