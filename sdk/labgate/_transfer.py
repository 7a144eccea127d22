"""How do files come from a service and go to one, whole, whatever breaks on the way?"""

from __future__ import annotations

import os
import re

from labgate import _digests
from labgate._at_once import beside, carried, is_awaited, settled
from labgate._names import printable
from labgate._partfile import PartFile
from labgate._progress import Progress
from labgate._request import Asking
from labgate._response import Uploaded
from labgate.errors import BadReply, DeadlineExceeded, Error, GateUnreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from typing import Any, overload

    from labgate._async_client import AsyncClient, AsyncNamespace
    from labgate._beginning import Beginning
    from labgate._client import Client, Namespace
    from labgate._outgoing import Data
    from labgate._progress import Shown
    from labgate._request import AnyData
    from labgate._target import Query

_PIECE = 1 << 20
_PART, _NO_SUCH_RANGE = 206, 416
_STRONG_TAG = re.compile(r'"[!#-~]*"')
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")


if TYPE_CHECKING:

    @overload
    def download(
        target: Client | Namespace,
        url: str,
        *,
        to: str | os.PathLike[str],
        method: str = "GET",
        query: Query | None = None,
        json: Any = ...,
        headers: Mapping[str, str] | None = None,
        resume: bool = True,
        progress: Shown = False,
    ) -> str: ...

    @overload
    def download(
        target: AsyncClient | AsyncNamespace,
        url: str,
        *,
        to: str | os.PathLike[str],
        method: str = "GET",
        query: Query | None = None,
        json: Any = ...,
        headers: Mapping[str, str] | None = None,
        resume: bool = True,
        progress: Shown = False,
    ) -> Coroutine[Any, Any, str]: ...


def download(
    target: Client | Namespace | AsyncClient | AsyncNamespace,
    url: str,
    *,
    to: str | os.PathLike[str],
    method: str = "GET",
    query: Query | None = None,
    json: Any = ...,
    headers: Mapping[str, str] | None = None,
    resume: bool = True,
    progress: Shown = False,
) -> str | Coroutine[Any, Any, str]:
    """Write what a mounted service answers into a file; returns its path.

        labgate.download(lab.files, "/images/7/raw", to="map.mrc", progress=True)

    The bytes are written to `to` + `.part`, which takes its place at once when it is whole: nobody ever sees half of
    a file. Of a GET whose reply has a strong ETag the part is kept when the connection breaks, and continued by the
    next `download` of the same; within this one as often as the client retries. Its length is checked, and its
    checksum where the reply names one (Repr-Digest, Content-Digest or Digest with sha-256 or sha-512).

    Args:
        target, url, method, query, json, headers: the request; see `labgate.request`.
        to: the file; one that is there is replaced.
        resume: False begins anew, and leaves nothing for a later download.
        progress: show how far it is; or a function that is told: how much is done, and of how much.

    Raises:
        Error: the gate or the service refuses, the reply did not come to its end, or it is not what it should be.
        SetupError: another download writes to the same file.
        OSError: the file cannot be written.
    """
    path = os.fspath(to)
    asking = _asking_of(target)(target, method, url, query=query, headers=headers)
    asking.carry(None, json)
    return carried(target, _download(asking, path, resume=resume and asking.resumable(), progress=progress))


async def _download(asking: Asking, path: str, *, resume: bool, progress: Shown) -> str:
    aside = beside(asking.session.awaited)
    tries = asking.session.options.retries if resume else 0
    with await settled(aside(PartFile, path, f"{asking.session.link.address.origin}{asking.path}")) as part:
        while True:
            before = part.size
            try:
                await _once(asking, part, resume=resume, progress=progress)
            except (GateUnreachable, DeadlineExceeded):
                if tries <= 0 or part.tag is None or part.size <= before:
                    raise
                tries -= 1
            else:
                await settled(aside(part.finish))
                return path


if TYPE_CHECKING:

    @overload
    def upload(
        target: Client | Namespace,
        url: str,
        source: str | os.PathLike[str] | Data,
        *,
        method: str = "PUT",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/octet-stream",
        progress: Shown = False,
    ) -> Uploaded: ...

    @overload
    def upload(
        target: AsyncClient | AsyncNamespace,
        url: str,
        source: str | os.PathLike[str] | AnyData,
        *,
        method: str = "PUT",
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/octet-stream",
        progress: Shown = False,
    ) -> Coroutine[Any, Any, Uploaded]: ...


