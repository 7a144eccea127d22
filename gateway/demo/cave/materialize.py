"""What does materialization answer? Tables and views of frozen versions, and of now."""

# ruff: noqa: ARG001, ARG005 - every endpoint takes what its path names
from __future__ import annotations

import json
from typing import Any

from gateway.demo.cave.documents import MATERIALIZE
from gateway.demo.cave.http import Asked, Refusal, Route
from gateway.demo.cave.tables import VERSIONS, QueryError, Row, Table, arrow, chosen, query

_M2 = "/materialize/api/v2/datastack/{stack}"
_M3 = "/materialize/api/v3/datastack/{stack}"
_COLUMNS = {
    name: {"type": kind}
    for name, kind in {
        "id": "integer",
        "cell_type": "string",
        "size": "float",
        "pt_root_id": "integer",
        "pt_position": "SpatialPoint",
    }.items()
}


def routes() -> list[Route]:
    """Its addresses."""
    view = "view"
    return [
        Route("GET", "/materialize/swagger.json", lambda _: MATERIALIZE, None),
        Route("GET", "/materialize/api/versions", lambda _: [2, 3], None),
        Route("GET", "/materialize/version", lambda _: "5.26.4", None),
        Route("GET", "/materialize/health", lambda _: {"ok": True}, None),
        Route(
            "GET",
            "/materialize/api/v[23]/datastack/{stack}/versions",
            lambda *_, **__: sorted(VERSIONS),
            view,
        ),
        Route(
            "GET",
            "/materialize/api/v[23]/datastack/{stack}/metadata",
            lambda asked, stack: [_version(stack, one) for one in VERSIONS],
            view,
        ),
        Route(
            "GET",
            _M3 + "/version/{number}",
            lambda asked, stack, number: _version(stack, _known(number)),
            view,
        ),
        Route(
            "GET",
            _M2 + "/version/{number}/tables",
            lambda asked, stack, number: sorted(_stack(asked, stack, number)),
            view,
        ),
        Route(
            "GET",
            _M2 + "/version/{number}/table/{name}/count",
            lambda asked, stack, number, name: len(_table(asked, stack, name).rows),
            view,
        ),
        Route(
            "GET",
            _M3 + "/version/{number}/tables/metadata",
            lambda asked, stack, number: [one.metadata for one in _stack(asked, stack, number).values()],
            view,
        ),
        Route("GET", _M3 + "/version/{number}/table/{name}/metadata", _metadata, view),
        Route(
            "GET",
            _M3 + "/version/{number}/table/{name}/info",
            lambda *_, **__: {"@type": "neuroglancer_segment_properties", "inline": {"ids": []}},
            view,
        ),
        Route(
            "GET",
            _M3 + "/table/{name}/precomputed/info",
            lambda *_, **__: {"@type": "neuroglancer_annotations_v1", "annotation_type": "point"},
            view,
        ),
        Route(
            "GET",
            _M3 + "/table/{name}/unique_string_values",
            lambda asked, stack, name: {
                "cell_type": sorted({row["cell_type"] for row in _table(asked, stack, name).rows})
            },
            view,
        ),
        Route(
            "GET",
            _M3 + "/version/{number}/views",
            lambda *_, **__: {"cell_view": {"description": "cells that are large"}},
            view,
        ),
        Route("GET", _M3 + "/version/{number}/views/schemas", lambda *_, **__: {"cell_view": _COLUMNS}, view),
        Route("GET", _M3 + "/version/{number}/views/{name}/metadata", _view_metadata, view),
        Route("GET", _M3 + "/version/{number}/views/{name}/schema", lambda *_, **__: _COLUMNS, view),
        Route(
            "POST",
            _M3 + "/version/{number}/views/{name}/query",
            lambda asked, stack, number, name: _queried(asked, stack, "cells"),
            view,
        ),
        Route(
            "POST",
            _M3 + "/version/{number}/table/{name}/query",
            lambda asked, stack, number, name: _queried(asked, stack, name),
            view,
        ),
        Route(
            "POST",
            _M3 + "/version/{number}/query",
            lambda asked, stack, number: _queried(asked, stack, asked.said["tables"][0][0]),
            view,
        ),
        Route("POST", _M3 + "/query", lambda asked, stack: _queried(asked, stack, asked.said["table"]), view),
        Route(
            "POST",
            "/materialize/api/v2/materialize/run/ingest_annotations/datastack/{stack}/{name}",
            lambda *_, **__: {"status": "started"},
            "edit",
        ),
        Route(
            "POST",
            "/materialize/api/v2/materialize/run/lookup_svid/datastack/{stack}/{name}",
            lambda *_, **__: {"status": "started"},
            "edit",
        ),
    ]


