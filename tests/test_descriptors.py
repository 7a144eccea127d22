"""Laws of how many connections the system leaves room for."""

import resource
import subprocess
import sys

import pytest

from gateway.descriptors import KEPT, connections, room


@pytest.mark.parametrize("descriptors", [16, 256, 1024, 4096, 65_536, 1 << 20])
def test_every_connection_may_hold_a_second_descriptor_and_some_are_kept(descriptors: int) -> None:
    found = room(descriptors)
    assert found >= 1
    assert found * 2 + min(KEPT, descriptors // 2) <= descriptors


def test_what_is_wanted_is_served_where_there_is_room(caplog) -> None:
    assert connections(10_000, 65_536) == 10_000
    assert caplog.text == ""


def test_where_there_is_no_room_fewer_are_served_and_the_log_names_the_fix(caplog) -> None:
    assert connections(10_000, 1024) == 384
    assert "only 384 connections" in caplog.text
    assert "Give it 20256" in caplog.text
    assert "LimitNOFILE" in caplog.text


def test_the_process_gets_the_most_that_its_system_allows() -> None:
    code = (
        "import resource; from gateway.descriptors import raised;"
        "_, hard = resource.getrlimit(resource.RLIMIT_NOFILE);"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, min(hard, 3000)));"
        "print(raised(), resource.getrlimit(resource.RLIMIT_NOFILE)[0], raised())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert done.stdout.split() == [str(min(hard, 3000))] * 3
