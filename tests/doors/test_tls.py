"""Laws of callers who come over TLS, and of those who are known by their certificates."""

from __future__ import annotations

import asyncio
import hashlib
import json
import shutil
import ssl

import aiohttp
import pytest
from aiohttp import web

import labgate
from gateway.cli import main
from gateway.core.certificates import PeerCertificate, naming
from gateway.core.faults import Unauthenticated
from gateway.core.principal import ANONYMOUS
from gateway.doors.entrance import Entrance
from gateway.identity.certificates import CertificatePrincipals
from labgate.errors import GateUnreachable

POLICIES = """
policies:
  - {to: ["subject:ada", "group:imaging", "subject:mill"], allow: ["*", "/**"]}
  - {to: ["group:guests"], allow: ["calc.get"]}
"""
SERVICES = """
services:
  calc:
    dialect: jsonrpc
    url: URL
    rpc_path: /api
    mount: /calc
    timeout: 20s
    methods:
      "get": {safe: true, cache: {fresh: 1h}}
  web:
    dialect: listed
    url: URL
    mount: /web
    http_cache: {enabled: true}
    listen: {address: "127.0.0.1:0", as: ["group:imaging"], tls: {certificate: CRT, key: KEY, client_ca: CA}}
"""


@pytest.fixture
async def behind(authority):
    """A service that tells who asked for what; what it answers about `/kept` may be stored for everybody."""
    seen: list[dict[str, str]] = []

    async def rpc(request: web.Request) -> web.Response:
        called = await request.json()
        seen.append(dict(request.headers))
        if called["method"] == "system.describe":
            procs = [{"name": "get"}, {"name": "set"}]
            result: object = {"sdversion": "1.0", "name": "calc", "procs": procs}
        elif called["method"] == "rpc.discover":
            error = {"code": -32601, "message": "no"}
            return web.json_response({"jsonrpc": "2.0", "error": error, "id": called["id"]})
        else:
            result = len(seen)
        return web.json_response({"jsonrpc": "2.0", "result": result, "id": called["id"]})

    async def told(request: web.Request) -> web.StreamResponse:
        seen.append(dict(request.headers))
        return web.json_response(dict(request.headers), headers={"Cache-Control": "max-age=60"})

    async def large(request: web.Request) -> web.Response:
        return web.Response(body=bytes(range(256)) * 40_000, headers={"Cache-Control": "public, max-age=600"})

    async def digest(request: web.Request) -> web.Response:
        return web.Response(text=hashlib.sha256(await request.read()).hexdigest())

    async def socket(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse()
        await response.prepare(request)
        async for message in response:
            await response.send_str(message.data + "!")
        return response

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/api", rpc)
    app.router.add_put("/digest", digest)
    app.router.add_get("/large", large)
    app.router.add_get("/socket", socket)
    app.router.add_route("*", "/{rest:.*}", told)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", seen
    await runner.cleanup()


@pytest.fixture
async def gate(gate_of, authority, behind, token_for):
    issued = authority.issue()
    files = {"CRT": issued.certificate, "KEY": issued.key, "CA": authority.file}
    text = (
        "tls: {certificate: CRT, key: KEY, client_ca: CA, client: optional}\n"
        'identity: {certificates: {groups: {"OU=Imaging": imaging, "O=Guest*": [guests]}}}\n'
        + POLICIES
        + "cache: {disk: {size: 64MiB}}\n"
        + SERVICES.replace("URL", behind[0])
    )
    for name, file in files.items():
        text = text.replace(name, str(file))
    async with gate_of(text) as running:
        running.files = issued
        yield running


@pytest.fixture
async def session():
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as made:
        yield made


def url(gate, path: str = "") -> str:
    return f"https://localhost:{gate.address[1]}{path}"


async def called(session, gate, context, method: str = "calc.get", **fields: str):
    body = json.dumps({"jsonrpc": "2.0", "method": method, "id": 1}).encode()
    given = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in fields.items()}
    async with session.post(url(gate, "/rpc"), data=body, headers=given, ssl=context) as response:
        return json.loads(await response.read()), response.headers


