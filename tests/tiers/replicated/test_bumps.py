"""The numbers of one host: what every worker sees at once, and what outlives them."""

import subprocess
import sys
from pathlib import Path

from gateway.tiers.bumps import EPOCH, Bumps


def test_what_one_worker_notes_every_other_sees_and_it_is_there_after_all_of_them(tmp_path: Path):
    one, other = Bumps(tmp_path / "bumps"), Bumps(tmp_path / "bumps")
    one.made[7] += 1
    one.heard[EPOCH] = 2**64 - 1
    one.incarnation = b"abc"
    assert other.unsent() == {7: 1}
    assert (other.heard[EPOCH], other.incarnation, other.host) == (2**64 - 1, b"abc", one.host)
    one.close()
    other.close()
    later = Bumps(tmp_path / "bumps")
    assert (later.unsent(), later.incarnation, later.host) == ({7: 1}, b"abc", one.host)
    later.close()


def test_a_file_that_is_none_of_ours_is_made_anew(tmp_path: Path):
    for content in (b"", b"x" * 100, b"y" * 1_000_000):
        (tmp_path / "bumps").write_bytes(content)
        bumps = Bumps(tmp_path / "bumps")
        assert bumps.unsent() == {}
        assert bumps.incarnation == b""
        bumps.close()


def test_hosts_differ_and_files_are_for_their_owner_alone(tmp_path: Path):
    one, other = Bumps(tmp_path / "one"), Bumps(tmp_path / "other")
    assert one.host != other.host != Bumps().host
    assert (tmp_path / "one").stat().st_mode & 0o777 == 0o600
    one.close()
    other.close()


def test_a_row_is_settled_while_nothing_changes_in_it_and_all_is_sent():
    bumps = Bumps()
    since = bumps.moment
    assert bumps.settled((1, 2), since)
    bumps.touch((2,))
    assert bumps.settled((1,), since)
    assert not bumps.settled((1, 2), since)
    assert bumps.settled((1, 2), bumps.moment)
    bumps.made[1] += 1
    assert not bumps.settled((1,), bumps.moment)


def test_processes_that_bump_at_the_same_time_lose_none(tmp_path: Path):
    code = """
import sys
from pathlib import Path
from gateway.tiers.bumps import Bumps
bumps = Bumps(Path(sys.argv[1]))
for _ in range(2000):
    with bumps.alone():
        bumps.touch((3,))
        bumps.made[3] += 1
"""
    file = tmp_path / "bumps"
    children = [subprocess.Popen([sys.executable, "-c", code, str(file)]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    bumps = Bumps(file)
    assert (bumps.made[3], bumps.moment) == (6000, 6000)
    bumps.close()
