"""Laws of `sources`: what cannot be read, or not told apart, is refused, all of it at once, each with its fix."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent, indent

import pytest

from gateway.core.sources import Blocks, Boxes, Rows, Values
from gateway.settings import Problem, Settings, examine
from gateway.source_entries import source_entries

HEAD = """\
policies:
  - {to: [authenticated], allow: ["*"]}
services:
  files: {dialect: openapi, url: "http://h", mount: /files}
datastacks:
  fly: {services: {graph: {url: "http://h", mount: /fly/graph}}}
"""


def examined(tmp_path: Path, text: str, **environ: str) -> tuple[Settings | None, tuple[Problem, ...]]:
    file = tmp_path / "labgate.yaml"
    file.write_text(HEAD + dedent(text))
    return examine(file, environ)


def found(tmp_path: Path, entry: str, **environ: str) -> dict[str, str]:
    """The problems of one entry, by place below it."""
    text = "sources:\n  mount: /sources\n  entries:\n    one:\n" + indent(dedent(entry), " " * 6)
    _, problems = examined(tmp_path, text, **environ)
    return {
        one.path.removeprefix("sources.entries.one").strip("."): f"{one.text} | {one.fix}" for one in problems
    }


def test_an_entry_needs_a_method_and_no_more(tmp_path: Path) -> None:
    settings, problems = examined(
        tmp_path,
        "sources: {mount: /sources/, entries: {em: {method: files.read}, g: {method: fly/graph.roots}}}",
    )
    assert problems == ()
    assert settings is not None
    assert settings.sources is not None
    assert settings.sources.mount == "/sources"
    em, graph = source_entries(settings)
    assert (em.name, em.method, em.datastack, em.cut, em.container) == ("em", "files.read", None, None, None)
    assert (graph.method, graph.datastack) == ("graph.roots", "fly")


def test_what_is_written_is_what_the_catalog_has(tmp_path: Path) -> None:
    settings, problems = examined(
        tmp_path,
        """\
        sources:
          mount: /sources
          entries:
            a:
              method: files.read
              params: {deep: {list: [1, 2.5, null, true]}}
              user_parameters: {n: {type: int, default: 3, min: 1, argument: number, allowed: [3, 4]}}
              partitions: {boxes: {shape: [0, 9], chunks: [4, 4], start: a, stop: b, dtype: float32}}
            b: {method: files.list, items: rows, partitions: {rows: {size: 10, page: p, limit: n, total: all}}}
            d: {method: files.get, partitions: {blocks: {chunks: [64, 128, 128]}}}
            c: {method: files.get, partitions: {values: {argument: id, of: [x, 1]}}}
        """,
    )
    assert problems == ()
    assert settings is not None
    a, b, d, c = source_entries(settings)
    assert d.cut == Blocks((64, 128, 128))
    assert (a.params, a.arguments) == ({"deep": {"list": [1, 2.5, None, True]}}, {"n": "number"})
    assert a.declared[0] == {
        "name": "n",
        "description": "",
        "type": "int",
        "default": 3,
        "min": 1,
        "allowed": [3, 4],
    }
    assert a.cut == Boxes((0, 9), (4, 4), "a", "b", dtype="float32")
    assert (b.items, b.cut) == ("rows", Rows(10, page="p", limit="n", total="all"))
    assert c.cut == Values("id", ("x", 1))
    assert len({one.mark for one in (a, b, c)}) == 3


@pytest.mark.parametrize(
    ("mount", "text"),
    [
        ("/files", "`files` is mounted at /files already"),
        ("/fly/graph/", "`graph` is mounted at /fly/graph already"),
        ("/rpc", "`/rpc` is the gate's own address"),
        ("sources", "does not begin with /"),
    ],
)
def test_the_catalog_has_a_place_of_its_own(tmp_path: Path, mount: str, text: str) -> None:
    settings, problems = examined(tmp_path, f"sources: {{mount: {mount}}}")
    assert settings is None
    assert [(one.path, one.text) for one in problems] == [("sources.mount", text)]


@pytest.mark.parametrize("mount", ["/", "/files/tables", "/fly", "/lab/intake"])
def test_the_catalog_may_stand_above_or_below_what_is_mounted(tmp_path: Path, mount: str) -> None:
    settings, problems = examined(tmp_path, f"sources: {{mount: {mount}}}")
    assert (settings is not None, problems) == (True, ())


@pytest.mark.parametrize(
    ("entry", "where", "words"),
    [
        ("method: read", "method", "is no name of a method | write it like dvid.read"),
        ("method: a/b/files.read", "method", "is no name of a method"),
        ("params: {a: 1}", "method", "is missing"),
        ("{method: files.read, container: table}", "container", "expected 'ndarray' or 'dataframe'"),
        ("{method: files.read, params: [1]}", "params", "expected a mapping, found a list"),
        ("{method: files.read, params: {day: 2024-05-01}}", "params.day", "YAML reads this as a date"),
        ("{method: files.read, params: {n: {m: [.inf]}}}", "params.n.m[0]", "is no number that JSON has"),
        ("{method: files.read, params: {1: 2}}", "params", "the key 1 is no text"),
        ("{method: files.read, metadata: {key: '${env:KEY}'}}", "metadata.key", "a secret that callers would be told"),
        ("{method: files.read, partitions: {}}", "partitions", "needs one of `blocks`, `boxes`, `rows` and `values`"),
        ("{method: files.read, partitions: {values: {argument: a, of: []}}}", "partitions.values.of", "an empty list"),
        ("{method: files.read, user_parameters: {a: {type: str, default: x, allowed: []}}}", "user_parameters.a.allowed", "an empty list"),
        (
            "{method: files.read, partitions: {values: {argument: a, of: [1]}, rows: {size: 1, start: b, count: 1}}}",
            "partitions",
            "needs one of `blocks`, `boxes`, `rows` and `values`",
        ),
        ("{method: files.read, partitions: {rows: {size: 0, start: a, count: 1}}}", "partitions.rows.size", "expected a whole number from 1 on"),
        ("{method: files.read, partitions: {rows: {size: 5, count: 1}}}", "partitions.rows", "needs one of `start` and `page`"),
        ("{method: files.read, partitions: {rows: {size: 5, start: a}}}", "partitions.rows", "needs one of `count` and `total`"),
        ("{method: files.read, partitions: {rows: {size: 1, start: a, count: 1000001}}}", "partitions.rows.size", "more than 1000000 partitions"),
        ("{method: files.read, partitions: {boxes: {shape: [9], chunks: [3], start: a}}}", "partitions.boxes", "needs one of `stop` and `size`"),
        ("{method: files.read, partitions: {boxes: {shape: [9], chunks: [3, 3], start: a, stop: b}}}", "partitions.boxes.chunks", "has 2 axes, and `shape` has 1"),
        ("{method: files.read, partitions: {boxes: {shape: [9], chunks: [3], origin: [1, 2], start: a, stop: b}}}", "partitions.boxes.origin", "has 2 axes"),
        ("{method: files.read, partitions: {boxes: {shape: [-9], chunks: [3], start: a, stop: b}}}", "partitions.boxes.shape[0]", "a length is 0 or more"),
        ("{method: files.read, partitions: {boxes: {shape: [9], chunks: [3], start: a, stop: b, dtype: object}}}", "partitions.boxes.dtype", "is no type that arrays can have"),
        ("{method: files.read, partitions: {boxes: {shape: [10000, 10000], chunks: [1, 1], start: a, stop: b}}}", "partitions.boxes.chunks", "cut into 100000000 boxes"),
        ("{method: files.read, container: dataframe, partitions: {boxes: {shape: [9], chunks: [3], start: a, stop: b}}}", "partitions.boxes", "a table has no boxes"),
        ("{method: files.read, params: {a: 1}, partitions: {rows: {size: 5, start: a, count: 1}}}", "partitions", "`a` is said by `params` already"),
        ("{method: files.read, partitions: {blocks: {chunks: []}}}", "partitions.blocks.chunks", "a part without axes"),
        ("{method: files.read, partitions: {blocks: {chunks: [0]}}}", "partitions.blocks.chunks[0]", "expected a whole number from 1 on"),
        ("{method: files.read, params: {stop: [1]}, partitions: {blocks: {chunks: [1]}}}", "partitions", "`stop` is said by `params` already"),
        ("{method: files.read, params: {a: 1}, user_parameters: {a: {type: int, default: 1}}}", "user_parameters.a", "`a` is said by `params` already"),
        ("{method: files.read, user_parameters: {a: {type: int, default: 1, argument: x}, b: {type: int, default: 1, argument: x}}}", "user_parameters.b", "`x` is said by the parameter `a` already"),
        ("{method: files.read, user_parameters: {a: {type: int, default: x}}}", "user_parameters.a.default", "x is no int | write a default that callers could choose"),
        ("{method: files.read, user_parameters: {a: {type: int, default: 5, max: 4}}}", "user_parameters.a.default", "5 is out of bounds"),
        ("{method: files.read, user_parameters: {a: {type: number, default: 5}}}", "user_parameters.a.type", "expected 'bool'"),
        ("{method: files.read, user_parameters: {a: {type: str}}}", "user_parameters.a.default", "is missing"),
        ("{method: files.read, partition: {}}", "partition", "no such setting | did you mean `partitions`?"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_at_its_place_and_with_its_fix(
    tmp_path: Path, entry: str, where: str, words: str
) -> None:
    problems = found(tmp_path, entry, KEY="hunter2")
    assert list(problems) == [where]
    assert words in problems[where]
    assert "hunter2" not in problems[where]


def test_all_of_it_is_told_at_once(tmp_path: Path) -> None:
    _, problems = examined(
        tmp_path,
        """\
        sources:
          mount: /files
          entries:
            "a.b": {method: files.read}
            c: {method: read, partitions: {rows: {size: none}}}
        """,
    )
    assert {one.path for one in problems} >= {
        'sources.entries["a.b"]',
        "sources.entries.c.method",
        "sources.entries.c.partitions.rows.size",
    }


@pytest.mark.parametrize(
    ("method", "fix"),
    [("flies.read", "did you mean `files`?"), ("fly/grap.roots", "did you mean `fly/graph`?"), ("zoo.x", "add the service, or remove the entry")],
)  # fmt: skip
def test_a_service_that_nobody_names_is_warned_of(tmp_path: Path, method: str, fix: str) -> None:
    settings, problems = examined(tmp_path, f"sources: {{mount: /s, entries: {{one: {{method: {method}}}}}}}")
    assert settings is not None
    assert [(one.path, one.fix, one.level) for one in problems] == [
        ("sources.entries.one.method", fix, "warning")
    ]
