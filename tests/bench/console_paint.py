"""How soon does the console show something, and ten thousand methods, in a browser that was never there before?"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from bench_lab import HERE, Lab, lab, table

ROOT = HERE.parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

METHODS = 10_000
_PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
_LISTED = f"""
new Promise((seen) => {{
  const look = () => document.body.innerText.includes('{METHODS:,} methods')
    ? requestAnimationFrame(() => seen(performance.now())) : setTimeout(look, 5);
  look();
}})"""
"""When it says how many there are: the list stands below that, drawn with it."""


class Shown(NamedTuple):
    """Milliseconds from the navigation to the first thing that is seen, and to the list of methods; bytes that came."""

    painted: float
    listed: float
    size: float


def run(runs: int) -> None:
    """Print the table."""
    with lab(METHODS, with_nginx=False) as here:
        found = [asyncio.run(_shown(here)) for _ in range(runs)]
    rows = [("a browser's first visit", "median", "longest", "wanted")]
    for name, column, wanted in (
        ("first paint, ms", [one.painted for one in found], "1000"),
        (f"{METHODS:,} methods listed, ms", [one.listed for one in found], ""),
        ("bytes over the wire, KiB", [one.size / 1024 for one in found], ""),
    ):
        rows.append((name, f"{statistics.median(column):,.0f}", f"{max(column):,.0f}", wanted))
    table(
        f"The console with {METHODS:,} methods, Chromium with an empty profile, gate and browser on two cores",
        rows,
    )


async def _shown(here: Lab) -> Shown:
    from tests.lab.chromium import chromium

    with tempfile.TemporaryDirectory() as folder:
        async with chromium(Path(folder)) as browser:
            page = await browser.page()
            await page.goto(f"http://127.0.0.1:{here.operator}/#token={here.token}")
            await page.until("location.protocol === 'http:' && !!document.body")
            listed = await page.get(_LISTED)
            painted = await page.until(_PAINTED)
            size = await page.get(
                "performance.getEntries().reduce((all, one) => all + (one.transferSize || 0), 0)"
            )
            if page.troubles:
                raise SystemExit(f"the page has troubles: {page.troubles}")
            return Shown(painted, listed, size)


if __name__ == "__main__":
    run(5)
