"""How does a method become a real Python function, without compiling any text of the network?

One template per shape (how many parameters by position, how many by name only, `**` or not) is compiled from our own
text; a method's function is this template's code with other names in it.
"""

from __future__ import annotations

from functools import partial
from keyword import iskeyword
from types import CellType, FunctionType

from labgate._docs import docstring, hints_of
from labgate._names import callers_level, printable, receiver_beside, unused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

    from labgate._method import Method

# A name of ours inside the templates; it is no identifier, so that no parameter can have it.
_METHOD_CELL = ".method"

_templates: dict[tuple[int, int, bool, bool], CodeType] = {}


def _call(receiver: Any, method: Method, values: tuple[Any, ...], more: dict[str, Any]) -> Any:
    session = receiver._session  # noqa: SLF001
    return session.call(method, method.arguments(values, more, session.defaults))


def _call_open(receiver: Any, method: Method, values: tuple[Any, ...], more: dict[str, Any]) -> Any:
    return receiver._session.call(method, method.open_arguments(values, more))  # noqa: SLF001


def _call_old(receiver: Any, method: Method, values: tuple[Any, ...], more: dict[str, Any]) -> Any:
    _warn_of(method)
    return _call(receiver, method, values, more)


def _call_old_open(receiver: Any, method: Method, values: tuple[Any, ...], more: dict[str, Any]) -> Any:
    _warn_of(method)
    return _call_open(receiver, method, values, more)


def _warn_of(method: Method) -> None:
    import warnings

    text = f"{printable(method.name, 200)} is deprecated: its service wants it to be used no more"
    warnings.warn(text, DeprecationWarning, stacklevel=callers_level())


_GLOBALS = {"__name__": "labgate", "_call": _call, "_call_open": _call_open, "_none": {}}
_OLD = {
    **_GLOBALS,
    "_call": _call_old,
    "_call_open": _call_old_open,
}  # of deprecated methods: others pay nothing


def function_of(
    method: Method, components: Callable[[], dict[str, Any]], *, awaited: bool = False
) -> FunctionType:
    """A function with the method's signature and documentation, to be bound to a client or namespace.

    Args:
        method: the method.
        components: gives the document's `components`, for schemas that refer to them.
        awaited: it is a coroutine function.
    """
    title = method.name if method.name.isprintable() else "method"
    leaf = title.rpartition(".")[2]
    leaf = f"{leaf}_" if iskeyword(leaf) else leaf
    named = method.named
    names = [one.name or "" for one in named]
    receiver = receiver_beside(names)
    by_position = method.positional
    if method.open:
        code = _open_template(awaited)
        names = ["args", "kwargs"]
    else:
        code = _template(by_position, len(names) - by_position, bool(method.odd), awaited)
        if method.odd:
            names.append(unused("more", names))
    code = code.replace(
        co_varnames=(receiver, *names), co_freevars=(_METHOD_CELL,), co_name=leaf, co_qualname=title
    )
    old = method.description.get("deprecated") is True
    defaults = tuple([one.default for one in named[:by_position] if not one.required])
    function = FunctionType(code, _OLD if old else _GLOBALS, leaf, defaults or None, (CellType(method),))
    if by_position < len(named):
        function.__kwdefaults__ = {
            one.name or "": one.default for one in named[by_position:] if not one.required
        }
    function.__annotations__ = hints_of(method, components)
    function.__doc__ = docstring(method)
    function.__qualname__ = title
    function.__module__ = "labgate"
    # Bound methods show what their function has: IPython asks them for this name.
    function.__dict__["_repr_html_"] = partial(_html, method)
    return function


def _html(method: Method) -> str:
    from labgate._shown_method import html_of_method

    return html_of_method(method)


def _template(by_position: int, by_name: int, more: bool, awaited: bool) -> CodeType:
    shape = (by_position, by_name, more, awaited)
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
            f"({', '.join(declared)})",
            f"_call(receiver, method, ({values}), {'more' if more else '_none'})",
            awaited,
        )
        _templates[shape] = code
    return code


def _open_template(awaited: bool) -> CodeType:
    shape = (-1, -1, True, awaited)
    code = _templates.get(shape)
    if code is None:
        code = _compiled(
            "(receiver, /, *args, **kwargs)", "_call_open(receiver, method, args, kwargs)", awaited
        )
        _templates[shape] = code
    return code


def _compiled(parameters: str, call: str, awaited: bool) -> CodeType:
    space: dict[str, Any] = {}
    kind, wait = ("async def", "await ") if awaited else ("def", "")
    text = f"def outer(method):\n    {kind} inner{parameters}: return {wait}{call}\n    return inner"
    exec(compile(text, "<labgate>", "exec"), space)  # noqa: S102 - our own text, made of numbers only
    code: CodeType = space["outer"](None).__code__
    return code
