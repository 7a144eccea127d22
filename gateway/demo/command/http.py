"""How do the command servers answer? As Flask-JSONRPC 0.3 does: every error of a method is HTTP 200."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from gateway.demo.command.lab import Lab, LabError
from gateway.demo.serving import LabHandler, LabServer

DATASET = "application/x-cryosparc-dataset"
_FILES = re.compile(r"/projects/([^/]+)/files").fullmatch
_ASSETS = re.compile(r"/projects/([^/]+)/jobs/([^/]+)/files").fullmatch
_OUTPUT = re.compile(r"/external/projects/([^/]+)/jobs/([^/]+)/outputs/([^/]+)/dataset").fullmatch


class CommandServer(LabServer):
    """One of the three: `command_core`, `command_vis` or `command_rtp`.

    `before` is asked with each request, and may answer it: that is for tests.
    """

    def __init__(
        self, address: tuple[str, int], name: str, lab: Lab, methods: Mapping[str, Callable[..., Any]]
    ) -> None:
        super().__init__(address, CommandHandler)
        self.name = name
        self.lab = lab
        self.methods = methods
        self.before: Callable[[CommandHandler, str, bytes], bool] = lambda *_: False


class CommandHandler(LabHandler):
    """The requests of one connection."""

    server: CommandServer

    def do_GET(self) -> None:  # noqa: N802 - what http.server calls
        """The greeting, below whatever prefix."""
        if self._is_licensed():
            self.write(
                200, "text/html; charset=utf-8", f"Hello World from cryosparc {self.server.name}.".encode()
            )

    def do_POST(self) -> None:  # noqa: N802 - as above
        """A call, an upload or a download."""
        body = self._read()
        if body is None or not self._is_licensed():
            return
        split = urlsplit(self.path)
        path, query = unquote(split.path), {k: v[-1] for k, v in parse_qs(split.query).items()}
        if self.server.before(self, path, body):
            return
        try:
            if path == "/api":
                self._call(body)
            elif self.server.name != "command_vis" or not self._file(path, query, body):
                self.write(404, "text/html", b"<title>404 Not Found</title>")
        except LabError as error:
            self.write(422, "application/json", json.dumps({"message": error.message}).encode())

    def _read(self) -> bytes | None:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        length = self.body_length("0")
        return None if length is None else self.body(length)

    def _is_licensed(self) -> bool:
        if self.headers.get("License-ID") == self.server.lab.license:
            return True
        self.write(401, "application/json", b'{"message": "invalid license"}')
        return False

    # --- JSON-RPC

    def _call(self, body: bytes) -> None:
        said = json.loads(body)
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": said.get("id")}
        try:
            answer["result"] = self._result(said["method"], said.get("params") or [])
        except LabError as error:
            answer["error"] = {
                "name": "LabError",
                "code": error.code,
                "message": f"LabError: {error.message}",
                "data": error.data,
            }
        except Exception as error:  # noqa: BLE001 - whatever a method raises is told so
            name = type(error).__name__
            answer["error"] = {"name": name, "code": 500, "message": f"{name}: {error}", "data": None}
        self.write(200, "application/json", json.dumps(answer).encode())

    def _result(self, name: str, params: Any) -> Any:
        if name == "system.describe":
            return {
                "sdversion": "1.0",
                "name": self.server.name,
                "id": "urn:uuid:demo",
                "procs": [_described(*one) for one in self.server.methods.items()],
            }
        method = self.server.methods.get(name)
        if method is None:
            raise LabError(-32601, f"Method not found: {name}; there are {', '.join(self.server.methods)}")
        with self.server.lab.lock:
            self.server.lab.calls[name] = self.server.lab.calls.get(name, 0) + 1
        return method(**params) if isinstance(params, dict) else method(*params)

    # --- files

    def _file(self, path: str, query: Mapping[str, str], body: bytes) -> bool:
        lab = self.server.lab
        if path == "/get_project_file":
            said = json.loads(body)
            name = said.get("path_rel") or said["path"]  # versions of the tools differ
            data = lab.files.get((said["project_uid"], name))
            if data is None:
                raise LabError(-32602, f"no file {name}")
            self.write(200, "application/octet-stream", data, _attachment(name))
        elif path == "/get_job_file":
            found, kind, name = lab.assets[json.loads(body)["fileid"]]
            self.write(200, kind, found, _attachment(name))
        elif path == "/load_job_input":
            said = json.loads(body)
            self.write(200, DATASET, self._input(said["project_uid"], said["job_uid"], said["input_name"]))
        elif found_files := _FILES(path):
            self._keep(found_files[1], query, body)
        elif found_assets := _ASSETS(path):
            number = f"{0x5F01 + len(lab.assets):x}"
            name = query.get("filename", "file")
            lab.assets[number] = (body, f"image/{query.get('format', 'png')}", name)
            asset = {"fileid": number, "filename": name, "filetype": f"image/{query.get('format', 'png')}"}
            self.write(200, "application/json", json.dumps(asset).encode())
            lab.find(found_assets[1], found_assets[2])
        elif found_output := _OUTPUT(path):
            lab.group(*found_output.groups())
            lab.datasets[found_output[1], found_output[2], found_output[3]] = body
            lab.files[found_output[1], f"{found_output[2]}/{found_output[3]}.cs"] = body
            self.write(200, "text/html; charset=utf-8", b"saved")
        else:
            return False
        return True

    def _keep(self, project: str, query: Mapping[str, str], body: bytes) -> None:
        lab, path = self.server.lab, query["path"]
        if (project, path) in lab.files and "overwrite" not in query:
            raise LabError(-32000, f"{path} exists")
        lab.files[project, path] = body
        self.write(201, "text/plain", b"")

    def _input(self, project: str, uid: str, name: str) -> bytes:
        lab = self.server.lab
        for group in lab.find(project, uid)["input_slot_groups"]:
            for one in group["connections"] if group["name"] == name else ():
                return lab.datasets[project, one["job_uid"], one["group_name"]]
        raise LabError(-32602, f"job {uid} has no input {name}")

    def write(self, status: int, kind: str, body: bytes, fields: Mapping[str, str] | None = None) -> None:
        """Answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (fields or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _attachment(path: str) -> dict[str, str]:
    return {"Content-Disposition": f"attachment; filename={path.rpartition('/')[2]}"}


_KINDS = {"str": "String", "int": "Number", "bool": "Boolean", "Doc": "Object", "Any": "Object"}


def _described(name: str, method: Callable[..., Any]) -> dict[str, Any]:
    """A method as `system.describe` tells of it: types are hints, and often wrong."""
    found = inspect.signature(method).parameters.values()
    params = [
        {"name": one.name, "type": _KINDS.get(str(one.annotation).partition(" ")[0], "Array")}
        for one in found
        if one.kind is not one.VAR_KEYWORD
    ]
    return {"name": name, "summary": inspect.getdoc(method), "params": params, "return": {"type": "Object"}}
