"""Every public call of CAVEclient that can be made against the lab; what each gives is printed as JSON.

`python caveclient_calls.py ADDRESS TOKEN [DATASTACK]`. Methods that are not called, and why: `get_new_token`, `get_token_page`,
`setup_token` open pages for people; `save_token` and `save_state_json_local` write files; `image_cloudvolume` and
`fetch_skeletons` with `gcs` need Google; `get_neuroglancer_info` asks a viewer.
"""

import datetime
import hashlib
import json
import sys
import traceback
import warnings

import numpy as np
import pandas as pd
from caveclient import CAVEclient
from cloudvolume import Bbox

warnings.simplefilter("ignore")
UTC = datetime.UTC
THEN = datetime.datetime(2025, 6, 1, tzinfo=UTC)
SV = (1 << 56) + 1


def shown(value):
    """A value as two runs of it are compared: exact, and short."""
    if isinstance(value, pd.DataFrame):
        attrs = {
            key: one
            for key, one in sorted(value.attrs.items())
            if key
            in ("table_voxel_resolution", "dataframe_resolution", "datastack_name", "materialization_version")
        }
        return [
            "frame",
            [str(kind) for kind in value.dtypes],
            list(value.columns),
            digest(value.to_csv()),
            str(attrs),
        ]
    if isinstance(value, np.ndarray):
        return [
            "array",
            str(value.dtype),
            list(value.shape),
            digest(value.tolist()),
            [str(one) for one in value.ravel()[:3]],
        ]
    if isinstance(value, dict):
        return {str(key): shown(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(one) for one in value[:50]] + [len(value)]
    if isinstance(value, (np.integer, np.floating, np.bool_)):
        return [type(value).__name__, str(value)]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)


def digest(value):
    return hashlib.sha256(json.dumps(value, default=str).encode()).hexdigest()[:16]


class Story:
    """Calls, one after another, and their outcomes by name."""

    def __init__(self):
        self.outcomes = {}

    def call(self, name, function, *args, **kwargs):
        assert name not in self.outcomes, name
        try:
            value = function(*args, **kwargs)
        except Exception as error:
            text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            self.outcomes[name] = ["error", text]
            if "--trace" in sys.argv:
                traceback.print_exc()
            return None
        self.outcomes[name] = ["value", shown(value)]
        return value


def read(story, client):
    """What changes nothing."""
    info, auth, state, schema = client.info, client.auth, client.state, client.schema
    call = story.call
    call("info.get_datastacks", info.get_datastacks)
    call("info.get_datastack_info", info.get_datastack_info)
    call("info.get_aligned_volumes", info.get_aligned_volumes)
    call("info.get_aligned_volume_info", info.get_aligned_volume_info)
    call("info.get_aligned_volume_info_by_id", info.get_aligned_volume_info_by_id, 1)
    call("info.get_datastacks_by_aligned_volume", info.get_datastacks_by_aligned_volume)
    call("info.get_image_mirrors", info.get_image_mirrors)
    call("info.get_image_mirror_names", info.get_image_mirror_names)
    for name in (
        "annotation_endpoint",
        "image_source",
        "local_server",
        "segmentation_source",
        "synapse_segmentation_source",
        "viewer_resolution",
        "viewer_site",
    ):
        call(f"info.{name}", getattr(info, name))
    call("info.image_source.neuroglancer", info.image_source, format_for="neuroglancer")
    call("info.segmentation_source.cloudvolume", info.segmentation_source, format_for="cloudvolume")
    call("info.refresh_stored_data", info.refresh_stored_data)
    call("info.server_version", lambda: info.server_version)
    call("auth.get_user_information", auth.get_user_information, [11, 12])
    call("auth.get_group_users", auth.get_group_users, 1)
    call("auth.get_tokens", lambda: [one["user_id"] for one in auth.get_tokens()])
    call("auth.request_header", lambda: sorted(auth.request_header))
    call("schema.get_schemas", schema.get_schemas)
    call("schema.schema_definition", schema.schema_definition, "synapse")
    call("schema.schema_definition_multi", schema.schema_definition_multi, ["synapse", "cell_type_local"])
    call("schema.schema_definition_all", schema.schema_definition_all)
    call("schema.unknown", schema.schema_definition, "nothing")
    call("state.unknown", state.get_state_json, 99)
    call("state.server_version", lambda: state.server_version)
    graph(story, client.chunkedgraph)
    materialize(story, client)
    annotation = client.annotation
    call("annotation.get_tables", annotation.get_tables)
    call("annotation.get_table_metadata", annotation.get_table_metadata, "synapses")
    call("annotation.get_annotation_count", annotation.get_annotation_count, "nuclei")
    l2 = client.l2cache
    call("l2cache.get_l2data", l2.get_l2data, [(2 << 56) + 1, (2 << 56) + 2], attributes=["size_nm3"])
    call("l2cache.get_l2data_table", l2.get_l2data_table, np.array([(2 << 56) + 1], np.uint64))
    call("l2cache.cache_metadata", l2.cache_metadata)
    call("l2cache.attributes", lambda: l2.attributes)
    call("l2cache.table_mapping", l2.table_mapping)
    call("l2cache.has_cache", l2.has_cache)
    skeleton(story, client)
    voxels(story, client)


