"""A lab's services as Python functions: `lab = labgate.connect(address)`, then `lab.service.method(...)`.

Every public name is loaded when it is first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate._async_batch import AsyncBatch
    from labgate._async_client import AsyncClient, AsyncNamespace
    from labgate._async_connect import aclose, aconnect
    from labgate._async_live import AsyncLive
    from labgate._async_response import AsyncRawResponse
    from labgate._async_source import AsyncSource
    from labgate._async_tables import AsyncTable, AsyncTables
    from labgate._async_volume import AsyncVolume
    from labgate._batch import Batch, Handle, batch
    from labgate._beginning import Headers
    from labgate._changes import Changes
    from labgate._cite import Citation, cite
    from labgate._client import Client, Namespace
    from labgate._connect import connect
    from labgate._doctor import Diagnosis, doctor
    from labgate._explain import Explanation, explain
    from labgate._freeze import freeze
    from labgate._gather import gather
    from labgate._inform import Last, MethodInfo, Methods, last, methods, refresh
    from labgate._linking import Linked, link, links, unlink
    from labgate._live import Live, watch
    from labgate._login import login, logout
    from labgate._map import map  # noqa: A004 - the user writes `labgate.map`
    from labgate._metainfo import MetaInfo
    from labgate._pages import pages
    from labgate._pins import Differences, lock
    from labgate._request import request
    from labgate._response import RawResponse, Uploaded
    from labgate._source import Source
    from labgate._status import ServiceStatus, Status, status
    from labgate._stubs import stubs
    from labgate._table import Table
    from labgate._tables import Tables
    from labgate._transfer import download, upload
    from labgate._volume import Volume
    from labgate._volume_client import AsyncVolumeClient, ErrorResponseException, VolumeClient
    from labgate._wait import wait
    from labgate._whoami import Permission, Whoami, whoami
    from labgate.errors import (
        Error,
        ErrorResponse,
        LoginError,
        MapFileWarning,
        MethodChangedWarning,
        ServiceWarning,
        StaleWarning,
        TokenFileWarning,
    )

    __version__: str

__all__ = [
    "AsyncBatch",
    "AsyncClient",
    "AsyncLive",
    "AsyncNamespace",
    "AsyncRawResponse",
    "AsyncSource",
    "AsyncTable",
    "AsyncTables",
    "AsyncVolume",
    "AsyncVolumeClient",
    "Batch",
    "Changes",
    "Citation",
    "Client",
    "Diagnosis",
    "Differences",
    "Error",
    "ErrorResponse",
    "ErrorResponseException",
    "Explanation",
    "Handle",
    "Headers",
    "Last",
    "Linked",
    "Live",
    "LoginError",
    "MapFileWarning",
    "MetaInfo",
    "MethodChangedWarning",
    "MethodInfo",
    "Methods",
    "Namespace",
    "Permission",
    "RawResponse",
    "ServiceStatus",
    "ServiceWarning",
    "Source",
    "StaleWarning",
    "Status",
    "Table",
    "Tables",
    "TokenFileWarning",
    "Uploaded",
    "Volume",
    "VolumeClient",
    "Whoami",
    "__version__",
    "aclose",
    "aconnect",
    "batch",
    "cite",
    "connect",
    "doctor",
    "download",
    "explain",
    "freeze",
    "gather",
    "last",
    "link",
    "links",
    "lock",
    "login",
    "logout",
    "map",
    "methods",
    "pages",
    "refresh",
    "request",
    "status",
    "stubs",
    "unlink",
    "upload",
    "wait",
    "watch",
    "whoami",
]

_HOMES = {
    "AsyncBatch": "_async_batch",
    "AsyncClient": "_async_client",
    "AsyncLive": "_async_live",
    "AsyncNamespace": "_async_client",
    "AsyncRawResponse": "_async_response",
    "AsyncSource": "_async_source",
    "AsyncTable": "_async_tables",
    "AsyncTables": "_async_tables",
    "AsyncVolume": "_async_volume",
    "AsyncVolumeClient": "_volume_client",
    "Batch": "_batch",
    "Changes": "_changes",
    "Citation": "_cite",
    "Client": "_client",
    "Diagnosis": "_doctor",
    "Differences": "_pins",
    "Error": "errors",
    "ErrorResponse": "errors",
    "ErrorResponseException": "_volume_client",
    "Explanation": "_explain",
    "Handle": "_batch",
    "Headers": "_beginning",
    "Last": "_inform",
    "Linked": "_linking",
    "Live": "_live",
    "LoginError": "errors",
    "MapFileWarning": "errors",
    "MetaInfo": "_metainfo",
    "MethodChangedWarning": "errors",
    "MethodInfo": "_inform",
    "Methods": "_inform",
    "Namespace": "_client",
    "Permission": "_whoami",
    "RawResponse": "_response",
    "ServiceStatus": "_status",
    "ServiceWarning": "errors",
    "Source": "_source",
    "StaleWarning": "errors",
    "Status": "_status",
    "Table": "_table",
    "Tables": "_tables",
    "TokenFileWarning": "errors",
    "Uploaded": "_response",
    "Volume": "_volume",
    "VolumeClient": "_volume_client",
    "Whoami": "_whoami",
    "aclose": "_async_connect",
    "aconnect": "_async_connect",
    "batch": "_batch",
    "cite": "_cite",
    "command": "",
    "connect": "_connect",
    "datastack_lookup": "",
    "datastacks": "",
    "doctor": "_doctor",
    "download": "_transfer",
    "errors": "",
    "explain": "_explain",
    "freeze": "_freeze",
    "frozen": "",
    "gather": "_gather",
    "last": "_inform",
    "link": "_linking",
    "links": "_linking",
    "lock": "_pins",
    "login": "_login",
    "logout": "_login",
    "map": "_map",
    "methods": "_inform",
    "pages": "_pages",
    "refresh": "_inform",
    "request": "_request",
    "status": "_status",
    "stubs": "_stubs",
    "testing": "",
    "unlink": "_linking",
    "upload": "_transfer",
    "wait": "_wait",
    "watch": "_live",
    "whoami": "_whoami",
}


def __getattr__(name: str) -> object:
    from importlib import import_module

    if name == "__version__":
        from importlib.metadata import version

        return version("labgate")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'labgate' has no attribute {name!r}")
    if not home:
        return import_module(f"labgate.{name}")
    value = getattr(import_module(f"labgate.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*__all__, "command", "datastack_lookup", "datastacks", "errors", "frozen", "testing"})
