"""What does the CommandClient of cryosparc-tools get?

`commandclient.py PORT PREFIX TOKEN all` does everything; with the name of a method instead, it connects, lists, and
calls that one. It prints one JSON document of outcomes: values by `repr`, which tells -0.0, NaN and integers apart.
"""

import hashlib
import io
import json
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from cryosparc.command import CommandClient, CommandError, make_json_request, make_request

LICENSE = "00000000-0000-0000-0000-000000000001"


class Lists(json.JSONEncoder):
    """Arrays as users of the tools send them."""

    def default(self, o: Any) -> Any:
        """Nested lists and plain numbers."""
        return o.tolist() if isinstance(o, np.ndarray) else o.item()


def main() -> None:
    """Connect and do what was asked for."""
    port, prefix, token, wanted = sys.argv[1:]
    headers = {"License-ID": LICENSE, "Authorization": f"Bearer {token}"}

    def connect() -> CommandClient:
        return CommandClient("command_vis", "127.0.0.1", int(port), prefix, 60, headers, Lists)

    outcomes = {"connect": outcome(lambda: connect()._endpoints)}
    if "error" not in outcomes["connect"]:
        cli = connect()
        if wanted == "all":
            outcomes |= calls(cli) | failures(cli) | exchanges(cli) | uploads(cli)
            outcomes["list again"] = outcome(lambda: (cli(), cli._endpoints)[1])
        else:
            outcomes["call"] = outcome(cli._get_callable(wanted))
            outcomes["greeting"] = exchange(make_request(cli, "GET"))
    print(json.dumps(outcomes))


def outcome(ask: Callable[[], Any]) -> dict[str, Any]:
    """What came of it: a value, or everything that an error tells; and what was warned of."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            told = {"value": repr(ask())}
        except Exception as error:
            told = {"error": type(error).__name__, "text": str(error)}
            if isinstance(error, CommandError):
                told |= {"code": error.code, "data": repr(error.data)}
    return told | {"warnings": [str(warning.message) for warning in warned]}


def calls(cli: CommandClient) -> dict[str, Any]:
    """Arguments and results of every kind."""
    uids = np.array([2**64 - 1, 2**63, 0], dtype=np.uint64)
    large = np.arange(300_000, dtype=np.float64).reshape(3, -1)
    values = {
        "null": None, "true": True, "text": "Zürich \U0001f52c \0 \u2028", "surrogate": "\ud800", "big": 2**70,
        "negative zero": -0.0, "NaN": float("nan"), "infinities": [float("inf"), float("-inf")], "small": 5e-324,
        "nested": {"b": [1, {"a": [[], {}]}], "a": 1.10}, "uids": uids, "number": np.float32(0.1),
    }  # fmt: skip
    outcomes = {name: outcome(lambda value=value: cli.get_echo(value)) for name, value in values.items()}
    asked: dict[str, Callable[[], Any]] = {
        "by position": lambda: cli.enqueue_job("P3", "J42", "lane 1"),
        "by name": lambda: cli.enqueue_job(lane="lane 1", job_uid="J42", project_uid="P3"),
        "by both": lambda: cli.enqueue_job("P3", job_uid="J42"),
        "project": lambda: cli.get_project("P3", True),
        "no argument": cli.get_nothing,
        "large argument": lambda: cli.get_total(large),
        "large result": lambda: cli.get_numbers(100_000)[-3:],
        "seen": lambda: seen(cli),
    }
    outcomes |= {name: outcome(ask) for name, ask in asked.items()}
    return outcomes | {"credential seen": any(name == "Authorization" for name, _ in cli.get_seen_fields())}


def seen(cli: CommandClient) -> list[Any]:
    """The client's own fields, as the server saw them."""
    ours = ("License-Id", "Originator", "Content-Type", "Accept-Encoding", "User-Agent", "Content-Length")
    return [pair for pair in cli.get_seen_fields() if pair[0] in ours]


