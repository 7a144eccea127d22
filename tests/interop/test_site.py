"""The documentation as one site: it is built strictly and without a network, fetches nothing from elsewhere, and is searched."""

import http.server
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
FETCHED = re.compile(
    r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=[\"']?((?:https?:)?//[^\"'\s>]+)"
)
NOWHERE = dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9")


@pytest.fixture(scope="module")
def site(python_of: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site. A link or an anchor that leads nowhere, or a page that is not in the navigation, ends the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [python_of("mkdocs"), "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    command += ["--config-file", ROOT / "config" / "mkdocs.yml"]
    done = subprocess.run(
        command, env=os.environ | NOWHERE, capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    """Where the site is, for a browser."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_every_page_is_in_the_site(site: Path) -> None:
    pages = {page.relative_to(ROOT / "docs").with_suffix(".html") for page in (ROOT / "docs").rglob("*.md")}
    built = {page.relative_to(site) for page in site.rglob("*.html")}
    brought = {Path(name) for name in ("index.html", "changelog.html", "reporting.html", "404.html")}
    assert built == pages | brought
    assert not [one.name for one in site.rglob("*") if one.suffix in (".py", ".pyc", ".md")]
    assert (site / "lab.yaml").read_bytes() == (ROOT / "config" / "lab.yaml").read_bytes()


def test_fault_nothing_is_fetched_from_elsewhere_when_a_page_is_read(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert FETCHED.findall(page.read_text(encoding="utf-8")) == [], page.name
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\([\"']?(?:https?:)?//|@import", sheet.read_text(encoding="utf-8")), (
            sheet.name
        )


def test_no_fence_is_left_as_text(site: Path) -> None:
    assert not [page.name for page in site.rglob("*.html") if "```" in page.read_text(encoding="utf-8")]


def test_what_pages_say_is_in_the_index_that_is_searched(site: Path) -> None:
    found = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))["docs"]
    assert "how-to/cryosparc.html" in {one["location"].partition("#")[0] for one in found}
    assert any("generations" in one["title"].lower() for one in found)


async def test_a_reader_searches_in_a_browser_and_is_led_to_the_page(
    served: str, chromium_lab: ModuleType, tmp_path: Path
) -> None:
    async with chromium_lab.chromium(tmp_path) as browser:
        page = await browser.page()
        await page.goto(f"{served}/start.html")
        # What is typed before the page has its index is lost.
        await page.until(
            "document.querySelector('.md-search-result__meta')?.textContent.includes('Type to start')"
        )
        await page.fill("[data-md-component=search-query]", "middle_auth")
        await page.until(
            "document.querySelector('.md-search-result__link[href*=\"single-sign-on\"]') !== null"
        )
        assert page.troubles == []
        assert not [url for url in page.requests if not url.startswith((served, "data:", "blob:"))]
        await page.close()
