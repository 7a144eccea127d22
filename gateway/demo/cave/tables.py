"""Which rows do the tables of annotations have, and which of them does a query mean?"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.demo.cave.graph import SUPERVOXEL, Graph

Row = dict[str, Any]
LIMIT = 200_000
"""Rows that one query gets at most."""
VERSIONS = {1: "2024-06-01T08:10:00.512345", 2: "2025-01-15T08:10:00.512345", 3: "2025-11-03T08:10:00.512345"}
_VOXEL = (4.0, 4.0, 40.0)


class QueryError(ValueError):
    """A query that cannot be answered, and why."""


class Table:
    """A table that is made up: `count` rows with points in the segmentation."""

    def __init__(self, name: str, schema: str, count: int, graph: Graph, **more: Any) -> None:
        self.name = name
        self.schema = schema
        self.metadata = {
            "id": sum(map(ord, name)),
            "table_name": name,
            "schema": schema,
            "schema_type": schema,
            "valid": True,
            "created": "2024-01-02T00:00:00",
            "last_modified": "2024-01-02T00:00:00",
            "description": f"Rows that the demo makes up: {name}",
            "user_id": "11",
            "reference_table": None,
            "notice_text": None,
            "flat_segmentation_source": None,
            "voxel_resolution": list(_VOXEL),
            "voxel_resolution_x": _VOXEL[0],
            "voxel_resolution_y": _VOXEL[1],
            "voxel_resolution_z": _VOXEL[2],
            "write_permission": "PRIVATE",
            "read_permission": "PUBLIC",
            "annotation_table": name,
            **more,
        }
        self.rows = [self._row(at, graph) for at in range(1, count + 1)]

    @staticmethod
    def _row(at: int, graph: Graph) -> Row:
        supervoxel = SUPERVOXEL + at % graph.size + 1
        return {
            "id": at,
            "valid": True,
            "size": float(at % 977) / 4,
            "cell_type": ("pyramidal", "basket", "astrocyte")[at % 3],
            "pt_supervoxel_id": supervoxel,
            "pt_root_id": graph.root_of(supervoxel, 1_717_000_000.0),
            "pre_pt_root_id": graph.root_of(supervoxel, 1_717_000_000.0),
            "post_pt_root_id": graph.root_of(SUPERVOXEL + (at * 11) % graph.size + 1, 1_717_000_000.0),
            "pt_position_x": at % 3000,
            "pt_position_y": (at * 7) % 3000,
            "pt_position_z": (at * 13) % 900,
        }


def _matches(column: str, test: Callable[[Any], bool]) -> Callable[[Row], bool]:
    def met(row: Row) -> bool:
        if column not in row:
            raise QueryError(f"there is no column {column}")
        return test(row[column])

    return met


_TESTS: Mapping[str, Callable[[Any], Callable[[Any], bool]]] = {
    "filter_in_dict": lambda wanted: lambda value: value in set(wanted),
    "filter_notin_dict": lambda wanted: lambda value: value not in set(wanted),
    "filter_equal_dict": lambda wanted: lambda value: value == wanted,
    "filter_greater_dict": lambda wanted: lambda value: value > wanted,
    "filter_less_dict": lambda wanted: lambda value: value < wanted,
    "filter_greater_equal_dict": lambda wanted: lambda value: value >= wanted,
    "filter_less_equal_dict": lambda wanted: lambda value: value <= wanted,
    "filter_regex_dict": lambda wanted: lambda value: re.search(wanted, value) is not None,
}


def query(table: Table, said: Mapping[str, Any], limit: int = LIMIT) -> tuple[list[Row], bool]:
    """The rows that a query means, and whether there are more than it gets."""
    tests: list[Callable[[Row], bool]] = []
    for name, made in _TESTS.items():
        for about, columns in (said.get(name) or {}).items():
            wanted = (
                columns if about == table.name else {about: columns} if not isinstance(columns, dict) else {}
            )
            tests += [_matches(column, made(value)) for column, value in wanted.items()]
    for columns in (said.get("filter_spatial_dict") or {}).values():
        tests += [_within(column, box) for column, box in columns.items()]
    offset = int(said.get("offset") or 0)
    found = [row for row in table.rows if all(test(row) for test in tests)][offset:]
    wanted_rows = min(int(said.get("limit") or limit), limit)
    return found[:wanted_rows], len(found) > wanted_rows and wanted_rows == limit


def _within(column: str, box: Any) -> Callable[[Row], bool]:
    low, high = box
    return lambda row: all(
        a <= row[f"{column}_{axis}"] <= b for axis, a, b in zip("xyz", low, high, strict=True)
    )


def chosen(rows: list[Row], said: Mapping[str, Any], table: Table) -> list[Row]:
    """The columns that a query wants, in its resolution."""
    scale = said.get("desired_resolution")
    if scale:
        factors = [a / b for a, b in zip(_VOXEL, scale, strict=True)]
        rows = [
            {
                **row,
                **{
                    f"pt_position_{axis}": row[f"pt_position_{axis}"] * f
                    for axis, f in zip("xyz", factors, strict=True)
                },
            }
            for row in rows
        ]
    wanted = said.get("select_columns") or (said.get("select_column_map") or {}).get(table.name)
    if not wanted:
        return rows
    names = [
        name
        for one in wanted
        for name in ([f"{one}_{axis}" for axis in "xyz"] if one == "pt_position" else [one])
    ]
    return [{name: row[name] for name in names if name in row} for row in rows]


def arrow(rows: list[Row], compression: str | None) -> bytes:
    """The rows as an Arrow IPC stream."""
    import pyarrow

    names = list(rows[0]) if rows else ["id"]
    made = pyarrow.table({name: [row[name] for row in rows] for name in names})
    sink = io.BytesIO()
    options = pyarrow.ipc.IpcWriteOptions(compression=compression)
    with pyarrow.ipc.new_stream(sink, made.schema, options=options) as stream:
        stream.write_table(made)
    return sink.getvalue()
