"""Do the helpers tell what there is, what is new, and what the last reply said?"""

from __future__ import annotations

import threading

import pytest

import labgate
from tests.sdk.conftest import Gate


def test_methods_are_found_by_glob_by_part_and_by_their_summary(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    assert [row.name for row in labgate.methods(lab)] == sorted(gate.methods)
    assert [row.name for row in labgate.methods(lab, "get_*")] == ["jobs.get_job"]
    assert [row.name for row in labgate.methods(lab, "jobs.*job")] == ["jobs.enqueue_job", "jobs.get_job"]
    assert [row.name for row in labgate.methods(lab, "LANE")] == ["jobs.list_lanes"]
    assert [row.name for row in labgate.methods(lab, "one JOB")] == ["jobs.get_job"]
    assert labgate.methods(lab, "nothing") == ()
    assert repr(labgate.methods(lab, "nothing")) == "no methods"


def test_a_row_tells_what_is_known_and_the_rows_are_a_table(gate: Gate) -> None:
    gate.methods["jobs.list_lanes"] |= {"deprecated": True, "x-labgate": {"down": True}}
    lab = labgate.connect(gate.url)
    row = labgate.methods(lab, "jobs.get_job")[0]
    assert (row.signature, row.summary, row.safe, row.down) == (
        "(project_uid, job_uid, limit=10, lane=...)",
        "One job.",
        True,
        False,
    )
    assert repr(row) == "<jobs.get_job(project_uid, job_uid, limit=10, lane=...)>"
    table = repr(labgate.methods(lab)).splitlines()
    assert table == [
        "jobs.anything",
        "jobs.enqueue_job",
        "jobs.get_job      One job.",
        "jobs.list_lanes    [deprecated] [down]",
    ]


def test_a_long_table_says_how_much_is_left_out(gate: Gate) -> None:
    for number in range(300):
        gate.add(f"many.m{number}")
    lines = repr(labgate.methods(labgate.connect(gate.url))).splitlines()
    assert len(lines) == 201
    assert lines[-1] == "... and 104 more"


def test_a_refresh_tells_what_was_added_changed_and_removed(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    assert not labgate.refresh(lab)
    gate.add("jobs.new")
    gate.methods["jobs.get_job"]["summary"] = "Other."
    del gate.methods["jobs.anything"]
    news = labgate.refresh(lab)
    assert (news.added, news.changed, news.removed) == (("jobs.new",), ("jobs.get_job",), ("jobs.anything",))
    assert news
    assert repr(news) == "Changes(added=('jobs.new',), changed=('jobs.get_job',), removed=('jobs.anything',))"
    assert lab.jobs.get_job.__doc__.startswith("Other.")


@pytest.mark.parametrize(
    ("said", "cache", "detail", "tier"),
    [
        ("labgate; hit; ttl=29", "hit", None, "memory"),
        ('labgate; hit; ttl=29; detail="disk"', "hit", "disk", "disk"),
        ('labgate; hit; ttl=29; detail="redis"', "hit", "redis", "redis"),
        ('labgate; hit; ttl=29; detail="a \\"word\\"; more"', "hit", 'a "word"; more', None),
        ("labgate; hit; ttl=-5; detail=stale", "stale", "stale", None),
        ("labgate; fwd=miss; stored; detail=new", "miss", "new", None),
        ("labgate; fwd=stale; stored", "miss", None, None),
        ("labgate; fwd=bypass; detail=no-rule", "pass", "no-rule", None),
    ],
)
@pytest.mark.filterwarnings("ignore::labgate.errors.StaleWarning")
def test_the_last_reply_says_how_the_cache_answered(
    gate: Gate, said: str, cache: str, detail: str | None, tier: str | None
) -> None:
    gate.reply_headers.update(
        {
            "Cache-Status": said,
            "Age": "7",
            "Server-Timing": "auth;dur=0.5, db;dur=x, upstream;dur=12.5;desc=x, total;dur=14",
        }
    )
    lab = labgate.connect(gate.url)
    lab.jobs.list_lanes()
    last = labgate.last(lab)
    assert last is not None
    assert (last.cache, last.detail, last.tier) == (cache, detail, tier)
    assert (last.age, last.gate_ms, last.auth_ms, last.upstream_ms) == (7, 14, 0.5, 12.5)
    assert (last.status, last.request_id, last.bytes > 10, last.ms > 0) == (200, "r-1", True, True)
    assert f"cache={cache!r}" in repr(last)


def test_what_the_gate_did_not_say_is_none_and_each_thread_has_its_own_last_reply(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    seen: list[labgate.Last | None] = []
    lab.jobs.list_lanes()
    thread = threading.Thread(target=lambda: seen.append(labgate.last(lab)))
    thread.start()
    thread.join()
    assert seen == [None]
    last = labgate.last(lab(timeout=4))
    assert last is not None
    assert (last.cache, last.detail, last.age, last.upstream_ms) == (None, None, None, None)
    assert (last.gate_ms, last.auth_ms) == (None, None)


def test_the_last_reply_is_there_after_an_error_too(gate: Gate) -> None:
    lab = labgate.connect(gate.url)
    del gate.answers["jobs.list_lanes"]
    with pytest.raises(labgate.Error):
        lab.jobs.list_lanes()
    assert labgate.last(lab) is not None


def test_a_stale_reply_warns_once_per_method_at_the_callers_line(gate: Gate) -> None:
    gate.reply_headers["Cache-Status"] = "labgate; hit; ttl=-30"
    lab = labgate.connect(gate.url)
    with pytest.warns(labgate.StaleWarning, match=r"jobs\.list_lanes") as caught:
        lab.jobs.list_lanes()
    lab.jobs.list_lanes()  # a second warning would be an error here
    assert len(caught) == 1
    assert caught[0].filename == __file__