async def test_a_certificate_says_who_calls_and_its_names_bring_groups(gate, session, authority):
    for subject, names, status in (
        ("CN=somebody, OU=Imaging", ("email:ada@lab.org",), 200),
        ("CN=ada", ("none",), 200),
        ("CN=eve", ("none",), 403),
    ):
        context = authority.issue(subject, *names).context(authority)
        async with session.get(url(gate, "/web/x"), ssl=context) as response:
            assert response.status == status, await response.text()
    async with session.get(url(gate, "/-/whoami"), ssl=authority.issue("CN=g, O=Guests of Bonn", "none").context(authority)) as response:  # fmt: skip
        told = await response.json()
    assert (told["subject"], told["issuer"], told["groups"]) == ("g", "certificate", ["guests"])


async def test_without_certificate_and_token_nobody_is_let_in_and_a_token_alone_suffices(
    gate, session, authority, token_for
):
    answer, _ = await called(session, gate, authority.context())
    assert answer["error"]["message"].startswith("A token is needed")
    answer, _ = await called(session, gate, authority.context(), Authorization=f"Bearer {token_for('ada')}")
    assert "result" in answer


async def test_where_there_is_a_token_it_alone_says_who_calls(gate, session, authority, token_for):
    machine = authority.issue("CN=mill", "none").context(authority)
    assert "result" in (await called(session, gate, machine, "calc.set"))[0]
    guest = f"Bearer {token_for('eve', 'guests')}"
    assert "error" in (await called(session, gate, machine, "calc.set", Authorization=guest))[0]
    answer, _ = await called(session, gate, machine, "calc.set", Authorization="Bearer nonsense")
    assert answer["error"]["code"] == -32001 or "token" in answer["error"]["message"]


async def test_no_lane_answers_a_certificate_with_what_is_anothers(gate, session, authority):
    """The same bytes on connections of two callers, again and again: each gets their own reply, from memory too."""
    ada = authority.issue("CN=ada", "none").context(authority)
    mill = authority.issue("CN=mill", "none").context(authority)
    eve = authority.issue("CN=eve", "none").context(authority)
    body = b'{"jsonrpc":"2.0","method":"calc.get","id":1}'
    head = b"POST /rpc HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    calls = head % len(body) + body
    read = b"GET /web/who HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ends = {}
    for name, context in (("ada", ada), ("mill", mill), ("eve", eve)):
        ends[name] = await asyncio.open_connection(
            "127.0.0.1", gate.address[1], ssl=context, server_hostname="localhost"
        )
    results: dict[str, set[object]] = {"ada": set(), "mill": set(), "eve": set()}
    for _ in range(6):
        for name, (reader, writer) in ends.items():
            answer = json.loads(await exchanged(reader, writer, calls))
            results[name].add(answer.get("result", "refused"))
            said = await exchanged(reader, writer, read)
            assert (b"not allowed" in said or b"error" in said) == (name == "eve"), said
    assert all(len(each) == 1 for each in results.values()), results
    assert results["eve"] == {"refused"}
    assert results["ada"] != results["mill"]
    lanes = gate.servers[0].lanes
    assert not gate.servers[0].lane.requests
    assert sum(len(lane.requests) for lane in lanes._own.values()) >= 2, "the lanes have answered nothing"
    for _, writer in ends.values():
        writer.close()


