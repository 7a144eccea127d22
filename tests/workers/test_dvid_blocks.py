"""Voxels that one worker has fetched are on the disk for the other, and for whoever comes after a restart."""

import pytest
from working_gates import Gate, until

MORE = """\
  dvid: {{dialect: dvid, url: "{url}", mount: /dvid}}
cache: {{disk: {{size: 64MiB}}}}
"""


@pytest.fixture
def behind(tmp_path, upstream, dvid_lab):
    """Makes gates of two workers with one state folder, one after the other, before a DVID: `gate = make()`."""
    content = dvid_lab.small()
    gates = []
    with dvid_lab.running(content.store) as dvid:

        def made():
            gates.append(Gate(tmp_path, upstream, more=MORE.format(url=dvid.url)))
            until(lambda: not gates[-1].status()["services"]["dvid"]["down"])
            return gates[-1]

        yield made, dvid, content
        for gate in gates:
            gate.kill()


def test_each_block_is_read_once_by_all_workers_and_never_again_after_a_restart(behind):
    made, dvid, content = behind
    where = f"/dvid/api/node/{content.root.uuid}"
    box = f"{where}/gray/raw/0_1_2/100_70_40/0_0_0"
    gate = made()
    one, other = gate.lines()
    assert one.ask("GET", box)[2] == content.gray.tobytes()
    assert one.ask("GET", f"{where}/keys/keys")[2] == b"[]"

    until(lambda: gate.status()["cache"]["tiers"]["disk"]["entries"] >= 2)
    part = f"{where}/gray/raw/0_1_2/50_20_10/1_2_3"
    assert other.ask("GET", part)[2] == content.gray[3:13, 2:22, 1:51].tobytes()
    assert other.ask("GET", f"{where}/keys/keys")[1]["Cache-Status"].startswith("labgate; hit")
    assert (dvid.requests["raw"], dvid.requests["keys"]) == (1, 1)
    gate.kill()
    for line in made().lines():
        assert line.ask("GET", box)[2] == content.gray.tobytes()
    assert dvid.requests["raw"] == 1
