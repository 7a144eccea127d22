"""What does an EventSource in Python (httpx-sse) get, when each event is sent only after the one before was had?"""

import json
import uuid
from typing import Any

import httpx
from httpx_sse import ServerSentEvent, connect_sse
from story import base, credential, side


def main() -> None:
    """All events, the rest of them after a reconnect, and a caller that leaves."""
    with httpx.Client(headers=credential(), timeout=60) as client:
        outcomes = {
            "all": listen(client, uuid.uuid4().hex),
            "after the second": listen(client, uuid.uuid4().hex, {"Last-Event-ID": "2"}),
            "left": left(client, uuid.uuid4().hex),
        }
    print(json.dumps(outcomes))


def listen(client: httpx.Client, name: str, fields: dict[str, str] | None = None) -> list[Any]:
    """Every event until the stream ends."""
    heard = []
    with connect_sse(client, "GET", f"{base()}/events/{name}", headers=fields or {}) as source:
        for event in source.iter_sse():
            heard.append(in_words(event))
            side("POST", f"/tell/{name}")
    return heard


def left(client: httpx.Client, name: str) -> list[Any]:
    """The first event; then leave, and wait until the server has seen that."""
    with connect_sse(client, "GET", f"{base()}/events/{name}") as source:
        heard = [in_words(next(source.iter_sse()))]
    side("GET", f"/gone/{name}")
    return heard


def in_words(event: ServerSentEvent) -> list[Any]:
    """Everything that an event says."""
    return [event.event, event.data, event.id, event.retry]


if __name__ == "__main__":
    main()