def graph(story, cg):
    call = story.call
    root = call("cg.get_root_id", cg.get_root_id, SV)
    call("cg.get_root_id.then", cg.get_root_id, SV, timestamp=THEN)
    call("cg.get_root_id.level2", cg.get_root_id, SV, level2=True)
    call("cg.get_roots", cg.get_roots, np.arange(SV, SV + 500, dtype=np.uint64))
    call("cg.get_roots.then", cg.get_roots, [SV, SV + 150], timestamp=THEN)
    call("cg.get_children", cg.get_children, root)
    call("cg.get_leaves", cg.get_leaves, root)
    call("cg.get_leaves.layer", cg.get_leaves, root, stop_layer=2)
    call("cg.get_leaves_many", cg.get_leaves_many, [int(root)])
    call("cg.level2_chunk_graph", cg.level2_chunk_graph, root, bounds=np.array([[0, 10], [0, 10], [0, 10]]))
    call("cg.get_subgraph", cg.get_subgraph, root, np.array([[0, 10], [0, 10], [0, 10]]))
    call("cg.get_contact_sites", cg.get_contact_sites, int(root), np.array([[0, 10], [0, 10], [0, 10]]))
    call("cg.get_change_log", cg.get_change_log, root)
    call("cg.get_merge_log", cg.get_merge_log, root)
    call("cg.get_tabular_change_log", cg.get_tabular_change_log, [root])
    call("cg.get_operation_details", cg.get_operation_details, [1, 2])
    call("cg.get_user_operations", cg.get_user_operations, 11, THEN)
    call("cg.get_delta_roots", cg.get_delta_roots, THEN, THEN + datetime.timedelta(days=1))
    call("cg.get_oldest_timestamp", cg.get_oldest_timestamp)
    call("cg.is_latest_roots", cg.is_latest_roots, [root, root + 999_999], timestamp=THEN)
    call("cg.is_valid_nodes", cg.is_valid_nodes, [root, 5])
    call("cg.get_root_timestamps", cg.get_root_timestamps, [root])
    call("cg.get_root_timestamps.latest", cg.get_root_timestamps, [root], latest=True, timestamp=THEN)
    call("cg.get_past_ids", cg.get_past_ids, [root], timestamp_past=THEN)
    call("cg.get_lineage_graph", cg.get_lineage_graph, root, timestamp_past=THEN)
    call("cg.get_original_roots", cg.get_original_roots, root)
    call("cg.get_latest_roots", cg.get_latest_roots, root)
    call("cg.suggest_latest_roots", cg.suggest_latest_roots, root)
    call("cg.get_minimal_covering_nodes", cg.get_minimal_covering_nodes, [SV, SV + 300])
    call("cg.find_path", cg.find_path, root, np.array([1, 2, 3]), np.array([4, 5, 6]))
    call("cg.preview_split", cg.preview_split, [[1, 2, 3]], [[4, 5, 6]], root)
    call("cg.segmentation_info", lambda: cg.segmentation_info)
    call("cg.base_resolution", lambda: cg.base_resolution)
    call("cg.cloudvolume_path", lambda: cg.cloudvolume_path)
    call("cg.unknown", cg.get_children, 5)


