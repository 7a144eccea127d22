"""What does another client do? `others_session.py CLIENT` tries it in its own environment, and prints JSON: row by row, yes or no.

Each is given a server of its own kind in this process, which counts what it is asked, and answers, errs or hangs as it is told.
"""

import contextlib
import importlib
import importlib.metadata
import inspect
import json
import os
import pickle  # noqa: TID251 - whether they can be pickled is asked of others, too
import socket
import subprocess
import sys
import tempfile
import threading
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "bench"))
from anchors_session import DISCOVERY, WSDL
from anchors_upstream import answer

OPENAPI = {
    "openapi": "3.1.0",
    "info": {"title": "jobs", "version": "1"},
    "paths": {
        "/jobs/{uid}": {
            "get": {
                "summary": "jobs.get_job",
                "operationId": "get_job",
                "tags": ["jobs"],
                "parameters": [{"name": "uid", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"content": {"application/json": {"schema": {"type": "object"}}}}},
            }
        },
        "/jobs/{uid}/start": {
            "post": {
                "summary": "jobs.start",
                "parameters": [{"name": "uid", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": {"content": {"application/json": {"schema": {"type": "object"}}}}},
            }
        },
    },
    "components": {"schemas": {}},
}
FAR = "http://lab.invalid"
HEAVY = ("numpy", "ssl", "asyncio", "inspect")


class Server(ThreadingHTTPServer):
    """Counts what it is asked; `mood` is `well`, `error`, `hang` or `cut`, for calls alone."""

    daemon_threads = True

    def __init__(self, client):
        super().__init__(("127.0.0.1", 0), Handler)
        self.client = client
        self.port = self.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.asked = []
        self.mood = "well"
        self.gone = threading.Event()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that goes away is part of it."""

    @contextlib.contextmanager
    def in_mood(self, mood):
        self.mood = mood
        try:
            yield
        finally:
            self.mood = "well"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Nothing."""

    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        server = self.server
        server.asked.append(self.path)
        described = server.client.describes(self.path, body)
        if not described and server.mood == "hang":
            server.gone.wait(20)
            self.close_connection = True
        elif not described and server.mood == "cut":
            self.close_connection = True
        elif not described and server.mood == "error":
            kind, said = server.client.error
            self.wfile.write(_reply("500 Internal Server Error", kind, said))
        else:
            head = f"{self.command} {urlsplit(self.path).path} HTTP/1.1\r\n{self.headers}".encode()
            self.wfile.write(server.client.answer(head, body, server))

    do_POST = do_CONNECT = do_GET  # noqa: N815 - http.server's own names


def _reply(status, kind, body):
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def _ok(value):
    return _reply("200 OK", "application/json", json.dumps(value).encode())


class Client:
    """What the probes need of a client."""

    distribution: str
    imported: str
    writes = True
    error = ("application/json", b'{"error": {"code": 500, "message": "no", "errors": []}}')

    def describes(self, path, body):
        """Whether this asks what there is, and is no call."""
        return False

    def answer(self, head, body, server):
        return answer(head, body)

    def connect(self, url, seconds=30):
        """A client; its calls end after so many seconds, where it can be told."""
        raise NotImplementedError

    def method(self, client):
        """Its method to get a job; None where there are no methods."""
        return

    def known(self, client):
        """Whether it knows its methods."""
        return callable(self.method(client))

    def call(self, client):
        raise NotImplementedError

    def wrong(self, client):
        """A call with an argument that the method does not have."""
        raise NotImplementedError

    def write(self, client):
        """A call that changes something; the same where the client cannot know one from the other."""
        return self.call(client)

    def own(self, server):
        """What only this client can be asked."""
        return {}


class Boto3(Client):
    distribution, imported = "boto3", "boto3"
    error = (
        "application/x-amz-json-1.0",
        b'{"__type": "com.amazonaws#LimitExceededException", "message": "no"}',
    )

    def connect(self, url, seconds=30):
        import boto3
        from botocore.config import Config

        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
        given = Config(read_timeout=seconds)
        return boto3.Session(**keys).client("dynamodb", endpoint_url=url, config=given)

    def method(self, client):
        return client.list_tables

    def call(self, client):
        return client.list_tables(Limit=1)

    def wrong(self, client):
        return client.list_tables(Limits=1)

    def write(self, client):
        return client.delete_table(TableName="runs")

    def own(self, server):
        from botocore.stub import Stubber

        client = self.connect(server.url)
        before = len(server.asked)
        with Stubber(client) as double:
            double.add_response("list_tables", {"TableNames": ["double"]})
            doubled = self.call(client)["TableNames"] == ["double"] and len(server.asked) == before
        return {"double": doubled}


class Google(Client):
    distribution, imported = "google-api-python-client", "googleapiclient.discovery"

    def describes(self, path, body):
        return "/discovery" in path

    def answer(self, head, body, server):
        if b" /discovery" in head:
            return _reply(
                "200 OK",
                "application/json",
                json.dumps(_with_a_write(DISCOVERY)).replace("PORT", str(server.port)).encode(),
            )
        if b" /batch" in head:
            return _batched(body)
        return answer(head, body)

    def connect(self, url, seconds=30):
        import httplib2
        from googleapiclient.discovery import build

        http = httplib2.Http(timeout=seconds)
        place = f"{url}/discovery"
        return build(
            "jobs", "v1", discoveryServiceUrl=place, static_discovery=False, http=http, cache_discovery=False
        )

    def method(self, client):
        return client.jobs().get

    def call(self, client):
        return client.jobs().get(projectUid="P3").execute()

    def wrong(self, client):
        return client.jobs().get(projectUids="P3").execute()

    def write(self, client):
        return client.jobs().start(projectUid="P3").execute()

    def own(self, server):
        import httplib2
        from googleapiclient.discovery import build, build_from_document
        from googleapiclient.http import HttpMockSequence

        text = json.dumps(_with_a_write(DISCOVERY)).replace("PORT", str(server.port))
        before = len(server.asked)
        double = build_from_document(text, http=HttpMockSequence([({"status": "200"}, b'{"uid": "double"}')]))
        doubled = (
            self.call(double) in ({"uid": "double"}, b'{"uid": "double"}') and len(server.asked) == before
        )
        client = self.connect(server.url)
        with server.in_mood("hang"):
            try:
                client.jobs().get(projectUid="P3").execute(http=httplib2.Http(timeout=0.3))
                timed = False
            except TimeoutError:
                timed = True
        found = []
        before = len(server.asked)
        batch = client.new_batch_http_request(callback=lambda *told: found.append(told))
        for _ in range(3):
            batch.add(client.jobs().get(projectUid="P3"))
        batch.execute()
        batched = len(found) == 3 and not any(told[2] for told in found) and len(server.asked) == before + 1
        os.environ["HTTPS_PROXY"] = os.environ["https_proxy"] = "http://127.0.0.1:1"
        shipped = hasattr(build("drive", "v3", developerKey="k"), "files")
        del os.environ["HTTPS_PROXY"], os.environ["https_proxy"]
        return {"double": doubled, "options": timed, "batch": batched, "offline": shipped}


def _with_a_write(described):
    known = described["resources"]["jobs"]["methods"]
    start = {**known["get"], "id": "jobs.start", "httpMethod": "POST"}
    return {**described, "resources": {"jobs": {"methods": {**known, "start": start}}}}


def _batched(body):
    """The answers to a multipart of requests."""
    marks = [
        line.split(b":", 1)[1].strip(b" <>")
        for line in body.splitlines()
        if line.lower().startswith(b"content-id:")
    ]
    parts = b"".join(
        b"--x\r\nContent-Type: application/http\r\nContent-ID: <response-" + mark + b">\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{}\r\n"
        for mark in marks
    )
    return _reply("200 OK", "multipart/mixed; boundary=x", parts + b"--x--")


class Zeep(Client):
    distribution, imported = "zeep", "zeep"
    error = (
        "text/xml",
        b"""<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault>
        <faultcode>s:Server</faultcode><faultstring>no</faultstring></s:Fault></s:Body></s:Envelope>""",
    )

    def describes(self, path, body):
        return "wsdl" in path

    def answer(self, head, body, server):
        if b"wsdl" in head.partition(b"\r\n")[0]:
            return _reply("200 OK", "text/xml", WSDL.replace("PORT", str(server.port)).encode())
        return answer(head, body)

    def connect(self, url, seconds=30):
        import zeep

        return zeep.Client(f"{url}/wsdl", transport=zeep.Transport(operation_timeout=seconds))

    def method(self, client):
        return client.service.GetJob

    def call(self, client):
        return client.service.GetJob("P3")

    def wrong(self, client):
        return client.service.GetJob(uids="P3")

    def own(self, server):
        import requests
        import zeep
        from zeep.cache import SqliteCache

        client = self.connect(server.url)
        with server.in_mood("hang"):
            try:
                with client.transport.settings(timeout=0.3):
                    self.call(client)
                timed = False
            except requests.Timeout:
                timed = True
        kept = SqliteCache(path=str(Path(tempfile.mkdtemp(), "kept.db")))
        zeep.Client(f"{server.url}/wsdl", transport=zeep.Transport(cache=kept))
        before = len(server.asked)
        zeep.Client(f"{server.url}/wsdl", transport=zeep.Transport(cache=kept))
        return {"options": timed, "offline": len(server.asked) == before}


class Cryosparc4(Client):
    distribution, imported = "cryosparc-tools", "cryosparc.command"
    listed = ("get_job",)

    def describes(self, path, body):
        return b"system.describe" in body

    def answer(self, head, body, server):
        if b"system.describe" in body:
            return _ok(
                {"jsonrpc": "2.0", "id": "0", "result": {"procs": [{"name": name} for name in self.listed]}}
            )
        return answer(head, body)

    def connect(self, url, seconds=30):
        from cryosparc.command import CommandClient

        place = urlsplit(url)
        return CommandClient("core", place.hostname, place.port or 80, timeout=seconds)

    def method(self, client):
        return client.get_job

    def call(self, client):
        return client.get_job("P3")

    def wrong(self, client):
        return client.get_job(uids="P3")

    def own(self, server):
        client = self.connect(server.url)
        self.listed = ("other",)
        client()
        gone = not hasattr(client, "get_job")
        self.listed = ("get_job", "Error")
        client()
        kept = isinstance(client.Error, type)
        self.listed = ("get_job",)
        return {"gone": gone, "names": kept}


class Cryosparc5(Client):
    distribution, imported = "cryosparc-tools", "cryosparc.api"

    def __init__(self):
        self.listed = OPENAPI

    def describes(self, path, body):
        return path.endswith("openapi.json")

    def answer(self, head, body, server):
        if b"openapi.json" in head.partition(b"\r\n")[0]:
            return _ok(self.listed)
        return _ok({"uid": "J1"})

    def connect(self, url, seconds=30):
        from cryosparc.api import APIClient

        return APIClient(url, auth="token", headers={}, timeout=seconds)

    def method(self, client):
        return client.jobs.get_job

    def call(self, client):
        return client.jobs.get_job("P3")

    def wrong(self, client):
        return client.jobs.get_job("P3", uids="P3")

    def write(self, client):
        return client.jobs.start("P3")

    def own(self, server):
        client = self.connect(server.url)
        self.listed = {**OPENAPI, "paths": {}}
        client()
        try:
            gone = not callable(client.jobs.get_job)
        except AttributeError:
            gone = True
        self.listed = OPENAPI
        return {"gone": gone}


class Cave(Client):
    distribution, imported = "caveclient", "caveclient"
    writes = False

    def answer(self, head, body, server):
        return _ok(["minnie65"]) if b"datastacks" in head else _ok("1.0.0")

    def connect(self, url, seconds=30):
        from caveclient import CAVEclient

        return CAVEclient(server_address=url, auth_token="t", global_only=True, write_server_cache=False)

    def method(self, client):
        return client.info.get_datastack_info

    def call(self, client):
        return client.info.get_datastacks()

    def wrong(self, client):
        return client.info.get_datastacks(uids="P3")


class Intake(Client):
    distribution, imported = "intake", "intake"
    writes = False
    error = ("text/plain", b"no")

    def answer(self, head, body, server):
        import msgpack

        source = {"name": "runs", "container": "dataframe", "plugin": ["csv"], "description": "", "direct_access": "forbid",
                  "user_parameters": [], "metadata": {}, "args": {}}  # fmt: skip
        told = {"version": "0.7", "metadata": {}, "sources": [source], "length": 1}
        if b"/v1/source" in head.partition(b"\r\n")[0]:
            told = {
                "source": source,
                "plugin": "csv",
                "container": "dataframe",
                "description": "",
                "args": {"urlpath": "runs.csv"},
            }
        return _reply("200 OK", "application/octet-stream", msgpack.packb(told, use_bin_type=True))

    def connect(self, url, seconds=30):
        import intake

        return intake.open_catalog(url.replace("http", "intake"))

    def known(self, client):
        return "runs" in [*client]

    def call(self, client):
        client.force_reload()
        return [*client]


CLIENTS = {
    "boto3": Boto3,
    "google": Google,
    "zeep": Zeep,
    "cryosparc-4": Cryosparc4,
    "cryosparc-5": Cryosparc5,
    "caveclient": Cave,
    "intake": Intake,
}


def probed(one, server):
    """Everything that can be asked of each of them."""
    client = one.connect(server.url)
    before = len(server.asked)
    assert one.call(client)
    found = {
        "served": bool(server.asked[:before]),
        "offline": _offline(one),
        "signature": _signature(one, client),
        "checked": _checked(one, client, server),
        "errors": _errors(one, client, server),
        "pickle": _pickled(client),
        "alone": not [
            need for need in importlib.metadata.requires(one.distribution) or [] if "extra ==" not in need
        ],
        "light": _light(one.imported),
        "shown": any(
            hasattr(type(client), name) for name in ("_repr_html_", "_repr_mimebundle_", "_ipython_display_")
        ),
        "proxy": _through_a_proxy(one),
    }
    if one.writes:
        found["once"] = _sent_once(one, server)
    return {**found, **one.own(server)}


def _offline(one):
    """Whether there is a client, with its methods, while nobody is at its server's address."""
    try:
        return one.known(one.connect("http://127.0.0.1:1", 0.3))
    except Exception:
        return False


def _signature(one, client):
    """Whether `inspect.signature` names a parameter of the method; None for what has no methods."""
    method = one.method(client)
    if method is None:
        return None
    try:
        kinds = [given.kind for given in inspect.signature(method).parameters.values()]
    except (TypeError, ValueError):
        return False
    return any(
        kind not in (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD) for kind in kinds
    )


def _checked(one, client, server):
    before = len(server.asked)
    try:
        one.wrong(client)
    except NotImplementedError:
        return None
    except Exception:
        return len(server.asked) == before
    return False


def _errors(one, client, server):
    with server.in_mood("error"):
        try:
            one.call(client)
        except Exception as error:
            kind = type(error)
            return getattr(importlib.import_module(kind.__module__), kind.__qualname__, None) is kind
    raise AssertionError("an error was taken for an answer")


def _pickled(client):
    try:
        return type(pickle.loads(pickle.dumps(client))) is type(client)
    except Exception:
        return False


def _light(name):
    code = f"import sys; old = {{*sys.modules}}; import {name}; print(any(one in sys.modules and one not in old for one in {HEAVY!r}))"
    return (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )


def _through_a_proxy(one):
    """Whether HTTP_PROXY has the say over where it sends what is for another host; in a process that begins with it."""
    proxy = Server(one)
    environ = {name: value for name, value in os.environ.items() if name.lower() != "no_proxy"}
    environ |= {"HTTP_PROXY": proxy.url, "http_proxy": proxy.url}
    command = [sys.executable, "-W", "ignore", __file__, *sys.argv[1:], FAR]
    subprocess.run(command, env=environ, capture_output=True, check=False)
    return any("lab.invalid" in path for path in proxy.asked)


def _sent_once(one, server):
    """Whether a write whose answer does not come, because the server hangs or ends the connection, is left at that."""
    client = one.connect(server.url, 0.3)
    sent = []
    for mood in ("hang", "cut"):
        before = len(server.asked)
        with server.in_mood(mood), contextlib.suppress(Exception):
            one.write(client)
        sent.append(len(server.asked) - before)
    return max(sent) == 1


def main(name, far=None):
    if far is not None:
        one = CLIENTS[name]()
        one.call(one.connect(far, 5))
        return
    warnings.simplefilter("ignore")
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = "*"
    socket.setdefaulttimeout(60)
    one = CLIENTS[name]()
    server = Server(one)
    found = probed(one, server)
    server.gone.set()
    print(json.dumps({"version": importlib.metadata.version(one.distribution), **found}))
    sys.stdout.flush()
    os._exit(0)  # what a client leaves open is its own affair


if __name__ == "__main__":
    main(*sys.argv[1:])
