"""Who goes for what many processes would store: one, and nobody waits for the dead or for what a write has ended."""

import asyncio
import os
import subprocess
import sys

import pytest
from disks import Disk, entry_of
from msgspec.structs import replace

from gateway.core.ports import Sought
from gateway.tiers.leads import HostLeads
from gateway.tiers.shelves import Shelves

SOUGHT = Sought(b"key", ("service:jobs",), (3,), 1)
HOLDER = """
import asyncio, sys
from pathlib import Path
from gateway.core.ports import Sought
from gateway.tiers.leads import HostLeads
leads = HostLeads(Path(sys.argv[1]))
print(asyncio.run(leads.take(Sought(b"key", ("service:jobs",), (3,), 1))), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def pair(tmp_path):
    """Two processes' leads, as far as the kernel is concerned."""
    made = [HostLeads(tmp_path / "leads") for _ in range(2)]
    yield made
    for one in made:
        one.close()
        one.close()


async def test_one_of_two_has_the_lead_until_it_is_left(pair):
    one, other = pair
    assert await one.take(SOUGHT) is True
    assert await other.take(SOUGHT) is False
    await one.leave(SOUGHT)
    assert await other.take(SOUGHT) is True
    assert await one.take(SOUGHT) is False


async def test_nobody_waits_for_another_key_nor_for_what_left_before_something_ended(pair):
    one, other = pair
    assert await one.take(SOUGHT)
    assert await other.take(replace(SOUGHT, key=b"other"))
    assert await other.take(replace(SOUGHT, generations=(4,)))
    assert await other.take(replace(SOUGHT, epoch=2))


async def test_a_killed_process_leads_nobody(tmp_path):
    leads = HostLeads(tmp_path / "leads")
    words = [sys.executable, "-c", HOLDER, str(tmp_path / "leads")]
    environ = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as child:
        assert child.stdout.readline() == "True\n"
        assert await leads.take(SOUGHT) is False
        child.kill()
        child.wait()
        assert await leads.take(SOUGHT) is True
    leads.close()


async def test_after_the_end_there_is_nobody_to_agree_with(pair):
    one, other = pair
    one.close()
    assert await one.take(SOUGHT) is None
    await one.leave(SOUGHT)
    assert await other.take(SOUGHT) is True


class Slow:
    """A tier that stores when the test lets it."""

    name = "slow"

    def __init__(self):
        self.open = asyncio.Event()
        self.has = {}

    def may_have(self, service):
        return True

    async def get(self, key, sought=None):
        return self.has.get(key)

    async def put(self, entry):
        await self.open.wait()
        self.has[entry.key] = entry
        return True

    async def drop(self, key):
        self.has.pop(key, None)


async def test_who_waited_finds_what_the_leader_has_stored(pair):
    tier = Slow()
    one, other = (Shelves((tier,), leads=(leads,)) for leads in pair)
    entry = entry_of("a", b"1")
    sought = replace(SOUGHT, key=entry.key)
    lead = await one.lead(sought, 5)
    assert not lead.waited
    waiting = asyncio.create_task(other.lead(sought, 5))
    one.put(entry)
    lead.release()
    lead.release()
    await asyncio.sleep(0.01)  # several looks of who waits
    assert not waiting.done(), "the reply is not stored yet"
    tier.open.set()
    turn = await waiting
    assert turn.waited
    assert await other.get(entry.key) == (entry, "slow")
    assert await pair[1].take(sought), "who has waited has no lead"


class Told:
    """Those who share a tier, as it answered when it was asked for an entry."""

    def __init__(self, *answers):
        self.answers, self.left = list(answers), []

    def told(self, sought):
        return self.answers.pop(0) if self.answers else None

    async def take(self, sought):
        return True

    async def leave(self, sought):
        self.left.append(sought)


@pytest.mark.parametrize("answer", [True, False])
async def test_what_a_shared_tier_has_said_spares_the_questions_to_those_nearer(pair, answer):
    assert await pair[1].take(SOUGHT)  # another worker of the host, which has not asked the tier
    said = Told(answer)
    shelves = Shelves((Slow(),), leads=(pair[0], said))
    lead = await shelves.lead(SOUGHT, 5)
    assert lead.waited is not answer
    lead.release()
    await shelves.settle()
    assert said.left == [SOUGHT], "its own lead, or that which it had in a moment's waiting"
    assert await shelves.lead(SOUGHT, 0.02) is None, "said once: now the nearer ones are asked"


async def test_after_a_leader_who_brought_nothing_all_go_at_once(pair, tmp_path):
    third = HostLeads(tmp_path / "leads")
    shelves = [Shelves((Slow(),), leads=(leads,)) for leads in (*pair, third)]
    lead = await shelves[0].lead(SOUGHT, 5)
    waiting = [asyncio.create_task(one.lead(SOUGHT, 5)) for one in shelves[1:]]
    await asyncio.sleep(0.005)
    lead.release()
    turns = await asyncio.gather(*waiting)
    assert [turn.waited for turn in turns] == [True, True]
    third.close()


async def test_nobody_waits_longer_than_they_may(pair):
    one, other = (Shelves((Slow(),), leads=(leads,)) for leads in pair)
    lead = await one.lead(SOUGHT, 5)
    assert await other.lead(SOUGHT, 0.02) is None
    lead.release()


async def test_who_gives_up_while_waiting_for_farther_ones_leaves_the_nearer_ones(pair, tmp_path):
    far = [HostLeads(tmp_path / "far") for _ in range(2)]
    one, other = (Shelves((Slow(),), leads=leads) for leads in zip(pair, far, strict=True))
    assert await far[1].take(SOUGHT)
    waiting = asyncio.create_task(one.lead(SOUGHT, 5))
    await asyncio.sleep(0.005)
    waiting.cancel()
    await asyncio.wait((waiting,))
    await one.settle()
    assert await pair[1].take(SOUGHT) is True
    assert other.agrees
    for leads in far:
        leads.close()


async def test_a_disk_without_other_workers_agrees_with_nobody(tmp_path):
    disk = Disk(tmp_path)
    shelves = Shelves((disk.tier,), disk.tier.spools)
    assert not shelves.agrees
    assert await shelves.lead(SOUGHT, 5) is None
    await disk.close()
