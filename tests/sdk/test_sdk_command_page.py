"""Is the page about the command `labgate` what its parser says?

`python -m tests.sdk.test_sdk_command_page` writes the page's middle anew.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from labgate.cli import GROUPS, command_parser
from tests.reference import arguments

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "command-line.md"
BEGIN, END = "<!-- commands -->\n", "<!-- end of commands -->\n"
COMMON = ("--url", "--profile", "--datastack", "--timeout", "--json", "--help")


def commands() -> dict[str, argparse.ArgumentParser]:
    for action in command_parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("the parser has no commands")


def rendered() -> str:
    """The part of the page that follows from the parser."""
    helps = {name: text for group in GROUPS for name, text in group.COMMANDS.items()}
    parts = []
    for name, parser in commands().items():
        own = arguments.own(parser, COMMON)
        places = " ".join(arguments.place(one) for one in own if not one.option_strings)
        lines = [f"### `{' '.join(f'labgate {name} {places}'.split())}`", "", _sentence(helps[name])]
        if own:
            lines += ["", "| argument | |", "|---|---|"]
            lines += [f"| `{arguments.name(one)}` | {_sentence(one.help or '')} |" for one in own]
        gate = any("--url" in one.option_strings for one in parser._actions)
        lines += (
            [] if gate else ["", "It speaks to no gate of its own accord: it has none of the common options."]
        )
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def _sentence(text: str) -> str:
    return (text[:1].upper() + text[1:]).replace("|", "\\|")


def test_the_page_has_every_command_and_option_as_the_parser_has_them() -> None:
    text = PAGE.read_text(encoding="utf-8")
    middle = text.partition(BEGIN)[2].partition(END)[0]
    assert middle == f"\n{rendered()}\n", "write it anew: python -m tests.sdk.test_sdk_command_page"


def test_the_common_options_are_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"| `{one}" in text for one in COMMON)


def test_every_command_that_the_documentation_shows_exists() -> None:
    known = commands()
    for page in [*PAGE.parents[1].rglob("*.md"), *PAGE.parents[2].glob("*.md")]:
        text = page.read_text(encoding="utf-8")
        scripts = "".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
        shown = {
            *re.findall(r"`labgate ([a-z]+)", text),
            *re.findall(r"^labgate ([a-z]+)", scripts, re.MULTILINE),
        }
        assert shown <= set(known), page


def _write() -> None:
    text = PAGE.read_text(encoding="utf-8")
    start, _, rest = text.partition(BEGIN)
    PAGE.write_text(f"{start}{BEGIN}\n{rendered()}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    _write()
