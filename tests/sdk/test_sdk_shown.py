"""Does everything show itself in a notebook: what matters, small, searchable, and nothing foreign as markup?"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labgate
from labgate import testing
from labgate._catalog import catalog_of
from labgate._changes import Changes
from labgate._explain import Explanation
from labgate._inform import rows_of_methods
from labgate._method import Method
from labgate._page import cell, facts, page, reference, table
from labgate._shown import html_of_methods
from labgate._shown_method import html_of_method
from labgate._status import ServiceStatus, Status
from labgate._whoami import Whoami
from tests.sdk.conftest import Gate

ELEMENTS = {
    *("div", "span", "b", "code", "table", "thead", "tbody", "tr", "th", "td"),
    *("style", "script", "input", "a", "img", "figure", "figcaption"),
}
ATTRIBUTES = {
    *("class", "id", "style", "hidden", "placeholder", "aria-label"),
    *("href", "target", "rel", "alt", "src"),
}
OWN_SCRIPT = re.compile(r'\(\(\)=>\{const f=document\.getElementById\("labgate[0-9a-f]{12}f"\)')
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>x</script>",
    "</code></td></tr></table><iframe src=x>",
    "&lt;b&gt;",
    "javascript:alert(1)",
    "<!--",
    "\x1b[31m\u202e\ud800",
    "{0}{number}%s",
]


class Reader(HTMLParser):
    """Reads markup as a page would; complains about what is none of ours."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.open: list[str] = []
        self.inside: str | None = None
        self.html = html
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS, tag
        assert {name for name, _ in attributes} <= ATTRIBUTES, attributes
        for name, value in attributes:
            if name == "href":
                assert (value or "").lower().startswith(("http://", "https://"))
            if name == "id":
                assert re.fullmatch("labgate[0-9a-f]{12}[ft]", value or "")
        if tag not in ("input", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            assert OWN_SCRIPT.match(data)
        elif not (self.open and self.open[-1] == "style"):
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError("a comment")

    def handle_decl(self, decl: str) -> None:
        raise AssertionError("a declaration")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError("a declaration")


@pytest.fixture
def lab(gate: Gate) -> labgate.Client:
    gate.about = {
        "namespaces": {
            "jobs": {"summary": "The job manager.", "version": "1.2", "mount": "/jobs"},
            "files": {"down": True},
        }
    }
    gate.add("files.get_tile", summary="A tile.", deprecated=True)
    gate.add("jobs.group.one", summary="Nested.")
    gate.service = lambda asked: asked.reply(404, b"")
    return labgate.connect(gate.url)


def test_a_client_shows_its_gate_and_its_services(lab: labgate.Client, gate: Gate) -> None:
    shown = Reader(lab(version=943)._repr_html_())
    assert gate.url in shown.text
    assert "version=943" in shown.text
    assert re.search(r"files\s*1\s*DOWN", shown.text)
    assert "The job manager." in shown.text
    with_stack = Reader(client_of_a_datastack()._repr_html_())
    assert "datastack fly1" in with_stack.text
    assert "as scripted" in with_stack.text


def client_of_a_datastack() -> labgate.Client:
    gate = testing.gate({"fly1/seg": {"roots": [1]}}, info={"version": 1})
    lab = gate.start().connect(datastack="fly1")
    lab._repr_html_()  # who it is, is kept when it was told once
    gate.stop()
    return lab


def test_a_client_of_a_gate_that_is_away_is_shown_all_the_same() -> None:
    gate = testing.gate(info={"version": 1})
    with gate as lab:
        pass
    assert "info" in Reader(lab._repr_html_()).text


async def test_an_async_client_is_shown_without_asking_anybody(gate: Gate) -> None:
    async with labgate.aconnect(gate.url) as lab:
        before = len(gate.requests)
        assert "jobs" in Reader(lab._repr_html_()).text
        assert "get_job" in Reader(lab.jobs._repr_html_()).text
        assert "project_uid" in Reader(lab.jobs.get_job._repr_html_()).text
        assert len(gate.requests) == before


def test_a_namespace_shows_its_methods_in_a_table_that_can_be_searched(lab: labgate.Client) -> None:
    shown = Reader(lab.jobs._repr_html_())
    for word in (
        "jobs",
        "1.2",
        "plain HTTP below /jobs",
        "get_job(project_uid, job_uid",
        "One job.",
        "jobs.group",
    ):
        assert word in shown.text, word
    assert "<input" not in shown.html  # for so few
    assert "DOWN" in Reader(lab.files._repr_html_()).text
    assert "deprecated" in Reader(lab.files._repr_html_()).text


def test_a_method_shows_its_signature_and_its_parameters(lab: labgate.Client) -> None:
    html = lab.jobs.get_job._repr_html_()
    shown = Reader(html)
    for word in (
        "jobs.get_job(project_uid, job_uid",
        "One job. With all that is known of it.",
        "project_uid",
        "required",
    ):
        assert word in shown.text, word
    assert "scope" not in shown.text
    assert lab.jobs.get_job._repr_html_ is not None
    assert "_repr_html_" not in dir(lab.jobs)


def test_a_method_shows_which_scope_it_needs_and_which_request_it_is() -> None:
    notes = {"scopes": ["em.read", 7, "em.<b>"], "http": "GET /files/tiles/{level}"}
    shown = Reader(html_of_method(Method("a.b", json.dumps({"params": [], "x-labgate": notes}).encode())))
    assert "needs the scope" in shown.text
    assert "em.read or em.<b>" in shown.text
    assert "GET /files/tiles/{level}" in shown.text


def test_an_address_of_documentation_can_be_followed_only_where_it_is_the_webs() -> None:
    def shown(url: str) -> str:
        text = b'{"name":"a.b","params":[],"externalDocs":{"url":%s}}' % json.dumps(url).encode()
        return html_of_method(Method("a.b", text))

    assert 'href="https://docs.lab.org/a?b=1&amp;c"' in shown("https://docs.lab.org/a?b=1&c")
    for bad in ("javascript:alert(1)", "data:text/html,x", " https://x", "//x", "file:///etc/passwd"):
        assert "href" not in shown(bad)


def test_ten_thousand_methods_are_less_than_50_kib(gate: Gate) -> None:
    for number in range(10_000):
        gate.add(f"many.method_with_a_long_name_{number:05}", summary=f"Does the thing number {number}. " * 9)
    lab = labgate.connect(gate.url)
    html = lab.many._repr_html_()
    assert len(html.encode()) < 50 * 1024
    shown = Reader(html)
    assert re.search(r"\d+ of 10000 methods are shown\.", shown.text)
    assert "labgate.methods(lab, 'many.*')" in shown.text
    assert "<input" in html
    assert len(lab._repr_html_().encode()) < 50 * 1024
    assert len(labgate.methods(lab)._repr_html_().encode()) < 50 * 1024


def test_many_services_and_long_names_are_less_than_50_kib(gate: Gate) -> None:
    gate.methods.clear()
    for number in range(1000):
        gate.add(f"service_{number:04}_{'x' * 150}.method_{'<' * 300}", summary="&" * 900)
    lab = labgate.connect(gate.url)
    assert len(lab._repr_html_().encode()) < 50 * 1024
    assert "services are shown" in Reader(lab._repr_html_()).text


def test_answers_about_a_client_show_themselves(make_gate) -> None:
    lab = make_gate(files={"version": testing.method("1.2", safe=True)}).lab
    assert "scripted" in Reader(labgate.whoami(lab)._repr_html_()).text
    assert "files" in Reader(labgate.status(lab)._repr_html_()).text
    assert "files.version" in Reader(labgate.methods(lab)._repr_html_()).text
    assert "no methods" in Reader(labgate.methods(lab, "nothing")._repr_html_()).text
    lab.files.version()
    assert re.search(r"took\s*[\d.]+ ms", Reader(labgate.last(lab)._repr_html_()).text)
    assert "nothing has changed" in Reader(labgate.refresh(lab)._repr_html_()).text
    assert "a.b" in Reader(Changes(("a.b",), (), ())._repr_html_()).text
    told = {"method": "a.b", "outcome": "hit", "why": "it is stored", "entry": {"age": 3}, "policy": None}
    shown = Reader(Explanation(told)._repr_html_()).text
    assert re.search(r"a\.b hit it is stored.*entry\s*age 3", shown, re.DOTALL)
    anonymous = Whoami({"anonymous": True})
    assert "anonymous" in Reader(anonymous._repr_html_()).text


make_gate = testing.make_gate


@pytest.mark.parametrize("evil", HOSTILE)
def test_hostile_names_and_documents_are_text(gate: Gate, evil: str) -> None:
    gate.about = {"namespaces": {"jobs": {"summary": evil, "version": evil, "mount": f"/{evil}"}, evil: {}}}
    described = {
        "summary": evil,
        "description": evil,
        "params": [
            {"name": evil, "schema": {"type": evil, "default": evil}, "description": evil},
            {"name": "a", "schema": {"$ref": evil}, "required": True, "description": evil},
            {"name": "b", "schema": {"anyOf": [{"type": evil}, {"type": [evil]}]}},
        ],
        "result": {"name": evil, "schema": {"type": evil}, "description": evil},
        "externalDocs": {"url": f"https://x/{evil}"},
        "x-labgate": {"result": evil, "cache": {evil: evil}},
    }
    gate.add(f"jobs.{evil}", None, **described)
    gate.add("jobs.good", None, **described)
    gate.add(evil, None, **described)
    lab = labgate.connect(gate.url)
    for html in (
        lab._repr_html_(),
        lab.jobs._repr_html_(),
        lab.jobs.good._repr_html_(),
        labgate.methods(lab)._repr_html_(),
        labgate.status(lab)._repr_html_(),
        Whoami(
            {
                "subject": evil,
                "issuer": evil,
                "groups": [evil],
                "scopes": [evil],
                "policies": [{"number": evil, "to": [evil], "allow": [evil, 7], "operate": True}, {}],
                "limits": {evil: {evil: evil}},
                "permission": {"method": evil, "allowed": False, "why": evil},
            }
        )._repr_html_(),
        Explanation({"method": evil, "outcome": evil, "why": evil, evil: {evil: [evil]}})._repr_html_(),
        Changes((evil,), (evil,), ())._repr_html_(),
    ):
        Reader(html)
        html.encode("utf-8")


ANY = st.text(st.characters(exclude_categories=()), max_size=60) | st.sampled_from(HOSTILE)
SOMETHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150)
@given(
    name=ANY.filter(bool),
    members=st.fixed_dictionaries(
        {},
        optional={
            "summary": SOMETHING,
            "description": SOMETHING,
            "params": st.lists(
                st.fixed_dictionaries(
                    {"name": ANY}, optional={"schema": SOMETHING, "description": SOMETHING}
                ),
                max_size=4,
            )
            | SOMETHING,
            "result": st.fixed_dictionaries({}, optional={"schema": SOMETHING, "description": SOMETHING})
            | SOMETHING,
            "externalDocs": st.fixed_dictionaries({"url": SOMETHING}) | SOMETHING,
            "x-labgate": st.dictionaries(
                st.sampled_from(["result", "cache", "safe", "down", "scopes", "http"]), SOMETHING, max_size=4
            )
            | SOMETHING,
        },
    ),
)
def test_no_description_whatever_it_holds_becomes_markup(name, members) -> None:
    catalog = catalog_of({"methods": [{"name": name, **members}]}, None)
    Reader(html_of_methods(rows_of_methods(catalog, catalog.names())))
    html = html_of_method(Method(name, catalog.text(name)))
    Reader(html)
    html.encode("utf-8")


