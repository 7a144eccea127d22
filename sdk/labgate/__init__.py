"""A lab's services as Python functions: `lab = labgate.connect(address)`, then `lab.service.method(...)`.

Every public name is loaded when it is first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from labgate._batch import Batch, Handle, batch
    from labgate._client import Client, Namespace
    from labgate._connect import connect
    from labgate._explain import Explanation, explain
    from labgate._inform import Last, MethodInfo, Methods, last, methods, refresh
    from labgate._link import Changes
    from labgate._linking import Linked, link, links, unlink
    from labgate._metainfo import MetaInfo
    from labgate._pages import pages
    from labgate._request import request
    from labgate._response import Headers, RawResponse, Uploaded
    from labgate._source import Source
    from labgate._status import ServiceStatus, Status, status
    from labgate._table import Table
    from labgate._tables import Tables
    from labgate._transfer import download, upload
    from labgate._volume import Volume
    from labgate._volume_client import ErrorResponseException, VolumeClient
    from labgate._whoami import Whoami, whoami
    from labgate.errors import (
        Error,
        ErrorResponse,
        MapFileWarning,
        ServiceWarning,
        StaleWarning,
        TokenFileWarning,
    )

    __version__: str

__all__ = [
    "Batch",
    "Changes",
    "Client",
    "Error",
    "ErrorResponse",
    "ErrorResponseException",
    "Explanation",
    "Handle",
    "Headers",
    "Last",
    "Linked",
    "MapFileWarning",
    "MetaInfo",
    "MethodInfo",
    "Methods",
    "Namespace",
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
    "batch",
    "connect",
    "download",
    "explain",
    "last",
    "link",
    "links",
    "methods",
    "pages",
    "refresh",
    "request",
    "status",
    "unlink",
    "upload",
    "whoami",
]

_HOMES = {
    "Batch": "_batch",
    "Changes": "_link",
    "Client": "_client",
    "Error": "errors",
    "ErrorResponse": "errors",
    "ErrorResponseException": "_volume_client",
    "Explanation": "_explain",
    "Handle": "_batch",
    "Headers": "_response",
    "Last": "_inform",
    "Linked": "_linking",
    "MapFileWarning": "errors",
    "MetaInfo": "_metainfo",
    "MethodInfo": "_inform",
    "Methods": "_inform",
    "Namespace": "_client",
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
    "batch": "_batch",
    "command": "",
    "connect": "_connect",
    "datastack_lookup": "",
    "datastacks": "",
    "download": "_transfer",
    "errors": "",
    "explain": "_explain",
    "last": "_inform",
    "link": "_linking",
    "links": "_linking",
    "methods": "_inform",
    "pages": "_pages",
    "refresh": "_inform",
    "request": "_request",
    "status": "_status",
    "unlink": "_linking",
    "upload": "_transfer",
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
    return sorted({*__all__, "command", "datastack_lookup", "datastacks", "errors"})
