"""Mounts: the longest one that a path begins with wins, and the gate's own addresses are never a service's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.mounts import RESERVED, Mounts, mount_steps
from gateway.core.paths import steps
from gateway.core.service import Service


def service(mount: str | None) -> Service:
    return Service(name=f"at {mount}", dialect="listed", urls=("http://u",), mount=mount)


def mounts(*paths: str | None) -> Mounts:
    return Mounts(service(path) for path in paths)


def found(among: Mounts, path: bytes) -> tuple[str, int] | None:
    hit = among.find(steps(path))
    return None if hit is None else (hit[0].name, hit[1])


@pytest.mark.parametrize(
    ("path", "mount", "depth"),
    [
        (b"/files", "/files", 1),
        (b"/files/", "/files", 1),
        (b"/files/tiles", "/files/tiles", 2),
        (b"/files/tiles/7", "/files/tiles", 2),
        (b"/files/tilesx", "/files", 1),
        (b"/files/x/tiles", "/files", 1),
        (b"//files///tiles//", "/files/tiles", 2),
        (b"/%66iles/til%65s/7", "/files/tiles", 2),
        (b"/Files", "/", 0),
        (b"/file", "/", 0),
        (b"/", "/", 0),
        (b"//", "/", 0),
        (b"/deep/er", "/", 0),
        (b"/deep/er/still/x", "/deep/er/still", 3),
    ],
)
def test_the_longest_mount_that_a_path_begins_with_wins(path, mount, depth):
    among = mounts("/", "/files", "/files/tiles", None, "/deep/er/still")
    assert found(among, path) == (f"at {mount}", depth)


def test_without_a_mount_at_the_root_other_paths_are_nobodys():
    among = mounts("/files")
    assert [found(among, path) for path in (b"/", b"/file", b"/x/files", b"/files%20")] == [None] * 4


@pytest.mark.parametrize("own", sorted(RESERVED))
@pytest.mark.parametrize("form", [b"/%b", b"/%b/", b"//%b", b"/%b/x/y", b"///%b//x"])
def test_the_gates_own_first_steps_are_no_services_however_they_are_encoded(own, form):
    among = mounts("/")
    encoded = b"".join(b"%%%02x" % byte for byte in own)
    half = own[:-1] + b"%%%02X" % own[-1]
    assert [found(among, form % spelling) for spelling in (own, encoded, half)] == [None] * 3
    assert found(among, form % (own + b"x")) == ("at /", 0)
    assert found(among, b"/x" + form % own) == ("at /", 0)


def test_services_without_a_mount_are_reached_below_none():
    assert not mounts(None)
    assert not mounts()
    assert mounts("/")
    assert found(mounts(None), b"/") is None


def test_a_mount_takes_as_many_steps_as_it_has_and_the_root_none():
    assert mount_steps("/") == ()
    assert mount_steps("/a/b.c") == (b"a", b"b.c")


@given(
    st.sets(st.lists(st.sampled_from("ab"), max_size=3).map(tuple), max_size=6),
    st.lists(st.sampled_from("ab"), max_size=5),
    st.booleans(),
)
def test_any_path_finds_what_a_look_at_every_mount_finds(placed, path, slash):
    among = mounts(*("/" + "/".join(mount) for mount in placed))
    longest = max((mount for mount in placed if tuple(path[: len(mount)]) == mount), key=len, default=None)
    expected = None if longest is None else ("at /" + "/".join(longest), len(longest))
    assert found(among, b"/" + "/".join(path).encode() + (b"/" if slash else b"")) == expected


@given(
    st.lists(st.sampled_from(["/", "/a", "/a/b", "/b", "/b/c/d", "/c"]), unique=True, min_size=1),
    st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), min_size=1, max_size=4),
)
def test_where_all_below_a_step_is_one_services_every_path_that_begins_so_finds_it(among, path):
    known, first = mounts(*among), f"/{path[0].decode()}"
    if known.all_below(tuple(path)):
        hit = known.find(tuple(path))
        assert hit is not None
        assert (hit[0].mount, hit[1]) == (first, 1)
    else:
        assert first not in among or any(one.startswith(f"{first}/") for one in among)


def test_a_door_of_the_gates_own_stands_among_the_mounts_and_is_nobodys():
    among = Mounts((service(path) for path in ("/", "/lab", "/door/deep")), doors=["/lab/door", "/door"])
    assert found(among, b"/lab/door") is None
    assert found(among, b"/lab/%64oor//x") is None
    assert found(among, b"/door/v1") is None
    assert found(among, b"/door/deep/x") == ("at /door/deep", 2)
    assert found(among, b"/lab/doors") == ("at /lab", 1)
    assert found(among, b"/x") == ("at /", 0)
    assert not among.all_below(mount_steps("/lab"))
    assert mounts("/lab").all_below(mount_steps("/lab"))


def test_a_door_at_the_root_has_all_that_is_no_services():
    among = Mounts([service("/files")], doors=["/"])
    assert found(among, b"/files/x") == ("at /files", 1)
    assert found(among, b"/v1/info") is None
