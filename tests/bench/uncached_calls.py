"""What does a call cost that has to go to the upstream, beside nginx's proxy_pass with keep-alive?"""

from __future__ import annotations

from bench_lab import post
from mount_lab import mounted
from relay_calls import call
from side_by_side import Contender, Row, compared, posts, row


def small(seconds: float, runs: int) -> list[Row]:
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
