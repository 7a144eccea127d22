"""Which methods has a DVID, whatever data it has?"""

from __future__ import annotations

from typing import Any, Final

from gateway.core.method import HttpBinding, Param, Place
from gateway.core.service import Described

_TEXT: Final = {"type": "string"}
_WHOLE: Final = {"type": "integer"}
_CORNER: Final = {"type": "array", "items": _WHOLE, "minItems": 3, "maxItems": 3}
_ARRAY: Final = {"x-labgate-kind": "ndarray"}

_NODE = Param(
    "node",
    True,
    _TEXT,
    "A version: its UUID or the beginning of it, `UUID:branch`, `UUID:branch~N`, or a name of the gate's.",
)
_INSTANCE = Param("instance", True, _TEXT, "The name of the data.")
_START = Param("start", True, _CORNER, "First corner [z, y, x], in voxels; may be negative.")
_STOP = Param("stop", True, _CORNER, "Corner [z, y, x] behind the last voxel.")
_SCALE = Param(
    "scale", False, {"type": "integer", "default": 0}, "0 is the finest; every next one halves it."
)


def _own(
    name: str,
    summary: str,
    *params: Param,
    safe: bool = True,
    result: dict[str, Any] | None = None,
    facts: dict[str, Any] | None = None,
) -> Described:
    return Described(
        name, params, "by-name", result=result, summary=summary, safe=safe, facts=facts or {}, assembled=True
    )


def _option(name: str, schema: dict[str, Any], text: str) -> Param:
    return Param(name, False, schema, text)


OWN: Final = (
    _own("repos", "Every repository you may see: root, alias, description, branches."),
    _own(
        "repo",
        "One repository, with its versions and data.",
        Param("repo", True, _TEXT, "Its alias, or a version of it."),
    ),
    _own("node", "One version: parents, children, branch, note, dates, whether it is locked.", _NODE),
    _own("instances", "The data of a version's repository: type, voxels, whether they have versions.", _NODE),
    _own("info", "What the service says of some data at a version.", _NODE, _INSTANCE),
    _own(
        "volume",
        "A volume: shape, type, axes, units, scales; in Python a handle that is sliced like an array.",
        _NODE,
        _INSTANCE,
        result={"type": "object"},
        facts={"result": "volume", "volume": {"read": "read", "write": "write", "create": "create_volume"}},
    ),
    _own(
        "read",
        "The voxels of a box, as an array with the axes z, y, x (and the channel).",
        *(_NODE, _INSTANCE, _START, _STOP, _SCALE),
        result=_ARRAY,
        facts={"result": "array"},
    ),
    _own(
        "write",
        "Write an array into an open version; its corners lie at the borders of blocks.",
        _NODE,
        _INSTANCE,
        _START,
        Param("data", True, _ARRAY, "The array, with the axes z, y, x."),
        _option(
            "mutate",
            {"type": "boolean"},
            "Whether voxels that exist may be replaced; for labels they may, unless this is false.",
        ),
        safe=False,
    ),
    _own(
        "create_volume",
        "Make new data for voxels, and say what they are.",
        _NODE,
        Param("instance", True, _TEXT, "The name of the new data."),
        Param("dtype", True, _TEXT, "uint8, uint16, uint32, uint64 (labels) or float32."),
        _option("axes", {"type": "array", "items": _TEXT}, "z, y, x."),
        _option("shape", _CORNER, "How many voxels there are; else it grows with what is written."),
        _option("offset", _CORNER, "Where they begin."),
        _option("block_shape", _CORNER, "The shape of the service's blocks."),
        _option("resolution", {"type": "array"}, "The size of a voxel, [z, y, x]."),
        _option("units", {"type": "array"}, "The units of it."),
        _option("channels", {"type": "integer", "default": 1}, "4 for RGBA."),
        _option("type", _TEXT, "The service's type, where another one than usual is wanted."),
        _option("versioned", {"type": "boolean", "default": True}, "Whether each version has its own."),
        safe=False,
    ),
    _own(
        "commit",
        "Lock a version: it never changes after that.",
        _NODE,
        _option("note", _TEXT, "What it is."),
        _option("log", {"type": "array", "items": _TEXT}, "Lines for its log."),
        safe=False,
    ),
    _own(
        "branch",
        "Begin a branch at a locked version.",
        _NODE,
        Param("branch", True, _TEXT, "Its name."),
        _option("note", _TEXT, "What it is."),
        _option("uuid", _TEXT, "The new version's."),
        safe=False,
    ),
    _own(
        "newversion",
        "Go on at a locked version.",
        _NODE,
        _option("note", _TEXT, "What it is."),
        _option("uuid", _TEXT, "The new version's."),
        safe=False,
    ),
)


