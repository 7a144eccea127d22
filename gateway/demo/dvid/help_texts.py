"""What does each call mean?"""

from typing import NamedTuple


class Entry(NamedTuple):
    """A call of a type: its verbs, its path behind the data's name, its meaning, the names of its options.

    DVID writes DEL for DELETE where it has a column of verbs.
    """

    verbs: str
    path: str
    meaning: str
    options: str = ""


ARGUMENTS = {
    "UUID": "Hexadecimal string with enough characters to uniquely identify a version node.",
    "data name": "Name of the data.",
    "dims": 'Axes of the data: "0_1_2" or "vol" is 3d, "0_1" or "xy" an image.',
    "size": "Size in voxels along each dimension, separated by underscores.",
    "offset": "Coordinate X_Y_Z of the first voxel.",
    "format": 'Format of an image: "png" or, for 8 bits, "jpg", "jpg:80"; a volume in "jpg" is one tall image.',
    "block coord": "Coordinate X_Y_Z of a block, in blocks.",
    "spanX": "Number of blocks along X.",
    "coord": "Coordinate X_Y_Z of a voxel.",
    "from_coord": "Coordinate X_Y_Z of an element.",
    "to_coord": "Coordinate X_Y_Z to which it goes.",
    "label": "A 64-bit integer label id.",
    "count": "How many labels to reserve.",
    "reference": "What a POST returned.",
    "tag": "A tag of elements.",
    "key": "An alphanumeric key.",
    "key1": "Lexicographically lowest key in range.",
    "key2": "Lexicographically highest key in range.",
}
OPTIONS = {
    "roi": "Name of a roi data instance that masks the requested data.",
    "attenuation": "Weaken voxels outside of the ROI by 2^n, n from 1 to 7, instead of zeroing them.",
    "throttle": 'If "true", a 503 is returned while another such request runs.',
    "mutate": 'If "true", voxels that exist may be replaced.',
    "scale": "Level of resolution; 0 is the finest, every next one halves it.",
    "compression": 'Of labels "gzip"; of blocks "jpeg", the default for images, or "uncompressed".',
    "blocks": "Coordinates of blocks, x,y,z one after the other.",
    "json": 'If "true", values are returned as a JSON object and must be JSON.',
    "tar": 'If "true", values are returned as a tar file.',
    "jsontar": "The body is a JSON array of keys, the answer a tar file.",
    "check": 'If "false", values are not checked to be JSON.',
    "replace": 'If "true", tags are replaced instead of added.',
    "relationships": 'If "true", elements are returned with their relationships.',
    "start": "First label.",
    "byte_start": "First byte of the value.",
    "byte_end": "Last byte of the value.",
    **{f"{end}{axis}": f"Bound of {axis.upper()} in voxels." for axis in "xyz" for end in ("min", "max")},
    "number": "Highest number of labels.",
    "sizes": 'If "true", each label is followed by its number of voxels.',
}

