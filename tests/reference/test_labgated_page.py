"""Is the page about the command `labgated` what its parsers say?

`python -m tests.reference.test_labgated_page` writes the page's middle anew.
"""

import argparse
import importlib
from collections.abc import Iterator

from gateway.commands import COMMANDS
from tests.reference import arguments
from tests.reference.written import Written, sentence, table

PAGE = Written("labgated.md", "commands")
COMMON = ("--config", "--url", "--token", "--help")
"""Options that the page tells once."""


def parsers() -> Iterator[tuple[str, str, argparse.ArgumentParser]]:
    """Every command and every action of one: its words, what it does, and its parser."""
    for name, summary in COMMANDS.items():
        parser = argparse.ArgumentParser()
        importlib.import_module(f"gateway.commands.{name}").add_arguments(parser)
        actions = _actions(parser)
        if actions is None:
            yield name, summary, parser
            continue
        helps = {one.dest: one.help or "" for one in actions._choices_actions}
        for action, its_own in actions.choices.items():
            yield f"{name} {action}", helps[action], its_own


def _actions(parser: argparse.ArgumentParser) -> "argparse._SubParsersAction[argparse.ArgumentParser] | None":
    return next((one for one in parser._actions if isinstance(one, argparse._SubParsersAction)), None)


def rendered() -> str:
    """The part of the page that follows from the parsers."""
    return "\n\n".join(_command(*one) for one in parsers())


def _command(words: str, summary: str, parser: argparse.ArgumentParser) -> str:
    own = arguments.own(parser, COMMON)
    places = " ".join(arguments.place(one) for one in own if not one.option_strings)
    lines = [f"### `{' '.join(f'labgated {words} {places}'.split())}`", "", f"{sentence(summary)}."]
    if own:
        rows = [(f"`{arguments.name(one)}`", sentence(one.help or "")) for one in own]
        lines += ["", table(("argument", "meaning"), rows)]
    common = [
        f"`{name}`" for name in COMMON[:3] if any(name in one.option_strings for one in parser._actions)
    ]
    if common:
        lines += ["", f"Also {' and '.join([', '.join(common[:-1]), common[-1]] if common[1:] else common)}."]
    return "\n".join(lines)


def test_the_page_has_every_command_and_option_as_the_parsers_have_them() -> None:
    assert PAGE.middle() == PAGE.expected(rendered()), (
        "write it anew: python -m tests.reference.test_labgated_page"
    )


def test_the_common_options_are_on_the_page_and_mean_one_thing_in_every_command() -> None:
    text = PAGE.file.read_text(encoding="utf-8")
    for name in COMMON:
        assert f"| `{name}" in text
        helps = {
            one.help for _, _, parser in parsers() for one in parser._actions if name in one.option_strings
        }
        assert len(helps) == 1, name


def test_everything_that_is_shown_to_people_has_a_meaning() -> None:
    for words, summary, parser in parsers():
        assert summary, words
        assert all(one.help for one in parser._actions), words


if __name__ == "__main__":
    PAGE.write(rendered())
