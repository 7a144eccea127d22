"""What does each operation do? One method for each operationId, with arguments as the document has them."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import numpy as np

from gateway.demo.files import pixels
from gateway.demo.files.about import VERSION
from gateway.demo.files.document import JSON, OCTETS
from gateway.demo.files.errors import InvalidError
from gateway.demo.files.store import UPLOAD, Store

TEXT = "text/plain; charset=utf-8"

_FOR_AN_HOUR = {"Cache-Control": "max-age=3600"}  # pixels never change


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back: the body is None where there is none at all; `fields` are further header fields."""

    body: bytes | None = None
    media_type: str = JSON
    status: HTTPStatus = HTTPStatus.OK
    fields: dict[str, str] = field(default_factory=dict)


def as_json(value: Any, status: HTTPStatus = HTTPStatus.OK, fields: dict[str, str] | None = None) -> Answer:
    """An answer in JSON."""
    return Answer(json.dumps(value).encode(), JSON, status, fields or {})


class Operations:
    """All operations over one store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def named(self, name: str) -> Callable[..., Answer]:
        """The method with this operationId."""
        method: Callable[..., Answer] = getattr(self, name)
        return method

    def list_images(self, source: str | None, limit: int, offset: int) -> Answer:
        """A page of images."""
        items, total = self._store.images(source, limit, offset)
        return as_json({"items": items, "total": total, "limit": limit, "offset": offset})

    def upload_image(self, title: str, body: bytes) -> Answer:
        """Keep the image in a .npy file."""
        image = self._store.add_image(title, pixels.read_npy(body), UPLOAD, datetime.now(UTC))
        return as_json(image, HTTPStatus.CREATED, {"Location": f"/images/{image['uid']}"})

    def get_image(self, uid: str) -> Answer:
        """One image without its pixels."""
        return as_json(self._store.image(uid))

    def update_image(self, uid: str, title: str | None = None, tags: list[str] | None = None) -> Answer:
        """Another title, other tags."""
        return as_json(self._store.update_image(uid, title, tags))

    def list_annotations(self, uid: str) -> Answer:
        """The marked points of an image."""
        return as_json(self._store.annotations(uid))

    def create_annotation(self, uid: str, x: float, y: float, label: str) -> Answer:
        """Mark a point that lies in the image."""
        rows, columns = self._store.image(uid)["shape"]
        if not (x < columns and y < rows):
            raise InvalidError(f"x must be below {columns} and y below {rows}")
        return as_json(self._store.add_annotation(uid, x, y, label), HTTPStatus.CREATED)

    def delete_annotation(self, uid: str, annotation_id: int) -> Answer:
        """Forget a marked point."""
        self._store.delete_annotation(uid, annotation_id)
        return Answer(status=HTTPStatus.NO_CONTENT)

    def get_statistics(self, uid: str) -> Answer:
        """Statistics over all pixels."""
        picture = self._store.picture(uid)
        values = {
            "uid": uid,
            "shape": list(picture.shape),
            "min": float(picture.min()),
            "max": float(picture.max()),
            "mean": float(picture.mean(dtype=np.float64)),
            "std": float(picture.std(dtype=np.float64)),
        }
        return as_json(values, fields=_FOR_AN_HOUR)

    def get_thumbnail(self, uid: str) -> Answer:
        """A small PNG."""
        return Answer(pixels.thumbnail(self._store.picture(uid)), "image/png", fields=_FOR_AN_HOUR)

    def get_tile(self, uid: str, level: int, x: int, y: int) -> Answer:
        """A tile as raw float32."""
        cut = pixels.tile(self._store.picture(uid), level, x, y)
        rows, columns = cut.shape
        fields = {"X-Shape": f"{rows},{columns}", "X-Dtype": "<f4", "Accept-Ranges": "bytes"}
        return Answer(pixels.to_blob(cut), OCTETS, fields=fields | _FOR_AN_HOUR)

    def search(self, q: str, tag: list[str]) -> Answer:
        """Images by words and tags."""
        return as_json(self._store.search(q, tag))

    def list_tags(self) -> Answer:
        """The trees of tags."""
        return as_json(self._store.tags())

    def get_version(self) -> Answer:
        """The version, as text."""
        return Answer(VERSION.encode(), TEXT)
