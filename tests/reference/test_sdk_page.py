"""Is the page about the SDK what `import labgate` has?

`python -m tests.reference.test_sdk_page` writes the page's middle anew.
"""

import ast
import dataclasses
import inspect
import re
import textwrap
from typing import Any

import labgate
import labgate.errors
from tests.reference.written import Written, table

PAGE = Written("sdk.md", "names")
_APART = ",\n    "
_COMMA = re.compile(r", (?=\*|\w+[:=])")
"""What separates parameters, and not what stands within an annotation."""


def functions() -> list[str]:
    """The names that are called."""
    return [name for name in labgate.__all__ if inspect.isroutine(getattr(labgate, name))]


def classes() -> list[str]:
    """The names of what is given back, and of what it has."""
    found = [name for name in labgate.__all__ if inspect.isclass(getattr(labgate, name))]
    return [name for name in found if not issubclass(getattr(labgate, name), BaseException)]


def rendered() -> str:
    """The part of the page that follows from the package."""
    parts = ["## Functions"]
    parts += [
        f"### `{name}`\n\n```text\n{_call(name)}\n```\n\n{summary(getattr(labgate, name))}"
        for name in functions()
    ]
    rows = [
        (f"`{name}`", summary(getattr(labgate, name)), _members(getattr(labgate, name))) for name in classes()
    ]
    parts += ["## Classes", table(("class", "what it is", "its own names"), rows)]
    errors = [getattr(labgate.errors, name) for name in labgate.errors.__all__]
    found = sorted(
        (one for one in errors if isinstance(one, type)),
        key=lambda one: [
            base.__name__ for base in reversed(one.__mro__) if base.__module__.startswith("labgate")
        ],
    )
    rows = [(f"`{one.__name__}`", f"`{one.__bases__[0].__name__}`", summary(one)) for one in found]
    parts += [
        "## Errors and warnings",
        "All are in `labgate.errors`.",
        table(("class", "is a", "what happened"), rows),
    ]
    return "\n\n".join(parts)


def summary(value: Any) -> str:
    """The first sentence or paragraph of its docstring."""
    text = inspect.getdoc(value) or ""
    return re.sub(r"\s+", " ", text.partition("\n\n")[0]).strip().removesuffix("::")


def _call(name: str) -> str:
    """The call as the source has it, in one line or with a line for each parameter."""
    written = ast.parse(textwrap.dedent(inspect.getsource(getattr(labgate, name)))).body[0]
    assert isinstance(written, ast.FunctionDef | ast.AsyncFunctionDef)
    inner = ast.unparse(written.args)
    result = f" -> {ast.unparse(written.returns)}" if written.returns else ""
    line = f"labgate.{name}({inner}){result}"
    if len(line) <= 100:
        return line
    return f"labgate.{name}(\n    {_COMMA.sub(_APART, inner)},\n){result}"


def _members(value: type) -> str:
    found = {name for base in value.__mro__ for name in vars(base) if base.__module__.startswith("labgate")}
    if dataclasses.is_dataclass(value):
        found |= {one.name for one in dataclasses.fields(value)}
    return ", ".join(f"`{name}`" for name in sorted(found) if not name.startswith("_"))


def test_the_page_has_every_public_name_as_the_package_has_it() -> None:
    assert PAGE.middle() == PAGE.expected(rendered()), (
        "write it anew: python -m tests.reference.test_sdk_page"
    )
    errors = [getattr(labgate.errors, name) for name in labgate.errors.__all__]
    others = set(labgate.__all__) - {*functions(), *classes(), "__version__"}
    assert all(getattr(labgate, name) in errors for name in others)


def test_every_public_name_says_what_it_is() -> None:
    for name in [*functions(), *classes()]:
        assert len(summary(getattr(labgate, name))) > 9, name
    assert all(summary(getattr(labgate.errors, name)) for name in labgate.errors.__all__)


if __name__ == "__main__":
    PAGE.write(rendered())