def _plain(
    name: str,
    summary: str,
    verb: str,
    path: str,
    *params: Param,
    body: str | None = None,
    query: tuple[str, ...] = (),
    sends: str = "application/json",
    safe: bool | None = None,
) -> Described:
    return bound(
        name,
        summary,
        verb,
        f"/api/node/{{node}}/{{instance}}/{path}",
        (_NODE, _INSTANCE, *params),
        body,
        query,
        sends,
        safe,
    )


def bound(
    name: str,
    summary: str,
    verb: str,
    path: str,
    params: tuple[Param, ...],
    body: str | None = None,
    query: tuple[str, ...] = (),
    sends: str = "application/json",
    safe: bool | None = None,
    description: str = "",
) -> Described:
    """A method that is one request; parameters that are neither in the body nor in the query are in the path."""
    places = []
    for param in params:
        where = "body" if param.name == body else "query" if param.name in query else "path"
        places.append(Place(param.name, where, param.name, "comma"))  # type: ignore[arg-type]
    reads = verb == "GET" if safe is None else safe
    return Described(
        name,
        params,
        "by-name",
        summary=summary,
        description=description,
        safe=reads,
        idempotent=reads or verb in ("PUT", "DELETE"),
        binding=HttpBinding(verb, path, tuple(places), sends, "*/*"),
        assembled=True,
    )


_KEY = Param("key", True, _TEXT, "The key.")
_LABEL = Param("label", True, _WHOLE, "The label.")
_LABELS = Param("labels", True, {"type": "array", "items": _WHOLE}, "The labels.")
_POINT = Param("point", True, _TEXT, "X_Y_Z, in voxels.")
_FIRST = Param("first", True, _TEXT, "The first key.")
_LAST = Param("last", True, _TEXT, "The last key.")
_VALUE = Param("value", True, {}, "What is stored.")
_BOX_SIZE = Param("size", True, _TEXT, "X_Y_Z, in voxels.")
_OFFSET = Param("offset", True, _TEXT, "X_Y_Z, in voxels.")
_RELATIONSHIPS = _option("relationships", {"type": "boolean"}, "With what they stand in relation to.")

FAMILIES: Final = (
    _plain("keys", "Every key of key-value data.", "GET", "keys"),
    _plain("key_range", "The keys from one to another.", "GET", "keyrange/{first}/{last}", _FIRST, _LAST),
    _plain(
        "key_range_values",
        "The keys from one to another with their values, which must be JSON.",
        *("GET", "keyrangevalues/{first}/{last}?json=true", _FIRST, _LAST),
    ),
    _plain("get_key", "The value of a key.", "GET", "key/{key}", _KEY),
    _plain("put_key", "Store a value under a key.", "POST", "key/{key}", _KEY, _VALUE, body="value"),
    _plain("delete_key", "Forget a key.", "DELETE", "key/{key}", _KEY),
    _plain("elements", "The annotations in a box.", "GET", "elements/{size}/{offset}", _BOX_SIZE, _OFFSET),
    _plain("all_elements", "Every annotation.", "GET", "all-elements"),
    _plain(
        *("elements_of_label", "The annotations of a label.", "GET", "label/{label}", _LABEL, _RELATIONSHIPS),
        query=("relationships",),
    ),
    _plain(
        "elements_with_tag",
        "The annotations with a tag.",
        *("GET", "tag/{tag}", Param("tag", True, _TEXT, "The tag."), _RELATIONSHIPS),
        query=("relationships",),
    ),
    _plain(
        "put_elements",
        "Add annotations, or replace those at the same points.",
        *("POST", "elements", Param("elements", True, {"type": "array"}, "As the service gives them.")),
        body="elements",
    ),
    _plain("delete_element", "Remove the annotation at a point.", "DELETE", "element/{point}", _POINT),
    _plain("label_at", "The label at a point.", "GET", "label/{point}", _POINT),
    _plain(
        "labels_at",
        "The labels at points.",
        *("GET", "labels", Param("points", True, {"type": "array"}, "[[x, y, z], …], in voxels.")),
        body="points",
    ),
    _plain("label_size", "How many voxels a label has.", "GET", "size/{label}", _LABEL),
    _plain("label_sizes", "How many voxels labels have.", "GET", "sizes", _LABELS, body="labels"),
    _plain(
        "sparsevol", "The voxels of a label, in DVID's run-length format.", "GET", "sparsevol/{label}", _LABEL
    ),
    _plain("max_label", "The highest label of a version.", "GET", "maxlabel"),
)
"""Methods of key-value data, annotations and labels."""
