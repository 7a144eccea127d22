"""What does the real Intake client (0.7.0) get from the gate's own catalog? See telling.py for what is printed.

`python intake_sources.py intake://HOST:PORT/PREFIX [--secret S] [--field NAME=VALUE]…` reads whatever it is shown.
"""

import argparse
import warnings
from typing import Any

import dask
import intake
from intake.auth.secret import SecretClientAuth
from telling import call

dask.config.set(scheduler="threads")
warnings.simplefilter("ignore")


def read(catalog: Any, name: str) -> None:
    """One entry, whole, by partition and lazily."""
    source = call(f"{name}.open", lambda: Told(catalog[name]))
    if source is None:
        return
    source = source.source
    call(f"{name}.discover", lambda: {k: str(v) for k, v in source.discover().items() if k != "datashape"})
    call(f"{name}.read", source.read)
    first = (0,) * len(source.shape) if source.container == "ndarray" else 0
    call(f"{name}.read_partition", source.read_partition, first)
    call(f"{name}.to_dask", lambda: source.to_dask().compute(scheduler="threads"))
    source.close()


def read_by(catalog: Any, name: str) -> Any:
    """What an entry holds."""
    return catalog[name].read()


class Told:
    """A source, as it is told: by its class and container."""

    def __init__(self, source: Any) -> None:
        self.source = source

    def __repr__(self) -> str:
        return f"{type(self.source).__name__} {self.source.container}"


def main() -> None:
    """Everything, in one order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--secret", default="")
    parser.add_argument("--field", action="append", default=[])
    options = parser.parse_args()
    how: dict[str, Any] = {"http_args": {"headers": dict(field.split("=", 1) for field in options.field)}}
    if options.secret:
        how["auth"] = SecretClientAuth(options.secret)
    catalog = call("open_catalog", intake.open_catalog, options.address, **how)
    if catalog is None:
        return
    for name in call("list", lambda: list(catalog)) or []:
        read(catalog, name)
    call("paged", lambda: list(intake.open_catalog(options.address, page_size=1, **how)))
    call("search", lambda: sorted(catalog.search("tissue")))
    call("search.read", read_by, catalog.search("tissue"), "gray")
    call("nothing", lambda: catalog["nothing"])
    call("forbidden", read_by, catalog, "nuclei")
    call("scale", lambda: catalog["labels"](scale=99).read())
    call("below", lambda: catalog["labels"](scale=-1).read())


if __name__ == "__main__":
    main()
