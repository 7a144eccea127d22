"""How many small GETs a second does one core answer from its cache, through a mount, nginx or Varnish?"""

from __future__ import annotations

import sys
import urllib.request
from email.message import Message

from mount_lab import mounted, varnish
from side_by_side import Contender, Row, compared, gets, row


def small(seconds: float, runs: int) -> list[Row]:
    """1 KiB that its upstream calls public and fresh for an hour."""
    with mounted() as here, varnish(here):
        gate, cache, other = (
            here.at_gate("/up/small"),
            here.at_nginx("/cached/small"),
            here.at_varnish("/small"),
        )
        for url in (gate, cache, other):
            fetched(url, here.token if url == gate else "")
        if "; hit" not in (told := fetched(gate, here.token)["Cache-Status"] or ""):
            sys.exit(f"no hit of the gate: {told}")
        if len((fetched(other)["X-Varnish"] or "").split()) < 2:
            sys.exit("no hit of Varnish")
        if not any(path.is_file() for path in (here.folder / "cache").rglob("*")):
            sys.exit("nginx keeps nothing")
        found = compared(
            runs,
            gate=Contender(here.pid, gets(gate, token=here.token, seconds=seconds)),
            nginx=Contender(here.nginx_pid, gets(cache, seconds=seconds)),
            varnish=Contender(here.varnish_pid, gets(other, seconds=seconds)),
        )
    work = "cached mounted GET, 1 KiB"
    return [
        row(work, found["gate"], "nginx proxy_cache", found["nginx"], "1.5"),
        row(work, found["gate"], "Varnish", found["varnish"], "1.5"),
    ]


def fetched(url: str, token: str = "") -> Message:
    """The head of an answer that was read whole."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=60) as response:
        while response.read(1 << 20):
            pass
        head: Message = response.headers
        return head
