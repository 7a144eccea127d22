"""How do programs written for `cryosparc.command` go on, with another import line?

    from labgate.command import CommandClient, make_json_request, make_request

    cli = CommandClient(host="gate.lab.org", port=8700, url="/cryosparc", headers={"Authorization": f"Bearer {token}"})
    cli.enqueue_job(project_uid="P3", job_uid="J42", lane="csworker")

Names, defaults and shapes are those of cryosparc-tools 4.7. What differs: nothing that may have been carried out is sent
twice, no name that a server lists can break the client, arrays are sent without an encoder of one's own, answers that
are none are an `Error`, and no header goes along to another server. New programs use `labgate.connect`.
"""

from __future__ import annotations

import json
import os
import time
import uuid
import warnings
from http.client import HTTPException, HTTPResponse
from socket import gaierror
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from labgate._codec import simpler
from labgate._names import callers_level, printable
from labgate.errors import Error as _Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Any

__all__ = ["CommandClient", "CommandError", "Error", "make_json_request", "make_request"]

_LONGEST = 20_000
_MOST_OF_A_REFUSAL = 16 * 1024 * 1024
_OWN = frozenset(("Error", "service"))


def _number(name: str, otherwise: int) -> int:
    try:
        return int(os.environ.get(name, otherwise))
    except ValueError:
        return otherwise


MAX_ATTEMPTS = _number("CRYOSPARC_COMMAND_RETRIES", 3)
RETRY_INTERVAL = _number("CRYOSPARC_COMMAND_RETRY_SECONDS", 30)


class Error(_Error):
    """A command server, or the way to it, did not give what was asked for.

    Attributes:
        code: the JSON-RPC error's code, else the HTTP status; 500 where there was no answer.
        data: the JSON-RPC error's data, else the answer's body: parsed where it is JSON.
        url: the address that was asked.
    """

    def __init__(self, reason: str = "", *, url: str = "", code: int | None = 500, data: Any = None) -> None:
        super().__init__(f"*** ({url}, code {code}) {reason}", code=code, data=data)
        self.reason = reason
        self.url = url

    def __str__(self) -> str:
        return printable(self.message, _LONGEST, lines=True)

    def __reduce__(self) -> tuple[Any, ...]:
        return _error, (type(self), self.reason, self.url, self.code, self.data)


CommandError = Error


