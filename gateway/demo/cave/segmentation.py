"""What do the chunked graph, the meshes and the cache of level 2 chunks answer?"""

# ruff: noqa: ARG001, ARG005 - every endpoint takes what its path names
from __future__ import annotations

import json
import struct
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from gateway.demo.cave.bucket import SCALE
from gateway.demo.cave.deployment import Stack
from gateway.demo.cave.graph import BEGIN, GraphError, Operation, Root
from gateway.demo.cave.http import Asked, Refusal, Route

_TABLE = "/segmentation/api/v1/table/{table}"


def routes() -> list[Route]:
    """Every address below /segmentation, /meshing and /l2cache."""
    view = "view"
    return [
        Route("GET", "/segmentation/api/versions", lambda _: [0, 1], None),
        Route("GET", "/segmentation/api/version", lambda _: "3.0.9", None),
        Route("GET", "/segmentation/table/{table}/info", _info, view),
        Route("GET", _TABLE + "/node/{node}/root", _root, view),
        Route("GET", _TABLE + "/node/{node}/children", _children, view),
        Route("GET", _TABLE + "/node/{node}/leaves", _leaves, view),
        Route("GET", _TABLE + "/node/{node}/lvl2_graph", _level2, view),
        Route("GET", _TABLE + "/node/{node}/subgraph", _subgraph, view),
        Route(
            "GET",
            _TABLE + "/node/{node}/contact_sites",
            lambda asked, table, node: {str(one): [[1, 2, 3], 10.5] for one in asked.said},
            view,
        ),
        Route("POST", _TABLE + "/node/leaves_many", _leaves_many, view),
        Route("POST", _TABLE + "/roots_binary", _roots, view),
        Route("POST", _TABLE + "/minimal_covering_nodes", _covering, view),
        Route("POST", _TABLE + "/is_latest_roots", _latest, view),
        Route("POST", _TABLE + "/root_timestamps", _timestamps, view),
        Route("POST", _TABLE + "/lineage_graph_multiple", _lineage, view),
        Route("GET", _TABLE + "/root/{node}/change_log", _change_log, view),
        Route("GET", _TABLE + "/root/{node}/merge_log", _merge_log, view),
        Route("GET", _TABLE + "/tabular_change_log_many", _tabular, view),
        Route("GET", _TABLE + "/valid_nodes", _valid, view),
        Route("GET", _TABLE + "/past_id_mapping", _past, view),
        Route("GET", _TABLE + "/operation_details", _operations, view),
        Route("GET", _TABLE + "/user_operations", _user_operations, view),
        Route("GET", _TABLE + "/delta_roots", _delta, view),
        Route(
            "GET", _TABLE + "/oldest_timestamp", lambda *_, **__: {"iso": _iso(BEGIN), "unix": BEGIN}, view
        ),
        Route("POST", _TABLE + "/graph/find_path", _path, view),
        Route("POST", _TABLE + "/graph/split_preview", _preview, view),
        Route("POST", _TABLE + "/merge", _merge, "edit"),
        Route("POST", _TABLE + "/split", _split, "edit"),
        Route("POST", _TABLE + "/undo", _undo, "edit"),
        Route("POST", "/meshing/api/v1/table/{table}/remeshing", lambda *_, **__: {}, "edit"),
        Route("GET", "/meshing/api/version", lambda _: "3.0.9", None),
        Route(
            "GET",
            "/l2cache/api/v1/table_mapping",
            lambda asked: {one.table: f"l2cache_{one.table}" for one in asked.deployment.stacks.values()},
            None,
        ),
        Route(
            "GET",
            "/l2cache/api/v1/attribute_metadata",
            lambda _: {"size_nm3": "float", "rep_coord_nm": "float3"},
            None,
        ),
        Route("POST", "/l2cache/api/v1/table/{table}/attributes", _attributes, view),
    ]


def _of(asked: Asked, table: str) -> Stack:
    found = asked.deployment.of_table(table)
    if found is None:
        raise Refusal(404, {"message": f"no table {table}"})
    return found


def _iso(when: float) -> str:
    return datetime.fromtimestamp(when, UTC).isoformat()


def _info(asked: Asked, table: str) -> Any:
    return {
        "app": {"supported_api_versions": [0, 1]},
        "data_dir": f"{asked.deployment.urls['bucket']}/{table}",
        "data_type": "uint64",
        "graph": {"chunk_size": [256, 256, 512], "n_layers": 7, "cv_mip": 0, "spatial_bit_masks": {"1": 10}},
        "mesh": "graphene_meshes",
        "scales": [SCALE],
        "num_channels": 1,
        "type": "segmentation",
    }


