"""What does dvidtools (0.6) get from a DVID? See telling.py for what is printed.

`python dvidtools_client.py http://HOST:PORT NODE [--labels NAME] [--synapses NAME] [--body ID]… [--at X,Y,Z]… [--user NAME] [--write]`.
Without `--write` nothing is changed. dvidtools looks at annotations of bodies in `NAME_annotations` and at tasks in `NAME_todo`.
"""

import argparse
import warnings

import dvid
from dvid import config
from telling import call

warnings.simplefilter("ignore")


def repositories(node: str) -> None:
    """Which there are, and their versions."""
    call("list_projects", dvid.list_projects)
    call("get_master_node", dvid.get_master_node, node)
    call("get_branch_history", dvid.get_branch_history, node)
    call("get_branch_history of no node", dvid.get_branch_history, "0" * 32)
    call("get_available_rois", dvid.get_available_rois)
    call("get_segmentation_info", dvid.get_segmentation_info)


def bodies(ids: list[int]) -> None:
    """What is known of bodies."""
    call("get_sizes", dvid.get_sizes, ids, progress=False)
    call("ids_exist", dvid.ids_exist, [*ids, 2**40], progress=False)
    for body in ids:
        call(f"{body} get_annotation", dvid.get_annotation, body)
        call(f"{body} get_last_mod", dvid.get_last_mod, body)
        call(f"{body} get_sparsevol_size", dvid.get_sparsevol_size, body)
        call(f"{body} get_sparsevol, coarse", dvid.get_sparsevol, body)
        call(f"{body} get_sparsevol, scale 0", dvid.get_sparsevol, body, scale=0)
        call(f"{body} get_sparsevol, raw", dvid.get_sparsevol, body, scale=0, ret_type="RAW")
        call(f"{body} get_n_synapses", dvid.get_n_synapses, body)
        call(f"{body} get_synapses", dvid.get_synapses, body)
        call(f"{body} has_mesh", dvid.has_mesh, [body], progress=False)
        call(f"{body} has_skeleton", dvid.has_skeleton, [body], progress=False)
    call("get_annotation of no body", dvid.get_annotation, 2**40)


def places(at: list[list[int]]) -> None:
    """What is at places, and near them."""
    call("locs_to_ids", dvid.locs_to_ids, at, progress=False)
    call("get_labels_in_area", dvid.get_labels_in_area, at[0], [64, 64, 64])
    call("get_user_bookmarks", dvid.get_user_bookmarks)


def change(body: int) -> None:
    """Annotate a body, and see that."""
    call(
        "edit_annotation",
        dvid.edit_annotation,
        body,
        {"name": "interop", "status": "Traced"},
        verbose=False,
    )
    call("get_annotation after edit_annotation", dvid.get_annotation, body)


def main() -> None:
    """Everything, in one order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("node")
    parser.add_argument("--labels", default="segmentation")
    parser.add_argument("--synapses", default="synapses")
    parser.add_argument("--body", type=int, action="append", default=[])
    parser.add_argument("--at", action="append", default=[])
    parser.add_argument("--user", default="interop")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    config.segmentation = config.body_labels = options.labels
    config.synapses = options.synapses
    dvid.setup(options.address, options.node, options.user)
    repositories(options.node)
    bodies(options.body or [1])
    places([[int(axis) for axis in one.split(",")] for one in options.at] or [[0, 0, 0]])
    if options.write:
        change((options.body or [1])[0])


if __name__ == "__main__":
    main()
