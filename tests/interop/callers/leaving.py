"""Does a server hear that its caller left before it said a word? Left are a GET of http.client and one of curl."""

import json
import subprocess
import uuid

from story import base, credential, side
from with_http_client import HttpClient


def main() -> None:
    """Both wait until the server has seen it."""
    print(json.dumps({"http.client": by_closing(), "curl": by_being_killed()}))


def by_closing() -> bool:
    """The connection is closed."""
    name, caller = uuid.uuid4().hex, HttpClient()
    caller.send("GET", f"/silent/{name}")
    side("GET", f"/started/{name}")
    caller.connection.close()
    side("GET", f"/gone/{name}")
    return True


def by_being_killed() -> bool:
    """The process ends."""
    name = uuid.uuid4().hex
    words = [word for field, value in credential().items() for word in ("-H", f"{field}: {value}")]
    with subprocess.Popen(["curl", "--silent", *words, f"{base()}/silent/{name}"]) as curl:
        side("GET", f"/started/{name}")
        curl.kill()
    side("GET", f"/gone/{name}")
    return True


if __name__ == "__main__":
    main()