def _root(asked: Asked, table: str, node: str) -> Any:
    layer = asked.query.get("stop_layer")
    return {
        "root_id": _of(asked, table).graph.root_of(int(node), asked.when(), int(layer) if layer else None)
    }


def _roots(asked: Asked, table: str) -> Any:
    graph, when = _of(asked, table).graph, asked.when()
    layer = asked.query.get("stop_layer")
    ids = struct.unpack(f"<{len(asked.body) // 8}Q", asked.body)
    known: dict[int, int] = {}
    found = []
    for one in ids:
        chunk = graph.chunk_of(one) if one not in graph.roots else one
        if chunk not in known:
            known[chunk] = graph.root_of(one, when, int(layer) if layer else None)
        found.append(known[chunk])
    return struct.pack(f"<{len(found)}Q", *found), {"Content-Type": "text/html; charset=utf-8"}


def _children(asked: Asked, table: str, node: str) -> Any:
    return {"children_ids": _of(asked, table).graph.children(int(node))}


def _leaves(asked: Asked, table: str, node: str) -> Any:
    layer = asked.query.get("stop_layer")
    return {"leaf_ids": _of(asked, table).graph.leaves(int(node), int(layer) if layer else None)}


def _leaves_many(asked: Asked, table: str) -> Any:
    graph, layer = _of(asked, table).graph, asked.query.get("stop_layer")
    return {str(one): graph.leaves(one, int(layer) if layer else None) for one in asked.said["node_ids"]}


def _level2(asked: Asked, table: str, node: str) -> Any:
    chunks = sorted(_of(asked, table).graph.root(int(node)).chunks)
    edges = json.dumps({"edge_graph": [[a, b] for a, b in pairwise(chunks)]}).encode()
    return edges, {"Content-Type": "application/json", "Used-Bounds": str("bounds" in asked.query)}


def _subgraph(asked: Asked, table: str, node: str) -> Any:
    leaves = _of(asked, table).graph.leaves(int(node))[:10]
    pairs = list(pairwise(leaves))
    return {"nodes": pairs, "affinities": [0.5] * len(pairs), "areas": [7] * len(pairs)}


def _covering(asked: Asked, table: str) -> Any:
    graph = _of(asked, table).graph
    found = sorted({graph.root_of(one) for one in asked.said["node_ids"]})
    if asked.flag("as_array"):
        return struct.pack(f"<{len(found)}Q", *found), {"Content-Type": "text/html; charset=utf-8"}
    return {"covering_nodes": found}


def _latest(asked: Asked, table: str) -> Any:
    graph, when = _of(asked, table).graph, asked.when()
    return {"is_latest": [graph.is_latest(int(one), when) for one in asked.said["node_ids"]]}


def _timestamps(asked: Asked, table: str) -> Any:
    graph = _of(asked, table).graph
    latest, when = asked.flag("latest"), asked.when()
    roots = [graph.root(int(one)) for one in asked.said["node_ids"]]
    return {"timestamp": [(one.ended or when or one.began) if latest else one.began for one in roots]}


def _lineage(asked: Asked, table: str) -> Any:
    nodes, links = _of(asked, table).graph.lineage(map(int, asked.said["root_ids"]))
    return {"directed": True, "multigraph": False, "graph": {}, "nodes": nodes, "links": links}


def _change_log(asked: Asked, table: str, node: str) -> Any:
    log = _of(asked, table).graph.log(int(node))
    merges = [one for one in log if one.kind == "merge"]
    return {
        "n_mergers": len(merges),
        "n_splits": len(log) - len(merges),
        "operations_ids": [one.id for one in log],
        "past_ids": sorted({number for one in log for number in one.before}),
        "user_info": {},
    }


def _merge_log(asked: Asked, table: str, node: str) -> Any:
    log = [one for one in _of(asked, table).graph.log(int(node)) if one.kind == "merge"]
    return {"merge_edges": [[[row[0] for row in one.rows]] for one in log], "merge_edge_coords": []}


def _shown(one: Operation) -> dict[str, Any]:
    return {
        "operation_id": one.id,
        "timestamp": one.when * 1000,
        "user_id": str(one.user),
        "before_root_ids": list(one.before),
        "after_root_ids": list(one.after),
        "is_merge": one.kind == "merge",
        "user_name": "",
        "user_affiliation": "",
    }


def _tabular(asked: Asked, table: str) -> Any:
    graph = _of(asked, table).graph
    return {
        str(one): json.dumps(_columns([_shown(each) for each in graph.log(int(one))]))
        for one in asked.said["root_ids"]
    }


