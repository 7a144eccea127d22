"""Does the catalog server speak Intake's protocol as the original does, over HTTP?"""

import gzip
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from itertools import product
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gateway.demo.catalog.contents import contents
from gateway.demo.catalog.encoding import pack, unpack

Caller = Any  # of lab/intake.py

NAMES = ["runs", "frames", "notes", "detectors", "by_sample", "calibration", "raw_files", "lost"]
NO_DETAIL = b"<html><title>500: Internal Server Error</title><body>500: Internal Server Error</body></html>"
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def caller(intake_lab: ModuleType) -> Iterator[Caller]:
    """A caller of a server that the tests share, which ends with its standard input."""
    command = [sys.executable, "-m", "gateway.demo.catalog", "--until-stdin-closes"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        word, _, url = process.stdout.readline().strip().partition(" ")
        assert word == "ready"
        yield intake_lab.Caller(int(url.rpartition(":")[2]))
        process.communicate()
        assert process.returncode == 0


# --- listing


def test_everything_is_listed_or_a_page_of_it(caller: Caller) -> None:
    info = caller.get("/v1/info")
    assert [entry["name"] for entry in info["sources"]] == NAMES
    assert (info["version"], info["length"], info["metadata"]) == ("0.7.0", 8, {"lab": "demo", "week": 42})
    page = caller.get("/v1/info?page_size=3&page_offset=6")
    assert ([entry["name"] for entry in page["sources"]], page["length"]) == (NAMES[6:], 8)
    assert caller.get("/v1/info?page_size=0")["sources"] == []
    assert len(caller.get("/v1/info?page_offset=3")["sources"]) == 8  # an offset alone is no page


@pytest.mark.parametrize("query", ["page_size=x", "page_size=-1", "page_size=", "page_size=1&page_offset=x"])
def test_a_bad_page_is_500_without_detail(query: str, caller: Caller) -> None:
    response, body = caller.ask("GET", f"/v1/info?{query}")
    assert (response.status, response.reason, body) == (500, "Internal Server Error", NO_DETAIL)


def test_an_entry_tells_its_parameters_and_where_its_data_are(caller: Caller) -> None:
    entry = caller.get("/v1/source?name=by_sample")["source"]
    assert entry["args"] == {"urlpath": "/srv/lab/{{ sample }}_{{ run }}.npy"}
    assert (entry["plugin"], entry["driver"], entry["direct_access"]) == (
        ["demo_curve"],
        ["demo_curve"],
        "forbid",
    )
    sample, run, day = entry["user_parameters"]
    assert (sample["type"], sample["allowed"], sample["default"]) == ("str", ["a", "b", "c"], "a")
    assert (run["type"], run["min"], run["max"], run["default"]) == ("int", 1, 3, 1)
    assert (day["type"], day["default"], day["max"]) == (
        "datetime",
        datetime.fromisoformat("2024-05-01"),
        datetime.fromisoformat("2024-12-31"),
    )


def test_one_entry_is_found_by_its_name_dots_lead_into_catalogs(caller: Caller) -> None:
    assert caller.get("/v1/source?name=detectors.back")["source"]["name"] == "detectors.back"
    for name in ("nothing", "detectors.nothing", "frames.nothing", "nothing.back", "."):
        response, _ = caller.ask("GET", f"/v1/source?name={name}")
        assert (response.status, response.reason) == (404, "No such entry")
    assert caller.ask("GET", "/v1/source")[0].status == 400


def test_only_listings_have_an_etag_and_only_reads_are_sent_in_chunks(caller: Caller) -> None:
    response, _ = caller.ask("GET", "/v1/info?page_size=1")
    tag = response.headers["Etag"]
    again, nothing = caller.ask("GET", "/v1/info?page_size=1", If_None_Match=f'"x", W/{tag}')
    assert (again.status, again.headers["Etag"], nothing) == (304, tag, b"")
    assert caller.ask("GET", "/v1/info", If_None_Match=tag)[0].status == 200
    said = pack({"action": "open", "name": "notes"})
    opened, answer = caller.ask("POST", "/v1/source", said)
    assert ("Etag" in opened.headers, opened.headers["Content-Length"]) == (False, str(len(answer)))
    asked = {"action": "read", "source_id": unpack(answer)["source_id"], "accepted_formats": ["msgpack"]}
    read, _ = caller.ask("POST", "/v1/source", pack(asked))
    assert (read.headers["Transfer-Encoding"], "Content-Length" in read.headers) == ("chunked", False)


def test_nothing_else_is_there(caller: Caller) -> None:
    for path in ("/", "/v1", "/v1/info/", "/v1/source/", "/v1/nothing"):
        assert caller.ask("GET", path)[0].status == 404
    for verb, path in (
        ("HEAD", "/v1/info"),
        ("POST", "/v1/info"),
        ("PUT", "/v1/source"),
        ("OPTIONS", "/v1/info"),
    ):
        response, body = caller.ask(verb, path)
        assert (response.status, body == b"") == (405, verb == "HEAD")


def test_there_are_no_tables_without_pyarrow() -> None:
    script = "import sys; sys.modules['pyarrow'] = None; from gateway.demo.catalog.contents import contents; print(*contents().entries)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == NAMES[1:]


# --- opening and reading


def test_an_array_is_read_block_by_block(caller: Caller) -> None:
    source = caller.open("frames")
    assert UUID.fullmatch(source["source_id"])
    assert (source["dtype"], source["shape"], source["npartitions"]) == ("uint16", [12, 96, 128], 16)
    assert source["chunks"] == [[3, 3, 3, 3], [48, 48], [64, 64]]
    blocks = {at: caller.array(source, list(at)) for at in product(range(4), range(2), range(2))}
    whole = np.block([[[blocks[i, j, k] for k in range(2)] for j in range(2)] for i in range(4)])
    assert np.array_equal(whole, contents().find("frames").made().array)
    # A ring stands out: there are more counts at its radius than between it and the next.
    assert whole[0, 48, 64 + 14] > 2 * whole[0, 48 - 2 : 48 + 3, 64 + 21].mean()


def test_an_array_in_blocks_along_one_axis_takes_an_index_too(caller: Caller) -> None:
    source = caller.open("detectors.front")
    assert source["chunks"] == [[32, 32, 32], [96]]
    assert np.array_equal(caller.array(source, 2), caller.array(source, [2, 0]))


def test_a_table_is_read_as_an_arrow_stream_for_each_run(caller: Caller) -> None:
    source = caller.open("runs")
    assert (source["container"], source["shape"], source["npartitions"]) == ("dataframe", [None, 6], 4)
    assert source["dtype"] == {
        "run": "int64", "row": "int64", "column": "int64", "diameter": "float64", "score": "float32", "operator": "object",
    }  # fmt: skip
    for partition in range(4):
        table = pa.ipc.open_stream(caller.read(source, partition)["data"]).read_all()
        assert set(table["run"].to_pylist()) == {101 + partition}
        assert (table.num_rows, table.schema.field("score").type) == (300, pa.float32())
        assert 110 < np.mean(table["diameter"]) < 126
        assert set(table["operator"].to_pylist()) == {"Ada", "Eve", "Tom", "Zoë"}


def test_text_is_a_list_of_lines_whole_or_as_partition_0(caller: Caller) -> None:
    source = caller.open("notes")
    assert (source["container"], source["dtype"], source["shape"]) == ("python", None, [None])
    lines = unpack(caller.read(source)["data"])
    assert len(lines) == 5
    assert all(line.endswith("\n") for line in lines)
    assert unpack(caller.read(source, 0)["data"]) == lines


@pytest.mark.parametrize(
    ("name", "partition"),
    [
        ("frames", None),
        ("frames", 1),
        ("frames", [4, 0, 0]),
        ("frames", [0, 0]),
        ("frames", [-1, 0, 0]),
        ("frames", ["0", 0, 0]),
        ("runs", None),
        ("runs", 4),
        ("runs", [0]),
        ("runs", True),
        ("notes", 1),
        ("detectors", 0),
    ],
)
def test_a_partition_that_there_is_not_is_500_without_detail(
    name: str, partition: Any, caller: Caller
) -> None:
    said = {
        "source_id": caller.open(name)["source_id"],
        "partition": partition,
        "accepted_formats": ["msgpack"],
    }
    assert caller.refused({"action": "read", **said}) == (500, "Internal Server Error")


def test_the_last_format_and_compression_that_are_known_are_taken(caller: Caller) -> None:
    source = caller.open("notes")
    answer = caller.read(source, accepted_formats=["msgpack", "pickle2", "pickle1"])
    assert (answer["format"], answer["compression"], answer["container"]) == ("msgpack", "none", "python")
    zipped = caller.read(source, accepted_compression=["snappy", "none", "gzip"])
    assert zipped["compression"] == "gzip"
    assert gzip.decompress(zipped["data"]) == answer["data"]
    for accepted in (["gzip", "none"], ["gzip", "none", "zlib"], ["zlib"], []):
        assert caller.read(source, accepted_compression=accepted)["compression"] == "none"


def test_pickles_are_as_unknown_as_any_other_format(caller: Caller) -> None:
    for accepted in (["pickle2", "pickle1"], ["nothing"], []):
        said = {"source_id": caller.open("notes")["source_id"], "accepted_formats": accepted}
        assert caller.refused({"action": "read", **said}) == (400, "Unable to find compatible format")


def test_a_catalog_is_opened_and_its_id_leads_to_what_is_in_it(caller: Caller) -> None:
    nested = caller.open("detectors")
    assert (nested["container"], nested["metadata"], set(nested)) == (
        "catalog",
        {"room": "hutch"},
        {"container", "metadata", "source_id"},
    )
    inner = nested["source_id"]
    assert [one["name"] for one in caller.get("/v1/info", source_id=inner)["sources"]] == ["front", "back"]
    assert caller.get("/v1/source?name=back", source_id=inner)["source"]["name"] == "back"
    one, other = caller.post("open", inner, name="back"), caller.open("detectors.back")
    assert np.array_equal(caller.array(one, 0), caller.array(other, 0))


def test_parameters_have_defaults_and_decide_what_is_read(caller: Caller) -> None:
    plain = caller.array(caller.open("by_sample"))
    day = datetime.fromisoformat("2024-05-01")
    for said in ({"sample": "a", "run": 1, "day": day}, {"run": "1"}, {"day": "2024-05-01"}):
        assert np.array_equal(caller.array(caller.open("by_sample", **said)), plain)
    for said in ({"sample": "b"}, {"run": 2}, {"day": datetime.fromisoformat("2024-05-02")}):
        assert not np.array_equal(caller.array(caller.open("by_sample", **said)), plain)


@pytest.mark.parametrize(
    "said",
    [
        {"sample": "d"},
        {"run": 0},
        {"run": 4},
        {"run": "one"},
        {"day": datetime.fromisoformat("2025-01-01")},
        {"day": "yesterday"},
        {"colour": "red"},
        {"urlpath": "/etc/hostname"},
        [1],
        {"sample": "{{ shell('true') }}"},
    ],
)
def test_parameters_that_do_not_fit_are_500_without_detail(said: Any, caller: Caller) -> None:
    asked = {"action": "open", "name": "by_sample", "parameters": said}
    assert caller.refused(asked) == (500, "Internal Server Error")


def test_who_has_the_driver_may_or_must_go_to_the_data_themselves(caller: Caller) -> None:
    has, lacks = {"available_plugins": ["demo_calibration", "demo_raw"]}, {"available_plugins": ["csv"]}
    assert "source_id" in caller.post("open", name="calibration", **lacks)
    direct = caller.post("open", name="calibration", **has)
    assert (direct["args"], "source_id" in direct) == (
        {"metadata": {}, "urlpath": "/srv/lab/calibration.npy"},
        False,
    )
    assert caller.post("open", name="raw_files", **has)["direct_access"] == "force"
    reason = 'client must have plugin "[\'demo_raw\']" to access source "raw_files"'
    assert caller.refused({"action": "open", "name": "raw_files", **lacks}) == (400, reason)


def test_what_cannot_be_opened_says_why_in_the_status_line(caller: Caller) -> None:
    asked = {"action": "open", "name": "nothing"}
    assert caller.refused(asked) == (404, "Catalog has no entry 'nothing'")
    asked = {"action": "open", "name": "lost"}
    assert caller.refused(asked) == (400, "[Errno 5] Input/output error: '/srv/lab/lost.zarr'")


# --- searching


def test_a_search_is_a_catalog_under_an_id_made_of_its_query(caller: Caller) -> None:
    query = [["ring Detector"], {}]
    found = caller.post("search", query=query)["source_id"]
    assert found == "root-[['ring Detector'], {}]"
    info = caller.get("/v1/info", source_id=found)
    names = [entry["name"] for entry in info["sources"]]
    assert names == ["frames", "detectors.front", "detectors.back", "detectors", "by_sample", "raw_files"]
    assert info["metadata"]["search"] == {"text": "ring Detector", "upstream": "demo"}
    assert caller.post("open", found, name="detectors.back")["dtype"] == "int32"
    deeper = caller.post("search", found, query=[["behind"], {"depth": 1}])["source_id"]
    assert deeper == f"{found}-[['behind'], {{'depth': 1}}]"
    assert caller.get("/v1/info", source_id=deeper)["length"] == 1


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ([[], {}], "Catalog.search() missing 1 required positional argument: 'text'"),
        (3, "cannot unpack non-iterable int object"),
        ([[1], {}], "'int' object has no attribute 'lower'"),
    ],
)
def test_a_bad_search_is_400_with_the_reason(query: Any, reason: str, caller: Caller) -> None:
    assert caller.refused({"action": "search", "query": query}) == (400, reason)


