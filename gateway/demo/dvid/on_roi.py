"""What do regions of interest answer?"""

from gateway.demo.dvid.asking import Ask, Calls
from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.geometry import box
from gateway.demo.dvid.http import OCTETS, Answer, as_json
from gateway.demo.dvid.on_voxels import piece
from gateway.demo.dvid.regions import Regions


def _roi(ask: Ask[Regions]) -> Answer:
    return as_json(ask.instance.spans(ask.lineage))


def _put(ask: Ask[Regions]) -> Answer:
    ask.instance.put(ask.lineage[0], ask.request.said())
    return Answer()


def _clear(ask: Ask[Regions]) -> Answer:
    ask.instance.put(ask.lineage[0], [])
    return Answer()


def _query(ask: Ask[Regions]) -> Answer:
    said, lineage = ask.request.said(), ask.lineage
    try:
        points = [(int(z), int(y), int(x)) for x, y, z in said]
    except (TypeError, ValueError):
        raise DvidError("expected a JSON array of [x, y, z]") from None
    return as_json([ask.instance.holds(lineage, point) for point in points])


def _mask(ask: Ask[Regions]) -> Answer:
    shape, size, offset = ask.take(3, "mask/0_1_2/<size>/<offset>")
    part = box(shape, size, offset, 1)
    return Answer([piece(ask.instance.mask(ask.lineage, part.start, part.size))], OCTETS)


CALLS: Calls = {
    ("GET", "roi"): _roi,
    ("POST", "roi"): _put,
    ("DELETE", "roi"): _clear,
    ("POST", "ptquery"): _query,
    ("GET", "mask"): _mask,
}
