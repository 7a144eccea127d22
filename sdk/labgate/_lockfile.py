"""How does a lock file look, and what is in it?

It is JSON, sorted, with one line per parameter, so that a comparison of two of them tells people what has changed.
"""

from __future__ import annotations

import json
import os

from labgate._fitting import meaning_of, references_of
from labgate._generated import write_whole
from labgate._pinned import breaks, pinned
from labgate._places import refuse_other_than_files
from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from labgate._catalog import Catalog

_FORMAT = 1
_LARGEST = 64 * 1024 * 1024


class LockFile:
    """What is pinned.

    Attributes:
        gate: where it was written down.
        datastack: of the client whose methods these were; None for none.
        catalog: the version of the gate's list of methods at that time, None where the gate told none.
        services: the version of each service that told one.
        methods: what is pinned of each method, by its name.
        schemas: the named schemas that these refer to.
    """

    __slots__ = ("catalog", "datastack", "gate", "methods", "schemas", "services")

    def __init__(
        self,
        gate: str,
        datastack: str | None,
        catalog: str | None,
        services: dict[str, str],
        methods: dict[str, dict[str, Any]],
        schemas: dict[str, Any],
    ) -> None:
        self.gate = gate
        self.datastack = datastack
        self.catalog = catalog
        self.services = services
        self.methods = methods
        self.schemas = schemas

    @classmethod
    def of(cls, catalog: Catalog, gate: str, datastack: str | None, wanted: Callable[[str], bool]) -> Self:
        """What is to be pinned of the wanted methods of a catalog."""
        methods = {name: pinned(name, text) for name, text in catalog.texts().items() if wanted(name)}
        prefixes = {name.partition(".")[0] for name in methods}
        about = catalog.about.get("namespaces")
        services = {
            name: str(one["version"])
            for name, one in (about.items() if isinstance(about, dict) else ())
            if name in prefixes and isinstance(one, dict) and one.get("version")
        }
        schemas = _needed(methods, catalog.components().get("schemas"))
        return cls(gate, datastack, catalog.version, services, methods, schemas)

    @classmethod
    def read(cls, path: str) -> Self:
        """What a file pins.

        Raises:
            SetupError: there is no such file, or it is no lock file.
        """
        try:
            if os.path.exists(path):
                refuse_other_than_files(path)  # a pipe would be waited for
            with open(path, encoding="utf-8") as file:
                found = json.loads(file.read(_LARGEST))
        except OSError as error:
            how = f"Write it with: labgate lock -o {path}" if isinstance(error, FileNotFoundError) else ""
            raise SetupError(f"{path}: {error.strerror}", hint=how) from error
        except (ValueError, RecursionError) as error:
            raise SetupError(f"{path} is no lock file: it is no JSON") from error
        if not isinstance(found, dict) or found.get("labgate_lock") != _FORMAT:
            raise SetupError(f"{path} is no lock file of this version of labgate")
        methods, schemas, services = (found.get(name) for name in ("methods", "schemas", "services"))
        if not (
            isinstance(methods, dict)
            and all(isinstance(one, dict) for one in methods.values())
            and isinstance(schemas, dict)
            and isinstance(services, dict)
        ):
            raise SetupError(f"{path} is no lock file: a part of it is missing")
        gate, datastack, catalog = (found.get(name) for name in ("gate", "datastack", "catalog"))
        return cls(str(gate), datastack, catalog, services, methods, schemas)

    def write(self, path: str) -> None:
        """Write the file, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        write_whole(path, self.text())

    def text(self) -> str:
        """The file's text."""
        head = {
            "labgate_lock": _FORMAT,
            "gate": self.gate,
            "datastack": self.datastack,
            "catalog": self.catalog,
            "services": dict(sorted(self.services.items())),
        }
        lines = [f"  {json.dumps(name)}: {json.dumps(value)}," for name, value in head.items()]
        lines += [
            '  "methods": {',
            ",\n".join(_method_text(*one) for one in sorted(self.methods.items())),
            "  },",
        ]
        schemas = sorted(self.schemas.items())
        lines += [
            '  "schemas": {',
            ",\n".join(f"    {json.dumps(k)}: {json.dumps(v)}" for k, v in schemas),
            "  }",
        ]
        return "\n".join(["{", *(line for line in lines if line), "}"]) + "\n"

    def differences(self, catalog: Catalog, datastack: str | None) -> dict[str, list[str]]:
        """Why pinned methods do not get along with what a catalog says of them, by name.

        Methods of a datastack that the client is not in are not asked for.
        """
        schemas_now = catalog.components().get("schemas")
        now: dict[str, Any] = schemas_now if isinstance(schemas_now, dict) else {}
        local = catalog.about.get("local")
        elsewhere = local if datastack != self.datastack and isinstance(local, dict) else {}
        found = {}
        for name, then in self.methods.items():
            text = catalog.text(name)
            if text is None:
                if name.partition(".")[0] not in elsewhere:
                    found[name] = ["it is gone"]
            elif reasons := breaks(then, pinned(name, text), self.schemas, now):
                found[name] = reasons
        return found


def _needed(methods: dict[str, dict[str, Any]], schemas: object) -> dict[str, Any]:
    """The named schemas that methods refer to, and those that these do."""
    known = schemas if isinstance(schemas, dict) else {}
    found: dict[str, Any] = {}
    waiting = sorted({*references_of(list(methods.values()))})
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found[name] = meaning_of(known[name])
            waiting += references_of(found[name])
    return found


def _method_text(name: str, method: dict[str, Any]) -> str:
    lines = []
    for key, value in sorted(method.items()):
        if key == "params" and value:
            inner = ",\n".join(f"        {json.dumps(one)}" for one in value)
            lines.append(f'      "params": [\n{inner}\n      ]')
        else:
            lines.append(f"      {json.dumps(key)}: {json.dumps(value)}")
    return f"    {json.dumps(name)}: {{\n" + ",\n".join(lines) + "\n    }"
