"""Which calls a DVID names in its help become methods; whatever else stands there becomes nothing, and nothing fails."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.dvid.help import Calls, calls, plain_text
from gateway.dialects.dvid.methods import FAMILIES, OWN

VOXELS = """\
API for 'uint8blk' datatype (github.com/janelia-flyem/dvid/datatype/imageblk)
=============================================================================

GET  <api URL>/node/<UUID>/<data name>/help

	Returns data-specific help message.

GET  <api URL>/node/<UUID>/<data name>/raw/<dims>/<size>/<offset>[/<format>][?queryopts]

    Retrieves either 2d images (PNG by default) or 3d binary data, depending on the dims parameter.

    Example:

    GET <api URL>/node/3f8c/grayscale/raw/0_1/512_256/0_0_100/jpg:80

    Arguments:

    UUID          Hexadecimal string with enough characters to uniquely identify a version node.
    data name     Name of data to add.
    dims          The axes of data extraction in form "i_j_k,..."

    Query-string Options:

    roi       	  Name of roi data instance used to mask the requested data.
    attenuation   For attenuation n, this reduces the intensity of voxels outside ROI by 2^n.
    throttle      Only works for 3d data requests.  If "true", makes sure only N compute-intense operation

POST <api URL>/node/<UUID>/<data name>/raw/0_1_2/<size>/<offset>[?queryopts]

    Puts block-aligned voxel data.

GET  <api URL>/node/<UUID>/<data name>/metadata  (returns JSON)

GET,POST  <api URL>/node/<UUID>/<data name>/tags?replace=true
DEL <api URL>/node/<UUID>/<data name>/element/<coord>
HEAD <api URL>/node/<UUID>/<data name>/sparsevol/<label>
POST <api URL>/node/<UUID>/<data name>/ptquery
GET <api URL>/node/<UUID>/<data name>/label/<3d coord>/<3d coord>
"""
SERVER = """\
<!DOCTYPE html><html><head><title>DVID</title></head><body><pre>
 GET  /api/help
 GET  /api/repo/{uuid}/info
 POST /api/repos
 GET  /api/node/&lt;UUID&gt;/note
</pre></body></html>
"""


def found(page, space="image", taken=None):
    return {
        one.name: one
        for one in calls(plain_text(page.encode()), space, taken if taken is not None else set())
    }


def test_each_line_of_a_call_is_a_method_with_its_path_and_parameters():
    made = found(VOXELS)
    raw = made["image.get_raw"]
    assert raw.binding.path == "/api/node/{node}/{instance}/raw/{dims}/{size}/{offset}"
    assert [one.name for one in raw.params] == [
        *("node", "instance", "dims", "size", "offset", "roi", "attenuation", "throttle")
    ]
    assert [one.required for one in raw.params] == [True] * 5 + [False] * 3
    assert raw.safe
    assert "Retrieves either 2d images" in raw.summary
    assert made["image.get_metadata"].binding.path.endswith("/metadata")
    post = made["image.post_raw_0_1_2"]
    assert (post.safe, post.binding.verb, post.params[-1].name) == (False, "POST", "body")
    assert {"image.get_tags", "image.post_tags"} <= made.keys()
    assert made["image.delete_element"].binding.verb == "DELETE"
    assert made["image.post_ptquery"].safe, "what is asked by POST and changes nothing"
    names = [one.name for one in made["image.get_label"].params]
    assert names[2:] == ["value_3d_coord", "value_3d_coord_2"]
    assert not [name for name in made if "sparsevol" in name]


def test_a_page_in_html_and_names_in_braces_are_read_too():
    made = found(SERVER, "server")
    assert made["server.get_repo_info"].binding.path == "/api/repo/{node}/info"
    assert made["server.get_note"].binding.path == "/api/node/{node}/note"
    assert made["server.post_repos"].binding.path == "/api/repos"


def test_a_name_that_there_is_already_gets_a_number():
    taken = {"image.get_raw"}
    assert "image.get_raw_2" in found(VOXELS, taken=taken)


lines = st.lists(
    st.sampled_from(
        [
            *(
                "GET ",
                "POST ",
                "DEL ",
                "<api URL>",
                "/api",
                "/node",
                "/<UUID>",
                "/{uuid}",
                "<",
                ">",
                "{",
                "}",
            ),
            *(
                "\n",
                " ",
                "\t",
                "[?a]",
                "?",
                "//",
                "/..",
                "/%2e",
                "\x00",
                "é",
                "  roi    A mask.\n",
                "options:",
                "/a b",
            ),
        ]
    ),
    max_size=40,
).map("".join)


@given(lines | st.text(max_size=200))
def test_whatever_is_said_every_method_is_one_that_can_be_called(page):
    for one in found(page).values():
        slots = re.findall(r"\{(\w+)\}", one.binding.path)
        assert slots == [place.name for place in one.binding.places if place.where == "path"]
        assert one.binding.path.startswith("/api/")
        assert re.fullmatch(r"[\x21-\x7e]+", one.binding.path)
        assert ".." not in one.binding.path.split("/")
        assert all(name.isidentifier() for name in (param.name for param in one.params))
        assert all(part.isidentifier() for part in one.name.split("."))


@pytest.mark.parametrize(
    "unit",
    [
        "<a ",
        "GET ",
        "GET <api URL>/",
        " ",
        "<",
        "{",
        "[",
        "  roi  ",
        "GET <api URL>/node/<UUID>/x\n",
        "\n",
        "&lt;",
    ],
)
def test_ten_mebibytes_of_nonsense_take_no_longer_than_they_are_long(unit):
    page = "<pre>" + unit * ((10 << 20) // len(unit))
    began = time.perf_counter()
    made = found(page)
    assert time.perf_counter() - began < 20
    assert len(made) <= 500


def test_what_pages_have_in_common_is_one_method_that_says_for_which_types_it_is():
    found = Calls((*OWN, *FAMILIES))
    for kind in ("uint8blk", "labelmap", "keyvalue"):
        page = "GET <api URL>/node/<UUID>/<data name>/raw/<dims>/<size>/<offset>\n\n    Voxels.\n\n"
        if kind == "keyvalue":
            page = "GET <api URL>/node/<UUID>/<data name>/key/<key>\n\n    A value.\n\n"
        found.add(page, kind)
    (one,) = found.methods()
    assert one.name == "api.get_raw"
    assert one.description.endswith("For data of the types uint8blk, labelmap.")
    assert [param.name for param in one.params] == ["node", "instance", "dims", "size", "offset"]
