"""How do many calls travel as one request, each with its own outcome?"""

from __future__ import annotations

import json

from labgate._at_once import at_once, is_awaited, settled
from labgate._codec import decode_json, packed_request
from labgate._origins import traced
from labgate._outcome import error_of, payload_of, refusal_of
from labgate._session import terms_of
from labgate.errors import BadReply, BatchNotSent, Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any, overload

    from labgate._async_batch import AsyncBatch
    from labgate._async_client import AsyncClient
    from labgate._client import Client
    from labgate._delivery import Request
    from labgate._link import Link
    from labgate._method import Method
    from labgate._session import Terms
    from labgate._wire import Response


class Handle:
    """One call of a batch; its outcome is there when the `with` block has ended."""

    __slots__ = ("_error", "_result", "_state", "method")

    def __init__(self, method: str) -> None:
        self.method = method
        self._state = "waiting"
        self._result: Any = None
        self._error: Error | None = None

    def done(self) -> bool:
        """True when there is an outcome."""
        return self._state == "done"

    def result(self) -> Any:
        """What the call returned.

        Raises:
            BatchNotSent: the batch has not been sent.
            Error: the call has no result, or the whole batch has none.
        """
        self._need_outcome()
        if self._error is not None:
            raise self._error
        return self._result

    def exception(self) -> Error | None:
        """Why the call has no result; None when it has one.

        Raises:
            BatchNotSent: the batch has not been sent.
        """
        self._need_outcome()
        return self._error

    def __repr__(self) -> str:
        state = self._state if self._state != "done" else ("failed" if self._error else "done")
        return f"<labgate batch call {self.method}: {state}>"

    def settle(self, result: Any = None, error: Error | None = None) -> None:
        """Give the call its outcome."""
        self._result, self._error, self._state = result, error, "done"

    def abandon(self) -> None:
        """The batch will never be sent."""
        self._state = "abandoned"

    def _need_outcome(self) -> None:
        if self._state == "waiting":
            raise BatchNotSent(
                "the batch has not been sent yet",
                method=self.method,
                hint="It is sent where its `with` block ends: ask for results behind it.",
            )
        if self._state == "abandoned":
            raise BatchNotSent(
                "the batch was never sent: an error ended its `with` block", method=self.method
            )


class Recorder:
    """Takes a session's place in the client of a `with` block: it writes calls down and sends nothing."""

    def __init__(self, session: Terms) -> None:
        self.link: Link = session.link
        self.session = session
        self.defaults: Mapping[str, Any] = session.defaults
        self.calls: list[tuple[Method, Any, Handle]] = []
        self.open = True

    def call(self, method: Method, params: list[Any] | dict[str, Any] | None) -> Handle:
        """A handle for a call that will be made."""
        if not self.open:
            raise BatchNotSent("this batch has ended: begin a new one", method=method.name)
        # Encoded now, so that what cannot be sent is told at its own line, and later changes to it do not matter.
        text = None if params is None else self.session.encode(params)
        handle = Handle(method.name)
        self.calls.append((method, text, handle))
        return handle

    def end(self, *, broken: bool) -> bool:
        """No more calls are taken; whether there is something to send. An error that ended the block abandons them."""
        self.open = False
        if broken:
            for _, _, handle in self.calls:
                handle.abandon()
        return not broken and bool(self.calls)

    def asked(self) -> Request:
        """The one request of all calls."""
        body, packed = _body(self)
        return self.session.request(
            body,
            packed=packed,
            binary=any(method.binary for method, _, _ in self.calls),
            name=None,
            repeatable=self._repeatable(),
        )

    def settle(self, response: Response) -> None:
        """Give each call its outcome.

        Raises:
            Error: there is no answer to the batch.
        """
        gate = str(self.session.link.address)
        payload = payload_of(response, None, gate, repeatable=self._repeatable())
        if not isinstance(payload, list):
            error = refusal_of(response, None, gate, repeatable=self._repeatable())
            if not error.hint and error.code in (-32600, -32007):
                error.hint = f"The batch has {len(self.calls)} calls: send it in smaller ones."
            raise error
        _settle(self, payload, response)

    def fail(self, error: Error) -> None:
        """An error of the whole is every call's outcome."""
        for _, _, handle in self.calls:
            handle.settle(error=error)

    def _repeatable(self) -> bool:
        return all(method.repeatable for method, _, _ in self.calls)

    def derive(self, changes: dict[str, Any]) -> Recorder:  # noqa: ARG002 - a session's signature
        """Refused: one request has one set of options."""
        raise BatchNotSent(
            "a batch has one set of options", hint="Give them before: labgate.batch(lab(timeout=5))."
        )

    def recipe(self) -> tuple[Any, ...]:
        """Refused: a batch belongs to its `with` block."""
        raise TypeError("a batch cannot be pickled")


