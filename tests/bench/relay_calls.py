"""How many calls does one core of the gate carry, beside nginx on the same core in the same run?"""

from __future__ import annotations

import json
import time

from bench_lab import Lab, lab, median_of, post, table, wrk


def call(method: str, params: object = (), token: int = 1) -> str:
    """One JSON-RPC call as text."""
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": token})


def batch_ms(here: Lab, size: int) -> float:
    """Milliseconds for a batch of cached calls, over HTTP, as a client sees it."""
    body = json.dumps([json.loads(call("bench.get_00002", [n], n)) for n in range(size)]).encode()
    post(here.gate, body, here.token)
    started = time.perf_counter()
    answers = json.loads(post(here.gate, body, here.token))
    spent = (time.perf_counter() - started) * 1000
    assert [answer["id"] for answer in answers] == list(range(size))
    assert all("result" in answer for answer in answers)
    return spent


def run(seconds: float, runs: int) -> None:
    """Print the table."""
    with lab() as here:
        cached, uncached = call("bench.get_00000", ["J42"]), call("bench.get_00001", ["J42"])
        unique, write = call("bench.get_00001", ["@@"]), call("bench.get_00003", ["@@"])
        direct = call("get_00001", ["J42"])
        for body in (cached, uncached):
            assert b"completed" in post(here.gate, body.encode(), here.token)
        assert b"completed" in post(here.nginx("proxy"), direct.encode())
        found = median_of(
            runs,
            ("gate, cached", lambda: wrk(here.gate, cached, token=here.token, seconds=seconds)),
            ("nginx proxy_cache", lambda: wrk(here.nginx("cached"), direct, seconds=seconds)),
            ("nginx return 200", lambda: wrk(here.nginx("return"), direct, seconds=seconds)),
            (
                "gate, uncached",
                lambda: wrk(here.gate, unique, script="post_unique.lua", token=here.token, seconds=seconds),
            ),
            (
                "gate, write",
                lambda: wrk(here.gate, write, script="post_unique.lua", token=here.token, seconds=seconds),
            ),
            ("nginx proxy_pass", lambda: wrk(here.nginx("proxy"), direct, seconds=seconds)),
            ("batch of 1000, ms", lambda: batch_ms(here, 1000)),
        )
    rows = [("work", "gate /s", "nginx /s", "ratio")]
    for work, mine, theirs in (
        ("cached call (nginx: proxy_cache keyed on the body)", "gate, cached", "nginx proxy_cache"),
        ("cached call (nginx: return 200)", "gate, cached", "nginx return 200"),
        ("uncached safe call (nginx: proxy_pass)", "gate, uncached", "nginx proxy_pass"),
        ("write, a new connection each (nginx: proxy_pass, kept alive)", "gate, write", "nginx proxy_pass"),
    ):
        rows.append(
            (work, f"{found[mine]:,.0f}", f"{found[theirs]:,.0f}", f"{found[mine] / found[theirs]:.2f}")
        )
    rows.append(("batch of 1000 cached calls", f"{found['batch of 1000, ms']:.1f} ms", "", ""))
    table("Calls, one core for the server, 32 connections, token and metrics on, access log off", rows)
