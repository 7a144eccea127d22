"""What does the annotation service answer? Rows that are added, changed and removed."""

# ruff: noqa: ARG005 - every endpoint takes what its path names
from __future__ import annotations

from typing import Any

from gateway.demo.cave.documents import ANNOTATION
from gateway.demo.cave.http import Asked, Refusal, Route

_N = "/annotation/api/v2/aligned_volume/{volume}/table"


def routes() -> list[Route]:
    """Its addresses."""
    return [
        Route("GET", "/annotation/api/versions", lambda _: [0, 2], None),
        Route("GET", "/annotation/api/swagger.json", lambda _: ANNOTATION, None),
        Route("GET", _N, lambda asked, volume: sorted(asked.deployment.annotations(volume)), "view"),
        Route("POST", _N, _create, "edit"),
        Route(
            "PUT",
            _N,
            lambda asked, volume: {"table_name": asked.said["table_name"], **asked.said["metadata"]},
            "edit",
        ),
        Route(
            "GET",
            _N + "/{name}",
            lambda asked, volume, name: {
                "table_name": name,
                "schema_type": "synapse",
                "valid": True,
                "rows": len(_rows(asked, volume, name)),
                "voxel_resolution_x": 4.0,
                "voxel_resolution_y": 4.0,
                "voxel_resolution_z": 40.0,
            },
            "view",
        ),
        Route("DELETE", _N + "/{name}", _delete, "edit"),
        Route(
            "GET", _N + "/{name}/count", lambda asked, volume, name: len(_rows(asked, volume, name)), "view"
        ),
        Route("GET", _N + "/{name}/annotations", _read, "view"),
        Route("POST", _N + "/{name}/annotations", _add, "edit"),
        Route("PUT", _N + "/{name}/annotations", _update, "edit"),
        Route("DELETE", _N + "/{name}/annotations", _remove, "edit"),
    ]


def _rows(asked: Asked, volume: str, name: str) -> dict[int, Any]:
    tables = asked.deployment.annotations(volume)
    if name not in tables:
        raise Refusal(404, {"message": f"no table {name}"})
    return tables[name]


def _create(asked: Asked, volume: str) -> Any:
    name = asked.said["table_name"]
    tables = asked.deployment.annotations(volume)
    if name in tables:
        raise Refusal(400, {"message": f"table {name} exists"})
    tables[name] = {}
    return name.encode(), {"Content-Type": "text/html; charset=utf-8"}


def _delete(asked: Asked, volume: str, name: str) -> Any:
    _rows(asked, volume, name)
    del asked.deployment.annotations(volume)[name]
    return True


def _read(asked: Asked, volume: str, name: str) -> Any:
    rows = _rows(asked, volume, name)
    wanted = [int(one) for one in asked.query["annotation_ids"].split(",")]
    return [{**rows[one], "id": one} for one in wanted if one in rows]


def _add(asked: Asked, volume: str, name: str) -> Any:
    rows = _rows(asked, volume, name)
    with asked.deployment.lock:
        numbers = []
        for one in asked.said["annotations"]:
            number = int(one.get("id") or len(rows) + 1)
            rows[number] = one
            numbers.append(number)
    return numbers


def _update(asked: Asked, volume: str, name: str) -> Any:
    rows = _rows(asked, volume, name)
    with asked.deployment.lock:
        changed = {}
        for one in asked.said["annotations"]:
            number = max(rows, default=0) + 1
            rows[number] = one
            rows.pop(int(one["id"]), None)
            changed[str(one["id"])] = number
    return changed


def _remove(asked: Asked, volume: str, name: str) -> Any:
    rows = _rows(asked, volume, name)
    numbers = [int(one) for one in asked.said["annotation_ids"]]
    for number in numbers:
        rows.pop(number, None)
    return numbers
