"""Does every line about somebody else's program lead to where its own documentation says so?"""

import re

from tests.reference.written import ROOT

TEXT = (ROOT / "docs" / "why" / "compared.md").read_text(encoding="utf-8")
NOTES = dict(re.findall(r"^\[\^([\w-]+)\]: (.*)$", TEXT, re.MULTILINE))


def rows() -> list[list[str]]:
    """The tables' rows without their heads: the cells of each."""
    lines = [line for line in TEXT.splitlines() if line.startswith("| ") and not line.startswith("| |")]
    return [line.strip("| ").split(" | ") for line in lines]


def tables() -> list[list[str]]:
    """The lines of each table."""
    return [block.splitlines() for block in re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE)]


def test_every_row_of_a_table_is_whole() -> None:
    assert len(tables()) > 5
    for head, *lines in tables():
        assert not [line for line in lines if line.count("|") != head.count("|") or not line.endswith("|")]


def test_every_line_about_others_has_a_source() -> None:
    others = [cells for cells in rows() if cells[0] != "labgate"]
    assert len(others) > 20
    assert not [cells for cells in others if "[^" not in cells[1]]
    assert all(re.search(r"\[\^", part) for part in re.findall(r"Better at: .*?(?=\n\n)", TEXT, re.DOTALL))


def test_every_source_is_an_address_that_is_used_and_every_note_has_one() -> None:
    used = set(re.findall(r"\[\^([\w-]+)\](?!:)", TEXT))
    assert used == set(NOTES)
    assert all(re.search(r"\]\(https://[^)]+\)", note) for note in NOTES.values())


def test_every_note_says_which_copy_was_read() -> None:
    read = re.compile(
        r"Read at \[([0-9a-f]{7})\]\(https://[^)]+/blob/\1[0-9a-f]{33}/[^)]+\)|Read: the beginning|Read as "
    )
    assert not [name for name, note in NOTES.items() if not read.search(note)]
