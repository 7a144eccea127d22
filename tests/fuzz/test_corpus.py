"""Laws of every parser, for any bytes: the seeds in the tree, what becomes of them by small changes, and noise.

`./dev fuzz` looks farther, led by what the parsers do; what it finds becomes a line of corpus/.
"""

import importlib.util
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SPEC = importlib.util.spec_from_file_location("fuzz_targets", Path(__file__).with_name("targets.py"))
assert SPEC is not None
assert SPEC.loader is not None
targets = importlib.util.module_from_spec(SPEC)
sys.modules[SPEC.name] = targets
SPEC.loader.exec_module(targets)

each = pytest.mark.parametrize("name", targets.TARGETS)
_TOKENS = (
    b"\r\n",
    b"\0",
    b"\xff",
    b'"',
    b"\\",
    b"{",
    b"[",
    b":",
    b",",
    b";",
    b"=",
    b"%2f",
    b"..",
    b"9" * 20,
    b" ",
)


@st.composite
def changed(draw: st.DrawFn, seeds: list[bytes]) -> bytes:
    """A seed with some bytes changed, cut out, said twice, or taken from another seed."""
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["insert", "delete", "flip", "repeat", "splice"])):
            case "insert":
                data[at:at] = draw(st.sampled_from(_TOKENS))
            case "delete":
                del data[at : at + draw(st.integers(1, 8))]
            case "flip" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
            case "repeat":
                data[at:at] = data[at : at + draw(st.integers(1, 20))]
            case "splice":
                other = draw(st.sampled_from(seeds))
                data[at:] = other[draw(st.integers(0, len(other))) :]
    return bytes(data)


@each
def test_the_seeds_of_a_target_keep_its_law(name: str) -> None:
    seeds = targets.seeds(name)
    assert len(seeds) >= 3
    for seed in seeds:
        targets.TARGETS[name](seed)
        for end in range(0, len(seed), max(1, len(seed) // 40)):
            targets.TARGETS[name](seed[:end])


@each
@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_small_changes_and_noise_keep_it_too(name: str, data: st.DataObject) -> None:
    targets.TARGETS[name](data.draw(st.one_of(changed(targets.seeds(name)), st.binary(max_size=200))))


def test_every_target_has_seeds_and_every_file_of_seeds_a_target() -> None:
    assert {file.stem for file in targets.CORPUS.glob("*.txt")} == set(targets.TARGETS)
