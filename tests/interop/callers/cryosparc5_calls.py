"""What does the APIClient of cryosparc-tools 5 get? `cryosparc5_calls.py URL TOKEN`; the token is the gate's, if there is one."""

import hashlib
import io
import json
import sys
import traceback

import cryosparc.model_registry
import cryosparc.stream_registry  # noqa: F401 - what the answers are made of
import numpy as np
from cryosparc.api import APIClient
from cryosparc.dataset import Dataset
from cryosparc.stream import Stream


def main(url, token):
    outcomes = {}

    def call(label, function, /, *args, **kwargs):
        try:
            value = function(*args, **kwargs)
        except Exception as error:
            code = getattr(error, "code", None)
            data = getattr(error, "data", None)
            outcomes[label] = [
                "error",
                type(error).__name__,
                code,
                data if isinstance(data, dict) else str(data),
            ]
            if "--trace" in sys.argv:
                traceback.print_exc()
            return None
        if isinstance(value, Stream):
            value = value.read() if hasattr(value, "read") else b"".join(value.stream())
        if isinstance(value, bytes):
            value = value.decode("latin-1")
        outcomes[label] = [
            "value",
            value if isinstance(value, (dict, list, str, int, type(None))) else str(value),
        ]
        return value

    headers = {"Labgate-Token": token} if token else {}
    secret = hashlib.sha256(b"secret").hexdigest()
    call("wrong password", APIClient, url, auth=("ada", "x"), headers=headers)
    api = APIClient(url, auth=("ada", secret), headers=headers)
    outcomes["names"] = ["value", sorted(api._attrs)]
    call("find_one", api.projects.find_one, "P3")
    call("find", api.projects.find, limit=3, order=-1)
    call("find.typo", api.projects.find, limits=3)
    call("echo", api.jobs.echo, "P3", {"x": [1.5, 2**60], "n": None})
    call("echo.keyword", api.jobs.echo, "P3", spec={"a": b"bytes", "b": np.float64(2.5), "c": np.arange(3)})
    call("total", api.jobs.total, "P3", np.arange(100_000, dtype="f4"))
    call("delete", api.jobs.delete, "P3")
    call("download.unknown", api.assets.download, "nothing.txt")
    call("upload", api.assets.upload, "up.bin", Stream(stream=io.BytesIO(bytes(range(256)) * 5000)))
    dataset = Dataset.allocate(1000, [("location/center_x_frac", "f4")])
    dataset["uid"] = np.arange(1000, dtype=np.uint64) + np.uint64(2**63)
    call("datasets.upload", api.datasets.upload, "d.cs", dataset)
    call("datasets.download", lambda: [str(one) for one in api.datasets.download("d.cs")["uid"][:3]])
    api._client.headers["Authorization"] = "Bearer wrong"
    call("logged out", api.projects.find_one, "P3")
    print(json.dumps(outcomes, default=str))


if __name__ == "__main__":
    main(*[one for one in sys.argv[1:] if not one.startswith("--")])
