"""What do volumes answer: cutouts, blocks, and what their axes are?"""

import gzip
import struct
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np

from gateway.demo.dvid.asking import Ask, Calls
from gateway.demo.dvid.errors import DvidError
from gateway.demo.dvid.geometry import Box, Triple, box, numbers, triple
from gateway.demo.dvid.http import OCTETS, Answer, Piece, as_json
from gateway.demo.dvid.images import as_image, as_tower
from gateway.demo.dvid.regions import Regions
from gateway.demo.dvid.voxels import Array, Extents, Voxels, xyz

METADATA = "application/vnd.dvid-nd-data+json"
_BIG = 256**3
_CUTOUT = "raw/<dims>/<size>/<offset>"


def piece(array: Array) -> Piece:
    """The bytes of an array in C order, not copied where that is possible."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data


# --- cutouts


def _asked_box(ask: Ask[Voxels]) -> Box:
    if ask.instance.settings.get("gridstore"):
        raise DvidError(
            f"data {ask.instance.name!r} is in a GridStore: use specificblocks or subvolblocks instead"
        )
    shape, size, offset = ask.take(3, _CUTOUT)
    return box(shape, size, offset, ask.instance.voxel_bytes)


def _raw(ask: Ask[Voxels]) -> Answer:
    part = _asked_box(ask)
    if part.plane:
        return as_image(_read(ask, part), part.plane, _format(ask))
    with ask.throttled():
        found = _read(ask, part)
        if len(ask.args) > 3 and ask.args[3] != "octet-stream":
            return as_tower(found, ask.args[3])
        return _packed(ask, found)


def _isotropic(ask: Ask[Voxels]) -> Answer:
    part = _asked_box(ask)
    if not part.plane:
        return _raw(ask)
    sides = dict(zip("zyx", zip(part.size, xyz(ask.instance.voxel_size), strict=True), strict=True))
    finest = min(ask.instance.voxel_size)
    pixels = _read(ask, part)
    for name, (side, voxel) in sides.items():
        if name in part.plane:
            rows = (np.arange(round(side * voxel / finest)) * finest / voxel).astype(int).clip(0, side - 1)
            pixels = pixels.take(rows, "zyx".index(name))
    return as_image(pixels, part.plane, _format(ask))


def scale(ask: Ask[Any]) -> int:
    """The level of resolution that is asked for; images have but one. Raises DvidError."""
    said = ask.request.query.get("scale", "0")
    most = int(ask.instance.settings.get("maxdownreslevel", 7))
    if not said.isdecimal() or int(said) > most:
        raise DvidError(f"illegal scale {said!r}: it must be from 0 to {most}")
    return int(said) if ask.instance.kind.labels else 0


def _read(ask: Ask[Voxels], part: Box) -> Array:
    """The voxels; more than 256^3 of an image one request after the other, as DVID reads them."""
    voxels, step = ask.instance, 1 << scale(ask)
    if not voxels.kind.labels and prod(part.size) > _BIG:
        with ask.server.big:
            found = voxels.read(ask.lineage, part.start, part.size)
    else:
        found = voxels.read(ask.lineage, part.start, part.size, step)
    if "roi" in ask.request.query:
        _mask(ask, found, part)
    return found


def _mask(ask: Ask[Voxels], found: Array, part: Box) -> None:
    name = ask.request.query["roi"].partition(",")[0]
    region = ask.repo.instances.get(name)
    if not isinstance(region, Regions):
        raise DvidError(f"no ROI data {name!r}")
    outside = ~region.mask(region.lineage(ask.repo, ask.node), part.start, part.size)
    said = ask.request.query.get("attenuation")
    if said is None:
        found[outside] = 0
    elif said in "1234567" and len(said) == 1 and ask.instance.dtype == np.uint8:
        found[outside] >>= int(said)
    else:
        raise DvidError("attenuation must be from 1 to 7, and is for 8-bit voxels only")


def _packed(ask: Ask[Voxels], found: Array) -> Answer:
    data = piece(found)
    match ask.request.query.get("compression", "") if ask.instance.kind.labels else "":
        case "" | "none" | "uncompressed":
            pass
        case "gzip":
            data = gzip.compress(data, 1, mtime=0)
        case other:
            raise DvidError(f"unknown compression type {other!r}")
    return Answer([data], OCTETS)


def _format(ask: Ask[Voxels]) -> str:
    return ask.args[3] if len(ask.args) > 3 else "png"


def _write(ask: Ask[Voxels]) -> Answer:
    part = _asked_box(ask)
    if part.plane:
        raise DvidError("can only POST 3d volumes, not images")
    if scale(ask):
        raise DvidError("can only POST voxels of scale 0")
    with ask.throttled():
        _store(ask, part.start, part.size, _unpacked(ask))
    return Answer()


def _unpacked(ask: Ask[Voxels]) -> bytes:
    if ask.instance.kind.labels and ask.request.query.get("compression") == "gzip":
        try:
            return gzip.decompress(ask.request.body)
        except (OSError, EOFError):
            raise DvidError("the body is not compressed by gzip") from None
    return ask.request.body


def _store(ask: Ask[Voxels], start: Triple, size: Triple, data: bytes) -> None:
    voxels = ask.instance
    if len(data) != (expected := prod(size) * voxels.voxel_bytes):
        raise DvidError(
            f"expected {expected} bytes for {xyz(size)} voxels in data {voxels.name!r}, got {len(data)}"
        )
    array: Array = np.frombuffer(data, voxels.dtype).reshape(size + voxels.trailing)
    with ask.server.store.lock:
        voxels.write(ask.lineage, start, array)


# --- blocks


def _along(ask: Ask[Voxels]) -> tuple[Triple, int]:
    coordinate, span = ask.take(2, "blocks/<block coord>/<spanX>")
    if not span.isdecimal() or not int(span):
        raise DvidError(f"illegal span {span!r}: at least one block")
    z, y, x = triple(coordinate)
    depth, height, width = ask.instance.block
    return (z * depth, y * height, x * width), int(span)


def _row(ask: Ask[Voxels]) -> Answer:
    (z, y, x), span = _along(ask)
    edge = ask.instance.block[2]
    starts = [(z, y, x + at * edge) for at in range(span)]
    read = ask.instance.read
    return Answer([piece(read(ask.lineage, one, ask.instance.block)) for one in starts], OCTETS)


def _write_row(ask: Ask[Voxels]) -> Answer:
    (z, y, x), span = _along(ask)
    voxels, size = ask.instance, ask.instance.block_bytes
    body = ask.request.body
    if len(body) != span * size:
        raise DvidError(f"expected {span * size} bytes for {span} blocks, got {len(body)}")
    for at in range(span):
        one = (z, y, x + at * voxels.block[2])
        _store(ask, one, voxels.block, body[at * size : (at + 1) * size])
    return Answer()


def _specific(ask: Ask[Voxels]) -> Answer:
    said = ask.request.query.get("blocks", "")
    found = numbers(said, said.count(",") + 1) if said else []
    if len(found) % 3:
        raise DvidError("blocks must come as x,y,z, one after the other")
    wanted = [(found[i + 2], found[i + 1], found[i]) for i in range(0, len(found), 3)]
    return _stream(ask, wanted)


def _aligned(ask: Ask[Voxels]) -> Answer:
    size, offset = ask.take(2, "<size>/<offset>")
    part = box("vol", size, offset, ask.instance.voxel_bytes)
    block = ask.instance.block
    sides = list(zip(part.start, part.size, block, strict=True))
    if any(low % edge or side % edge for low, side, edge in sides):
        raise DvidError(f"subvolume {size} at {offset} is not aligned to blocks of {xyz(block)}")
    ranges = [range(low // edge, (low + side) // edge) for low, side, edge in sides]
    return _stream(ask, [(z, y, x) for z in ranges[0] for y in ranges[1] for x in ranges[2]])


def _stream(ask: Ask[Voxels], wanted: list[Triple]) -> Answer:
    """Blocks with their coordinates and lengths in front; those that nobody wrote are left out."""
    labels = ask.instance.kind.labels
    said = ask.request.query.get("compression", "blocks" if labels else "jpeg")
    if said not in ("uncompressed", "gzip" if labels else "jpeg"):
        raise DvidError(f"compression {said!r} is not among what this server has: ask for 'uncompressed'")

    def packed(block: Array) -> Piece:
        match said:
            case "gzip":
                return gzip.compress(piece(block), 1, mtime=0)
            case "jpeg":
                return as_tower(block, "jpg").pieces[0]
        return piece(block)

    def pieces() -> Iterator[Piece]:
        for z, y, x in wanted:
            block = ask.instance.blocks.get(ask.lineage, (z, y, x))
            if block is not None:
                data = packed(block)
                yield struct.pack("<4i", x, y, z, len(data))
                yield data

    return Answer(list(pieces()), OCTETS)


# --- about the volume


def _metadata(ask: Ask[Voxels]) -> Answer:
    return as_json(ask.instance.axes(ask.lineage), METADATA)


def _set_extents(ask: Ask[Voxels]) -> Answer:
    said = ask.request.said()
    first, last = (_point(said, name) for name in ("MinPoint", "MaxPoint"))
    ask.instance.set_extents(ask.lineage, Extents(first, last))
    return Answer()


def _point(said: Any, name: str) -> Triple:
    try:
        x, y, z = said[name]
        return int(z), int(y), int(x)
    except (TypeError, KeyError, ValueError):
        raise DvidError(f"extents need a {name} of three integers") from None


def _set_resolution(ask: Ask[Voxels]) -> Answer:
    said = ask.request.said()
    if not isinstance(said, list) or len(said) != 3 or not all(isinstance(one, int | float) for one in said):
        raise DvidError("the resolution must be an array of three numbers")
    ask.instance.voxel_size = [float(one) for one in said]
    return Answer()


ANY: Calls = {
    ("GET", "raw"): _raw,
    ("GET", "isotropic"): _isotropic,
    ("POST", "raw"): _write,
    ("GET", "subvolblocks"): _aligned,
    ("GET", "specificblocks"): _specific,
    ("GET", "metadata"): _metadata,
    ("POST", "extents"): _set_extents,
    ("POST", "resolution"): _set_resolution,
}
IMAGES: Calls = {**ANY, ("GET", "blocks"): _row, ("POST", "blocks"): _write_row}
VOLUMES_OF_LABELS: Calls = {**ANY, ("GET", "blocks"): _aligned}
