"""Which images are there, and what do they show?"""

from typing import Any

import numpy as np

from gateway.demo.jobs import arrays, images
from gateway.demo.jobs.errors import ConflictError, InvalidParamsError
from gateway.demo.jobs.records import Image, Store
from gateway.demo.jobs.rpc import offered

MICROSCOPE = "microscope"
"""The source of the images that are there from the start."""

_MAX_SIDE = 2048


class Library:
    """The methods about images. Takes the first `exposures` micrographs by itself."""

    def __init__(self, store: Store, exposures: int = 6) -> None:
        self._store = store
        for seed in range(exposures):
            pixels = images.synthesize(seed, particles=8 + seed).pixels
            with store.changed:
                self._add(f"exposure {seed + 1}", MICROSCOPE, pixels)

    @offered(safe=True)
    def list_images(self, source: str | None = None) -> list[dict[str, Any]]:
        """List all images without their pixels.

        source: only those from there: "microscope", "import", or a job such as "P1.J3".
        """
        with self._store.changed:
            return [
                image.as_json() for image in self._store.images.values() if source in (None, image.source)
            ]

    @offered(safe=True)
    def get_image(self, image_uid: str, binning: int = 1, form: str = "lists") -> Any:
        """Get the pixels of an image, rows of columns.

        binning: average squares of so many pixels first.
        form: "lists" for nested lists of numbers, "ndarray" for {"$ndarray": {"base64", "dtype", "shape"}}.
        """
        pixels = self._image(image_uid).pixels
        if not 1 <= binning <= min(pixels.shape):
            raise InvalidParamsError(f"binning must be from 1 to {min(pixels.shape)}")
        return arrays.encode(images.binned(pixels, binning), form)

    @offered(safe=True)
    def image_statistics(self, image_uid: str) -> dict[str, Any]:
        """Get shape, minimum, maximum, mean and standard deviation of an image."""
        pixels = self._image(image_uid).pixels
        return {
            "uid": image_uid,
            "shape": list(pixels.shape),
            "min": float(pixels.min()),
            "max": float(pixels.max()),
            "mean": float(pixels.mean(dtype=np.float64)),
            "std": float(pixels.std(dtype=np.float64)),
        }

    @offered()
    def import_image(self, name: str, pixels: Any) -> str:
        """Keep an image of your own and return its uid.

        pixels: nested lists of numbers, or {"$ndarray": {"base64", "dtype", "shape"}}; stored as float32.
        """
        array = arrays.decode(pixels)
        if array.ndim != 2 or not 1 <= min(array.shape) <= max(array.shape) <= _MAX_SIDE:
            raise InvalidParamsError(f"pixels must have two dimensions of 1 to {_MAX_SIDE}")
        # A float64 beyond float32's range becomes infinite here, and is refused with the rest.
        with np.errstate(over="ignore"):
            picture = array.astype(np.float32)
        if not np.isfinite(picture).all():
            raise InvalidParamsError("pixels must be finite as float32")
        with self._store.changed:
            return self._add(name[:200], "import", picture)

    @offered()
    def delete_image(self, image_uid: str) -> bool:
        """Delete an imported image; those of the microscope and of jobs stay."""
        with self._store.changed:
            if self._store.image(image_uid).source != "import":
                raise ConflictError(f"{image_uid} was not imported; clear or delete its job instead")
            del self._store.images[image_uid]
            return True

    def _image(self, image_uid: str) -> Image:
        with self._store.changed:
            return self._store.image(image_uid)

    def _add(self, name: str, source: str, pixels: arrays.Pixels) -> str:
        uid = f"M{self._store.images_made + 1}"
        self._store.keep(Image(uid, name, source, pixels))
        self._store.images_made += 1
        return uid
