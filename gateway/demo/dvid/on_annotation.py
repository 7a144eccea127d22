"""What do annotations answer?"""

from gateway.demo.dvid.annotations import Annotations, Element, position
from gateway.demo.dvid.asking import Ask, Calls
from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.geometry import box, triple
from gateway.demo.dvid.http import Answer, as_json
from gateway.demo.dvid.labels import Labels


def _elements(ask: Ask[Annotations]) -> Answer:
    size, offset = ask.take(2, "elements/<size>/<offset>")
    part = box("vol", size, offset, 0)
    return as_json(ask.instance.inside(ask.lineage, part.start, part.size))


def _blocks(ask: Ask[Annotations]) -> Answer:
    size, offset = ask.take(2, "blocks/<size>/<offset>")
    part = box("vol", size, offset, 0)
    found: dict[str, list[Element]] = {}
    for element in ask.instance.inside(ask.lineage, part.start, part.size):
        found.setdefault(",".join(str(one // 64) for one in element["Pos"]), []).append(element)
    return as_json(found)


def _all(ask: Ask[Annotations]) -> Answer:
    return as_json(ask.instance.by_block(ask.lineage))


def _tag(ask: Ask[Annotations]) -> Answer:
    (tag,) = ask.take(1, "tag/<tag>")
    return as_json(_without(ask, ask.instance.where(ask.lineage, lambda one: tag in one.get("Tags", []))))


def _label(ask: Ask[Annotations]) -> Answer:
    """The elements whose voxel has a label, in the instance that `sync` of the settings names."""
    label = ask.number("label/<label>")
    name = str(ask.instance.settings.get("sync", "segmentation"))
    labels = ask.repo.instances.get(name)
    if not isinstance(labels, Labels):
        raise DvidError(f"data {ask.instance.name!r} is not synced with labels")
    lineage = labels.lineage(ask.repo, ask.node)
    found = ask.instance.where(ask.lineage, lambda one: labels.at(lineage, position(one)) == label)
    return as_json(_without(ask, found))


def _without(ask: Ask[Annotations], found: list[Element]) -> list[Element]:
    if ask.request.flag("relationships"):
        return found
    return [{name: value for name, value in one.items() if name != "Rels"} for one in found]


def _post(ask: Ask[Annotations]) -> Answer:
    ask.instance.put(ask.lineage[0], ask.request.said())
    return Answer()


def _delete(ask: Ask[Annotations]) -> Answer:
    (point,) = ask.take(1, "element/<coord>")
    ask.instance.elements.put(ask.lineage[0], {triple(point): None})
    return Answer()


def _move(ask: Ask[Annotations]) -> Answer:
    first, second = (triple(one) for one in ask.take(2, "move/<from_coord>/<to_coord>"))
    element = ask.instance.elements.get(ask.lineage, first)
    if element is None:
        raise DvidError(f"did not find moved element {ask.args[0]!r}")
    moved = element | {"Pos": list(second[::-1])}
    ask.instance.elements.put(ask.lineage[0], {first: None, second: moved})
    return Answer()


CALLS: Calls = {
    ("GET", "elements"): _elements,
    ("GET", "blocks"): _blocks,
    ("GET", "all-elements"): _all,
    ("GET", "tag"): _tag,
    ("GET", "label"): _label,
    ("POST", "elements"): _post,
    ("DELETE", "element"): _delete,
    ("POST", "move"): _move,
}