def materialize(story, client):
    call, mat = story.call, client.materialize
    call("mat.get_versions", mat.get_versions)
    call("mat.most_recent_version", mat.most_recent_version)
    call("mat.get_versions_metadata", mat.get_versions_metadata)
    call("mat.get_version_metadata", mat.get_version_metadata, 2)
    call("mat.get_timestamp", mat.get_timestamp, 2)
    call("mat.get_tables", mat.get_tables)
    call("mat.get_tables.unknown", mat.get_tables, version=77)
    call("mat.get_annotation_count", mat.get_annotation_count, "nuclei")
    call("mat.get_table_metadata", mat.get_table_metadata, "cells")
    call("mat.get_tables_metadata", mat.get_tables_metadata)
    call("mat.get_views", mat.get_views)
    call("mat.get_view_metadata", mat.get_view_metadata, "cell_view")
    call("mat.get_view_schema", mat.get_view_schema, "cell_view")
    call("mat.get_view_schemas", mat.get_view_schemas)
    call("mat.get_unique_string_values", mat.get_unique_string_values, "cells")
    call("mat.query_table", mat.query_table, "nuclei", limit=20)
    call("mat.query_table.all", mat.query_table, "synapses")
    call(
        "mat.query_table.filters",
        mat.query_table,
        "nuclei",
        filter_in_dict={"id": [1, 2, 3]},
        filter_greater_dict={"size": 0.3},
        select_columns=["id", "size"],
    )
    call(
        "mat.query_table.split",
        mat.query_table,
        "cells",
        split_positions=True,
        desired_resolution=[8, 8, 40],
        limit=5,
    )
    call("mat.query_table.version", mat.query_table, "cells", materialization_version=1, offset=5, limit=2)
    call("mat.query_table.json", mat.query_table, "cells", limit=3, return_df=False)
    call("mat.query_table.count", mat.query_table, "cells", get_counts=True)
    call(
        "mat.query_table.spatial",
        mat.query_table,
        "nuclei",
        filter_spatial_dict={"pt_position": [[0, 0, 0], [100, 3000, 900]]},
    )
    call("mat.query_table.unknown", mat.query_table, "nothing")
    call(
        "mat.join_query",
        mat.join_query,
        [["nuclei", "id"], ["cells", "id"]],
        suffixes={"nuclei": "_n", "cells": "_c"},
        limit=3,
    )
    call("mat.query_view", mat.query_view, "cell_view", limit=4)
    call(
        "mat.live_live_query",
        mat.live_live_query,
        "nuclei",
        THEN,
        limit=4,
        filter_equal_dict={"nuclei": {"id": 3}},
    )
    call("mat.live_query", mat.live_query, "nuclei", THEN, filter_in_dict={"id": [3, 4]})
    call(
        "mat.synapse_query",
        mat.synapse_query,
        synapse_table="synapses",
        bounding_box=[[0, 0, 0], [50, 50, 50]],
        bounding_box_column="pt_position",
    )
    call("mat.neuroglancer_annotation_info", mat.neuroglancer_annotation_info, "cells")
    call("mat.neuroglancer_segprop_info", mat.neuroglancer_segprop_info, "cells")
    call("mat.tables", lambda: sorted(mat.tables.table_names))
    call("mat.tables.query", lambda: mat.tables.cells(id=[1, 2]).query())
    call("mat.views", lambda: sorted(mat.views.table_names))
    call("mat.ingest_annotation_table", mat.ingest_annotation_table, "cells")
    call("mat.lookup_supervoxel_ids", mat.lookup_supervoxel_ids, "cells", [1, 2])


def skeleton(story, client):
    call, sk = story.call, client.skeleton
    root = int(client.chunkedgraph.get_root_id(SV, timestamp=THEN))
    roots = [root, root + 1, root + 2]
    call("sk.get_version", sk.get_version)
    call("sk.get_versions", sk.get_versions)
    call("sk.get_skeleton", sk.get_skeleton, root)
    call("sk.get_skeleton.swc", sk.get_skeleton, root, output_format="swc")
    call("sk.get_bulk_skeletons", sk.get_bulk_skeletons, roots)
    call("sk.fetch_skeletons", sk.fetch_skeletons, roots)
    call("sk.skeletons_exist", sk.skeletons_exist, root_ids=roots)
    call("sk.generate_bulk_skeletons_async", sk.generate_bulk_skeletons_async, roots)
    call("sk.get_cache_contents", sk.get_cache_contents, root_id_prefixes=[1])
    call("sk.get_precomputed_skeleton_info", sk.get_precomputed_skeleton_info, 4)
    call("sk.get_refusal_list", sk.get_refusal_list)