class CommandClient:
    """A command server's methods as attributes, as its `system.describe` lists them.

    Args:
        service: what the server is called, in error texts.
        host, port: where it is.
        url: a prefix of all paths, like `/cryosparc`.
        timeout: seconds for each wait.
        headers: go along with every request.
        cls: writes values that JSON does not know; without one arrays are lists, and so on.
    """

    Error = Error

    def __init__(
        self,
        service: str = "command",
        host: str = "localhost",
        port: int = 39002,
        url: str = "",
        timeout: int = 300,
        headers: Mapping[str, str] | None = None,
        cls: type[json.JSONEncoder] | None = None,
    ) -> None:
        self.service = service
        self._url = f"http://{host}:{port}{url}"
        self._cls = cls
        self._timeout = timeout
        self._headers = dict(headers or {})
        self._endpoints: list[str] = []
        self._procs: dict[str, dict[str, Any]] = {}
        self._reload()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Callable[..., Any]: ...

    def __call__(self) -> None:
        """Ask for the list of methods again."""
        self._reload()

    def __getitem__(self, name: str) -> Callable[..., Any]:
        """The method of this name, whether it can be an attribute or not."""
        return self._get_callable(name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.service} at {self._url}: {len(self._endpoints)} methods>"

    def _reload(self) -> None:
        described = self._get_callable("system.describe")()
        procs = described.get("procs") if isinstance(described, dict) else None
        if not isinstance(procs, list):
            raise Error("system.describe has no list of methods", url=self._url)
        found = {
            one["name"]: one for one in procs if isinstance(one, dict) and isinstance(one.get("name"), str)
        }
        for name in self._endpoints:
            self.__dict__.pop(name, None) if _can_be_attribute(name) else None
        self._procs, self._endpoints = found, list(found)
        for name in filter(_can_be_attribute, found):
            setattr(self, name, self._get_callable(name))

    def _get_callable(self, key: str) -> Callable[..., Any]:
        def func(*args: Any, **kwargs: Any) -> Any:
            params = self._params(key, args, kwargs)
            asked = {"jsonrpc": "2.0", "method": key, "params": params, "id": str(uuid.uuid4())}
            with make_json_request(self, "/api", data=asked) as response:
                body = response.read()
            return _result(body, key, self._url)

        func.__name__ = func.__qualname__ = printable(key, 200)
        about = self._procs.get(key, {})
        func.__doc__ = printable(about.get("summary") or about.get("help"), _LONGEST, lines=True) or None
        return func

    def _params(self, key: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Arguments by name if there are any, else by position; mixed ones where the server names its parameters."""
        if not (args and kwargs):
            return kwargs or args
        params = self._procs.get(key, {}).get("params")
        names = [
            one.get("name") if isinstance(one, dict) else one
            for one in (params if isinstance(params, list) else ())
        ][: len(args)]
        if len(names) < len(args) or not all(isinstance(name, str) for name in names):
            raise TypeError(f"{key}() does not name its parameters: give all by position or all by name")
        twice = [name for name in names if name in kwargs]
        if twice:
            raise TypeError(f"{key}() got multiple values for argument {twice[0]!r}")
        return {**dict(zip(names, args, strict=True)), **kwargs}


def make_request(
    client: CommandClient,
    method: str = "POST",
    url: str = "",
    *,
    query: Mapping[str, Any] | None = None,
    data: Any = None,
    headers: Mapping[str, str] | None = None,
) -> AbstractContextManager[HTTPResponse]:
    """A plain HTTP request to a command server; its response, in a `with` block.

    Args:
        client: the client.
        method: the HTTP verb.
        url: a path below the client's own.
        query: names and values.
        data: the body: bytes, a file, or an iterable of bytes, which travels in chunks.
        headers: further fields.

    Raises:
        Error: when the block is entered: there is no answer, or one with a status of 400 or more.
    """
    target = f"{client._url}{url}{'?' + urlencode(query) if query else ''}"  # noqa: SLF001
    fields = {"Originator": "client", **client._headers, **(headers or {})}  # noqa: SLF001
    return _Exchange(client, method, target, fields, data)


def make_json_request(
    client: CommandClient,
    url: str = "",
    *,
    query: Mapping[str, Any] | None = None,
    data: Any = None,
    headers: Mapping[str, str] | None = None,
) -> AbstractContextManager[HTTPResponse]:
    """The same with a value that is sent as JSON by POST; the response is what it is."""
    how: dict[str, Any] = {"cls": client._cls} if client._cls else {"default": _plain}  # noqa: SLF001
    body = json.dumps(data, **how).encode()
    fields = {"Content-Type": "application/json", **(headers or {})}
    return make_request(client, url=url, query=query, data=body, headers=fields)


class _Exchange:
    """One request, sent when the `with` block is entered."""

    def __init__(
        self, client: CommandClient, method: str, url: str, headers: dict[str, str], data: Any
    ) -> None:
        self._client = client
        self._method = method
        self._url = url
        self._headers = headers
        self._data = data
        self._response: HTTPResponse | None = None

    def __enter__(self) -> HTTPResponse:
        # What is read as it is sent cannot be sent again.
        again = MAX_ATTEMPTS - 2 if self._data is None or isinstance(self._data, bytes) else 0
        while True:
            try:
                return self._opened()
            except URLError as error:
                # Only then it is certain that nothing was sent.
                if not isinstance(error.reason, (ConnectionRefusedError, gaierror)) or again <= 0:
                    self._warn(f"URL Error {error.reason}")
                    raise Error(f"URL Error {error.reason}", url=self._url) from None
                again -= 1
                self._warn(f"URL Error {error.reason}, trying again in {RETRY_INTERVAL} seconds")
                time.sleep(RETRY_INTERVAL)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is not None:
            self._response.close()

    def _opened(self) -> HTTPResponse:
        """The response.

        Raises:
            Error: there is none, or one with a status of 400 or more.
            URLError: the request did not leave as a whole.
        """
        request = Request(self._url, data=self._data, headers=self._headers, method=self._method)  # noqa: S310 - always http
        timeout = self._client._timeout  # noqa: SLF001
        try:
            found: HTTPResponse = build_opener(_Redirects).open(request, timeout=timeout)
        except HTTPError as error:
            raise self._refusal(error) from None
        except URLError as error:
            if not isinstance(error.reason, TimeoutError):
                raise
        except TimeoutError:
            pass
        except (HTTPException, OSError) as error:
            raise Error(f"the connection broke: {type(error).__name__}", url=self._url) from error
        else:
            self._response = found
            return found
        # The server may be at it: sending the same again would let it be done twice.
        self._warn(f"no answer within {timeout} seconds")
        raise Error("Timeout Error", url=self._url)

    def _refusal(self, error: HTTPError) -> Error:
        with error:
            data: Any = error.read(_MOST_OF_A_REFUSAL) if error.fp else b""
        if data and error.headers.get_content_type() == "application/json":
            try:
                data = json.loads(data)
            except (ValueError, RecursionError):
                pass  # then it is said as it came
        said = printable(data.decode("utf-8", "replace") if isinstance(data, bytes) else str(data), 2000)
        reason = f"HTTP Error {error.code} {error.reason}; the log of {self._client.service} may tell more"
        reason += f"\nResponse from server: {said}" if said else ""
        self._warn(reason)
        return Error(reason, url=self._url, code=error.code, data=data or None)

    def _warn(self, text: str) -> None:
        """A warning at the line of the program that called, however many of ours are between."""
        warned = f"*** {type(self._client).__name__}: ({self._url}) {text}"
        warnings.warn(warned, stacklevel=callers_level())


class _Redirects(HTTPRedirectHandler):
    """Follows what asks again for the same; a body is never left behind, and no field goes to another server."""

    def redirect_request(
        self, req: Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        if req.get_method() not in ("GET", "HEAD"):
            return None
        found = super().redirect_request(req, fp, code, msg, headers, newurl)
        if found is not None and urlsplit(newurl)[:2] != urlsplit(req.full_url)[:2]:
            found.headers.clear()
        return found


def _result(body: bytes, key: str, url: str) -> Any:
    """The result in the answer to a call.

    Raises:
        Error: it has none.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError) as fault:
        raise Error(f'the answer to "{key}" is no JSON', url=url) from fault
    if not isinstance(answer, dict) or not ("result" in answer or answer.get("error") is not None):
        raise Error(f'JSON response not received from JSONRPC function "{key}"', url=url)
    error = answer.get("error")
    if error is None:
        return answer["result"]
    facts = error if isinstance(error, dict) else {"message": error}
    data = facts.get("data")
    trace = data.get("traceback") if isinstance(data, dict) else None
    words = [str(facts.get("message", facts)), *([str(trace or data)] if data else [])]
    raise Error(
        f'Encountered {facts.get("name", "Error")} from JSONRPC function "{key}":\n' + "\n".join(words),
        url=url,
        code=facts.get("code"),
        data=data,
    )


def _can_be_attribute(name: str) -> bool:
    return not name.startswith("_") and name not in _OWN


def _plain(value: Any) -> object:
    """A value that JSON does not know: arrays as lists, because command servers know nothing else."""
    return value.tolist() if hasattr(value, "tolist") else simpler(value)


def _error(kind: type[Error], reason: str, url: str, code: int, data: Any) -> Error:
    """The error of a pickle."""
    return kind(reason, url=url, code=code, data=data)
