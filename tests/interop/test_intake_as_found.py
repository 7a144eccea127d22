"""How does the real Intake 0.7.0 behave when it is asked directly, and does the demo's catalog behave the same?"""

import re
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from gateway.demo.catalog.encoding import pack, unpack

# The first test may have to build the environments.
pytestmark = [pytest.mark.interop, pytest.mark.timeout(400)]

NO_DETAIL = (500, "Internal Server Error")


@pytest.fixture(scope="module")
def caller(upstream: Callable[[str], Any], intake_lab: ModuleType) -> Any:
    """A caller that speaks the protocol to the real server."""
    return intake_lab.Caller(upstream("intake").port)


@pytest.fixture(scope="module")
def client(upstream: Callable[[str], Any], calls_of: Callable[..., Any]) -> dict[str, Any]:
    """What the real client gets from the real server, by call."""
    return calls_of("intake", "intake_client.py", f"intake://127.0.0.1:{upstream('intake').port}")


@pytest.fixture(scope="module")
def demo(intake_lab: ModuleType, calls_of: Callable[..., Any]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """A running demo catalog, and what the real client gets from it, by call."""
    with intake_lab.running() as lab:
        yield lab, calls_of("intake", "intake_client.py", lab.url.replace("http", "intake", 1))


# --- the wire


def test_everything_is_labelled_html_and_listings_have_an_etag_and_posts_none(caller: Any) -> None:
    response, body = caller.ask("GET", "/v1/info?page_size=2")
    assert response.headers["Content-Type"] == "text/html; charset=UTF-8"
    assert len(unpack(body)["sources"]) == 2
    tag = response.headers["Etag"]
    again, nothing = caller.ask("GET", "/v1/info?page_size=2", If_None_Match=tag)
    assert (again.status, nothing, "Cache-Control" in response.headers) == (304, b"", False)
    opened, _ = caller.ask("POST", "/v1/source", pack({"action": "open", "name": "notes"}))
    assert ("Etag" in opened.headers, "Content-Length" in opened.headers) == (False, True)


def test_a_read_is_sent_in_chunks_without_its_length(caller: Any) -> None:
    source = caller.open("notes")
    asked = {"action": "read", "source_id": source["source_id"], "accepted_formats": ["msgpack"]}
    response, body = caller.ask("POST", "/v1/source", pack(asked))
    assert (response.headers["Transfer-Encoding"], "Content-Length" in response.headers) == ("chunked", False)
    assert unpack(unpack(body)["data"])[0] == "beam on at nine\n"


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        (["msgpack", "pickle2", "pickle1"], "pickle1"),
        (["pickle1", "msgpack"], "msgpack"),
        (["msgpack", "nothing"], "msgpack"),
    ],
)
def test_the_last_known_format_is_taken_so_the_real_client_gets_pickles(
    accepted: list[str], taken: str, caller: Any
) -> None:
    answer = caller.read(caller.open("notes"), accepted_formats=accepted)
    assert (answer["format"], answer["compression"]) == (taken, "none")


@pytest.mark.parametrize(
    ("accepted", "taken"),
    [
        (["snappy", "gzip", "none"], "none"),
        (["none", "gzip"], "gzip"),
        (["gzip", "zlib"], "gzip"),
        (["zlib"], "none"),
        ([], "none"),
    ],
)
def test_the_last_known_compression_is_taken_and_there_is_no_zlib(
    accepted: list[str], taken: str, caller: Any
) -> None:
    answer = caller.read(caller.open("notes"), accepted_compression=accepted)
    assert answer["compression"] == taken


def test_where_data_lie_and_their_secrets_are_listed_though_nobody_may_go_there(caller: Any) -> None:
    entry = caller.get("/v1/source?name=frames")["source"]
    assert (entry["direct_access"], entry["args"]["storage_options"]) == ("forbid", {"secret": "hunter2"})


def test_any_argument_can_be_overridden_and_parameters_are_rendered_as_templates(caller: Any) -> None:
    metadata = caller.get("/v1/source?name=by_sample")["source"]["metadata"]
    assert metadata == {"taken": "{{ day }}"}
    asked = {"action": "open", "name": "by_sample", "parameters": {"path": "/nothing/{{ 6 * 7 }}.npy"}}
    assert caller.refused(asked) == (400, "[Errno 2] No such file or directory: '/nothing/42.npy'")


def test_zarr_tells_block_sizes_where_others_tell_lengths_and_answers_empty_past_the_end(
    caller: Any, client: dict[str, Any]
) -> None:
    source = caller.open("volume")
    assert source["chunks"] == [2, 10, 15]
    assert caller.array(source, [7, 7, 7]).shape == (0, 0, 0)
    assert caller.open("blocks")["chunks"] == [[8, 8], [8, 8, 4], [8, 8, 8]]
    assert client["volume.open"] == ["error", "TypeError: 'int' object is not iterable"]