def not_begun(name: str, batch: object, block: str = "with") -> AttributeError:
    """That a batch is no client itself."""
    how = "" if name.startswith("_") else f": write `{block} labgate.batch(lab) as b:`, and call `b`"
    return AttributeError(f"this batch has no {name!r}{how}", name=name, obj=batch)


class Batch:
    """The context manager of `labgate.batch`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._recorder: Recorder | None = None

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Say how calls are made to whom made one without the block."""
            raise not_begun(name, self)

    def __enter__(self) -> Any:  # not a Client, for whose methods types say what they would return
        """The client that writes calls down: its methods give handles."""
        if self._recorder is not None:
            raise BatchNotSent("this batch was used before: begin a new one")
        self._recorder = Recorder(self._client._session)  # type: ignore[arg-type]  # noqa: SLF001
        return type(self._client)(self._recorder, self._client._space)  # noqa: SLF001

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what was written down, unless an error ended the block.

        Raises:
            Error: the batch as a whole has no answer; every handle tells the same.
        """
        recorder = self._recorder
        if recorder is None:
            return
        if recorder.end(broken=kind is not None):
            at_once(carry(recorder))


if TYPE_CHECKING:

    @overload
    def batch(client: Client) -> Batch: ...

    @overload
    def batch(client: AsyncClient) -> AsyncBatch: ...


def batch(client: Client | AsyncClient) -> Batch | AsyncBatch:
    """Many calls as one request::

    with labgate.batch(lab) as b:
        x, y = b.info.get_datastack("a"), b.info.get_datastack("b")
    print(x.result(), y.exception())

    Of an async client it is an `async with` block, in which methods are called without `await`.
    """
    terms_of(client, "batch")
    if is_awaited(client):
        from labgate._async_batch import AsyncBatch

        return AsyncBatch(client)  # type: ignore[arg-type]
    return Batch(client)  # type: ignore[arg-type]


async def carry(recorder: Recorder) -> int:
    """Send what was written down, and give each handle its outcome; for callers that wait, too: see `labgate._at_once`.

    Returns:
        The bytes of the answer.

    Raises:
        Error: the batch as a whole has no answer; every handle tells the same.
    """
    session: Any = recorder.session
    try:
        if session.awaited:
            await session.link.credential_ready()
        response: Response = await settled(session.send(recorder.asked()))
        recorder.settle(response)
    except Error as error:
        recorder.fail(error)
        raise
    return len(response.body)


def _body(recorder: Recorder) -> tuple[bytes, bool]:
    """The batch in one encoding: msgpack when one of its calls needs it."""
    calls = recorder.calls
    if not any(text is not None and text[1] for _, text, _ in calls):
        return b"[%b]" % b",".join(
            _json_entry(at, method, text) for at, (method, text, _) in enumerate(calls)
        ), False
    import msgpack

    entries = []
    for at, (method, text, _) in enumerate(calls):
        if text is None:
            entries.append(msgpack.packb({"jsonrpc": "2.0", "id": at, "method": method.name}))
        else:
            packed = text[0] if text[1] else recorder.session.repack(decode_json(text[0]))
            entries.append(packed_request(method.name, at, packed))
    return b"".join([msgpack.Packer().pack_array_header(len(entries)), *entries]), True


def _json_entry(at: int, method: Method, text: tuple[bytes, bool] | None) -> bytes:
    name = json.dumps(method.name).encode("ascii")
    params = b"" if text is None else b',"params":%b' % text[0]
    return b'{"jsonrpc":"2.0","id":%d,"method":%b%b}' % (at, name, params)


def _settle(recorder: Recorder, payload: list[Any], response: Response) -> None:
    """Give each call the answer with its number; answers may stand in any order."""
    answers = {
        answer["id"]: answer
        for answer in payload
        if isinstance(answer, dict) and type(answer.get("id")) is int
    }
    for at, (method, text, handle) in enumerate(recorder.calls):
        answer = answers.get(at, {})
        if answer.get("error") is not None:
            handle.settle(error=error_of(answer["error"], response, method.name))
        elif "result" in answer:
            try:
                found = recorder.session.shaped(answer["result"], method)
                sent = None if text is None else text[0]
                handle.settle(traced(found, recorder.link, method.name, sent, response, bare=True))
            except Error as error:
                handle.settle(error=error)
        else:
            handle.settle(
                error=BadReply(
                    "the gate's answer to the batch leaves this call out",
                    method=method.name,
                    http_status=response.status,
                    maybe_executed=not method.repeatable,
                    hint="",
                )
            )