async def exchanged(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    async with asyncio.timeout(20):
        writer.write(data)
        head = await reader.readuntil(b"\r\n\r\n")
        lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
        return await reader.readexactly(int(lines[b"content-length"]))


async def test_a_page_of_another_origin_changes_nothing_with_its_readers_certificate(
    gate, session, authority
):
    ada = authority.issue("CN=ada", "none").context(authority)
    own = url(gate)
    for origin, may in ((None, True), (own, True), ("https://evil.org", False)):
        fields = (
            {}
            if origin is None
            else {"Origin": origin, "Sec-Fetch-Site": "same-origin" if may else "cross-site"}
        )
        answer, _ = await called(session, gate, ada, "calc.set", **fields)
        assert ("result" in answer) == may, answer
        async with session.post(url(gate, "/web/x"), headers=fields, ssl=ada) as response:
            assert response.status == (200 if may else 403)


async def test_upstreams_are_told_that_callers_came_over_https(gate, session, authority):
    ada = authority.issue("CN=ada", "none").context(authority)
    async with session.get(url(gate, "/web/told"), ssl=ada) as response:
        told = await response.json()
    assert told["X-Forwarded-Proto"] == "https"
    assert "proto=https" in told["Forwarded"]


async def test_web_sockets_pass_over_tls(gate, session, authority):
    ada = authority.issue("CN=ada", "none").context(authority)
    async with session.ws_connect(url(gate, "/web/socket"), ssl=ada) as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "hello!"


async def test_large_bodies_from_the_disk_arrive_whole_over_tls(gate, session, authority):
    ada = authority.issue("CN=ada", "none").context(authority)
    whole = bytes(range(256)) * 40_000
    statuses = []
    for _ in range(3):
        async with session.get(url(gate, "/web/large"), ssl=ada) as response:
            assert await response.read() == whole
            statuses.append(response.headers["Cache-Status"])
        await gate.shelves.settle()
    assert "hit" in statuses[-1], statuses
    assert gate.tier.bytes < len(whole), "it came from memory"


async def test_who_must_show_a_certificate_may_be_whom_the_port_names(gate, session, authority, authority_of):
    address = f"https://localhost:{gate.service_addresses['web'][1]}/x"
    async with session.get(address, ssl=authority.issue("CN=any", "none").context(authority)) as response:
        assert response.status == 403, "a certificate that names somebody is that somebody"
    with pytest.raises(aiohttp.ClientError):
        async with session.get(address, ssl=authority.context()) as response:
            await response.read()
    stranger = authority_of("stranger").issue("CN=ada", "none")
    context = authority.context()
    context.load_cert_chain(stranger.certificate, stranger.key)
    with pytest.raises(aiohttp.ClientError):
        async with session.get(address, ssl=context) as response:
            await response.read()


async def test_a_port_for_whoever_has_a_certificate_lets_programs_in_and_no_page(
    gate_of, authority, behind, session
):
    issued = authority.issue()
    text = f"""
    policies: [{{to: ["group:imaging"], allow: ["*", "/**"]}}]
    services:
      web:
        dialect: listed
        url: {behind[0]}
        mount: /web
        listen:
          address: 127.0.0.1:0
          as: ["group:imaging"]
          tls: {{certificate: {issued.certificate}, key: {issued.key}, client_ca: {authority.file}}}
    """
    context = authority.issue("CN=any", "none").context(authority)
    async with gate_of(text) as gate:
        address = f"https://localhost:{gate.service_addresses['web'][1]}/x"
        for fields, status in (({}, 200), ({"Origin": "https://evil.org"}, 401)):
            async with session.get(address, headers=fields, ssl=context) as response:
                assert response.status == status
        with pytest.raises(aiohttp.ClientError):
            await session.get(address, ssl=authority.context())


def test_a_certificate_is_good_until_it_ends_also_on_an_open_connection():
    now = 0.0
    certificate = PeerCertificate("f", (("CN", "ada"),), 100.0)
    entrance = Entrance(
        None,
        anonymous=True,
        hosts=(),
        draining=lambda: False,
        wall=lambda: now,
        challenge=str,
        certificates=CertificatePrincipals(naming(("cn",), {}, {})),
    )
    known = entrance.known(None, certificate)
    assert (known.subject, known.expires) == ("ada", 100.0)
    assert entrance.known(None, certificate) is known, "lanes tell callers apart by the principal itself"
    assert entrance.known(None) is ANONYMOUS
    now = 100.0
    assert entrance.known(None, certificate) is None
    with pytest.raises(Unauthenticated, match="has expired"):
        asyncio.run(entrance.identify((), certificate))


async def test_curl_and_the_sdk_come_with_a_token_or_a_certificate(
    gate, authority, token_for, monkeypatch, tmp_path
):
    machine = authority.issue("CN=mill", "none")
    curl = ["curl", "-sS", "--cacert", str(authority.file), url(gate, "/-/whoami")]
    token = token_for("ada")
    for more, subject in (
        (["-H", f"Authorization: Bearer {token}"], "ada"),
        (["--cert", str(machine.certificate), "--key", str(machine.key)], "mill"),
    ):
        process = await asyncio.create_subprocess_exec(*curl, *more, stdout=asyncio.subprocess.PIPE)
        said, _ = await process.communicate()
        assert json.loads(said)["subject"] == subject
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def by_sdk() -> object:
        return labgate.connect(url(gate), token=token).calc.get()

    assert isinstance(await asyncio.to_thread(by_sdk), int)


async def test_the_sdk_sends_and_fetches_large_bodies_over_tls(
    gate, authority, token_for, monkeypatch, tmp_path
):
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    token, whole = token_for("ada"), bytes(range(256)) * 40_000

    def by_sdk() -> None:
        lab = labgate.connect(url(gate), token=token)
        for source in (whole, (whole[at : at + 70_000] for at in range(0, len(whole), 70_000))):
            answer = labgate.upload(lab.web, "/digest", source)
            assert answer.body.decode() == hashlib.sha256(whole).hexdigest()
        labgate.download(lab.web, "/large", to=tmp_path / "large")
        assert (tmp_path / "large").read_bytes() == whole

    await asyncio.to_thread(by_sdk)


async def test_the_sdk_says_why_a_gate_is_not_trusted_and_how_its_authority_is_named(
    gate, token_for, authority_of, monkeypatch, tmp_path
):
    token = token_for("ada")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_of("other").file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def by_sdk() -> object:
        return labgate.connect(url(gate), token=token).calc.get()

    with pytest.raises(GateUnreachable, match=r"not trusted .*certificate.*; .* SSL_CERT_FILE"):
        await asyncio.to_thread(by_sdk)


async def test_the_sdk_shows_the_certificate_that_the_environment_names(
    gate, authority, monkeypatch, tmp_path
):
    machine = authority.issue("CN=mill", "none")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LABGATE_CERTIFICATE", str(machine.certificate))

    def by_sdk() -> object:
        return labgate.connect(url(gate)).calc.get()

    with pytest.raises(GateUnreachable, match="LABGATE_CERTIFICATE names cannot be used"):
        await asyncio.to_thread(by_sdk)
    monkeypatch.setenv("LABGATE_CERTIFICATE_KEY", str(machine.key))
    assert isinstance(await asyncio.to_thread(by_sdk), int)


async def test_commands_show_the_certificate_that_the_operators_door_asks_for(
    gate_of, authority, token_for, monkeypatch, capsys
):
    issued, machine = authority.issue(), authority.issue("CN=ada", "none")
    text = f"""
    operator:
      listen: 127.0.0.1:0
      tls: {{certificate: {issued.certificate}, key: {issued.key}, client_ca: {authority.file}}}
    policies: [{{to: ["group:operators"], operate: true}}]
    """
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with gate_of(text) as gate:
        token = token_for("ada", "operators")
        words = [
            "status",
            "--json",
            "--url",
            f"https://localhost:{gate.operator_address[1]}",
            "--token",
            token,
        ]
        assert await asyncio.to_thread(main, words) != 0
        assert "no gate answers" in capsys.readouterr().err
        monkeypatch.setenv("LABGATE_CERTIFICATE", str(machine.certificate))
        assert await asyncio.to_thread(main, words) != 0
        assert "LABGATE_CERTIFICATE names cannot be used" in capsys.readouterr().err
        monkeypatch.setenv("LABGATE_CERTIFICATE_KEY", str(machine.key))
        assert await asyncio.to_thread(main, words) == 0
        assert '"services"' in capsys.readouterr().out


async def test_operators_come_by_their_certificates_and_no_page_of_another_origin_with_them(
    gate_of, authority, session
):
    issued = authority.issue()
    text = f"""
    operator:
      listen: 127.0.0.1:0
      tls: {{certificate: {issued.certificate}, key: {issued.key}, client_ca: {authority.file}}}
    identity: {{certificates: {{groups: {{"OU=Operators": [operators]}}}}}}
    policies: [{{to: ["group:operators"], operate: true}}]
    """
    some = authority.issue("CN=eve", "none").context(authority)
    operator = authority.issue("CN=ada, OU=Operators", "none").context(authority)
    async with gate_of(text) as gate:
        address = f"https://localhost:{gate.operator_address[1]}/-/status"
        for context, fields, status in (
            (operator, {}, 200),
            (some, {}, 403),
            (operator, {"Origin": "https://evil.org"}, 403),
        ):
            async with session.get(address, headers=fields, ssl=context) as response:
                assert response.status == status, await response.text()
        with pytest.raises(aiohttp.ClientError):
            await session.get(address, ssl=authority.context())


async def test_who_has_no_token_is_led_to_where_they_get_one_over_https(gate, session, authority):
    async with session.get(url(gate, "/-/whoami"), ssl=authority.context()) as response:
        assert response.status == 401
        assert f'resource_metadata="{url(gate)}/' in response.headers["WWW-Authenticate"]


async def test_a_certificate_with_several_names_of_the_kind_names_nobody_by_it(gate, session, authority):
    twice = authority.issue("OU=Imaging", "uri:spiffe://a", "uri:spiffe://b").context(authority)
    async with session.get(url(gate, "/web/x"), ssl=twice) as response:
        assert response.status == 401
        assert "certificate has none of the names" in await response.text()


async def test_new_files_are_taken_by_new_connections_and_old_ones_go_on(gate, session, authority):
    ada = authority.issue("CN=ada", "none").context(authority)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", gate.address[1], ssl=ada, server_hostname="localhost"
    )
    before = writer.get_extra_info("peercert")["serialNumber"]
    fresh = authority.issue("CN=fresh")
    shutil.copy(fresh.certificate, gate.files.certificate)
    shutil.copy(fresh.key, gate.files.key)
    for one in gate.secured.live:
        one.look()
        one.look()
    _, other = await asyncio.open_connection(
        "127.0.0.1", gate.address[1], ssl=ada, server_hostname="localhost"
    )
    assert other.get_extra_info("peercert")["serialNumber"] != before
    read = b"GET /web/who HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert b"Forwarded" in await exchanged(reader, writer, read)
    writer.close()
    other.close()


