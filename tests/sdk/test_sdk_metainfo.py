"""Do a volume's metadata say in Fortran order, and as JSON both ways, what they say in numpy's?"""

from __future__ import annotations

import json
import pickle  # noqa: TID251 - the law is that users can pickle what this package gives them
from typing import Any

import numpy as np
import pytest

import labgate
from labgate import MetaInfo
from labgate.errors import SetupError

SEED = {
    "Axes": [
        {"Label": "X", "Resolution": 4.0, "Units": "nanometers", "Size": 300, "Offset": -10},
        {"Label": "Y", "Resolution": 4.0, "Units": "nanometers", "Size": 200},
        {"Label": "Z", "Resolution": 40, "Units": "micrometers", "Size": 100},
    ],
    "Values": [{"DataType": "uint8", "Label": "intensity"}],
}


class Tag:
    """An axis as vigra has it."""

    def __init__(self, key: str, resolution: float = 0.0) -> None:
        self.key = key
        self.resolution = resolution


def test_the_seeds_json_is_read_with_the_channels_first_and_the_units_it_has() -> None:
    info = MetaInfo.from_json(json.dumps(SEED))
    assert (info.shape, info.dtype, info.keys, info.axistags) == (
        (1, 300, 200, 100),
        np.uint8,
        "cxyz",
        "cxyz",
    )
    assert info.resolution == (1.0, 4.0, 4.0, 40.0)
    assert info.units == ("", "nanometers", "nanometers", "micrometers")
    assert (info.offset, info.labels) == ((0, -10, 0, 0), ("intensity",))


def test_todays_metadata_say_the_same() -> None:
    today = {"Axes": SEED["Axes"], "Properties": {"Values": SEED["Values"], "Interpolable": True}}
    assert MetaInfo.from_json(today) == MetaInfo.from_json(SEED)
    assert hash(MetaInfo.from_json(today)) == hash(MetaInfo.from_json(SEED))


@pytest.mark.parametrize("properties", [False, True])
def test_what_is_written_is_read_again(properties: bool) -> None:
    info = MetaInfo(
        (2, 5, 4, 3, 6),
        "float32",
        "cxyzt",
        resolution=(1, 2, 2, 30, 1),
        units=("", "nm", "nm", "nm", "seconds"),
        offset=(0, 1, -2, 3, 0),
        labels=("red", "green"),
    )
    text = info.to_json(properties=properties)
    assert MetaInfo.from_json(text) == info
    assert ("Properties" in json.loads(text)) is properties
    assert [axis["Label"] for axis in json.loads(text)["Axes"]] == ["X", "Y", "Z", "T"]


def test_axistags_are_letters_or_vigras_objects_which_bring_their_resolution() -> None:
    tags = [Tag("c"), Tag("x", 4.0), Tag("y", 4.0), Tag("z", 40.0)]
    info = MetaInfo((1, 3, 2, 1), np.uint8, tags)
    assert (info.keys, info.resolution, info.axistags) == ("cxyz", (1.0, 4.0, 4.0, 40.0), tags)
    assert repr(info) == "MetaInfo((1, 3, 2, 1), 'uint8', 'cxyz')"


@pytest.mark.parametrize(
    ("shape", "tags", "more"),
    [
        ((3, 2, 1), "xyz", {}),
        ((1, 3, 2), "cxyz", {}),
        ((1, 3, 2), "cxx", {}),
        ((0, 3, 2), "cxy", {}),
        ((1, -3, 2), "cxy", {}),
        ((1, 3, 2), "cxy", {"units": ("nm",)}),
        ((1, 3, 2), "cxy", {"resolution": (1, 2)}),
        ((1, 3, 2), "cxy", {"labels": ("a", "b")}),
    ],
)
def test_what_does_not_fit_together_is_a_value_error(shape, tags, more) -> None:
    with pytest.raises(ValueError, match=r"axistags|shape|entries|channels"):
        MetaInfo(shape, np.uint8, tags, **more)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The seed's metadata with one member changed; `...` takes it away."""
    found = json.loads(json.dumps(SEED))
    place: Any = found
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in way:
        place = place[part]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return found


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ([], "the metadata must be an object"),
        (changed("Axes", ...), "Axes must be a list of 1 to 7"),
        (changed("Axes", []), "Axes must be a list"),
        (changed("Axes.1", "Y"), r"Axes\[1\] must be an object"),
        (changed("Axes.1.Label", ...), r"Axes\[1\]\.Label must be a letter for an axis"),
        (changed("Axes.1.Label", "c"), r"Axes\[1\]\.Label must be a letter"),
        (changed("Axes.1.Label", "x"), r"Axes\[1\]\.Label must be another than those before"),
        (changed("Axes.2.Size", "100"), r"Axes\[2\]\.Size must be a whole number from 0 on"),
        (changed("Axes.2.Size", ...), r"Axes\[2\]\.Size must be"),
        (changed("Axes.0.Resolution", 0), r"Axes\[0\]\.Resolution must be a number above 0"),
        (changed("Axes.0.Resolution", float("nan")), r"Axes\[0\]\.Resolution"),
        (changed("Axes.0.Units", 5), r"Axes\[0\]\.Units must be a text"),
        (changed("Axes.0.Offset", 0.5), r"Axes\[0\]\.Offset must be a whole number"),
        (changed("Values", ...), "Values must be a list of one at least"),
        ({"Axes": SEED["Axes"], "Properties": {"Values": []}}, r"Properties\.Values must be a list"),
        ({"Axes": SEED["Axes"], "Properties": {"Values": [5]}}, r"Properties\.Values\[0\] must be an object"),
        (
            changed("Values.0.DataType", "uint7"),
            r"Values\[0\]\.DataType must be one of float32, float64, int16",
        ),
        (changed("Values.0.DataType", ...), r"Values\[0\]\.DataType must be one of"),
        (changed("Values.0.Label", 5), r"Values\[0\]\.Label must be a text"),
        (
            changed("Values", [{"DataType": "uint8"}, {"DataType": "int8"}]),
            r"Values\[1\]\.DataType must be that",
        ),
    ],
)
def test_metadata_that_are_none_are_refused_by_the_place_that_is_wrong(found, words) -> None:
    with pytest.raises(SetupError, match=words):
        MetaInfo.from_json(json.dumps(found))


@pytest.mark.parametrize("text", ["", "{", b"\xff", "[" * 100_000])
def test_what_is_no_json_is_refused(text) -> None:
    with pytest.raises(SetupError, match="no JSON that can be read"):
        MetaInfo.from_json(text)


def test_metadata_can_be_pickled() -> None:
    info = labgate.MetaInfo.from_json(SEED)
    assert pickle.loads(pickle.dumps(info)) == info
    assert info != SEED
