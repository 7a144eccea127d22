"""How do several arguments make one body, as the services want it?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.core.faults import InvalidParams

Given = Mapping[str, Any]


def _rows(value: Any, name: str) -> list[list[Any]]:
    if not isinstance(value, list) or not all(isinstance(row, list) and len(row) == 3 for row in value):
        raise InvalidParams(f"The parameter {name!r} is no list of points with three coordinates each.")
    return value


def _ids(value: Any, name: str) -> list[int]:
    if not isinstance(value, list) or not all(type(one) is int for one in value):
        raise InvalidParams(f"The parameter {name!r} is no list of integers.")
    return value


def _merge(given: Given) -> Any:
    """A supervoxel and a point in nanometers for each of what is merged."""
    points, ids = _rows(given.get("coords"), "coords"), _ids(given.get("supervoxels"), "supervoxels")
    if len(points) != len(ids):
        raise InvalidParams("There must be as many `coords` as `supervoxels`.")
    scale = given.get("resolution") or [4, 4, 40]
    if not isinstance(scale, list) or len(scale) != 3:
        raise InvalidParams("The parameter 'resolution' has three numbers: nanometers in x, y and z.")
    return [
        [one, *(a * b for a, b in zip(point, scale, strict=True))]
        for one, point in zip(ids, points, strict=True)
    ]


def _split(given: Given) -> Any:
    """Points of two sides, each with a supervoxel, or the root where it is not known."""
    return {
        side: _side(given, f"{one}_points", f"{one}_supervoxels")
        for side, one in (("sources", "source"), ("sinks", "sink"))
    }


def _side(given: Given, points_name: str, ids_name: str) -> list[list[Any]]:
    points = _rows(given.get(points_name), points_name)
    ids = given.get(ids_name) or [None] * len(points)
    if not isinstance(ids, list) or len(ids) != len(points):
        raise InvalidParams(f"There must be as many {ids_name!r} as {points_name!r}, or none.")
    root = given.get("root_id")
    return [[root if one is None else one, *point] for one, point in zip(ids, points, strict=True)]


def _path(given: Given) -> Any:
    ends = _rows([given.get("src_pt"), given.get("dst_pt")], "src_pt, dst_pt")
    return [[given.get("root_id"), *point] for point in ends]


def _new_table(given: Given) -> Any:
    (resolution,) = _rows([given.get("voxel_resolution")], "voxel_resolution")
    metadata = {
        "description": given.get("description"),
        **{f"voxel_resolution_{axis}": float(one) for axis, one in zip("xyz", resolution, strict=True)},
        "read_permission": given.get("read_permission") or "PUBLIC",
        "write_permission": given.get("write_permission") or "PRIVATE",
        **_said(given, "user_id", "notice_text", "flat_segmentation_source"),
    }
    if given.get("reference_table") is not None:
        metadata["table_metadata"] = {
            "reference_table": given["reference_table"],
            "track_target_id_updates": given.get("track_target_id_updates"),
        }
    return {
        "schema_type": given.get("schema_name"),
        "table_name": given.get("table_name"),
        "metadata": metadata,
    }


def _table_metadata(given: Given) -> Any:
    names = ("description", "flat_segmentation_source", "read_permission", "write_permission")
    return {
        "table_name": given.get("table_name"),
        "metadata": _said(given, *names, "user_id", "notice_text"),
    }


def _said(given: Given, *names: str) -> dict[str, Any]:
    return {name: given[name] for name in names if given.get(name) is not None}


SHAPES: Final[Mapping[str, Callable[[Given], Any]]] = {
    "merge": _merge,
    "split": _split,
    "path": _path,
    "new_table": _new_table,
    "table_metadata": _table_metadata,
}
"""By the names that routes call them; each takes the arguments by name and gives the body."""
