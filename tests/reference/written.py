"""What pages of the reference have in common that are written from the code: a middle between two marks."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


class Written:
    """The part of a page between `<!-- MARK -->` and `<!-- end of MARK -->`."""

    def __init__(self, page: str, mark: str) -> None:
        self.file = REFERENCE / page
        self._begin, self._end = f"<!-- {mark} -->\n", f"<!-- end of {mark} -->\n"

    def middle(self) -> str:
        """What stands there now."""
        text = self.file.read_text(encoding="utf-8")
        assert text.count(self._begin) == text.count(self._end) == 1, self.file
        return text.partition(self._begin)[2].partition(self._end)[0]

    def expected(self, rendered: str) -> str:
        """What is to stand there."""
        return f"\n{rendered.strip()}\n\n"

    def write(self, rendered: str) -> None:
        """Write it anew."""
        start, begin, rest = self.file.read_text(encoding="utf-8").partition(self._begin)
        after = rest.partition(self._end)[2]
        self.file.write_text(f"{start}{begin}{self.expected(rendered)}{self._end}{after}", encoding="utf-8")


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table; cells are Markdown without line breaks."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def sentence(text: str) -> str:
    """The text with a capital at its beginning, but for a value that it begins with."""
    value, colon, rest = text.partition(":")
    return f"`{value}`:{rest}" if colon and value in ("true", "false") else text[:1].upper() + text[1:]
