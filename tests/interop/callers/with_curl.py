"""What does curl get?"""

import json
import subprocess
import tempfile
from pathlib import Path

from story import Answer, Body, base, credential, tell

CURL = ["curl", "--silent", "--show-error", "--max-time", "60", "--location"]


class Curl:
    """One process for each exchange; cookies go from one to the next in a file."""

    follows = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.jar = folder / "jar"

    def _command(self, path: str, fields: dict[str, str] | None = None) -> list[bytes | str]:
        given = credential() | (fields or {})
        words = [
            word for name, value in given.items() for word in (b"-H", f"{name}: {value}".encode("latin-1"))
        ]
        return [*CURL, "--cookie", self.jar, "--cookie-jar", self.jar, *words, base() + path]

    def ask(self, verb: str, path: str, fields: dict[str, str] | None = None, body: Body = None) -> Answer:
        """One exchange, redirects followed; a PUT is an upload of a file, as curl's users write it."""
        heads, got, sent = (self.folder / name for name in ("heads", "got", "sent"))
        got.write_bytes(b"")
        command = [*self._command(path, fields), "-D", heads, "-o", got, "-w", "%{json}"]
        if verb == "HEAD":
            command += ["--head"]
        elif verb != "GET":
            command += ["-X", verb]
        given = None
        if isinstance(body, bytes):
            sent.write_bytes(body)
            command += ["--upload-file", sent] if verb == "PUT" else ["--data-binary", f"@{sent}"]
        elif body is not None:
            command += ["--upload-file", "-"]
            given = b"".join(body)
        done = subprocess.run(command, input=given, stdout=subprocess.PIPE, check=True)
        *earlier, (status, reason, names) = map(_head, heads.read_bytes().split(b"\r\n\r\n")[:-1])
        url = json.loads(done.stdout)["url_effective"]
        # Of a HEAD, curl takes the head for the body.
        content = b"" if verb == "HEAD" else got.read_bytes()
        return Answer(status, reason, names, content, url, tuple(one[0] for one in earlier))

    def leave(self, path: str) -> bytes:
        """By being killed."""
        command = [*self._command(path), "--no-buffer"]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as curl:
            assert curl.stdout is not None
            first = curl.stdout.read1(100)
            curl.kill()
        return first

    def many(self, paths: list[str]) -> tuple[list[bytes], int | None]:
        """In one process, which counts its connections."""
        command: list[bytes | str] = [*self._command(paths[0]), *(base() + path for path in paths[1:])]
        done = subprocess.run(
            [*command, "-w", "\n%{num_connects}\n"], stdout=subprocess.PIPE, check=True
        ).stdout.splitlines()
        return done[::2], sum(map(int, done[1::2]))

    def cookie_paths(self) -> list[str]:
        """From the file, in Netscape's form."""
        lines = self.jar.read_text().replace("#HttpOnly_", "").splitlines()
        return sorted(line.split("\t")[2] for line in lines if line and not line.startswith("#"))


def _head(head: bytes) -> tuple[int, str, list[tuple[str, str]]]:
    line, *fields = head.decode("latin-1").split("\r\n")
    _, status, reason = line.split(" ", 2)
    pairs = (field.partition(":") for field in fields)
    return int(status), reason, [(name, value.lstrip(" ")) for name, _, value in pairs]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        tell(Curl(Path(folder)))
