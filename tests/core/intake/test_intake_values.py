"""Do values survive the wire, do ids say what they stand for, and which parameters and partitions are there?"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgpack
import msgpack_numpy
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.intake import encodings, firewall, schema
from gateway.core.intake.chains import ROOT, Chain
from gateway.core.intake.entries import entry_of, evaluated
from gateway.core.intake.ids import LONGEST, SourceIds
from gateway.core.intake.refusals import Refusal, refused
from gateway.core.intake.wire import UnreadableError, canonical, pack, request_of, unpack
from gateway.demo.catalog.encoding import pack as demo_pack

texts = st.text("aé粒 _\n", max_size=6)
moments = st.datetimes(min_value=datetime(1000, 1, 1), timezones=st.none() | st.just(UTC))  # noqa: DTZ001 - naive ones
plain = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | texts | st.binary(max_size=6) | moments
values = st.recursive(
    plain | st.floats(allow_nan=False),
    lambda inner: st.lists(inner) | st.dictionaries(texts, inner),
    max_leaves=20,
)


@given(values)
def test_values_survive_the_wire_as_the_original_packs_them(value: Any) -> None:
    assert unpack(pack(value)) == value
    assert pack(value) == demo_pack(value)


def test_moments_keep_their_offset() -> None:
    moment = datetime(2024, 5, 1, 12, 30, tzinfo=timezone(timedelta(hours=2)))
    assert unpack(pack(moment)).isoformat() == "2024-05-01T12:30:00+02:00"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xc1",
        b"\x81\xa1a",
        b"\xdd\xff\xff\xff\xff",
        b"\xdf\xff\xff\xff\xff" * 200,
        pack({"__datetime__": True}),
        pack({"__datetime__": True, "as_str": "yesterday"}),
        b"\x91" * 2000 + b"\xc0",
        b"\x81\xa1a" * 100 + b"\xc0",
        b"\x81\xa1a\xa1\xff",
    ],
)
def test_bodies_that_are_none_are_unreadable(body: bytes) -> None:
    with pytest.raises(UnreadableError):
        request_of(body)


def test_equal_maps_are_equal_bytes() -> None:
    assert pack(canonical({"b": [{"d": 1, "c": 2}], "a": 3})) == pack(
        canonical({"a": 3, "b": [{"c": 2, "d": 1}]})
    )


# --- ids


@given(st.lists(st.tuples(texts, st.dictionaries(texts, plain, max_size=3)), min_size=1, max_size=4))
def test_an_id_stands_for_its_chain_at_every_gate_with_the_secret(
    steps: list[tuple[str, dict[str, Any]]],
) -> None:
    chain = ROOT
    for name, parameters in steps:
        chain = chain.opened(name, parameters).searched([name], {})
    made = SourceIds(b"one").made("data", chain)
    assert made.isascii()
    assert made.isprintable()
    if len(chain.packed) <= LONGEST:
        assert SourceIds(b"one").read("data", made).packed == chain.packed


def test_an_id_is_of_one_gate_and_one_service() -> None:
    ids = SourceIds(b"one")
    made = ids.made("data", ROOT.opened("x", {}))
    for reader, service in ((SourceIds(b"two"), "data"), (ids, "other")):
        with pytest.raises(Refusal):
            reader.read(service, made)


def test_a_chain_that_is_long_and_says_little_stands_packed_in_its_id_at_every_gate() -> None:
    words = [f"beamline {at} detector" for at in range(300)]
    chain = ROOT.searched(words, {})
    made = SourceIds(b"one").made("data", chain)
    assert len(chain.packed) > 5000
    assert len(made) < 3000
    assert SourceIds(b"one").read("data", made).packed == chain.packed
    for reader, service, written in (
        (SourceIds(b"two"), "data", made),
        (SourceIds(b"one"), "other", made),
        (SourceIds(b"one"), "data", "g1." + made[3:]),
    ):
        with pytest.raises(Refusal) as refusal:
            reader.read(service, written)
        assert refusal.value.status == 400


def test_a_longer_chain_is_known_where_it_was_made_and_says_so_elsewhere() -> None:
    ids, chain = SourceIds(b"one"), ROOT.searched([random.Random(7).randbytes(4000).hex()], {})
    made = ids.made("data", chain)
    assert len(made) < 100
    assert ids.read("data", made).packed == chain.packed
    with pytest.raises(Refusal) as refusal:
        SourceIds(b"one").read("data", made)
    assert refusal.value.status == 410


def test_chains_end_somewhere() -> None:
    chain = ROOT
    for _ in range(16):
        chain = chain.opened("x", {})
    with pytest.raises(Refusal):
        chain.opened("x", {})
    with pytest.raises(Refusal):
        ROOT.opened("x", {"number": 2**70})
    assert Chain.of(chain.packed).dotted == ".".join("x" * 16)


# --- parameters


def entry(*parameters: dict[str, Any]) -> Any:
    return entry_of({"name": "e", "user_parameters": list(parameters)})


@pytest.mark.parametrize(
    ("kind", "given_as", "sent"),
    [
        ("int", "2", 2),
        ("int", 2.0, 2),
        ("float", "2.5", 2.5),
        ("bool", "true", True),
        ("bool", 0, False),
        ("str", 7, "7"),
        ("datetime", "2024-05-01", datetime(2024, 5, 1)),  # noqa: DTZ001 - as it is said
        ("datetime", "May 1st", "May 1st"),
        ("list", [1], [1]),
        ("dict", {"a": 1}, {"a": 1}),
        ("mystery", 3, 3),
    ],
)
def test_what_is_sent_is_of_the_declared_kind(kind: str, given_as: Any, sent: Any) -> None:
    found = firewall.checked(entry({"name": "p", "type": kind}), {"p": given_as})
    assert found == {"p": sent}
    assert type(found["p"]) is type(sent)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ({"type": "list"}, "ab"),
        ({"type": "dict"}, []),
        ({"type": "float"}, True),
        ({"type": "bool"}, "maybe"),
        ({"type": "int", "min": 3}, 2),
        ({"type": "float", "max": 1.0}, 2),
        ({"type": "str", "allowed": ["a"]}, "b"),
        ({"type": "list"}, [{"a": "{{ x }}"}]),
        ({"type": "dict"}, {"env(HOME)": 1}),
        ({"type": "mystery"}, "{# x #}"),
        ({"type": "mystery", "min": 3}, "x"),
    ],
)
def test_what_does_not_fit_is_refused(parameter: dict[str, Any], value: Any) -> None:
    with pytest.raises(Refusal) as refusal:
        firewall.checked(entry({"name": "p", **parameter}), {"p": value})
    assert refusal.value.status == 400


def test_defaults_are_filled_in_unless_the_service_or_its_caller_evaluates_them() -> None:
    declared = entry(
        *(
            {"name": str(at), "type": "str", "default": one}
            for at, one in enumerate(["a", "env(X)", "{{ y }}", "client_env(Z)"])
        )
    )
    assert firewall.checked(declared, None) == {"0": "a"}
    assert evaluated("client_shell(x)")
    assert not evaluated("environment")


# --- partitions


SAID = {"container": "ndarray", "shape": [5, 4], "chunks": [2, [4]], "npartitions": 3}


@pytest.mark.parametrize("partition", [0, 2, [0, 0], [2, 0]])
def test_blocks_that_are_there(partition: Any) -> None:
    assert schema.checked(SAID, "x", partition) == partition
    assert schema.lengths(SAID) == ((2, 2, 1), (4,))


@pytest.mark.parametrize("partition", [3, -1, [3, 0], [0, 1], [0], [True, 0], ["0", 0], {}, 0.0])
def test_blocks_that_are_not_there(partition: Any) -> None:
    with pytest.raises(Refusal):
        schema.checked(SAID, "x", partition)


def test_what_its_service_does_not_say_is_left_to_it() -> None:
    said = {"container": "xarray", "npartitions": None, "chunks": None}
    assert schema.checked(said, "x", ["a", 0, 7]) == ["a", 0, 7]
    assert schema.checked(said, "x", 12) == 12
    assert schema.checked({}, "x", None) is None
    assert schema.lengths({"shape": [2**60], "chunks": [1]}) is None


def test_only_what_decides_the_parts_decides_the_mark() -> None:
    assert schema.mark_of(SAID) == schema.mark_of(SAID | {"metadata": {"a": 1}})
    assert schema.mark_of(SAID) != schema.mark_of(SAID | {"dtype": "<f8"})


# --- encodings


@pytest.mark.parametrize("dtype", ["<u2", ">f8", "|b1", "<c8", [("a", "<i4"), ("b", "<f8")]])
def test_arrays_are_read_as_msgpack_numpy_writes_them(dtype: Any) -> None:
    array = np.zeros((2, 3), dtype)
    found = encodings.array_of(msgpack.packb(array, default=msgpack_numpy.encode))
    assert (found.dtype, found.shape, found.data) == (array.dtype, (2, 3), array.tobytes())


def test_arrays_of_objects_are_never_read() -> None:
    packed = msgpack.packb(np.array([{}, None], object), default=msgpack_numpy.encode)
    with pytest.raises(UnreadableError):
        encodings.array_of(packed)


def test_a_reason_is_one_short_line() -> None:
    told = refused(Refusal(400, "two\r\nlines\x00 of <b>text</b>" + "!" * 1000))
    assert told.reason is not None
    assert told.reason.startswith(b"two lines  of <b>text</b>!")
    assert len(told.reason) <= 400
    assert isinstance(told.body, bytes)
    assert b"<b>" not in told.body
