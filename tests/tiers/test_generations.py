"""To which counters names hash; `test_shared_generations.py` has the laws of the counters themselves."""

import subprocess
import sys

from gateway.tiers.generations import SLOTS, slots


def test_names_hash_alike_in_every_process():
    code = "from gateway.tiers.generations import slots; print(slots(('tag:jobs', 'service:x')))"
    seen = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(seen) == 1
    assert all(0 <= slot < SLOTS for slot in slots(("tag:jobs", "service:x")))
