"""How do pages show the arguments of a command, as its parser has them?"""

import argparse


def metavar(one: argparse.Action) -> str:
    """What stands for its value."""
    return str(one.metavar or one.dest.upper())


def place(one: argparse.Action) -> str:
    """An argument without a name, where it stands in the command."""
    return {"?": f"[{metavar(one)}]", "*": f"[{metavar(one)} …]"}.get(str(one.nargs), metavar(one))


def name(one: argparse.Action) -> str:
    """Its names, and what stands for its value; of one without a name that, and what it may be."""
    if not one.option_strings:
        choices = ", ".join(map(str, one.choices or ()))
        return metavar(one) + (
            f": {choices}" if choices and choices not in metavar(one).replace("|", ", ") else ""
        )
    names = ", ".join(one.option_strings)
    return names if one.nargs == 0 else f"{names} {metavar(one)}"


def own(parser: argparse.ArgumentParser, common: tuple[str, ...]) -> list[argparse.Action]:
    """The arguments that people give, but for those that a page tells once."""
    known = {*common, "-h"}
    return [
        one
        for one in parser._actions
        if not set(one.option_strings) & known and one.help != argparse.SUPPRESS
    ]
