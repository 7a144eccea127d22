"""Laws of taking connections when the process has no descriptor left: it waits, and goes on when it has."""

import subprocess
import sys
import textwrap
from typing import Any

import pytest

GATE = """
    import asyncio, pathlib, resource, sys, time
    import uvloop
    from gateway.wire.limits import Limits
    from gateway.wire.answer import Answer
    from gateway.wire.server import Server
    from gateway.wire.tls import Live, ServerTls

    async def handler(request):
        return Answer(200, None, (), b"here")

    async def main():
        files = [pathlib.Path(one) for one in sys.argv[2:]]
        tls = Live("tls", ServerTls(*files)) if files else None
        server = Server(handler, Limits(header_seconds=600), tls=tls)
        _, port = server.start("127.0.0.1")
        (await asyncio.open_connection("127.0.0.1", port))[1].close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 4096))
        print(port, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        print(time.process_time(), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)

    factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[1]]
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(main())
"""
CALLERS = """
    import socket, ssl, sys
    address = ("127.0.0.1", int(sys.argv[1]))
    context = ssl.create_default_context(cafile=sys.argv[2]) if len(sys.argv) > 2 else None

    def spoken(one):
        return one if context is None else context.wrap_socket(one, server_hostname="localhost")

    callers = [socket.create_connection(address) for _ in range(80)]
    callers[0] = spoken(callers[0])
    callers[0].sendall(b"GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
    assert callers[0].recv(1000).startswith(b"HTTP/1.1 200 ")
    print("full", flush=True)
    sys.stdin.readline()
    for one in callers:
        one.close()
    last = spoken(socket.create_connection(address, timeout=20))
    last.sendall(b"GET / HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n")
    print(last.recv(1000).partition(b"\\r\\n")[0].decode(), flush=True)
"""


def started(code: str, *words: str) -> "subprocess.Popen[str]":
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", textwrap.dedent(code), *words]
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


@pytest.mark.parametrize("over", ["tcp", "tls"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_without_descriptors_nobody_new_is_taken_without_haste_and_with_them_everybody_again(
    loop: str, over: str, authority: Any
) -> None:
    issued = authority.issue()
    files = [str(issued.certificate), str(issued.key)] if over == "tls" else []
    trusted = [str(authority.file)] if over == "tls" else []
    with started(GATE, loop, *files) as gate:
        try:
            callers = started(CALLERS, gate.stdout.readline().strip(), *trusted)
            with callers:
                assert callers.stdout.readline() == "full\n"
                callers.stdin.write("\n")
                callers.stdin.flush()
                assert callers.stdout.readline() == "HTTP/1.1 200 OK\n", callers.stderr.read()
            said, told = gate.communicate("\n\n")
        finally:
            gate.kill()
    assert float(said) < 30
    warnings = [line for line in told.splitlines() if "no connection can be taken" in line]
    assert 1 <= len(warnings) < 30, told[-2000:]
