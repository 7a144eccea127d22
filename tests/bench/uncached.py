"""What does a small request cost that has to go to the upstream, beside nginx's proxy_pass with keep-alive?"""

from __future__ import annotations

from bench_lab import post
from cached_gets import fetched
from mount_lab import mounted
from relay_calls import call
from side_by_side import Contender, Row, compared, gets, posts, row


def call_through(seconds: float, runs: int) -> list[Row]:
    """Parameters never repeat; the upstream of both is an nginx with one answer, so that it holds nobody up."""
    with mounted() as here:
        mine, theirs = call("calls.get_job", ["@@"]), call("get_job", ["@@"])
        gate, nginx = here.at_gate("/rpc"), here.at_nginx("/proxy/api")
        for url, body, token in ((gate, mine, here.token), (nginx, theirs, "")):
            assert b"completed" in post(url, body.encode(), token)
        once = {"script": "post_unique.lua", "seconds": seconds}
        found = compared(
            runs,
            gate=Contender(here.pid, posts(gate, mine, token=here.token, **once)),
            nginx=Contender(here.nginx_pid, posts(nginx, theirs, **once)),
        )
    return [row("uncached small call", found["gate"], "nginx proxy_pass", found["nginx"], "0.8")]


def get_through(seconds: float, runs: int) -> list[Row]:
    """1 KiB of which the upstream does not say that it may be kept; another target each time."""
    with mounted() as here:
        gate, nginx = here.at_gate("/up/plain"), here.at_nginx("/proxy/plain")
        fetched(gate, here.token)
        fetched(nginx)
        found = compared(
            runs,
            gate=Contender(here.pid, gets(gate, "/up/plain?n=@@", token=here.token, seconds=seconds)),
            nginx=Contender(here.nginx_pid, gets(nginx, "/proxy/plain?n=@@", seconds=seconds)),
        )
    return [row("uncached mounted GET, 1 KiB", found["gate"], "nginx proxy_pass", found["nginx"], "0.7")]
