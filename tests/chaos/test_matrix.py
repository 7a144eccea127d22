"""Faults of an upstream against kinds of requests: in each case the laws of DESIGN.md, section 5, Failure, hold.

What is told is held against what the lab has done (`held_against`); beyond that each fault has outcomes of its own, and a service
beside it is as quick as ever. `./dev chaos` runs all of the matrix, a test run the part that takes little time.
"""

import asyncio

import pytest
from chaos_callers import DOORS, FULL, WRITES, held_against
from faulty_lab import (
    busy_soon,
    close_after,
    close_behind,
    flapping,
    garbage,
    half_body,
    half_body_reset,
    half_head,
    honest,
    html_503,
    huge_head,
    more_behind,
    reset_after,
    reset_before,
    reset_unread,
    silent,
    slow_body,
    slow_head,
    two_lengths,
)

READS = tuple(door for door in DOORS if door not in WRITES)
GONE = ("UpstreamUnreachable", "Unavailable")
BROKEN = ("UpstreamBroken", "Unavailable")
LATE = ("DeadlineExceeded", "Unavailable")
MOUNTS = tuple(door for door in DOORS if not door.startswith("rpc"))
CALLS = tuple(door for door in DOORS if door.startswith("rpc"))


def tell(doors: tuple[str, ...], *kinds: str) -> dict[str, frozenset[str]]:
    """That each of these doors may tell these kinds of outcomes."""
    return dict.fromkeys(doors, frozenset(kinds))


HALF = tell(CALLS, *GONE) | tell(MOUNTS, "cut", "Unavailable")

LASTING = {
    reset_unread: tell(DOORS, *GONE),
    reset_before: tell(DOORS, *GONE),
    reset_after: tell(DOORS, *GONE),
    close_after: tell(DOORS, *GONE),
    half_head: tell(DOORS, *GONE),
    half_body: HALF,
    half_body_reset: HALF,
    garbage: tell(DOORS, *BROKEN),
    huge_head: tell(DOORS, *BROKEN),
    two_lengths: tell(DOORS, *BROKEN),
    # What is not JSON-RPC tells a caller of methods that the service takes no calls; on a mount it passes as it is.
    html_503: tell(CALLS, "Unavailable") | tell(MOUNTS, "status", "Unavailable"),
    close_behind: tell(DOORS, "ok"),
    more_behind: tell(DOORS, "ok"),
}
"""What each door may tell of a fault that lasts."""

SLOW = {
    silent: tell(DOORS, *LATE),
    slow_head: tell(DOORS, *LATE),
    # On a mount an answer that moves may take as long as it likes.
    slow_body: tell(CALLS, *LATE) | tell(MOUNTS, "ok", "Unavailable"),
}
"""The same where the service's time runs out."""

ONCE = {
    reset_before: READS,
    reset_after: READS,
    close_after: READS,
    half_head: ("rpc read",),
    half_body: ("rpc read",),
    garbage: ("rpc read",),
    two_lengths: ("rpc read",),
    busy_soon: ("rpc read",),
}
"""The doors that do not notice when it happens once: what changes nothing is sent again, while nobody was told anything."""

KINDS = ("fresh", "kept")
LANES = ("on", "off") if FULL else ("on",)
ROUNDS = 6 if FULL else 2
TOO_SLOW = [(fault, "0.4s") for fault in SLOW]
if FULL:
    # For services whose time is short no connection at hand carries a call; for these one does.
    TOO_SLOW += [(silent, "10.5s"), (slow_head, "10.5s")]


def named(value: object) -> str:
    return getattr(value, "__name__", str(value))


async def warmed(scene, kind: str, lanes: str) -> None:
    """Have connections at hand or not, and requests that were seen before."""
    scene.gate.switches.lanes = lanes == "on"
    if kind == "kept":
        for _ in range(2):
            assert {one.kind for one in await scene.caller.all()} == {"ok"}


async def beside(scene) -> None:
    """The other service is as it ever was, while this one fails."""
    for one in await scene.caller.all(("rpc read", "mount GET"), service="other"):
        assert one.kind == "ok", one


async def well_again(scene) -> None:
    """The fault is over: everything works, and nothing was left behind."""
    scene.lab.fail(None)
    await scene.caller.until_well()
    while scene.upstream.in_flight or len(scene.gate.flights):
        await asyncio.sleep(0.01)
    assert scene.upstream.breaker == "closed"
    held_against(scene.lab, await scene.caller.all())


async def told(scene, fault, wanted) -> None:
    """Some rounds of calls through every door; each tells what it may."""
    for _ in range(ROUNDS):
        calls = asyncio.ensure_future(scene.caller.all())
        await beside(scene)
        outcomes = await calls
        held_against(scene.lab, outcomes)
        for one in outcomes:
            assert one.kind in wanted[one.door], f"{named(fault)}: {one}"


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", LASTING, ids=named)
async def test_a_fault_that_lasts_is_told_and_no_write_is_sent_twice(scene, fault, kind, lanes) -> None:
    async with scene() as here:
        await warmed(here, kind, lanes)
        here.lab.fail(fault)
        await told(here, fault, LASTING[fault])
        await well_again(here)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("fault", "timeout"), TOO_SLOW, ids=named)
