"""The console's files, and what it asks of the gate: by raw HTTP."""

import re
from pathlib import Path

import pytest
from console_lab import console_lab

from gateway.doors.console_page import FOLDER

KIND = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".LICENSE": "text/plain",
}
FILES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file())


@pytest.fixture
async def console(tmp_path):
    async with console_lab(tmp_path) as made:
        yield made


async def test_the_page_and_its_files_are_served_to_anybody_as_what_they_are(console):
    assert len(FILES) > 20
    for name in ("", *(f"console/{one}" for one in FILES)):
        status, fields, body = await console.ask("GET", f"/{name}", None)
        assert status == 200, name
        assert fields["Content-Type"].split(";")[0] == KIND[Path(name or "index.html").suffix]
        assert body == (FOLDER / (name.removeprefix("console/") or "index.html")).read_bytes()


async def test_a_file_that_the_browser_has_is_not_sent_again_and_a_changed_one_would_be(console):
    for path in ("/", "/console/app.js"):
        _, fields, _ = await console.ask("GET", path, None)
        assert re.fullmatch(r'"[0-9a-f]{24}"', fields["ETag"])
        assert fields["Cache-Control"] == "no-cache"
        status, again, body = await console.ask("GET", path, None, If_None_Match=fields["ETag"])
        assert (status, body, again["ETag"]) == (304, b"", fields["ETag"])
        assert (await console.ask("GET", path, None, If_None_Match='"other"'))[0] == 200


async def test_the_page_may_run_its_own_scripts_alone_and_make_no_html_of_text(console):
    for path in ("/", "/console/app.js"):
        _, fields, _ = await console.ask("GET", path, None)
        (policy,) = fields.getall("Content-Security-Policy")
        said = dict(one.strip().split(" ", 1) for one in policy.split(";"))
        assert said["default-src"] == "'none'"
        assert said["script-src"] == said["style-src"] == said["connect-src"] == "'self'"
        assert said["frame-ancestors"] == said["base-uri"] == said["form-action"] == "'none'"
        assert (said["require-trusted-types-for"], said["trusted-types"]) == ("'script'", "'none'")
        assert fields["X-Content-Type-Options"] == "nosniff"
        assert "Set-Cookie" not in fields


async def test_what_is_no_page_still_says_so(console):
    token = console.token("ada", "admins")
    for path in ("/-/status", "/-/console", "/console/nothing.js", "/nothing"):
        _, fields, _ = await console.ask("GET", path, token)
        (policy,) = fields.getall("Content-Security-Policy")
        assert policy.startswith("default-src 'none'; base-uri")


@pytest.mark.parametrize(
    "path", ["/console/nothing.js", "/console/../app.py", "/console/", "/console", "/index.html", "/nothing"]
)
async def test_nothing_beside_the_console_is_served(console, path):
    status, _, said = await console.ask("GET", path.replace("..", "%2e%2e"), None)
    assert status == 404, said


async def test_the_page_is_on_the_operators_listener_alone(console):
    async with console.session.get("http://{}:{}/console/app.js".format(*console.gate.address)) as answer:
        assert answer.status == 404


async def test_the_page_learns_who_operates_and_where_callers_go(console):
    for groups, operates in ((("admins",), True), (("lab",), False)):
        status, _, said = await console.ask("GET", "/-/console", console.token("ada", *groups))
        assert status == 200
        assert said == {
            "operates": operates,
            "address": "http://{}:{}".format(*console.gate.address),
        }
    assert (await console.ask("GET", "/-/console", None))[0] == 401


def test_every_address_in_the_console_is_relative_so_that_it_works_below_any_path():
    for name in FILES:
        if name.startswith("vendored/") or name.endswith((".LICENSE", ".svg")):
            continue
        text = (FOLDER / name).read_text()
        assert not re.findall(
            r"""(?:href|src|import|from|fetch\(|\.ask\(|\.json\()\s*[=(]?\s*["'`]/""", text
        ), name
        assert not re.findall(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|localStorage|sessionStorage|document\.cookie",
            text,
        ), name


def test_what_is_not_ours_has_its_licence_beside_it():
    ours = {name for name in FILES if name.startswith("vendored/")}
    assert ours == {"vendored/uPlot.esm.js", "vendored/uPlot.min.css", "vendored/uPlot.LICENSE"}
    assert "MIT License" in (FOLDER / "vendored/uPlot.LICENSE").read_text()


def _luminance(colour):
    """The relative luminance of #rrggbb (WCAG 2.2)."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one, other):
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_text_can_be_read_on_what_is_behind_it_in_light_and_dark():
    text = (FOLDER / "console.css").read_text()
    light, dark = (
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block))
        for block in text.split("@media (prefers-color-scheme: dark)", 1)
    )
    assert light.keys() == dark.keys()
    pairs = [
        (one, ground)
        for one in ("text", "quiet", "accent", "good", "bad", "warn", "info")
        for ground in ("ground", "surface", "sunken")
    ]
    pairs += [(one, f"{one}-ground") for one in ("accent", "good", "bad", "warn", "info")]
    pairs += [
        ("accent-text", "accent"),
        ("text", "accent-ground"),
        ("quiet", "accent-ground"),
        ("ground", "text"),
    ]
    for name, colours in (("light", light), ("dark", dark)):
        low = [(one, other) for one, other in pairs if _contrast(colours[one], colours[other]) < 4.5]
        assert low == [], name