async def test_a_service_is_asked_with_the_gates_certificate_and_believed_by_its_authority(
    gate_of, authority, authority_of, session, token_for
):
    lab = authority_of("upstreams")
    theirs, ours = lab.issue("CN=service", "dns:service.lab.org"), authority.issue("CN=the gate", "none")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(theirs.certificate, theirs.key)
    context.load_verify_locations(authority.file)
    context.verify_mode = ssl.CERT_REQUIRED

    async def told(request: web.Request) -> web.Response:
        certificate = request.transport.get_extra_info("peercert")
        return web.json_response(dict(part[0] for part in certificate["subject"]))

    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", told)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    text = f"""
    policies: [{{to: [authenticated], allow: ["*", "/**"]}}]
    services:
      own:
        dialect: listed
        url: https://127.0.0.1:{runner.addresses[0][1]}
        mount: /own
        tls: {{ca: {lab.file}, certificate: {ours.certificate}, key: {ours.key}, server_name: service.lab.org}}
      wrong: {{dialect: listed, url: "https://127.0.0.1:{runner.addresses[0][1]}", mount: /wrong, tls: {{ca: {authority.file}}}}}
      any: {{dialect: listed, url: "https://127.0.0.1:{runner.addresses[0][1]}", mount: /any, tls: {{verify: false, certificate: {ours.certificate}, key: {ours.key}}}}}
    """
    async with gate_of(text) as gate:
        fields = {"Authorization": f"Bearer {token_for('ada')}"}
        found = {}
        for name in ("own", "wrong", "any"):
            address = f"http://127.0.0.1:{gate.address[1]}/{name}/x"
            async with session.get(address, headers=fields) as response:
                found[name] = response.status, await response.text()
    assert found["own"] == found["any"] == (200, '{"commonName": "the gate"}')
    assert found["wrong"][0] == 502
    assert "certificate cannot be trusted" in found["wrong"][1]
    await runner.cleanup()
