"""How does a method become a real Python function, without compiling any text of the network?

One template per shape (how many parameters by position, how many by name only, `**` or not) is compiled from our own
text; a method's function is this template's code with other names in it.
"""

from __future__ import annotations

from types import CellType, FunctionType

from labgate._docs import docstring, hints_of
from labgate._names import python_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

    from labgate._method import Method

# Names of ours inside the templates; the second is no identifier, so that no parameter can have it.
_RECEIVERS = ("self", "_labgate")
_METHOD_CELL = ".method"

_templates: dict[tuple[int, int, bool], CodeType] = {}


def _call(receiver: Any, method: Method, values: tuple[Any, ...], more: dict[str, Any]) -> Any:
    session = receiver._session  # noqa: SLF001
    return session.call(method, method.arguments(values, more, session.defaults))


def _call_open(receiver: Any, method: Method, values: tuple[Any, ...], more: dict[str, Any]) -> Any:
    return receiver._session.call(method, method.open_arguments(values, more))  # noqa: SLF001


_GLOBALS = {"__name__": "labgate", "_call": _call, "_call_open": _call_open, "_none": {}}


def function_of(method: Method, components: Callable[[], dict[str, Any]]) -> FunctionType:
    """A function with the method's signature and documentation, to be bound to a client or namespace.

    Args:
        method: the method.
        components: gives the document's `components`, for schemas that refer to them.
    """
    title = method.name if method.name.isprintable() else "method"
    leaf = title.rpartition(".")[2]
    leaf = python_name(leaf) or leaf
    names = [str(one.name) for one in method.named]
    receiver = next((one for one in _RECEIVERS if one not in names), None) or _unused("_labgate_", names)
    by_position = method.positional
    if method.open:
        code = _open_template()
        names = ["args", "kwargs"]
    else:
        code = _template(by_position, len(names) - by_position, bool(method.odd))
        if method.odd:
            names.append(_unused("more", names))
    code = code.replace(
        co_varnames=(receiver, *names), co_freevars=(_METHOD_CELL,), co_name=leaf, co_qualname=title
    )
    function = FunctionType(code, _GLOBALS, leaf, None, (CellType(method),))
    defaults = [(one.name, one.default) for one in method.named if not one.required]
    if defaults:
        positional = {one.name for one in method.named[:by_position]}
        function.__defaults__ = tuple(default for name, default in defaults if name in positional)
        function.__kwdefaults__ = {str(name): default for name, default in defaults if name not in positional}
    function.__annotations__ = hints_of(method, components)
    function.__doc__ = docstring(method)
    function.__qualname__ = title
    function.__module__ = "labgate"
    return function


def _template(by_position: int, by_name: int, more: bool) -> CodeType:
    shape = (by_position, by_name, more)
    code = _templates.get(shape)
    if code is None:
        names = [f"a{at}" for at in range(by_position + by_name)]
        declared = ["receiver", "/", *names[:by_position]]
        if by_name:
            declared += ["*", *names[by_position:]]
        if more:
            declared.append("**more")
        values = "".join(f"{name}," for name in names)
        code = _compiled(
            f"({', '.join(declared)}): return _call(receiver, method, ({values}), {'more' if more else '_none'})"
        )
        _templates[shape] = code
    return code


def _open_template() -> CodeType:
    shape = (-1, -1, True)
    code = _templates.get(shape)
    if code is None:
        code = _compiled("(receiver, /, *args, **kwargs): return _call_open(receiver, method, args, kwargs)")
        _templates[shape] = code
    return code


def _compiled(rest: str) -> CodeType:
    space: dict[str, Any] = {}
    text = f"def outer(method):\n    def inner{rest}\n    return inner"
    exec(compile(text, "<labgate>", "exec"), space)  # noqa: S102 - our own text, made of numbers only
    code: CodeType = space["outer"](None).__code__
    return code


def _unused(name: str, names: list[str]) -> str:
    while name in names:
        name += "_"
    return name
