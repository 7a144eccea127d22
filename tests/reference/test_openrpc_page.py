"""Does the page about the list have every member of `x-labgate`: those that the code writes, and those that the demo shows?"""

import ast
import inspect
import json
import re
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from gateway.core import catalog, listing, openrpc
from tests.lab.demo import demo
from tests.reference.written import REFERENCE

TEXT = (REFERENCE / "openrpc.md").read_text(encoding="utf-8")


def members(heading: str) -> set[str]:
    """The first column of the table below a heading."""
    part = TEXT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return set(re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE))


def written(function: Callable[..., Any]) -> set[str]:
    """The keys that a function puts into what it returns: `said["key"] = …`, and those of the displays in it."""
    tree = ast.parse(inspect.cleandoc("\n" + inspect.getsource(function)))
    keys = [
        one.slice
        for one in ast.walk(tree)
        if isinstance(one, ast.Subscript) and isinstance(one.ctx, ast.Store)
    ]
    keys += [
        key for one in ast.walk(tree) if isinstance(one, ast.Dict) for key in one.keys if key is not None
    ]
    return {key.value for key in keys if isinstance(key, ast.Constant)}


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What the demo advertises, without a datastack and with one."""
    with demo(tmp_path_factory.mktemp("demo")) as environ:

        def fetched(query: str) -> dict[str, Any]:
            request = urllib.request.Request(f"{environ['LABGATE_URL']}/openrpc.json{query}")
            request.add_header("Authorization", f"Bearer {environ['LABGATE_TOKEN']}")
            with urllib.request.urlopen(request, timeout=60) as answer:
                found: dict[str, Any] = json.load(answer)
            return found

        first = fetched("")
        return [first, fetched(f"?datastack={first['x-labgate']['datastacks'][0]}")]


def test_what_the_gate_says_of_a_method_is_on_the_page() -> None:
    found = (written(openrpc.extension) | written(listing._facts) | {"http", "scopes"}) - written(
        openrpc._cache
    )
    assert len(found) > 7
    assert found <= members("On a method")


def test_what_the_gate_says_of_a_service_is_the_pages_table() -> None:
    assert written(catalog._about_namespace) == members("On a namespace")


def test_what_the_gate_says_of_the_list_is_the_pages_table() -> None:
    assert written(catalog.Catalog._about) - {"seconds"} | {"catalog"} == members("On the document")


def test_what_a_real_list_has_is_on_the_page(lists: list[dict[str, Any]]) -> None:
    for one in lists:
        assert set(one["x-labgate"]) <= members("On the document")
        assert {key for said in one["x-labgate"]["namespaces"].values() for key in said} <= members(
            "On a namespace"
        )
    said = {key for one in lists for method in one["methods"] for key in method.get("x-labgate", {})}
    assert {"page", "sources", "source", "volume", "query", "of", "job"} <= said <= members("On a method")


def test_no_member_is_on_the_page_that_nobody_writes(lists: list[dict[str, Any]]) -> None:
    said = {key for one in lists for method in one["methods"] for key in method.get("x-labgate", {})}
    assert members("On a method") - said <= {
        "down",
        "notice",
        "undescribed",
        "scopes",
    }  # the demo is well, and speaks of no scopes
