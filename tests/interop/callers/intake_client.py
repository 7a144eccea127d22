"""What does the real Intake client (0.7.0) get from a catalog server? See telling.py for what is printed.

`python intake_client.py intake://HOST:PORT[/PREFIX] [--secret S] [--field NAME=VALUE]…` walks whatever is there.
"""

import argparse
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import dask
import intake
import pandas as pd
from intake.auth.secret import SecretClientAuth
from telling import call, failed, told

# Its default reads bags with processes, and these would start this file again.
dask.config.set(scheduler="threads")
warnings.simplefilter("ignore")

NON_LATIN = "粒子"


def walk(prefix: str, catalog: Any) -> None:
    """List a catalog, and use every entry in every way."""
    names = call(f"{prefix}list", lambda: list(catalog)) or []
    call(f"{prefix}len", lambda: len(catalog))
    call(f"{prefix}metadata", lambda: dict(catalog.metadata))
    for name in names:
        call(f"{prefix}{name}.describe", lambda name=name: described(catalog, name))
        with opened(f"{prefix}{name}", catalog, name) as source:
            if source is not None and source.container == "catalog":
                walk(f"{prefix}{name}/", source)
            elif source is not None:
                use(f"{prefix}{name}", source)


def described(catalog: Any, name: str) -> dict[str, Any]:
    """The entry as it is listed; it is not opened."""
    said = catalog._entries[name].describe()
    return {key: value for key, value in said.items() if key != "args"}


@contextmanager
def opened(label: str, catalog: Any, name: str, **parameters: Any) -> Iterator[Any]:
    """The entry's source, closed at the end; None where it cannot be opened."""
    source = None
    try:
        source = catalog[name](**parameters) if parameters else catalog[name]
    except Exception as error:
        failed(f"{label}.open", error)
    else:
        told(f"{label}.open", [type(source).__name__, source.container])
    yield source
    if source is not None and source.container != "catalog":
        source.close()


def use(label: str, source: Any) -> None:
    """Discover, read whole, by partition and lazily."""
    call(f"{label}.discover", lambda: {k: str(v) for k, v in source.discover().items() if k != "datashape"})
    call(f"{label}.npartitions", lambda: source.npartitions)
    call(f"{label}.read", source.read)
    first = (0,) * len(source.shape) if source.container == "ndarray" else 0
    call(f"{label}.read_partition", source.read_partition, first)
    if source.container == "dataframe":
        call(f"{label}.read_partition.last", lambda: source.read_partition(source.npartitions - 1))
    call(f"{label}.read_partition.none_such", source.read_partition, 99)
    call(f"{label}.to_dask", lambda: source.to_dask().compute(scheduler="threads"))


def parameterised(catalog: Any) -> None:
    """One entry with its parameters said, left out and wrong."""
    for label, said in {
        "by_sample(b, 2)": {"sample": "b", "run": 2},
        "by_sample(day)": {"day": pd.Timestamp("2024-06-07").to_pydatetime()},
        "by_sample(run as text)": {"run": "2"},
        "by_sample(no such sample)": {"sample": "z"},
        "by_sample(run out of bounds)": {"run": 99},
        "by_sample(no such parameter)": {"colour": "red"},
    }.items():
        with opened(label, catalog, "by_sample", **said) as source:
            if source is not None:
                call(f"{label}.read", source.read)


def searched(catalog: Any) -> None:
    """Searches, what is read from them, and a search in one; the text becomes a header field of later requests."""
    for text in ("detector", "partition frames", "zyzzyva", "Röntgen", NON_LATIN):
        call(f"search {text}", names_of, catalog, text)
    call("search detector → detectors.back", catalog.search("detector")["detectors.back"].read)
    call("search detector → search before", lambda: names_of(catalog.search("detector"), "before"))
    call("search in a nested catalog", lambda: names_of(catalog["detectors"], "behind"))
    call("search without words", lambda: list(catalog.search()))


def names_of(catalog: Any, text: str) -> list[str]:
    """What a search finds."""
    return sorted(catalog.search(text))


def main() -> None:
    """Everything, in one order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("address")
    parser.add_argument("--secret", default="")
    parser.add_argument("--field", action="append", default=[])
    options = parser.parse_args()
    fields = dict(field.split("=", 1) for field in options.field)
    how: dict[str, Any] = {"http_args": {"headers": fields}}
    if options.secret:
        how["auth"] = SecretClientAuth(options.secret)
    catalog = call("open_catalog", intake.open_catalog, options.address, **how)
    if catalog is None:
        return
    paged = intake.open_catalog(options.address, page_size=2, **how)
    call("one by name, none listed", paged["notes"].read)
    call("no such name", lambda: paged["nothing"])
    call("listed by pages", lambda: list(paged))
    call("dotted name", paged["detectors.back"].read)
    call("attributes", catalog.detectors.front.read)
    walk("", catalog)
    parameterised(catalog)
    searched(catalog)


if __name__ == "__main__":
    main()