async def test_a_service_that_is_too_slow_is_given_up_in_time_and_no_write_is_sent_twice(
    scene, fault, kind, timeout
) -> None:
    async with scene(timeout=timeout) as here:
        await warmed(here, kind, "on")
        here.lab.fail(fault)
        await told(here, fault, SLOW[fault])
        await well_again(here)


@pytest.mark.parametrize("lanes", LANES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", ONCE, ids=named)
async def test_what_fails_once_is_noticed_by_nobody_who_only_reads(scene, fault, kind, lanes) -> None:
    async with scene() as here:
        await warmed(here, kind, lanes)
        for door in DOORS:
            here.lab.fail(fault, times=1)
            one = await here.caller.call(door)
            held_against(here.lab, [one])
            if door in ONCE[fault]:
                assert one.kind == "ok", one
            elif door in WRITES:
                assert one.kind != "ok", one
        await well_again(here)


async def test_refused_connections_are_told_as_nothing_sent_and_writes_may_be_made_again(scene) -> None:
    async with scene() as here:
        await warmed(here, "kept", "on")
        await here.lab.refuse()
        before = sum(here.lab.writes.values())
        for _ in range(ROUNDS):
            outcomes, _ = await asyncio.gather(here.caller.all(), beside(here))
            held_against(here.lab, outcomes)
            for one in outcomes:
                assert one.kind in GONE, one
                assert not one.maybe, one
        assert sum(here.lab.writes.values()) == before
        await here.lab.listen()
        await well_again(here)


async def test_a_name_that_cannot_be_resolved_is_told_and_delays_nobody(scene) -> None:
    async with scene(url="http://nowhere.invalid:1") as here:
        outcomes, _ = await asyncio.gather(here.caller.all(), beside(here))
        for one in outcomes:
            assert one.kind in GONE, one
            assert "resolved" in one.text or one.kind == "Unavailable", one


async def test_a_service_that_flaps_loses_no_read_and_doubles_no_write(scene) -> None:
    async with scene(breaker="off") as here:
        here.lab.fail(flapping)
        outcomes = [one for _ in range(4 * ROUNDS) for one in await here.caller.all()]
        held_against(here.lab, outcomes)
        assert all(one.kind in ("ok", *GONE) for one in outcomes)
        reads = [one for one in outcomes if one.door == "rpc read"]
        assert all(one.kind == "ok" for one in reads[:3]), "the budget has some for everyone"
        await well_again(here)


async def test_a_breaker_that_is_open_says_when_to_call_again_at_every_door_and_nothing_is_sent(
    scene,
) -> None:
    async with scene(breaker="{failures: 4, open: 1h}") as here:
        here.lab.fail(reset_before)
        while here.upstream.breaker == "closed":
            await here.caller.all()
        here.lab.fail(honest)
        asked, refused = here.lab.asked, here.upstream.refused
        outcomes = await here.caller.all()
        held_against(here.lab, outcomes)
        for one in outcomes:
            assert (one.kind, one.retry_after, one.maybe) == ("Unavailable", True, False), one
            assert one.status == (200 if one.door.startswith("rpc") else 503), one
        assert here.lab.asked == asked
        await beside(here)
        services = here.gate.status()["services"]
        assert (services["lab"]["left_alone"], services["lab"]["breaker"]) == (1, "open")
        assert services["other"]["left_alone"] == 0
        catalog = here.gate.relay.catalog
        downs = {name: {item.down for item in one.items.values()} for name, one in catalog.listings.items()}
        assert downs == {"lab": {True}, "other": {False}}
        text = (await here.gate.rendered_metrics()).decode()
        assert 'labgate_upstream_breaker_open{service="lab"} 1.0' in text
        assert f'labgate_upstream_refused_total{{service="lab"}} {refused + len(DOORS)}.0' in text


@pytest.mark.parametrize("door", DOORS)
async def test_a_service_that_hangs_is_left_alone_soon_whoever_waits_for_it(scene, door) -> None:
    async with scene(timeout="0.1s", breaker="{failures: 3, open: 1h}") as here:
        here.lab.fail(silent)
        calls = 0
        while here.upstream.breaker == "closed":
            one = await here.caller.call(door)
            calls += 1
            held_against(here.lab, [one])
            assert one.kind == "DeadlineExceeded", one
            while here.upstream.in_flight:
                await asyncio.sleep(0.01)
            # A pause of this process may leave a call less than the service's whole time: it says nothing then.
            assert calls < 12, "none of these says anything of the service"
        assert calls >= 3
        assert (await here.caller.call(door)).kind == "Unavailable"
