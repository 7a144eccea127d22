"""Which methods and classes stand in a file of types, by the names that people know them by?"""

from __future__ import annotations

import ast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    Classes = dict[str, ast.ClassDef]

FILE = "labgate/_client.pyi"
"""What a file is called that has no names to tell it by."""

# What async clients have follows from what others have: it is told once.
_OURS = ("AsyncClient", "AsyncNamespace", "Connecting", "Namespace", "Node")


def names_in(text: str) -> dict[str, ast.stmt]:
    """What is written of each method (`jobs.get_job`) and of each class for results, so that two files can be compared."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError):
        return {}
    classes: Classes = {one.name: one for one in tree.body if isinstance(one, ast.ClassDef)}
    found: dict[str, ast.stmt] = {}
    seen: set[str] = set()
    for name, one in classes.items():
        if name == "Client" or any(isinstance(base, ast.Name) and base.id == "Client" for base in one.bases):
            found.update(_members(name, "", classes, seen))
    found.update({name: one for name, one in classes.items() if name not in seen and not _is_ours(one)})
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = statement
    return {name: said for name, said in found.items() if not name.rpartition(".")[2].startswith("_")}


def differ(one: ast.stmt, other: ast.stmt) -> bool:
    """Whether two statements say something else, however they are laid out."""
    return ast.dump(one) != ast.dump(other)


def _is_ours(one: ast.ClassDef) -> bool:
    names = [one.name, *(base.id for base in one.bases if isinstance(base, ast.Name))]
    return any(name in _OURS for name in names)


def _members(name: str, path: str, classes: Classes, seen: set[str]) -> Iterator[tuple[str, ast.stmt]]:
    seen.add(name)
    for one in classes[name].body:
        if isinstance(one, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield f"{path}{one.name}", one
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name):
            below = one.annotation.id if isinstance(one.annotation, ast.Name) else ""
            if below not in classes:
                yield f"{path}{one.target.id}", one
            elif below not in seen:
                yield from _members(below, f"{path}{one.target.id}.", classes, seen)