def upload(
    target: Client | Namespace | AsyncClient | AsyncNamespace,
    url: str,
    source: str | os.PathLike[str] | AnyData,
    *,
    method: str = "PUT",
    query: Query | None = None,
    headers: Mapping[str, str] | None = None,
    content_type: str = "application/octet-stream",
    progress: Shown = False,
) -> Uploaded | Coroutine[Any, Any, Uploaded]:
    """Send a file, or what is in memory, to a mounted service; returns what it answered.

        labgate.upload(lab.files, "/images/8/raw", "map.mrc", progress=True)
        labgate.upload(lab.files, "/images/8/raw", array, method="POST", query={"overwrite": True})

    Memory is not copied, and files larger than memory are sent piece by piece. A refusal that comes before all of it
    has left ends the sending.

    Args:
        target, url, method, query, headers: the request; see `labgate.request`.
        source: a path, bytes, an array's memory, a binary file (from where it stands), or an iterable of bytes.
        content_type: what it is.
        progress: show how far it is; or a function that is told: how much is done, and of how much.

    Raises:
        Error: the gate or the service refuses, or no reply came.
        OSError: the file cannot be read.
    """
    asking = _asking_of(target)(target, method, url, query=query, headers=headers)
    return carried(target, _upload(asking, source, content_type, progress=progress))


async def _upload(asking: Asking, source: Any, content_type: str, *, progress: Shown) -> Uploaded:
    if isinstance(source, (str, os.PathLike)):
        with open(source, "rb") as file:  # noqa: ASYNC230 - what it reads is read beside the event loop
            return await _upload(asking, file, content_type, progress=progress)
    asking.carry(source, content_type=content_type)
    with Progress(asking.words, asking.length, shown=progress) as shown:
        response = await settled(asking.open(raise_for_status=True, sent=shown.advance))
        try:
            if response.status >= 300:
                raise _elsewhere(asking, response, "so that nothing was uploaded")
            return Uploaded(response, await settled(response.read()))
        finally:
            response.close()


def _asking_of(target: object) -> type[Asking]:
    if not is_awaited(target):
        return Asking
    from labgate._async_request import AsyncAsking

    return AsyncAsking


async def _once(asking: Asking, part: PartFile, *, resume: bool, progress: Shown) -> None:
    """Bring the part to its end.

    Raises:
        Error: it did not get there, or is not what it should be.
    """
    aside = beside(asking.session.awaited)
    response = await _opened(asking, part, resume=resume)
    try:
        total = _total(response, part.size)
        whole, content = _digests.of_whole(response.headers), _digests.of_content(response.headers)
        if whole is not None:
            await settled(aside(part.feed, whole))
        named = [digest for digest in (whole, content) if digest is not None]
        with (
            Progress(asking.words, total, part.size, shown=progress) as shown,
            memoryview(bytearray(_PIECE)) as room,
        ):
            while got := await settled(response.readinto1(room)):
                await settled(aside(_take, part, named, room[:got]))
                shown.advance(got)
    finally:
        response.close()
    wrong = next((digest.algorithm for digest in named if not digest.holds()), None)
    if wrong is None and total in (None, part.size):
        return
    part.discard()
    raise BadReply(
        f"{asking.words} brought {part.size} bytes"
        + (f" that do not have the {wrong} checksum of the reply" if wrong else f" instead of {total}"),
        http_status=response.status,
        hint="What came was thrown away: try it again.",
    )


def _take(part: PartFile, named: list[_digests.Digest], data: memoryview) -> None:
    part.write(data)
    for digest in named:
        digest.add(data)


async def _opened(asking: Asking, part: PartFile, *, resume: bool) -> Any:
    """The reply with what the part lacks; the part begins anew where it cannot be continued."""
    if resume and part.tag is not None:
        rest = {"Range": f"bytes={part.size}-", "If-Range": part.tag}
        try:
            response = await settled(asking.open(raise_for_status=True, also=rest))
        except Error as error:
            if error.http_status != _NO_SUCH_RANGE:
                raise
        else:
            if response.status != _PART:
                return _from_the_start(asking, part, response, resume=resume)
            if _continues(response, part):
                return response
            response.close()
    response = await settled(asking.open(raise_for_status=True))
    return _from_the_start(asking, part, response, resume=resume)


def _from_the_start(asking: Asking, part: PartFile, response: Any, *, resume: bool) -> Any:
    if response.status >= 300 or (response.status == _PART and resume):
        response.close()
        raise _elsewhere(asking, response, "which is no file")
    tag = response.headers.get("ETag") or ""
    part.restart(tag if resume and _STRONG_TAG.fullmatch(tag) else None)
    return response


def _continues(response: Beginning, part: PartFile) -> bool:
    """Whether a part of a file is the one that was asked for, of the version that is here."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range") or "")
    return found is not None and int(found[1]) == part.size and response.headers.getall("ETag") == [part.tag]


def _total(response: Beginning, done: int) -> int | None:
    """How long the whole will be, None where that is not said."""
    found = (
        _RANGE.fullmatch(response.headers.get("Content-Range") or "") if response.status == _PART else None
    )
    if found is not None and found[3] != "*" and done:
        return int(found[3])
    return None if response.length is None else done + response.length


def _elsewhere(asking: Asking, response: Beginning, so: str) -> BadReply:
    to = printable(response.headers.get("Location"), 200)
    return BadReply(
        f"{asking.words} was answered {response.status}, {so}" + (f": it is at {to}" if to else ""),
        http_status=response.status,
        hint="Redirects are not followed, so that no token travels on.",
    )
