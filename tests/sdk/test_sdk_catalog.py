"""Is the list of methods kept safely, read fast, and harmless whatever it holds?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import labgate
from labgate._cachefile import CatalogFile
from labgate._catalog import CorruptCatalog, catalog_of, decoded, read_catalog
from labgate.errors import BadReply, GateUnreachable, Unauthenticated
from tests.sdk.conftest import Gate, running

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
METHODS = st.lists(
    ANYTHING
    | st.fixed_dictionaries(
        {"name": st.text() | st.from_regex(r"[a-z._]{0,9}", fullmatch=True) | ANYTHING},
        optional={
            "params": ANYTHING
            | st.lists(st.fixed_dictionaries({"name": st.text()}, optional={"schema": ANYTHING})),
            "x-labgate": ANYTHING,
            "summary": ANYTHING,
            "result": ANYTHING,
            "paramStructure": ANYTHING,
        },
    ),
    max_size=8,
)


def cached_files(folder: Path) -> list[Path]:
    return sorted((folder / "cache" / "labgate" / "catalogs").glob("*"))


@given(METHODS)
def test_any_document_whatever_becomes_a_catalog_that_reads_itself_back(methods: list[Any]) -> None:
    catalog = catalog_of({"methods": methods, "x-labgate": {}}, "v1")
    back = read_catalog(catalog.to_bytes())
    assert back.texts() == catalog.texts()
    assert back.version == "v1"
    for name in back.names():
        assert decoded(back.text(name))["name"] == name
    assert len(back) == len(list(back.names()))


@given(st.binary() | st.text().map(str.encode))
def test_any_bytes_whatever_are_a_catalog_or_refused(data: bytes) -> None:
    good = catalog_of({"methods": [{"name": "a.b"}]}, None).to_bytes()
    for text in (data, data + b"\n", good[: len(data)], good + data, data + good):
        try:
            assert list(read_catalog(text).names()) == ["a.b"]
        except CorruptCatalog:
            assert text != good


def test_names_that_differ_only_in_a_leading_dot_are_two_names() -> None:
    catalog = catalog_of(
        {"methods": [{"name": "x", "n": 1}, {"name": ".x", "n": 2}, {"name": "x.", "n": 3}]}, None
    )
    assert [decoded(catalog.text(name))["n"] for name in ("x", ".x", "x.")] == [1, 2, 3]


def test_the_first_of_two_methods_of_one_name_counts() -> None:
    catalog = catalog_of({"methods": [{"name": "a.b", "n": 1}, {"name": "a.b", "n": 2}]}, None)
    assert decoded(catalog.text("a.b"))["n"] == 1
    assert len(catalog) == 1


def test_the_second_connect_asks_the_gate_nothing_and_works_without_it(gate: Gate, tmp_path: Path) -> None:
    labgate.connect(gate.url)
    assert gate.documents() == 1
    code = f"import labgate; lab = labgate.connect({gate.url!r}); print(dir(lab.jobs))"
    shown = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert "get_job" in shown
    assert gate.documents() == 1


def test_without_a_kept_catalog_and_without_the_gate_connect_is_a_clear_error() -> None:
    with pytest.raises(GateUnreachable):
        labgate.connect("http://127.0.0.1:9", retries=0)


def test_the_cache_is_a_private_folder_and_never_holds_the_token(gate: Gate, tmp_path: Path) -> None:
    labgate.connect(gate.url)
    (file,) = cached_files(tmp_path)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert b"token-of-the-test" not in file.read_bytes()
    assert "token-of-the-test" not in file.name


def test_another_token_datastack_or_gate_has_another_catalog(tmp_path: Path) -> None:
    one = CatalogFile(str(tmp_path), "http://a", "d", "t")
    one.store(catalog_of({"methods": [{"name": "secret.method"}]}, "1"))
    assert one.load() is not None
    for other in (
        ("http://b", "d", "t"),
        ("http://a", "e", "t"),
        ("http://a", "d", "u"),
        ("http://a", None, "t"),
        ("http://a", "d", None),
    ):
        assert CatalogFile(str(tmp_path), *other).load() is None


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[: len(data) // 2],
        lambda data: data + b"x",
        lambda data: b"\0" * len(data),
        lambda data: data.replace(b'"format":1', b'"format":2'),
        lambda data: data.replace(b'"sizes":[', b'"sizes":[-1,'),
        lambda data: data.replace(b'"about":{', b'"about":[{').replace(b'},"groups"', b'}],"groups"'),
    ],
)
def test_a_damaged_or_foreign_file_is_ignored_and_written_anew(
    gate: Gate, tmp_path: Path, damage: Any
) -> None:
    labgate.connect(gate.url)
    (file,) = cached_files(tmp_path)
    good = file.read_bytes()
    file.write_bytes(damage(good))
    code = f"import labgate; assert 'get_job' in dir(labgate.connect({gate.url!r}).jobs)"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert file.read_bytes() == good
    assert gate.documents() == 2


def test_a_description_that_is_damaged_in_the_file_leaves_an_open_method(gate: Gate, tmp_path: Path) -> None:
    labgate.connect(gate.url)
    (file,) = cached_files(tmp_path)
    head, line, body = file.read_bytes().partition(b"\n")
    file.write_bytes(head + line + b"?" * len(body))
    code = (
        f"import labgate; lab = labgate.connect({gate.url!r})\n"
        "assert lab.jobs.anything(x=1) == {'x': 1}; assert lab.jobs.list_lanes() == ['a', 'b']"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_folder_that_others_can_write_to_is_not_read(gate: Gate, tmp_path: Path) -> None:
    labgate.connect(gate.url)
    (file,) = cached_files(tmp_path)
    file.parent.chmod(0o777)
    link = CatalogFile(str(tmp_path / "cache" / "labgate"), gate.url, None, "token-of-the-test")
    assert link.load() is None
    link.store(catalog_of({}, None))
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_cannot_be_written_costs_nothing_but_speed(gate: Gate, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    lab = labgate.connect(gate.url, cache_dir=blocked)
    assert lab.jobs.list_lanes() == ["a", "b"]


def test_only_the_newest_files_are_kept(tmp_path: Path) -> None:
    for number in range(70):
        CatalogFile(str(tmp_path), f"http://{number}", None, None).store(catalog_of({}, None))
        for at, file in enumerate(sorted((tmp_path / "catalogs").iterdir(), key=os.path.getmtime)):
            os.utime(file, (at, at))
    assert len(list((tmp_path / "catalogs").iterdir())) == 64
    assert CatalogFile(str(tmp_path), "http://69", None, None).load() is not None
    assert CatalogFile(str(tmp_path), "http://0", None, None).load() is None


HOSTILE = [
    "jobs.__class__",
    "jobs._session",
    "jobs.__init__",
    "__class__.x",
    "_url",
    "jobs." + "x" * 10_000,
    "a" * 10_000 + ".b",
    ".".join("a" * 300),
    "jobs.con\x1b[2Jtrol",
    "jobs.new\nline",
    "jobs.\ud800",
    "jobs.\0",
    "jobs.",
    ".",
    "..",
    "jobs..x",
    "jobs.mro",
    "jobs.import",
    "jobs.import_",
    "import.x",
    "jobs.ﬁle",
    "jobs.get-raw",
    "jobs.self",
    "jobs",
    "connect",
    "jobs.jobs.jobs",
]


def test_no_name_of_the_gate_breaks_the_client_and_every_one_is_reached_by_its_wire_name(gate: Gate) -> None:
    for name in HOSTILE:
        gate.add(name, name, **{"x-labgate": {"safe": True}})
    lab = labgate.connect(gate.url)
    for name in HOSTILE:
        assert lab[name]() == name
        assert lab[name].__doc__.replace("\n", "").isprintable()
    assert (
        lab.jobs() == "jobs"
    )  # the method hides the namespace, whose methods are reached by their wire names
    assert lab["jobs.list_lanes"]() == ["a", "b"]
    assert type(lab).__name__ == "Client"
    assert lab.import_.x() == "import.x"
    assert all(name.isidentifier() and not name.startswith("_") for name in dir(lab))
    assert "methods" in repr(lab)


def test_a_hostile_namespace_keeps_its_own_workings(gate: Gate) -> None:
    for name in ("__class__", "_session", "__getattr__", "__dir__", "mro", "import", "import_", "class"):
        gate.add(f"odd.{name}", name, **{"x-labgate": {"safe": True}})
    lab = labgate.connect(gate.url)
    assert dir(lab.odd) == ["class_", "import_", "mro"]
    assert [lab.odd.mro(), lab.odd.import_(), lab.odd.class_(), lab["odd.import"]()] == [
        "mro",
        "import_",
        "class",
        "import",
    ]
    assert type(lab.odd).__name__ == "Namespace"
    assert lab.odd["_session"]() == "_session"


@pytest.mark.parametrize(
    "params",
    [
        None,
        7,
        "x",
        {},
        [7],
        [{}],
        [{"name": 7}],
        [{"name": None}],
        [{"name": "x", "schema": 7, "required": "yes", "description": 3}],
        [{"name": "x"}, {"name": "x"}],
        [{"name": str(number)} for number in range(5000)],
    ],
)
def test_parameters_of_any_shape_leave_a_method_that_can_be_called(gate: Gate, params: Any) -> None:
    gate.add("odd.method", "fine", params=params)
    lab = labgate.connect(gate.url)
    assert lab.odd.method() == "fine"
    assert isinstance(lab.odd.method.__doc__, str)


def test_a_hundred_thousand_methods_in_as_many_namespaces_are_no_trouble() -> None:
    document = {"openrpc": "1", "methods": [{"name": f"n{at}.m"} for at in range(100_000)]}
    made = Gate()
    made.document = json.dumps(document).encode()
    made.answers["n99999.m"] = lambda _: "here"
    with running(made):
        lab = labgate.connect(made.url)
        assert len(dir(lab)) == 100_000
        assert lab.n99999.m() == "here"


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[]", b"null", b"{}", b'{"methods": []}', b"<html>", b"\xff\xfe"]
)
def test_a_document_that_is_none_is_a_bad_reply(document: bytes) -> None:
    made = Gate()
    made.document = document
    with running(made), pytest.raises(BadReply):
        labgate.connect(made.url)


def test_a_gate_that_does_not_know_the_token_names_the_command_for_one(gate: Gate) -> None:
    with pytest.raises(Unauthenticated, match="labgated token create") as caught:
        labgate.connect(gate.url, token="wrong-token")
    assert "wrong-token" not in repr(caught.value) + str(caught.value)
    assert (caught.value.http_status, caught.value.request_id) == (401, "r-401")