# --- junk


@pytest.mark.parametrize(
    "body",
    [b"", b"\xc1", b'{"action": "open"}', b"\x80\x80", pack([]), pack({}), pack({"action": "open"}), pack({"action": "search"}),
     pack({"action": "read"}), b"\x91" * 5000],
)  # fmt: skip
def test_a_body_that_makes_no_sense_is_500_without_detail(body: bytes, caller: Caller) -> None:
    assert caller.refused(body) == (500, "Internal Server Error")


def test_an_unknown_action_is_400_and_what_a_status_line_cannot_hold_is_unknown(caller: Caller) -> None:
    assert caller.refused({"action": "dance"}) == (400, '"dance" not a valid source action')
    latin = '"tänze" not a valid source action'.encode().decode("latin-1")
    assert caller.refused({"action": "tänze"}) == (400, latin)
    for action in ("粒子", "<b>", "a\r\nSet-Cookie: b"):
        assert caller.refused({"action": action}) == (400, "Unknown")


def test_an_unknown_id_is_500_without_detail_in_a_field_or_in_the_body(caller: Caller) -> None:
    unknown = "8d3f0000-0000-4000-8000-000000000000"
    read = {"action": "read", "source_id": unknown, "accepted_formats": ["msgpack"]}
    assert caller.refused(read) == (500, "Internal Server Error")
    assert caller.refused({"action": "open", "name": "back"}, source_id=unknown)[0] == 500
    assert caller.ask("GET", "/v1/info", source_id=unknown)[0].status == 500
    frames = caller.open("frames")["source_id"]
    assert caller.ask("GET", "/v1/info", source_id=frames)[0].status == 500
