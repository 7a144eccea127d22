"""Is the list of the demo lab an OpenAPI document, and does the first method of it work as it is described there?"""

import json
import signal
import subprocess
import sys
import urllib.request

from openapi_spec_validator import OpenAPIV31SpecValidator


def test_the_whole_lab_is_one_openapi_document(tmp_path) -> None:
    command = [sys.executable, "-m", "gateway.cli", "demo", "--port", "0", "--operator-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as child:
        assert child.stdout is not None
        said: dict[str, str] = {}
        for line in child.stdout:
            words = line.split()
            if len(words) > 1 and words[0] in ("address", "token"):
                said[words[0]] = words[1]
            if "ends it" in line:
                break

        def fetched(path: str) -> bytes:
            request = urllib.request.Request(said["address"] + path)
            request.add_header("Authorization", f"Bearer {said['token']}")
            with urllib.request.urlopen(request, timeout=60) as response:
                body: bytes = response.read()
                return body

        document = json.loads(fetched("/openapi.json"))
        version = fetched("/rpc/files.get_version")
        child.send_signal(signal.SIGTERM)
        child.stdout.read()
        assert child.wait(30) == 0
    OpenAPIV31SpecValidator(document).validate()
    services = {path.removeprefix("/rpc/").partition(".")[0] for path in document["paths"]}
    assert services == {"files", "jobs", "dvid", "data", "cryosparc", "auth", "info", "schema", "state"}
    assert "get" in document["paths"]["/rpc/files.get_version"]
    assert json.loads(version)
    assert any(name.startswith("files.") for name in document["components"]["schemas"])
