"""A real nginx with TLS before an address, below a path, as docs/how-to/console.md has it."""

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

_CONFIG = """\
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        location {path} {{
            proxy_pass {address}/;
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""
_LOOK = 0.05


@asynccontextmanager
async def nginx(folder: Path, certificate: Path, key: Path, path: str, address: str) -> AsyncIterator[str]:
    """The origin at which it listens, until the end. `path` begins and ends with a slash."""
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(
        _CONFIG.format(folder=folder, port=port, certificate=certificate, key=key, path=path, address=address)
    )
    process = await asyncio.create_subprocess_exec(
        program, "-p", str(folder), "-c", str(file), "-e", "stderr"
    )
    try:
        await _listening(process, port)
        yield f"https://localhost:{port}"
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    while True:
        assert process.returncode is None, "nginx has ended"
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        except OSError:
            await asyncio.sleep(_LOOK)
        else:
            writer.close()
            await writer.wait_closed()
            return