def voxels(story, client):
    """What cloud-volume reads, whose handle caveclient makes: the graph's part comes from CAVE, the chunks from the bucket."""
    call = story.call
    volume = client.info.segmentation_cloudvolume()
    box = Bbox((100, 200, 3), (180, 260, 20))
    call("cv.info", lambda: {key: volume.info[key] for key in ("data_type", "graph", "scales")})
    call("cv.supervoxels", lambda: np.asarray(volume[box.to_slices()]))
    call("cv.roots", lambda: np.asarray(volume.download(box, agglomerate=True, timestamp=THEN.timestamp())))
    call(
        "cv.get_roots",
        lambda: np.asarray(volume.get_roots([SV, SV + 15, SV + 300], timestamp=THEN.timestamp())),
    )
    call("cv.level2", lambda: np.asarray(volume.download(box, agglomerate=True, stop_layer=2)))


def write(story, client, start):
    """What changes something; `start` is where no other run has edited."""
    call, cg, annotation = story.call, client.chunkedgraph, client.annotation
    state = call(
        "state.upload_state_json", lambda: client.state.upload_state_json({"layers": [], "n": 2**60}) > 0
    )
    number = client.state.upload_state_json({"layers": [1], "big": 2**60})
    call("state.get_state_json", client.state.get_state_json, number)
    call(
        "state.build_neuroglancer_url",
        lambda: client.state.build_neuroglancer_url(
            7, ngl_url="https://viewer.example", target_site="spelunker"
        ).partition("/nglstate")[2],
    )
    prop = client.state.upload_property_json({"inline": {"ids": ["1"]}})
    call("state.get_property_json", client.state.get_property_json, prop)
    assert state
    name = f"table_{start}"
    call(
        "annotation.create_table",
        lambda: annotation.create_table(name, "synapse", "a table", [4, 4, 40]).status_code,
    )
    rows = [{"pt": {"position": [1, 2, 3]}, "size": 1.5}, {"pt": {"position": [4, 5, 6]}, "size": 2.5}]
    call("annotation.post_annotation", annotation.post_annotation, name, rows)
    call("annotation.get_annotation", annotation.get_annotation, name, [1, 2])
    call("annotation.update_annotation", annotation.update_annotation, name, {"id": 1, "size": 9.5})
    call("annotation.delete_annotation", annotation.delete_annotation, name, [2])
    call("annotation.count_after", annotation.get_annotation_count, name)
    staged = annotation.stage_annotations
    call(
        "annotation.stage_annotations", lambda: type(staged(table_name=name, schema_name="synapse")).__name__
    )
    call(
        "annotation.update_metadata",
        lambda: annotation.update_metadata(name, description="other")["description"],
    )
    call("annotation.delete_table", annotation.delete_table, name)
    before = [int(cg.get_root_id(SV + start)), int(cg.get_root_id(SV + start + 100))]
    call("cg.do_merge", cg.do_merge, [SV + start, SV + start + 100], [[1, 2, 3], [4, 5, 6]])
    after = [int(cg.get_root_id(SV + start)), int(cg.get_root_id(SV + start + 100))]
    call("cg.merged", lambda: [after[0] == after[1], after[0] not in before])
    call("cg.old_is_latest", cg.is_latest_roots, before)
    call("cg.execute_split", lambda: len(cg.execute_split([[1, 2, 3]], [[4, 5, 6]], after[0])[1]))
    call("cg.split", lambda: cg.get_root_id(SV + start) != cg.get_root_id(SV + start + 100))
    call("cg.latest_of_old", lambda: len(cg.get_latest_roots(before[0])))
    call("cg.change_log_after", lambda: cg.get_change_log(cg.get_root_id(SV + start))["n_mergers"])
    call("cg.remesh_level2_chunks", cg.remesh_level2_chunks, [(2 << 56) + 1])
    call("cg.undo_unknown", cg.undo_operation, 10**9)


def main(address, token, datastack, start):
    story = Story()
    client = story.call(
        "construct", CAVEclient, datastack, server_address=address, auth_token=token, write_server_cache=False
    )
    if client is not None:
        story.outcomes["construct"] = [
            "value",
            sorted(
                name
                for name in (
                    "info",
                    "auth",
                    "state",
                    "schema",
                    "chunkedgraph",
                    "materialize",
                    "annotation",
                    "skeleton",
                    "l2cache",
                )
                if hasattr(client, name)
            ),
        ]
        read(story, client)
        write(story, client, int(start))
    print(json.dumps(story.outcomes))


if __name__ == "__main__":
    main(*[one for one in sys.argv[1:] if not one.startswith("--")])
