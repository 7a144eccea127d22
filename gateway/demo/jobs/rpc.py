"""Which method does a JSON-RPC 2.0 request name, do its parameters fit, and what is the answer?

Methods are ordinary typed functions marked with `@offered`; their annotations make the description that
`system.describe` gives (JSON-RPC 1.1 working draft, procedure description, as Flask-JSONRPC 0.3 writes it).
"""

import inspect
import json
import logging
import types
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from gateway.demo.jobs.errors import (
    InvalidParamsError,
    InvalidRequestError,
    MethodNotFoundError,
    OtherError,
    ParseError,
    ServiceError,
)

Function = TypeVar("Function", bound=Callable[..., Any])

log = logging.getLogger(__name__)

_MARK = "offered_as"
_DESCRIBE = "system.describe"
_KIND_OF = {str: "str", int: "num", float: "num", bool: "bit", list: "arr", dict: "obj", type(None): "nil"}
_FITS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "num": (int, float),
    "bit": (bool,),
    "arr": (list,),
    "obj": (dict,),
    "any": (object,),
}


def offered(*, safe: bool = False) -> Callable[[Function], Function]:
    """Mark a method for callers; `safe` means that it changes nothing, and is described as `idempotent`."""

    def mark(function: Function) -> Function:
        setattr(function, _MARK, safe)
        return function

    return mark


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its kind is one of bit, num, str, arr, obj, any; a whole number where `whole`."""

    name: str
    kind: str
    whole: bool
    nullable: bool
    required: bool

    def check(self, value: Any) -> None:
        """Raise InvalidParamsError unless `value` is of this kind."""
        if value is None and self.nullable:
            return
        fits = isinstance(value, _FITS[self.kind])
        # bool is an int to Python, not to JSON-RPC.
        if isinstance(value, bool) and self.kind == "num":
            fits = False
        if self.whole and isinstance(value, float):
            fits = False
        if not fits:
            wanted = "a whole num" if self.whole else self.kind
            raise InvalidParamsError(f"{self.name} must be {wanted}")


@dataclass(frozen=True, slots=True)
class Procedure:
    """One method: what is known of it, and the function that carries it out."""

    name: str
    help: str
    safe: bool
    parameters: tuple[Parameter, ...]
    returns: str
    function: Callable[..., Any]

    def bind(self, params: list[Any] | dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments for `function`; InvalidParamsError says what does not fit."""
        names = [parameter.name for parameter in self.parameters]
        if isinstance(params, list):
            if len(params) > len(names):
                raise InvalidParamsError(f"{self.name} takes at most {len(names)} parameters")
            params = dict(zip(names, params, strict=False))
        if unknown := sorted(set(params) - set(names)):
            raise InvalidParamsError(f"{self.name} has no parameter {unknown[0]!r}")
        for parameter in self.parameters:
            if parameter.name in params:
                parameter.check(params[parameter.name])
            elif parameter.required:
                raise InvalidParamsError(f"{self.name} needs {parameter.name}")
        return params

    def as_json(self) -> dict[str, Any]:
        """The entry of `procs`."""
        return {
            "name": self.name,
            "summary": self.help.partition("\n")[0],
            "help": self.help,
            "idempotent": self.safe,
            "params": [{"name": parameter.name, "type": parameter.kind} for parameter in self.parameters],
            "return": {"type": self.returns},
        }


def procedures_of(part: object) -> Iterable[Procedure]:
    """The methods of `part` that are marked with `@offered`, in the order of their names."""
    for name, function in inspect.getmembers(part, inspect.ismethod):
        if hasattr(function, _MARK):
            hints = get_type_hints(function)
            yield Procedure(
                name=name,
                help=inspect.getdoc(function) or "",
                safe=getattr(function, _MARK),
                parameters=tuple(_parameter(p, hints[p.name]) for p in _parameters(function)),
                returns=_kind(hints["return"])[0],
                function=function,
            )


def _parameters(function: Callable[..., Any]) -> Iterable[inspect.Parameter]:
    return inspect.signature(function).parameters.values()


