"""Do parsers treat what JSON leaves open as docs/why/bytes.md says?"""

import json
from collections.abc import Callable

import msgspec
import orjson
import pytest

PARSERS: tuple[Callable[[bytes], object], ...] = (json.loads, orjson.loads, msgspec.json.decode)


@pytest.mark.parametrize("load", PARSERS)
def test_of_duplicate_members_the_last_is_kept(load: Callable[[bytes], object]) -> None:
    assert load(b'{"a": 1, "a": 2}') == {"a": 2}


def test_orjson_holds_integers_below_two_to_the_64_and_makes_floats_of_the_others() -> None:
    assert orjson.loads(str(2**64 - 1)) == 2**64 - 1
    assert isinstance(orjson.loads(str(2**64)), float)


@pytest.mark.parametrize("load", PARSERS[1:])
@pytest.mark.parametrize("text", [b"NaN", rb'"\ud800"'])
def test_what_python_takes_the_fast_parsers_refuse(load: Callable[[bytes], object], text: bytes) -> None:
    json.loads(text)
    with pytest.raises((orjson.JSONDecodeError, msgspec.DecodeError)):
        load(text)