def failures(cli: CommandClient) -> dict[str, Any]:
    """Errors under 200 and under statuses of their own, unknown methods, wrong arguments, odd answers."""
    asked: dict[str, Callable[[], Any]] = {
        name: getattr(cli, name) for name in cli._endpoints if name.startswith(("fail", "odd"))
    }
    asked |= {
        "slots": lambda: cli.save_result("P3"),
        "too few": cli.enqueue_job,
        "wrong name": lambda: cli.enqueue_job(nobody="knows"),
        "unknown": lambda: cli._get_callable("no_such_method")(1),
        "no JSON": lambda: cli.get_echo(object()),
    }
    return {name: outcome(ask) for name, ask in asked.items()}


def exchange(opened: AbstractContextManager[Any]) -> dict[str, Any]:
    """An exchange that is no call, or the error that the client makes of it."""
    had: dict[str, Any] = {}

    def ask() -> None:
        with opened as response:
            body = response.read()
            had.update(status=response.status, reason=response.reason, url=response.url)
            had.update(
                fields=response.headers.items(), size=len(body), sha256=hashlib.sha256(body).hexdigest()
            )

    return outcome(ask) | had


def exchanges(cli: CommandClient) -> dict[str, Any]:
    """Greeting, downloads, redirects and failures on raw paths."""
    asked = {
        "greeting": make_request(cli, "GET"),
        "greeting with a slash": make_request(cli, "GET", "/"),
        "data set": make_json_request(cli, "/load_job_input", data={"job_uid": "J42"}),
        "file by query": make_request(cli, url="/download_file", query={"path": "/a b/Zürich+&.mrc"}),
        "file by body": make_json_request(cli, "/download_file", data={"path": "/file.txt"}),
        "unknown path": make_request(cli, "GET", "/no/such/path"),
        "wrong verb": make_request(cli, "DELETE", "/load_job_input"),
        "moved 302": make_request(cli, "GET", "/moved/302"),
        "moved 307": make_request(cli, "POST", "/moved/307", data=b"x"),
    }
    for status in (400, 404, 422, 500):
        asked[f"page {status}"] = make_request(cli, "POST", f"/fail/{status}", data=b"x")
        asked[f"JSON {status}"] = make_request(cli, "GET", f"/fail/{status}", query={"as": "json"})
    asked["page 503 to a read"] = make_request(cli, "GET", "/fail/503")
    asked["page 503 to a write"] = make_request(cli, "POST", "/fail/503", data=b"x")
    return {name: exchange(opened) for name, opened in asked.items()}


def uploads(cli: CommandClient) -> dict[str, Any]:
    """Bodies of unknown length, which urllib labels as forms, and of known length."""
    data = random.Random(3).randbytes(3 * 1024 * 1024 + 5)
    bodies: dict[str, Any] = {
        "pieces": pieces(data),
        "file": io.BytesIO(data),
        "bytes": data,
        "labelled": pieces(data),
        "nothing": b"",
        "no pieces": pieces(b""),
    }
    outcomes: dict[str, Any] = {}
    for name, body in bodies.items():
        headers = {"Content-Type": "application/x-cryosparc-dataset"} if name == "labelled" else {}
        query = {"path": "a b/ü.mrc", "overwrite": 1}
        opened = make_request(cli, url="/projects/P3/files", query=query, data=body, headers=headers)
        outcomes[f"upload of {name}"] = outcome(lambda opened=opened: received(opened))
    outcomes["upload arrived"] = hashlib.sha256(data).hexdigest() in outcomes["upload of pieces"]["value"]
    return outcomes


def received(opened: AbstractContextManager[Any]) -> Any:
    """What the server says that it received."""
    with opened as response:
        had = json.loads(response.read())
    if not had["size"]:
        # Nothing may be framed as no pieces or as the length 0.
        del had["fields"]["Content-Length"], had["fields"]["Transfer-Encoding"]
    return had


def pieces(data: bytes) -> Iterator[bytes]:
    """The data, a piece at a time."""
    for start in range(0, len(data), 100_000):
        yield data[start : start + 100_000]


if __name__ == "__main__":
    main()
