"""A program that type checkers read, never run: where a line is wrong, its comment says so."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, assert_type

import numpy as np

import labgate
from labgate.command import make_request
from labgate.errors import NotFound

if TYPE_CHECKING:
    from labgate._client import FilesImage

lab = labgate.connect()

# Results.
image = lab.files.get_image("I1")
assert_type(image, "FilesImage")
assert_type(image["title"], str)
assert_type(lab.files.list_images(limit=3)["items"], list["FilesImage"])
assert_type(lab.files.get_thumbnail("I1"), bytes)
assert_type(lab.dvid.volume("prod", "grayscale"), labgate.Volume)
assert_type(lab.data["runs"], labgate.Source)
print(lab.data["runs"].describe(), lab.dvid.volume("prod", "grayscale").shape)
tile: np.ndarray[Any, Any] = lab.dvid.read("prod", "grayscale", start=(0, 0, 0), stop=np.array([8, 8, 8]))
image["titel"]  # wrong
lab.files.get_thumbnail("I1").items()  # wrong

# Arguments, right and wrong.
lab.files.create_annotation("I1", x=1, y=np.float32(2.5), label="a")
lab.files.create_annotation("I1", x=1, y="2.5", label="a")  # wrong
lab.files.create_annotation("I1", x=1, y=2.5, lable="a")  # wrong
lab.files.create_annotation("I1", x=1)  # wrong
lab.jobs.make_job("count_particles", "P1")
lab.jobs.get_job(1, "J1")  # wrong
lab.jobs.get_jbo("P1", "J1")  # wrong
print(lab.jbos)  # wrong

# Views, datastacks and the functions of the module.
assert_type(lab(timeout=5).files.get_image("I1"), "FilesImage")
lab(timeout="5")  # wrong
stack = lab(datastack="minnie_demo")
stack.chunkedgraph.get_root_id(np.uint64(72057594037927937), timestamp=datetime.now(UTC))
stack.chunkedgraph.get_root_id(supervoxel_id="x")  # wrong
stack.chunkedgraph.get_roots([1, 2])
stack.chunkedgraph.get_roots(np.array([1, 2]))
stack.chunkedgraph.get_roots(1)  # wrong
print(stack.materialize.tables.nuclei.query(limit=3))
labgate.connect(datastack="minnie_demo").chunkedgraph.get_root_id(5)
print(lab.chunkedgraph)  # wrong


def listed(client: labgate.Client) -> int:
    """A helper of somebody's program."""
    with labgate.batch(client) as batch:
        one = batch.info.get_datastacks()
    print(one.result())
    return len(labgate.methods(client)) + len(labgate.refresh(client).added)


listed(stack)
listed("lab")  # wrong
print(make_request, NotFound, labgate.last(lab), lab["files.get_image"]("I1"))
