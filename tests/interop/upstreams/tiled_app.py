"""How does a real Tiled server (0.2) describe itself and behave? A tree in memory, and one API key for everybody.

`python tiled_app.py anonymous` lets those without a key read, too.
"""

import os
import socket
import sys
import threading

import numpy as np
import pandas as pd
import uvicorn
from tiled.adapters.array import ArrayAdapter
from tiled.adapters.mapping import MapAdapter
from tiled.adapters.table import TableAdapter
from tiled.config import Authentication
from tiled.server.app import build_app

API_KEY = "0a1b2c3d4e5f"


def tree() -> MapAdapter:
    """An array in four chunks, a table in two partitions, and a container with an array; equal every time."""
    chance = np.random.default_rng(7)
    image = chance.integers(0, 4096, (64, 96)).astype("<u2")
    picks = pd.DataFrame({"row": chance.integers(0, 64, 30), "score": chance.random(30)})
    curve = ArrayAdapter.from_array(np.linspace(0, 1, 25), metadata={"unit": "1/nm"})
    return MapAdapter(
        {
            "image": ArrayAdapter.from_array(image, chunks=((32, 32), (48, 48)), metadata={"beamline": "7"}),
            "picks": TableAdapter.from_pandas(picks, npartitions=2),
            "samples": MapAdapter({"a": curve}, metadata={"operator": "zoë"}),
        },
        metadata={"lab": "interop"},
    )


def _end_with_input() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_input, daemon=True).start()
    anonymous = sys.argv[1:] == ["anonymous"]
    app = build_app(tree(), Authentication(single_user_api_key=API_KEY, allow_anonymous_access=anonymous))
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"ready http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listening])
