"""What the site has beside the pages of this folder: the README as its first page, the changes, the annotated settings.

mkdocs calls the functions here by their names (`hooks` in config/mkdocs.yml).
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
BROUGHT = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "SECURITY.md": "reporting.md",
    "config/lab.yaml": "lab.yaml",
}
"""Files from outside this folder, by what they are called in the site."""

_SOURCES = {name: source for source, name in BROUGHT.items()}
_LINK = re.compile(r"\]\(([^)#:\s]+)")
_FENCE = re.compile(r"^```(\w+) \w+$", re.MULTILINE)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the files from outside."""
    for source, name in BROUGHT.items():
        files.append(File.generated(config, name, content=(ROOT / source).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Leads a page's links to where the site has what they mean.

    The second word of a fence like "python notebook" is for the tests, and is taken away.
    """
    name = page.file.src_uri
    source = posixpath.dirname(_SOURCES.get(name, f"docs/{name}"))

    def led(link: re.Match[str]) -> str:
        meant = posixpath.normpath(posixpath.join(source, link[1]))
        target = BROUGHT.get(meant, meant.removeprefix("docs/"))
        return f"]({posixpath.relpath(target, posixpath.dirname(name) or '.')}"

    return _FENCE.sub(r"```\1", _LINK.sub(led, markdown))