def _columns(rows: list[dict[str, Any]]) -> dict[str, Any]:
    names = rows[0] if rows else _shown(Operation(0, 0, 0.0, "", (), ()))
    return {name: {str(at): row[name] for at, row in enumerate(rows)} for name in names}


def _valid(asked: Asked, table: str) -> Any:
    graph = _of(asked, table).graph
    return {"valid_roots": [one for one in map(int, asked.said["node_ids"]) if one in graph.roots]}


def _past(asked: Asked, table: str) -> Any:
    graph = _of(asked, table).graph
    ids = [int(one) for one in asked.said["root_ids"]]

    def others(one: int, side: str) -> list[int]:
        found = [
            each
            for each in graph.operations.values()
            if one in (each.after if side == "past" else each.before)
        ]
        return sorted(
            {number for each in found for number in (each.before if side == "past" else each.after)}
        ) or [one]

    return {
        "past_id_map": {str(one): others(one, "past") for one in ids},
        "future_id_map": {str(one): others(one, "future") for one in ids},
    }


def _operations(asked: Asked, table: str) -> Any:
    graph = _of(asked, table).graph
    wanted = json.loads(asked.query["operation_ids"])
    return {
        str(number): {
            "added_edges": [[row[0] for row in one.rows]],
            "roots": list(one.after),
            "user": str(one.user),
            "timestamp": _iso(one.when),
            "sink_coords": [],
            "source_coords": [],
        }
        for number in wanted
        if (one := graph.operations.get(int(number))) is not None
    }


def _user_operations(asked: Asked, table: str) -> Any:
    user = asked.query.get("user_id")
    rows = [one for one in _of(asked, table).graph.operations.values() if user in (None, str(one.user))]
    shown = [{"operation_id": one.id, "timestamp": one.when * 1000, "user_id": one.user} for one in rows]
    return _listed(shown)


def _listed(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        name: {str(at): row[name] for at, row in enumerate(rows)}
        for name in ("operation_id", "timestamp", "user_id")
    }


def _delta(asked: Asked, table: str) -> Any:
    begin, end = asked.when("timestamp_past") or 0.0, asked.when("timestamp_future") or 1e12
    roots: list[Root] = list(_of(asked, table).graph.roots.values())
    return {
        "old_roots": [one.id for one in roots if one.ended is not None and begin <= one.ended <= end],
        "new_roots": [one.id for one in roots if begin <= one.began <= end and one.operation is not None],
    }


def _path(asked: Asked, table: str) -> Any:
    (root, *_), _ = asked.said
    graph = _of(asked, table).graph
    chunks = graph.leaves(graph.root_of(int(root)), 2)[:4]
    return {
        "centroids_list": [[8.0 * at, 8.0, 40.0] for at in range(len(chunks))],
        "failed_l2_ids": [],
        "l2_path": chunks,
    }


def _preview(asked: Asked, table: str) -> Any:
    graph = _of(asked, table).graph
    _, parts = graph.parts(asked.said["sources"], asked.said["sinks"])
    nodes = [[one for chunk in sorted(part) for one in graph.supervoxels(chunk)] for part in parts]
    return {"supervoxel_connected_components": nodes, "illegal_split": False}


def _edited(one: Operation) -> Any:
    return {
        "operation_id": one.id,
        "new_root_ids": list(one.after),
        "old_root_ids": list(one.before),
        "new_lvl2_ids": [],
    }


def _edit(asked: Asked, edit: Any) -> Any:
    try:
        return _edited(edit())
    except GraphError as error:
        raise Refusal(400, {"message": str(error)}) from None


def _merge(asked: Asked, table: str) -> Any:
    graph = _of(asked, table).graph
    return _edit(asked, lambda: graph.merge(asked.said, asked.user["id"]))


def _split(asked: Asked, table: str) -> Any:
    graph = _of(asked, table).graph
    return _edit(asked, lambda: graph.split(asked.said["sources"], asked.said["sinks"], asked.user["id"]))


def _undo(asked: Asked, table: str) -> Any:
    graph = _of(asked, table).graph
    return _edit(asked, lambda: graph.undo(int(asked.said["operation_id"]), asked.user["id"]))


def _attributes(asked: Asked, table: str) -> Any:
    names = asked.query.get("attribute_names", "size_nm3,rep_coord_nm").split(",")
    known = {"size_nm3": 1000.5, "rep_coord_nm": [8.0, 16.0, 40.0]}
    return {str(one): {name: known[name] for name in names if name in known} for one in asked.said["l2_ids"]}