@settings(max_examples=150)
@given(SOMETHING, SOMETHING, ANY)
def test_no_value_whatever_it_is_becomes_markup(one, other, text) -> None:
    shown, _ = table(("a", "b"), [(one, other)] * 7, filtered=True)
    html = page(cell(one), text, shown, facts([(text, one), (other, text)]), reference(text))
    Reader(html)
    html.encode("utf-8")


@settings(max_examples=100)
@given(
    st.lists(
        st.tuples(ANY, st.dictionaries(st.sampled_from(["version", "summary", "down", "mount"]), SOMETHING))
    )
)
def test_no_service_whatever_it_says_becomes_markup(services) -> None:
    Reader(Status(ServiceStatus(name, said, 3) for name, said in services)._repr_html_())


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVE = """
<script>
addEventListener("load", () => {
  const field = document.querySelector("input"), rows = [...document.querySelectorAll("tbody tr")];
  const seen = () => rows.filter(row => !row.hidden).map(row => row.querySelector("b").textContent).join(",");
  const all = seen();
  field.value = "get STAT"; field.dispatchEvent(new Event("input"));
  const some = seen();
  field.value = "";  field.dispatchEvent(new Event("input"));
  document.body.setAttribute("data-told", JSON.stringify([field.hidden, all, some, seen() === all]));
});
</script>
"""


def test_the_filter_works_in_a_browser_and_needs_no_network(make_gate, tmp_path: Path) -> None:
    assert CHROMIUM, "install chromium: its part of this law cannot be seen without a browser"
    names = ["get_stats", "get_state", "set_state", "list", "get_tile", "write", "read"]
    lab = make_gate(files=dict.fromkeys(names, 1)).lab
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html><meta charset=utf-8><body>{lab.files._repr_html_()}{DRIVE}")
    command = [
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    done = subprocess.run(
        [*command, "--virtual-time-budget=5000", "--dump-dom", file.as_uri()],
        capture_output=True,
        text=True,
        timeout=100,
    )
    told = re.search(r'data-told="([^"]*)"', done.stdout)
    assert told is not None, done.stderr[-2000:]
    hidden, every, some, again = json.loads(told[1].replace("&quot;", '"'))
    assert not hidden
    assert every == ",".join(sorted(names))
    assert some == "get_state,get_stats"
    assert again
