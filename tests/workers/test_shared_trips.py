"""Workers that share a disk share trips: what several are asked for at once, one goes for, and a failure is nobody else's."""

from concurrent.futures import ThreadPoolExecutor

import pytest

MORE = """\
  pages: {{dialect: listed, url: "{url}", mount: /pages, methods: {{http: {{cache: {{fresh: 1h, share: everyone}}}}}}}}
cache: {{disk: {{size: 64MiB}}}}
"""


@pytest.fixture
def gate(gate_at, upstream):
    """Two workers and a disk."""
    upstream.release.clear()
    upstream.fails = False
    upstream.calls.clear()
    return gate_at(more=MORE.format(url=upstream.url))


def together(gate, upstream, ask):
    """What each worker answers when both are asked for the same at once, while the service takes its time."""
    lines = gate.lines()
    with ThreadPoolExecutor(len(lines)) as pool:
        asked = [pool.submit(ask, line) for line in lines]
        assert upstream.started.acquire(timeout=30)
        # The other worker has been asked too by then, and is not on the way.
        assert not upstream.started.acquire(timeout=1)
        upstream.release.set()
        return [one.result() for one in asked]


def test_workers_that_are_asked_for_the_same_call_at_once_make_one_trip(gate, upstream):
    answers = together(gate, upstream, lambda line: line.call("calc.get_slow"))
    assert [answer["result"] for answer, _ in answers] == ["done", "done"]
    assert upstream.calls["get_slow"] == 1
    assert sorted("collapsed" in fields["Cache-Status"] for _, fields in answers) == [False, True]


def test_workers_that_are_asked_for_the_same_page_at_once_make_one_trip(gate, upstream):
    answers = together(gate, upstream, lambda line: line.ask("GET", "/pages/slow"))
    assert [(status, body) for status, _, body in answers] == [(200, b"page")] * 2
    assert upstream.calls["get_slow"] == 1
    assert sorted("collapsed" in fields["Cache-Status"] for _, fields, _ in answers) == [False, True]


def test_a_failure_is_its_callers_alone_and_the_others_go_for_themselves(gate, upstream):
    upstream.fails = True
    answers = together(gate, upstream, lambda line: line.call("calc.get_slow"))
    assert ["error" in answer for answer, _ in answers] == [True, True]
    assert upstream.calls["get_slow"] == 2