def test_the_whole_of_a_numpy_file_has_an_axis_more_than_its_schema_and_its_one_block(
    caller: Any, demo: tuple[Any, Any]
) -> None:
    for asked in (caller, demo[0].caller()):
        source = asked.open("by_sample")
        shape = tuple(source["shape"])
        assert asked.array(source, [0, 0]).shape == shape
        assert asked.array(source).shape == (1, *shape)


def test_a_source_of_one_record_has_no_schema_which_the_real_client_cannot_open(
    caller: Any, client: dict[str, Any]
) -> None:
    assert set(caller.open("settings")) == {"container", "source_id", "metadata"}
    assert client["settings.open"] == ["error", "KeyError: 'dtype'"]


# --- statuses


def test_statuses_with_a_reason(caller: Any) -> None:
    assert caller.refused({"action": "dance"}) == (400, '"dance" not a valid source action')
    # A status line takes Latin letters, as UTF-8, and nothing else.
    latin = '"tänze" not a valid source action'.encode().decode("latin-1")
    assert caller.refused({"action": "tänze"}) == (400, latin)
    assert caller.refused({"action": "粒子"}) == caller.refused({"action": "<b>"}) == (400, "Unknown")
    assert caller.refused({"action": "open", "name": "nothing"}) == (404, "Catalog has no entry 'nothing'")
    status, reason = caller.refused({"action": "open", "name": "broken"})
    assert (status, reason.startswith("[Errno 2] No such file or directory: '/")) == (400, True)
    forced = 'client must have plugin "[\'csv\']" to access source "only_direct"'
    assert caller.refused({"action": "open", "name": "only_direct"}) == (400, forced)
    read = {"action": "read", "source_id": caller.open("notes")["source_id"], "accepted_formats": ["zip"]}
    assert caller.refused(read) == (400, "Unable to find compatible format")
    assert caller.refused({"action": "search", "query": 3})[0] == 400
    assert caller.ask("GET", "/v1/source")[0].status == 400
    assert caller.ask("GET", "/v1/source?name=nothing")[0].reason == "No such entry"


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"\xc1",
        b'{"action": "open", "name": "runs"}',
        {},
        {"action": "open"},
        {"action": "search"},
        {"action": "open", "name": "by_sample", "parameters": {"sample": "z"}},
        {"action": "open", "name": "by_sample", "parameters": {"run": 3}},
        {"action": "open", "name": "by_sample", "parameters": {"colour": "red"}},
        {"action": "read", "source_id": "nothing", "accepted_formats": ["msgpack"]},
    ],
)
def test_everything_else_is_500_without_detail(said: Any, caller: Any) -> None:
    assert caller.refused(said) == NO_DETAIL


@pytest.mark.parametrize(
    ("name", "partition"),
    [("runs", None), ("runs", 3), ("runs", [0]), ("frames", [4, 0, 0]), ("frames", "x"), ("notes", 1), ("volume", 1)],
)  # fmt: skip
def test_a_partition_that_there_is_not_is_500_without_detail(name: str, partition: Any, caller: Any) -> None:
    read = {"action": "read", "source_id": caller.open(name)["source_id"], "accepted_formats": ["msgpack"]}
    assert caller.refused({**read, "partition": partition}) == NO_DETAIL


def test_with_a_secret_reads_and_searches_are_still_free_and_opening_tells_what_there_is(
    fresh_upstream: Callable[..., Any], intake_lab: ModuleType, calls_of: Callable[..., Any]
) -> None:
    server = fresh_upstream("intake", "--secret", "sesame")
    knows = intake_lab.Caller(server.port, intake_secret="sesame")
    lacks = intake_lab.Caller(server.port)
    assert lacks.ask("GET", "/v1/info")[0].status == 403
    assert lacks.ask("GET", "/v1/source?name=nothing")[0].status == 403
    assert lacks.refused({"action": "open", "name": "notes"}) == (403, "Access forbidden")
    assert lacks.refused({"action": "open", "name": "nothing"})[0] == 404
    assert lacks.read(knows.open("notes"))["format"] == "msgpack"
    assert lacks.post("search", query=[["beam"], {}])["source_id"] == "root-[['beam'], {}]"
    address = f"intake://127.0.0.1:{server.port}"
    refused = calls_of("intake", "intake_client.py", address)
    assert refused == {
        "open_catalog": [
            "error",
            "AuthenticationFailure: Your current level of authentication does not have access",
        ]
    }
    assert len(calls_of("intake", "intake_client.py", address, "--secret", "sesame")) > 90
    assert len(calls_of("intake", "intake_client.py", address, "--field", "intake-secret=sesame")) > 90


def test_ids_end_with_the_process(fresh_upstream: Callable[..., Any], intake_lab: ModuleType) -> None:
    first = fresh_upstream("intake")
    source = intake_lab.Caller(first.port).open("notes")
    first.kill()
    fresh_upstream("intake", "--port", str(first.port))
    read = {"action": "read", "source_id": source["source_id"], "accepted_formats": ["msgpack"]}
    assert intake_lab.Caller(first.port).refused(read) == NO_DETAIL


# --- the client