def _known(number: str) -> int:
    if not number.isdigit() or int(number) not in VERSIONS:
        raise Refusal(404, {"message": f"no version {number}"})
    return int(number)


def _version(stack: str, number: int) -> dict[str, Any]:
    return {
        "id": number,
        "version": number,
        "datastack": stack,
        "time_stamp": VERSIONS[number],
        "expires_on": "2030-01-01T00:00:00.000000",
        "valid": True,
        "status": "AVAILABLE",
        "is_merged": True,
        "parent_version": None,
    }


def _stack(asked: Asked, stack: str, number: str) -> dict[str, Table]:
    _known(number)
    return asked.deployment.stacks[stack].tables


def _table(asked: Asked, stack: str, name: str) -> Table:
    found = asked.deployment.stacks[stack].tables.get(name)
    if found is None:
        raise Refusal(404, {"message": f"no table {name}"})
    return found


def _metadata(asked: Asked, stack: str, number: str, name: str) -> Any:
    _known(number)
    metadata = _table(asked, stack, name).metadata
    fields = {"Content-Type": "application/json"}
    if metadata["notice_text"]:
        fields["Warning"] = f'201 - "Table Owner Notice on {name}: {metadata["notice_text"]}"'
    return json.dumps(metadata).encode(), fields


def _view_metadata(asked: Asked, stack: str, number: str, name: str) -> Any:
    return {
        "id": 1,
        "table_name": name,
        "description": "cells that are large",
        "notice_text": None,
        "voxel_resolution_x": 4.0,
        "voxel_resolution_y": 4.0,
        "voxel_resolution_z": 40.0,
        "live_compatible": True,
        "datastack_name": stack,
    }


def _queried(asked: Asked, stack: str, name: str) -> Any:
    table, said = _table(asked, stack, name), asked.said
    try:
        rows, more = query(table, said, asked.deployment.row_limit)
    except QueryError as error:
        raise Refusal(400, {"message": str(error)}) from None
    fields = {"column_names": json.dumps(list(table.rows[0])), "dataframe_resolution": _resolution(said)}
    if more:
        fields["Warning"] = f'201 - "Limited query to {asked.deployment.row_limit} rows'
    rows = [{"count": len(rows)}] if asked.flag("count") else _positions(asked, chosen(rows, said, table))
    if not asked.flag("return_pyarrow"):
        return json.dumps(rows).encode(), {"Content-Type": "application/json", **fields}
    accepted = asked.headers.get("Accept-Encoding", "")
    compression = next((one for one in ("zstd", "lz4") if one in accepted), None)
    return arrow(rows, compression), {"Content-Type": "data.arrow", **fields}


def _resolution(said: Any) -> str:
    return ", ".join(map(str, said.get("desired_resolution") or (4.0, 4.0, 40.0)))


def _positions(asked: Asked, rows: list[Row]) -> list[Row]:
    """Points in three columns, or in one where they are not to be split."""
    if asked.flag("split_positions") or not rows or "pt_position_x" not in rows[0]:
        return rows
    found = []
    for row in rows:
        point = [row[f"pt_position_{axis}"] for axis in "xyz"]
        found.append(
            {
                **{name: value for name, value in row.items() if not name.startswith("pt_position_")},
                "pt_position": point,
            }
        )
    return found