def _parameter(parameter: inspect.Parameter, hint: Any) -> Parameter:
    kind, nullable = _kind(hint)
    required = parameter.default is inspect.Parameter.empty
    whole = hint is int or int in get_args(hint)
    return Parameter(parameter.name, kind, whole, nullable, required)


def _kind(hint: Any) -> tuple[str, bool]:
    """The JSON-RPC 1.1 name of a Python type, and whether None is allowed."""
    if get_origin(hint) in (Union, types.UnionType):
        inner = [option for option in get_args(hint) if option is not type(None)]
        kind = _kind(inner[0])[0] if len(inner) == 1 else "any"
        return kind, len(inner) < len(get_args(hint))
    return _KIND_OF.get(get_origin(hint) or hint, "any"), hint is Any


class RpcService:
    """All methods of one service.

    Args:
        name, version, summary: what `system.describe` says of the service.
        parts: objects whose `@offered` methods are the service's methods.
    """

    def __init__(self, name: str, version: str, summary: str, parts: Iterable[object]) -> None:
        self._about = {
            "sdversion": "1.0",
            "name": name,
            "id": f"urn:uuid:{uuid.uuid4()}",
            "version": version,
            "summary": summary,
        }
        self._procedures = {each.name: each for part in parts for each in procedures_of(part)}

    def describe(self) -> dict[str, Any]:
        """The service and its procedures; `system.describe` itself is not among them."""
        return self._about | {"procs": [each.as_json() for each in self._procedures.values()]}

    def answer(self, body: bytes) -> bytes | None:
        """The answer to a request or a batch; None when there were only notifications."""
        try:
            request = json.loads(body)
        except (ValueError, RecursionError):
            return _encoded(_response(None, error=ParseError("the body is not JSON")))
        if not isinstance(request, list):
            response = self._respond(request)
            return None if response is None else _encoded(response)
        if not request:
            return _encoded(_response(None, error=InvalidRequestError("the batch is empty")))
        responses = [response for each in request if (response := self._respond(each)) is not None]
        return _encoded(responses) if responses else None

    def _respond(self, request: Any) -> dict[str, Any] | None:
        identity = request.get("id") if isinstance(request, dict) else None
        if isinstance(identity, bool | list | dict):
            identity = None
        notification = False
        try:
            method, params = _read(request)
            # Only an absent id makes a notification: "id": null is a call.
            notification = "id" not in request
            response = _response(identity, result=self._call(method, params))
        except ServiceError as error:
            response = _response(identity, error=error)
        except Exception:
            log.exception("a method failed")
            response = _response(identity, error=OtherError("the service made a mistake; its log has more"))
        return None if notification else response

    def _call(self, method: str, params: list[Any] | dict[str, Any]) -> Any:
        if method == _DESCRIBE:
            return self.describe()
        procedure = self._procedures.get(method)
        if procedure is None:
            raise MethodNotFoundError(f"there is no method {method[:80]!r}")
        return procedure.function(**procedure.bind(params))


def _read(request: Any) -> tuple[str, list[Any] | dict[str, Any]]:
    if not isinstance(request, dict) or request.get("jsonrpc") != "2.0":
        raise InvalidRequestError('a request is an object with "jsonrpc": "2.0"')
    method, params = request.get("method"), request.get("params")
    if not isinstance(method, str):
        raise InvalidRequestError("method must be a string")
    if isinstance(request.get("id"), bool | list | dict):
        raise InvalidRequestError("id must be a string, a number or null")
    if params is None:
        params = []
    if not isinstance(params, list | dict):
        raise InvalidRequestError("params must be an array or an object")
    return method, params


def _response(identity: Any, *, result: Any = None, error: ServiceError | None = None) -> dict[str, Any]:
    outcome = {"result": result} if error is None else {"error": error.as_json()}
    return {"jsonrpc": "2.0", "id": identity} | outcome


def _encoded(answer: Any) -> bytes:
    return json.dumps(answer).encode("ascii")