def test_the_real_client_reads_everything_but_what_cannot_be_read(client: dict[str, Any]) -> None:
    failed = {name for name, (kind, _) in client.items() if kind == "error"}
    asked_for = {name for name in client if name.endswith("none_such")} | {
        "no such name",
        "by_sample(no such sample).open",
        "by_sample(run out of bounds).open",
        "by_sample(no such parameter).open",
        "search without words",
    }
    # The text of a search becomes a header field, which takes no such letters.
    assert failed == asked_for | {"broken.open", "settings.open", "volume.open", "search 粒子"}
    assert client["search 粒子"][1].startswith("UnicodeEncodeError")
    assert len(client) > 90


def test_however_something_is_read_it_is_the_same(client: dict[str, Any]) -> None:
    for name in ("runs", "picks", "frames", "blocks", "notes", "detectors/front", "by_sample"):
        assert client[f"{name}.read"] == client[f"{name}.to_dask"]
    back = client["detectors/back.read"]
    assert client["dotted name"] == client["search detector → detectors.back"] == back
    assert client["list"] == client["listed by pages"]


# --- the demo


def shape(outcome: list[Any]) -> str:
    """An outcome without what depends on the data: the kind of the value, or the error but for its numbers."""
    kind, value = outcome
    if kind == "error":
        return re.sub(r"\d+", "N", value)
    return (
        value[0] if isinstance(value, list) and value[:1] in (["frame"], ["array"]) else type(value).__name__
    )


def test_the_demo_gives_the_real_client_what_the_real_server_gives(
    client: dict[str, Any], demo: tuple[Any, dict[str, Any]]
) -> None:
    _, got = demo
    both = client.keys() & got.keys()
    assert {name: shape(got[name]) for name in both} == {name: shape(client[name]) for name in both}
    for name in ("runs", "frames", "notes", "detectors/front", "detectors/back", "by_sample"):
        assert f"{name}.to_dask" in both
    assert len(both) > 75


def test_the_demo_answers_the_real_client_without_a_pickle_and_it_opens_everything_twice(
    demo: tuple[Any, dict[str, Any]],
) -> None:
    lab, got = demo
    failed = {name for name, (kind, _) in got.items() if kind == "error"}
    assert {name for name in failed if not name.endswith("none_such")} == {
        "no such name",
        "raw_files.open",
        "lost.open",
        "by_sample(no such sample).open",
        "by_sample(run out of bounds).open",
        "by_sample(no such parameter).open",
        "search 粒子",
        "search without words",
    }
    # Walked once: opened for the call, and again by the source itself.
    assert lab.opens("runs") == 2
    # Partition 0 for its dtypes, then 0 to 3 for each of the two times that all are read, and 0 and 3 alone.
    assert lab.reads("runs") == 11


SAME: list[tuple[str, Any]] = [
    ("POST", b""),
    ("POST", b"\xc1"),
    ("POST", {}),
    ("POST", {"action": "dance"}),
    ("POST", {"action": "tänze"}),
    ("POST", {"action": "粒子"}),
    ("POST", {"action": "<b>"}),
    ("POST", {"action": "open"}),
    ("POST", {"action": "open", "name": "nothing"}),
    ("POST", {"action": "open", "name": "detectors.nothing"}),
    ("POST", {"action": "open", "name": "by_sample", "parameters": {"sample": "z"}}),
    ("POST", {"action": "open", "name": "by_sample", "parameters": {"run": 99}}),
    ("POST", {"action": "open", "name": "by_sample", "parameters": {"colour": "red"}}),
    ("POST", {"action": "open", "name": "by_sample", "parameters": [1]}),
    ("POST", {"action": "search"}),
    ("POST", {"action": "search", "query": 3}),
    ("POST", {"action": "search", "query": [[], {}]}),
    ("POST", {"action": "search", "query": [["Röntgen 粒子"], {}]}),
    ("POST", {"action": "read"}),
    ("POST", {"action": "read", "source_id": "nothing", "accepted_formats": ["msgpack"]}),
    ("GET", "/"),
    ("GET", "/v1/info/"),
    ("GET", "/v1/info?page_size=x"),
    ("GET", "/v1/info?page_size=-1"),
    ("GET", "/v1/info?page_size="),
    ("GET", "/v1/source"),
    ("GET", "/v1/source?name=nothing"),
    ("HEAD", "/v1/info"),
    ("PUT", "/v1/source"),
    ("POST", "/v1/info"),
]


@pytest.mark.parametrize(("verb", "asked"), SAME, ids=lambda value: str(value)[:60])
def test_the_demo_says_to_the_byte_what_the_real_server_says(
    verb: str, asked: Any, caller: Any, demo: tuple[Any, dict[str, Any]]
) -> None:
    path, body = (asked, None) if isinstance(asked, str) else ("/v1/source", asked)
    if body is not None and not isinstance(body, bytes):
        body = pack(body)
    answers = []
    for one in (caller, demo[0].caller()):
        response, said = one.ask(verb, path, body)
        fields = {name.lower(): value for name, value in response.getheaders() if name != "Date"}
        answers.append((response.status, response.reason, fields, said))
    assert answers[0] == answers[1]
