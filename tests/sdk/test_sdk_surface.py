"""What does `import labgate` bring, and what does it leave alone?"""

from __future__ import annotations

import subprocess
import sys

import labgate
import labgate.errors

HEAVY = ("numpy", "msgpack", "ssl", "asyncio", "inspect", "http.client", "typing", "dataclasses", "IPython")


def modules_after(code: str) -> set[str]:
    """The modules of a fresh interpreter after this code; those of its start are left out."""
    report = "\nimport sys; print(*sys.modules)"
    run = [sys.executable, "-I", "-S", "-c"]
    paths = f"import sys; sys.path[:0] = {[path for path in sys.path if path]!r}\n"
    after = subprocess.run([*run, paths + code + report], check=True, capture_output=True, text=True).stdout
    before = subprocess.run([*run, paths + report], check=True, capture_output=True, text=True).stdout
    return set(after.split()) - set(before.split())


def test_importing_the_package_loads_nothing_heavy_and_nothing_of_its_own() -> None:
    loaded = modules_after("import labgate")
    assert not loaded & set(HEAVY)
    assert {name for name in loaded if name.startswith("labgate.")} == set()


def test_loading_every_public_name_loads_neither_numpy_nor_ssl_nor_asyncio_nor_inspect() -> None:
    loaded = modules_after(
        "import labgate\nfor name in labgate.__all__[:]:\n    name[0] == '_' or getattr(labgate, name)"
    )
    assert not loaded & set(HEAVY)


def test_a_connect_and_a_call_load_neither_numpy_nor_ssl_nor_asyncio_nor_inspect(gate, tmp_path) -> None:
    code = (
        f"import labgate\nlab = labgate.connect({gate.url!r}, token='token-of-the-test', cache_dir={str(tmp_path)!r})\n"
        "assert lab.jobs.list_lanes() == ['a', 'b']"
    )
    assert not modules_after(code) & set(HEAVY)


def test_the_public_names_are_sorted_and_each_of_them_is_there() -> None:
    assert list(labgate.__all__) == sorted(labgate.__all__)
    assert all(getattr(labgate, name) is not None for name in labgate.__all__)
    assert set(labgate.__all__) <= {*dir(labgate)}


def test_every_public_name_of_the_errors_is_there_and_is_exported_sorted() -> None:
    assert list(labgate.errors.__all__) == sorted(labgate.errors.__all__)
    classes = {
        name
        for name, value in vars(labgate.errors).items()
        if isinstance(value, type) and value.__module__ == "labgate.errors"
    }
    assert classes == set(labgate.errors.__all__)
    assert labgate.errors.Error is labgate.Error


def test_a_name_that_the_package_has_not_is_an_attribute_error() -> None:
    assert not hasattr(labgate, "conect")
