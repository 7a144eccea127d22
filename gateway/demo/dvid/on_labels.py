"""What do volumes of labels answer: which label is where, how large, and its sparse volume?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from gateway.demo.dvid.asking import Ask, Calls
from gateway.demo.dvid.dag import moment
from gateway.demo.dvid.errors import DvidError, PlainError
from gateway.demo.dvid.geometry import numbers, triple
from gateway.demo.dvid.http import OCTETS, Answer, as_json
from gateway.demo.dvid.labels import Labels, Runs, sparse_volume, within
from gateway.demo.dvid.on_voxels import VOLUMES_OF_LABELS, piece, scale


def _label(ask: Ask[Labels]) -> Answer:
    (point,) = ask.take(1, "label/<coord>")
    return as_json({"Label": ask.instance.at(ask.lineage, triple(point))})


def _labels(ask: Ask[Labels]) -> Answer:
    lineage = ask.lineage
    found = []
    for point in _list(ask):
        if not isinstance(point, list) or len(point) != 3 or not all(type(one) is int for one in point):
            raise DvidError("expected a JSON array of [x, y, z]")
        found.append(ask.instance.at(lineage, (point[2], point[1], point[0])))
    return as_json(found)


def _list(ask: Ask[Labels]) -> list[Any]:
    said = ask.request.said()
    if not isinstance(said, list):
        raise DvidError("expected a JSON array")
    return said


def _known(ask: Ask[Labels], usage: str) -> tuple[int, int]:
    label = ask.number(usage)
    size = ask.instance.sizes(ask.lineage).get(label, 0)
    if not size:
        raise PlainError(404, f"label {label} was not found in data {ask.instance.name!r}")
    return label, size


def _size(ask: Ask[Labels]) -> Answer:
    _, size = _known(ask, "size/<label>")
    return as_json({"voxels": size})


def _sizes(ask: Ask[Labels]) -> Answer:
    known = ask.instance.sizes(ask.lineage)
    return as_json([known.get(label, 0) for label in _list(ask)])


def _mapping(ask: Ask[Labels]) -> Answer:
    known = ask.instance.sizes(ask.lineage)
    return as_json([label if label in known else 0 for label in _list(ask)])


def _bounded(ask: Ask[Labels], label: int) -> Runs:
    """A label's runs at the scale and within the bounds that the query names."""
    step = 1 << scale(ask)
    runs = ask.instance.runs(ask.lineage, label, step)
    query = ask.request.query
    bounds = [(_bound(query, f"min{axis}"), _bound(query, f"max{axis}")) for axis in "zyx"]
    low, high = ([one if one is None else one // step for one in side] for side in zip(*bounds, strict=True))
    if all(one is None for one in (*low, *high)):
        return runs
    far = 1 << 31
    z, y, x = (-far if one is None else one for one in low)
    top, bottom, right = (far if one is None else one for one in high)
    return within(runs, (z, y, x), (top, bottom, right))


def _bound(query: Mapping[str, str], name: str) -> int | None:
    return numbers(query[name], 1)[0] if name in query else None


def _sparse(ask: Ask[Labels]) -> Answer:
    label, _ = _known(ask, "sparsevol/<label>")
    return Answer([sparse_volume(_bounded(ask, label))], OCTETS)


def _has(ask: Ask[Labels]) -> Answer:
    found = _bounded(ask, ask.number("sparsevol/<label>"))
    return Answer(status=200 if len(found) else 204)


def _coarse(ask: Ask[Labels]) -> Answer:
    label, _ = _known(ask, "sparsevol-coarse/<label>")
    return Answer([sparse_volume(ask.instance.coarse(ask.lineage, label))], OCTETS)


def _last_change(ask: Ask[Labels]) -> Answer:
    """When the label came: of what merged and split it since, this server keeps nothing."""
    _known(ask, "lastmod/<label>")
    when = moment(ask.repo.nodes[ask.lineage[0]].updated)
    return as_json({"mutation id": 0, "last mod user": "", "last mod app": "", "last mod time": when})


def _sparse_size(ask: Ask[Labels]) -> Answer:
    label, size = _known(ask, "sparsevol-size/<label>")
    runs = ask.instance.runs(ask.lineage, label)
    low, high = runs[:, :3].min(axis=0), runs[:, :3].max(axis=0)
    high[0] = (runs[:, 0] + runs[:, 3] - 1).max()
    block = np.array(ask.instance.block[::-1])
    blocks = len(np.unique(runs[:, :3] // block, axis=0))
    return as_json({"voxels": size, "numblocks": blocks, "minvoxel": low.tolist(), "maxvoxel": high.tolist()})


def _supervoxels(ask: Ask[Labels]) -> Answer:
    label, _ = _known(ask, "supervoxels/<label>")
    return as_json([label])


def _most(ask: Ask[Labels]) -> Answer:
    return as_json({"maxlabel": ask.instance.most(ask.lineage)})


def _next(ask: Ask[Labels]) -> Answer:
    return as_json({"nextlabel": ask.instance.most(ask.lineage) + 1})


def _reserve(ask: Ask[Labels]) -> Answer:
    with ask.server.store.lock:
        first, last = ask.instance.reserve(ask.lineage, ask.number("nextlabel/<count>"))
    return as_json({"start": first, "end": last})


def _list_labels(ask: Ask[Labels]) -> Answer:
    query = ask.request.query
    start, count = query.get("start", "0"), query.get("number", "10000000")
    if not start.isdecimal() or not count.isdecimal():
        raise DvidError("start and number must be numbers")
    found = sorted(item for item in ask.instance.sizes(ask.lineage).items() if item[0] >= int(start))
    columns = 2 if ask.request.flag("sizes") else 1
    table = np.array(found, np.dtype("<u8")).reshape(-1, 2)[: int(count), :columns]
    return Answer([piece(table)], OCTETS)


CALLS: Calls = {
    **VOLUMES_OF_LABELS,
    ("GET", "label"): _label,
    ("GET", "labels"): _labels,
    ("GET", "size"): _size,
    ("GET", "sizes"): _sizes,
    ("GET", "mapping"): _mapping,
    ("GET", "sparsevol"): _sparse,
    ("HEAD", "sparsevol"): _has,
    ("GET", "sparsevol-size"): _sparse_size,
    ("GET", "sparsevol-coarse"): _coarse,
    ("GET", "lastmod"): _last_change,
    ("GET", "supervoxels"): _supervoxels,
    ("GET", "maxlabel"): _most,
    ("GET", "nextlabel"): _next,
    ("POST", "nextlabel"): _reserve,
    ("GET", "listlabels"): _list_labels,
}
