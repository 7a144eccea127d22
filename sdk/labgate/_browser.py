"""What does somebody see who looks through the methods in a terminal, and what does each key do?

Nothing here knows a terminal: keys come in by name, lines go out.
"""

from __future__ import annotations

from labgate._names import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Line = tuple[str, str]

_HELP_LIST = "type to search, Enter: more, Esc: end"
_HELP_DETAIL = "up, down: scroll, Enter: take it, Esc: back"


class Browser:
    """A list that is searched by typing, and the description of one of its methods.

    Attributes:
        query: what was typed; names and summaries are searched for all of its words.
        taken: the method that was chosen in the end, None before.
    """

    def __init__(self, rows: Sequence[tuple[str, str]], describe: Callable[[str], str]) -> None:
        """Begin with the whole list.

        Args:
            rows: each method's name and summary.
            describe: gives the text about a method.
        """
        self.query = ""
        self.taken: str | None = None
        self._rows = [(name, printable(name, 200), printable(summary, 200)) for name, summary in rows]
        self._describe = describe
        self._found = self._rows
        self._at = 0
        self._top = 0
        self._detail: list[str] | None = None
        self._height = 1

    def press(self, key: str) -> bool:
        """Do what a key means; False ends it.

        Args:
            key: a character, or `up`, `down`, `pageup`, `pagedown`, `home`, `end`, `enter`, `escape`, `backspace`.
        """
        if self._detail is not None:
            return self._press_detail(key)
        if key == "escape":
            if not self.query:
                return False
            self._search("")
        elif key == "enter":
            if self._found:
                self._detail = self._describe(self._found[self._at][0]).split("\n")
                self._top = 0
        elif key == "backspace":
            self._search(self.query[:-1])
        elif len(key) == 1 and key.isprintable():
            self._search(self.query + key)
        else:
            self._at = self._moved(key, self._at, len(self._found))
        return True

    def lines(self, height: int, width: int) -> list[Line]:
        """What is to be seen: each line with its style, `title`, `chosen`, `faint` or none.

        Args:
            height: of the terminal.
            width: of the terminal.
        """
        self._height = max(height - 2, 1)
        if self._detail is not None:
            self._top = max(0, min(self._top, len(self._detail) - self._height))
            body = [(line, "") for line in self._detail[self._top : self._top + self._height]]
            title, help_line = self._found[self._at][1], _HELP_DETAIL
        else:
            body = self._list()
            title, help_line = f"> {self.query}", f"{len(self._found)} of {len(self._rows)}; {_HELP_LIST}"
        body += [("", "")] * (self._height - len(body))
        return [(text[:width], style) for text, style in [(title, "title"), *body, (help_line, "faint")]][
            :height
        ]

    def _list(self) -> list[Line]:
        self._top = max(self._at - self._height + 1, min(self._top, self._at), 0)
        shown = self._found[self._top : self._top + self._height]
        longest = min(max((len(name) for _, name, _ in shown), default=0), 60)
        return [
            (f"{name:<{longest}}  {summary}", "chosen" if at == self._at else "")
            for at, (_, name, summary) in enumerate(shown, self._top)
        ]

    def _press_detail(self, key: str) -> bool:
        if key in ("escape", "backspace", "q"):
            self._detail = None
            self._top = 0
        elif key == "enter":
            self.taken = self._found[self._at][0]
            return False
        else:
            self._top = self._moved(key, self._top, len(self._detail or ()))
        return True

    def _moved(self, key: str, at: int, count: int) -> int:
        page = max(self._height - 1, 1)
        steps = {"up": -1, "down": 1, "pageup": -page, "pagedown": page, "home": -count, "end": count}
        return max(0, min(at + steps.get(key, 0), count - 1))

    def _search(self, query: str) -> None:
        self.query = query
        words = query.casefold().split()
        self._found = [
            row
            for row in self._rows
            if all(word in row[1].casefold() or word in row[2].casefold() for word in words)
        ]
        self._at = self._top = 0
