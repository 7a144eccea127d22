"""How do many calls travel as one request, each with its own outcome?"""

from __future__ import annotations

import json

from labgate._codec import decode_json, packed_request
from labgate._outcome import error_of, payload_of, refusal_of
from labgate.errors import BadReply, BatchNotSent, Error

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any

    from labgate._client import Client
    from labgate._link import Link
    from labgate._method import Method
    from labgate._session import Session
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

    def __init__(self, session: Session) -> None:
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

    def derive(self, changes: dict[str, Any]) -> Recorder:  # noqa: ARG002 - a session's signature
        """Refused: one request has one set of options."""
        raise BatchNotSent(
            "a batch has one set of options", hint="Give them before: labgate.batch(lab(timeout=5))."
        )

    def recipe(self) -> tuple[Any, ...]:
        """Refused: a batch belongs to its `with` block."""
        raise TypeError("a batch cannot be pickled")


class Batch:
    """The context manager of `labgate.batch`."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._recorder: Recorder | None = None

    def __enter__(self) -> Client:
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
        recorder.open = False
        if kind is not None:
            for _, _, handle in recorder.calls:
                handle.abandon()
        elif recorder.calls:
            _send(recorder)


def batch(client: Client) -> Batch:
    """Many calls as one request::

    with labgate.batch(lab) as b:
        x, y = b.info.get_datastack("a"), b.info.get_datastack("b")
    print(x.result(), y.exception())
    """
    return Batch(client)


def _send(recorder: Recorder) -> None:
    session, calls = recorder.session, recorder.calls
    gate = str(session.link.address)
    repeatable = all(method.repeatable for method, _, _ in calls)
    try:
        body, packed = _body(recorder)
        response = session.send(
            body,
            packed=packed,
            binary=any(method.binary for method, _, _ in calls),
            name=None,
            repeatable=repeatable,
        )
        payload = payload_of(response, None, gate, repeatable=repeatable)
        if not isinstance(payload, list):
            error = refusal_of(response, None, gate, repeatable=repeatable)
            if not error.hint and error.code in (-32600, -32007):
                error.hint = f"The batch has {len(calls)} calls: send it in smaller ones."
            raise error
    except Error as error:
        for _, _, handle in calls:
            handle.settle(error=error)
        raise
    _settle(recorder, payload, response)


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
    for at, (method, _, handle) in enumerate(recorder.calls):
        answer = answers.get(at, {})
        if answer.get("error") is not None:
            handle.settle(error=error_of(answer["error"], response, method.name))
        elif "result" in answer:
            try:
                handle.settle(recorder.session.shaped(answer["result"], method))
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