ANY = (
    Entry("GET", "help", "Returns this help."),
    Entry("GET", "info", "Returns JSON with the settings and extents of the data."),
    Entry("GET POST", "tags", "Returns or adds tags, a JSON object of strings.", "replace"),
    Entry("POST", "blobstore", 'Stores the body: {"reference": "…"} is its address.'),
    Entry("GET", "blobstore/<reference>", "Returns what was stored under a reference."),
    Entry("POST", "sync", 'Names the data that this is synced with: {"sync": "name"}.'),
)
_VOXELS = (
    Entry(
        "GET",
        "raw/<dims>/<size>/<offset>[/<format>][?queryopts]",
        "Retrieves a 3d volume as octets in ZYX order (X iterates most rapidly), or an image as PNG.\n"
        "Offsets may be negative; voxels that nobody wrote are background.",
        "roi attenuation throttle scale compression",
    ),
    Entry(
        "POST",
        "raw/0_1_2/<size>/<offset>[?queryopts]",
        "Puts block-aligned voxel data, whose length must be exact.",
        "throttle mutate compression",
    ),
    Entry(
        "GET",
        "isotropic/<dims>/<size>/<offset>[/<format>][?queryopts]",
        "As raw, but images have square pixels of the finest voxel size.",
        "roi throttle",
    ),
    Entry(
        "GET",
        "specificblocks[?queryopts]",
        "Retrieves single blocks, each behind four int32: x, y, z and its number of bytes.",
        "blocks compression",
    ),
    Entry(
        "GET",
        "subvolblocks/<size>/<offset>[?queryopts]",
        "Retrieves the blocks of an aligned volume in the format of specificblocks.",
        "compression",
    ),
    Entry("GET", "metadata", "Retrieves JSON that describes the layout of the bytes of a volume."),
    Entry("POST", "extents", 'Sets the extents: {"MinPoint": [0,0,0], "MaxPoint": [300,400,500]}.'),
    Entry("POST", "resolution", "Sets the voxel size: [8,8,8]."),
)
_IMAGES = (
    *_VOXELS,
    Entry("GET POST", "blocks/<block coord>/<spanX>", "Retrieves or puts raw blocks along X."),
)
_LABELS = (
    *_VOXELS,
    Entry(
        "GET", "blocks/<size>/<offset>[?queryopts]", "Retrieves blocks as subvolblocks does.", "compression"
    ),
    Entry("GET", "label/<coord>", 'Returns the label of a voxel: {"Label": 23}.'),
    Entry(
        "GET", "labels", "Returns the labels of the voxels whose coordinates are in the query's JSON body."
    ),
    Entry("GET", "size/<label>", 'Returns the size of a label: {"voxels": 2314}.'),
    Entry("GET", "sizes", "Returns the sizes of the labels in the query's JSON body."),
    Entry("GET", "mapping", "Returns what the supervoxels in the query's JSON body are mapped to."),
    Entry(
        "GET HEAD",
        "sparsevol/<label>[?queryopts]",
        "Returns the run-length encoded voxels of a label.",
        "scale minx maxx miny maxy minz maxz",
    ),
    Entry("GET", "sparsevol-coarse/<label>", "Returns the blocks in which a label is, in the same encoding."),
    Entry("GET", "lastmod/<label>", "Returns when a label was changed, and by whom."),
    Entry("GET", "sparsevol-size/<label>", "Returns the extents of a label and its number of voxels."),
    Entry("GET", "supervoxels/<label>", "Returns the supervoxels of a label."),
    Entry("GET", "maxlabel", 'Returns the highest label: {"maxlabel": 8199}.'),
    Entry("GET", "nextlabel", 'Returns the next label: {"nextlabel": 8200}.'),
    Entry("POST", "nextlabel/<count>", 'Reserves labels: {"start": 8200, "end": 8209}.'),
    Entry(
        "GET", "listlabels[?queryopts]", "Returns all labels as little-endian uint64.", "start number sizes"
    ),
)
TEXTS = {
    "imageblk": _IMAGES,
    "labelblk": _LABELS,
    "labelarray": _LABELS,
    "labelmap": _LABELS,
    "keyvalue": (
        Entry("GET", "keys", "Returns all keys as JSON."),
        Entry("GET", "keyrange/<key1>/<key2>", "Returns all keys of a range as JSON."),
        Entry(
            "GET",
            "keyrangevalues/<key1>/<key2>[?queryopts]",
            "Returns keys and values of a range.",
            "json tar check",
        ),
        Entry(
            "GET POST DEL HEAD",
            "key/<key>",
            "Performs operations on a key-value pair. GET takes a Range of bytes.",
            "byte_start byte_end",
        ),
        Entry(
            "GET",
            "keyvalues[?queryopts]",
            "Returns the values of the keys in the query's body.",
            "json jsontar check",
        ),
        Entry("POST", "keyvalues", "Puts the keys and values of a protobuf body."),
    ),
    "annotation": (
        Entry("GET", "elements/<size>/<offset>", "Returns the elements in a volume as JSON."),
        Entry("POST", "elements", "Adds or replaces elements, a JSON array."),
        Entry("GET", "blocks/<size>/<offset>", "Returns the elements in a volume by their block."),
        Entry("GET", "all-elements", "Returns all elements by their block."),
        Entry("GET", "label/<label>[?queryopts]", "Returns the elements on a label.", "relationships"),
        Entry("GET", "tag/<tag>[?queryopts]", "Returns the elements with a tag.", "relationships"),
        Entry("DELETE", "element/<coord>", "Deletes an element."),
        Entry("POST", "move/<from_coord>/<to_coord>", "Moves an element."),
    ),
    "roi": (
        Entry("GET POST DELETE", "roi", "Performs operations on the spans [z, y, x0, x1] of blocks."),
        Entry("POST", "ptquery", "Tells which of the points in the body lie in the ROI."),
        Entry("GET", "mask/0_1_2/<size>/<offset>", "Returns a binary volume: 1 within the ROI."),
    ),
}
SERVER = tuple(
    f"    {line}"
    for line in """\
GET  /api/help
GET  /api/help/<data type>
GET  /api/load
GET  /api/heartbeat
GET  /api/server/info
GET  /api/server/types
GET  /api/server/compiled-types
GET  /api/server/token
GET  /api/repos/info
POST /api/repos
HEAD /api/repo/<UUID>
GET  /api/repo/<UUID>/info
POST /api/repo/<UUID>/info
POST /api/repo/<UUID>/instance
GET  /api/repo/<UUID>/log
POST /api/repo/<UUID>/log
GET  /api/repo/<UUID>/branch-versions/<branch name>
POST /api/repo/<UUID>/merge
DELETE /api/repo/<UUID>/<data name>?imsure=true
GET  /api/node/<UUID>/status
GET  /api/node/<UUID>/note
POST /api/node/<UUID>/note
GET  /api/node/<UUID>/log
POST /api/node/<UUID>/log
POST /api/node/<UUID>/commit
POST /api/node/<UUID>/branch
POST /api/node/<UUID>/newversion
POST /api/node/<UUID>/tag
GET  /api/node/<UUID>/<data name>/<type-specific commands>
POST /api/node/<UUID>/<data name>/<type-specific commands>""".splitlines()
)
