"""What does a catalog of 10,000 methods cost: discovered and built, listed, revalidated?"""

from __future__ import annotations

import statistics
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from bench_lab import lab, table

METHODS = 10_000


def median_ms(work: Callable[[], object], times: int) -> float:
    """The median of some runs, in milliseconds."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        spent.append((time.perf_counter() - started) * 1000)
    return statistics.median(spent)


def built() -> None:
    """Build the catalog in this process, as discovery does."""
    from gateway.core.catalog import build
    from gateway.core.listing import Offer
    from gateway.core.method import Param
    from gateway.core.service import Described, Description, Service

    params = (Param("uid", schema={"type": "string"}),)
    methods = tuple(
        Described(name=f"get_{n:05d}", params=params, summary=f"Method {n}.") for n in range(METHODS)
    )
    service = Service("bench", "jsonrpc", ("http://127.0.0.1:1",))
    build([Offer(service, Description(methods, "system.describe", "/api"), dialect="jsonrpc")])


def run() -> None:
    """Print the table."""
    with lab(METHODS, with_nginx=False) as here:
        url = f"http://127.0.0.1:{here.gate_port}"

        def fetch(tag: str = "", path: str = "/openrpc.json") -> tuple[int, str, int]:
            request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {here.token}"})
            if tag:
                request.add_header("If-None-Match", tag)
            try:
                with urllib.request.urlopen(request, timeout=60) as response:
                    return response.status, response.headers["ETag"], len(response.read())
            except urllib.error.HTTPError as error:
                error.close()
                return error.code, "", 0

        started = time.perf_counter()
        status, tag, size = fetch()
        first = (time.perf_counter() - started) * 1000
        assert (status, fetch(tag)[0]) == (200, 304)
        openapi_size = fetch(path="/openapi.json")[2]
        rows = [
            ("work", "ms"),
            ("build the catalog", f"{median_ms(built, 5):.0f}"),
            (f"first list over HTTP ({size / 1e6:.1f} MB)", f"{first:.1f}"),
            ("list again over HTTP", f"{median_ms(fetch, 9):.1f}"),
            (
                f"list as OpenAPI over HTTP ({openapi_size / 1e6:.1f} MB)",
                f"{median_ms(lambda: fetch(path='/openapi.json'), 9):.1f}",
            ),
            ("304 over HTTP, a new connection each", f"{median_ms(lambda: fetch(tag), 50):.2f}"),
        ]
    table(f"A catalog of {METHODS:,} methods", rows)
