"""How does a person see where to log in: in a notebook, on a terminal, in the log of a program?"""

from __future__ import annotations

import sys
from html import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate._device import Offer


def say(text: str) -> None:
    """A line for whoever watches: on stderr, so that what the program prints stays its own."""
    if sys.stderr is not None:
        print(text, file=sys.stderr, flush=True)


def show(offer: Offer) -> None:
    """Where to go, and the code; in a notebook as a link that can be clicked."""
    lines = words(offer)
    if "ipykernel" in sys.modules:
        import IPython.display as shown

        shown.display(shown.HTML(html(offer)))  # type: ignore[no-untyped-call]
    else:
        for line in lines:
            say(line)


def words(offer: Offer) -> list[str]:
    """What is said in text."""
    minutes = max(int(offer.expires_in // 60), 1)
    if offer.complete:
        return [
            f"Open {offer.complete}",
            f"in any browser, see that it shows the code {offer.code}, and log in (within {minutes} min).",
        ]
    return [
        f"Open {offer.uri}",
        f"in any browser, type the code {offer.code}, and log in (within {minutes} min).",
    ]


def html(offer: Offer) -> str:
    """The same for a notebook."""
    target = escape(offer.complete or offer.uri, quote=True)
    link = f'<a href="{target}" target="_blank" rel="noopener noreferrer">{escape(offer.complete or offer.uri)}</a>'
    does = "see that it shows" if offer.complete else "type"
    return f"<p>Open {link}, {does} the code <b>{escape(offer.code)}</b>, and log in.</p>"
