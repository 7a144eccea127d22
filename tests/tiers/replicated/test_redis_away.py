"""Redis is away, hangs, or has forgotten: local tiers go on, calls stay fast, and nothing old is served afterwards."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from redis_servers import LINEAGE, entry_at, free_port, replica, serves, serving, there, until

from gateway.tiers.generations import slots
from gateway.tiers.redis_link import FAILURES, Link, Place
from tests.tiers.own_generations import OwnGenerations


@pytest.fixture
def own(tmp_path):
    """A server that the test may end and freeze."""
    folder = tmp_path / "redis"
    folder.mkdir()
    with serving(folder) as server:
        yield server


def away(*replicas):
    return until(lambda: not any(one.tier.status()["connected"] for one in replicas))


async def test_without_a_redis_everything_works_but_sharing_and_it_is_said_once(caplog):
    caplog.set_level(logging.INFO)
    async with replica(Place("127.0.0.1", free_port())) as one:
        before = one.generations.read(("tag:runs",))
        one.generations.bump(("tag:runs",))
        one.generations.advance()
        assert one.generations.read(("tag:runs",)) != before
        assert not one.tier.may_have("lab")
        assert await one.tier.get(b"key") is None
        assert not await one.tier.put(entry_at(one))
        await one.tier.drop(b"key")
        status = one.tier.status()
        assert (status["connected"], status["unsent"]) == (False, 2)
        assert "refused" in status["why"] or "Connect" in status["why"]
    assert len([line for line in caplog.messages if "is away" in line]) == 1


async def test_bumps_that_could_not_be_sent_are_sent_before_anything_is_read_again(own):
    async with replica(own.place()) as one, replica(own.place()) as other:
        await there(one, other)
        own.stop()
        await away(one, other)
        memory = entry_at(other)  # of the other replica, from before the write
        for _ in range(3):
            one.generations.bump(("tag:runs",))
        one.generations.bump(("tag:more",))
        assert one.tier.status()["unsent"] == 2  # merged by slot
        client = own.client()
        own.start()
        await there(one)
        # The first moment at which anything can be read: Redis knows the bumps by then.
        assert one.tier.status()["unsent"] == 0
        table = client.hgetall("{labgate}:generations")
        assert len([field for field in table if field.isdigit()]) == 2
        await there(other)
        assert not serves(other, memory)


async def test_a_bump_while_the_other_replica_alone_has_lost_redis_is_heard_when_it_is_back(own):
    async with replica(own.place()) as one:
        async with replica(own.place()) as other:
            await there(one, other)
            assert await one.tier.put(entry_at(one))
            found, before = await other.tier.get(b"key"), one.tier.status()["name"]
            assert serves(other, found)
            for connection in own.client().client_list():
                own.client().client_kill_filter(_id=connection["id"])
            one.generations.bump(("tag:runs",))
            await until(lambda: not serves(other, found))
            await there(one, other)
            assert await other.tier.get(b"key") is None
            assert one.tier.status()["name"] == before


async def test_connections_that_the_server_closed_while_they_were_idle_are_replaced_without_a_miss(
    own, caplog
):
    caplog.set_level(logging.INFO)
    async with replica(own.place()) as one:
        await there(one)
        assert await one.tier.put(entry_at(one))
        for _ in range(5):
            assert all(await asyncio.gather(*(one.tier.get(b"key") for _ in range(8))))
            own.client().client_kill_filter(_type="normal", skipme=True)
        assert await one.tier.get(b"key") is not None
        assert one.tier.status()["connected"]
    assert not [line for line in caplog.messages if "is away" in line]


@pytest.mark.parametrize("how", ["killed", "emptied", "table lost", "another table"])
async def test_a_redis_that_forgot_what_ended_makes_everything_from_before_void(own, how):
    async with replica(own.place()) as one, replica(own.place()) as other:
        await there(one, other)
        one.generations.bump(("tag:x",))
        await until(lambda: not one.tier.status()["unsent"])
        assert await one.tier.put(entry_at(one))
        kept, local = await other.tier.get(b"key"), entry_at(one, b"local")
        assert serves(other, kept)
        client = own.client()
        (key,) = own.values()
        value = client.get(key)
        if how == "killed":
            own.stop()
            own.start()
        elif how == "emptied":
            client.flushall()
        elif how == "table lost":
            client.delete("{labgate}:generations")
        else:
            client.hset("{labgate}:generations", "id", "somebody's")
        await until(lambda: not serves(other, kept) and not serves(one, local))
        await there(one, other)
        # Even a value that was kept, with numbers that are those of now, is one of before.
        own.client().set(key, value)
        assert await one.tier.get(b"key") is None
        assert await other.tier.get(b"key") is None
        assert await one.tier.put(entry_at(one, body=b"new"))
        assert (await other.tier.get(b"key")).body == b"new"


async def test_a_redis_that_was_restored_from_a_copy_serves_nothing_of_it(tmp_path):
    (tmp_path / "redis").mkdir()
    with serving(tmp_path / "redis", "--dbfilename", "copy.rdb") as server:
        async with replica(server.place()) as one:
            await there(one)
            assert await one.tier.put(entry_at(one, body=b"old"))
            server.client().save()
            one.generations.bump(("tag:runs",))  # the copy does not know of this
            await until(lambda: not one.tier.status()["unsent"])
            server.stop()
            server.start()
            assert len(server.values()) == 1
            await away(one) if one.tier.status()["connected"] else None
            await there(one)
            assert await one.tier.get(b"key") is None


async def test_a_redis_that_hangs_costs_no_call_more_than_its_patience_and_then_nothing(own):
    async with replica(own.place(), patience=0.25) as one:
        await there(one)
        assert await one.tier.put(entry_at(one))
        own.freeze()
        try:
            asked = one.tier.counts.misses
            async with asyncio.timeout(5):  # of forty calls, one after another
                for _ in range(40):
                    assert await one.tier.get(b"key") is None
                    assert not await one.tier.put(entry_at(one))
            assert one.tier.counts.misses == asked + 40
            await away(one)
            one.generations.bump(("tag:runs",))
            assert one.tier.status()["unsent"] == 1
        finally:
            own.thaw()
        await there(one)
        assert one.tier.status()["unsent"] == 0
        assert await one.tier.get(b"key") is None
        assert await one.tier.put(entry_at(one))
        assert await one.tier.get(b"key") is not None


async def test_a_redis_that_is_killed_and_started_under_load_makes_no_error_and_serves_nothing_old(own):
    async with replica(own.place()) as one, replica(own.place()) as other:
        await there(one, other)
        version, stop = 0, asyncio.Event()

        async def load(shared, key):
            rounds = 0
            while not stop.is_set():
                ended = version if shared is one else 0
                found = await shared.tier.get(key)
                if serves(shared, found):
                    # What ended here before this was asked for, cannot be older in what is served.
                    assert int(found.body) >= ended
                else:
                    entry = entry_at(shared, key, b"%d" % version)
                    await asyncio.sleep(0)
                    await shared.tier.put(entry)
                rounds += 1
                await asyncio.sleep(0.001)
            return rounds

        async def write():
            nonlocal version
            while not stop.is_set():
                version += 1
                one.generations.bump(("tag:runs",))
                await asyncio.sleep(0.005)

        work = [load(one, b"a"), load(other, b"a"), load(one, b"b"), load(other, b"b"), write()]
        tasks = [asyncio.ensure_future(each) for each in work]
        for _ in range(3):
            stored = one.tier.counts.stored
            await until(lambda stored=stored: one.tier.counts.stored > stored)
            own.stop()
            await away(one, other)
            await asyncio.to_thread(own.start)
            await there(one, other)
        stop.set()
        *rounds, _ = await asyncio.gather(*tasks)
        assert min(rounds) > 10
        await until(lambda: not one.tier.status()["unsent"])
        await until(lambda: not any(other.tier.status()["replicas"].values()))
        for key in (b"a", b"b"):
            for shared in (one, other):
                found = await shared.tier.get(key)
                assert found is None or int(found.body) == version


async def test_what_was_not_sent_when_a_gate_ended_is_sent_by_the_next_one(own, tmp_path):
    place, state, local = own.place(), tmp_path / "state" / "bumps", OwnGenerations()
    async with replica(place) as other:
        async with replica(place, state=state, local=local) as one:
            await there(one, other)
            own.freeze()
            one.generations.bump(("tag:runs",))
        before = other.generations.read(LINEAGE)
        own.thaw()
        await there(other)
        async with replica(place, state=state, local=local) as one:
            await there(one)
            assert one.tier.status()["unsent"] == 0
            await until(lambda: other.generations.read(LINEAGE) != before)


async def test_a_gate_that_starts_again_keeps_what_nothing_ended_meanwhile_and_drops_what_something_did(
    own, tmp_path
):
    """Its disk has entries with the counters of its file; here the counters outlive the gate as that file does."""
    place, state, local = own.place(), tmp_path / "bumps", OwnGenerations()
    async with replica(place) as other:
        async with replica(place, state=state, local=local) as one:
            await there(one, other)
            entry = entry_at(one)
        async with replica(place, state=state, local=local) as one:
            await there(one)
            assert serves(one, entry)
        other.generations.bump(("tag:runs",))
        await until(lambda: not other.tier.status()["unsent"])
        async with replica(place, state=state, local=local) as one:
            await there(one)
            assert not serves(one, entry)


async def test_what_ends_in_the_last_moment_of_a_gate_is_sent(own):
    async with replica(own.place()) as other:
        await there(other)
        before = other.generations.read(LINEAGE)
        async with replica(own.place()) as one:
            await there(one)
            one.generations.bump(("tag:runs",))
        await until(lambda: other.generations.read(LINEAGE) != before)


async def test_a_state_folder_that_cannot_be_written_is_said_and_stops_nothing(own, tmp_path, caplog):
    (tmp_path / "file").write_text("in the way")
    async with replica(own.place(), state=tmp_path / "file" / "bumps") as one:
        await there(one)
        assert await one.tier.put(entry_at(one))
    assert len([line for line in caplog.messages if "is not kept over a restart" in line]) == 1


async def test_what_is_no_redis_is_away():
    async def answer(reader, writer):
        writer.write(b"SSH-2.0-x\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server, replica(Place("127.0.0.1", server.sockets[0].getsockname()[1])) as one:
        assert "Protocol Error" in one.tier.status()["why"]
        assert await one.tier.get(b"key") is None


@pytest.mark.parametrize(
    "text", [b"", b"nonsense", b"a b c", b"\xff\xff 1 \xff 1=2", b"x 1 y 5000=1", b"x 1 y -1=1"]
)
async def test_a_message_that_no_gate_sent_ends_nothing(own, text):
    async with replica(own.place()) as one, replica(own.place()) as other:
        await there(one, other)
        before = one.generations.epoch, one.generations.read(LINEAGE)
        own.client().publish("labgate:bumps:0", text)
        other.generations.bump(("tag:later",))
        await until(lambda: one.tier.status()["replicas"].get(other.tier.status()["name"]) == 0)
        assert (one.generations.epoch, one.generations.read(LINEAGE)) == before
        assert one.tier.status()["connected"]


async def test_a_table_that_no_gate_wrote_makes_redis_away_and_not_a_source_of_errors(own):
    async with replica(own.place()) as one:
        await there(one)
        client = own.client()
        (row,) = slots(("tag:runs",))
        client.hset("{labgate}:generations", row, "no number")
        entry = entry_at(one)
        assert await one.tier.put(entry)
        assert await one.tier.get(b"key") is None
        one.generations.bump(("tag:runs",))
        await away(one)
        assert not serves(one, entry)
        await until(
            lambda: (
                "not an integer" in one.tier.status()["why"] or "invalid literal" in one.tier.status()["why"]
            )
        )
        assert one.tier.status()["unsent"] == 1
        client.delete("{labgate}:generations")
        await there(one)
        assert one.tier.status()["unsent"] == 0


class Deaf:
    """Passes everything on, but what a server sends to who has subscribed, once it is deaf."""

    def __init__(self, port):
        self._port = port
        self.deaf = False

    async def passing(self, reader, writer):
        upstream, downstream = await asyncio.open_connection("127.0.0.1", self._port)
        subscribed = False

        async def there_and(source, sink, *, back):
            nonlocal subscribed
            while data := await source.read(1 << 16):
                subscribed = subscribed or (not back and b"SUBSCRIBE" in data)
                if not (back and subscribed and self.deaf):
                    sink.write(data)
            sink.close()

        try:
            await asyncio.gather(
                there_and(reader, downstream, back=False), there_and(upstream, writer, back=True)
            )
        except ConnectionError:
            pass
        finally:
            downstream.close()
            writer.close()


async def test_messages_that_do_not_come_are_missed_and_what_they_told_is_taken_over(own):
    proxy = Deaf(own.port)
    server = await asyncio.start_server(proxy.passing, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, replica(own.place()) as one, replica(Place("127.0.0.1", port)) as other:
        await there(one, other)
        assert await one.tier.put(entry_at(one))
        found = await other.tier.get(b"key")
        assert serves(other, found)
        proxy.deaf = True
        one.generations.bump(("tag:runs",))
        await away(other)  # it cannot subscribe again either
        assert not serves(other, found)
        proxy.deaf = False
        await there(other)
        assert await other.tier.get(b"key") is None


def certificate(folder):
    """A certificate for this machine that signed itself, and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "redis of a test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.IPAddress(ip_address("127.0.0.1")), x509.DNSName("redis.test")]
            ),
            critical=False,
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


async def test_a_server_with_tls_is_spoken_to_if_its_certificate_is_trusted_and_not_else(tmp_path):
    cert, key = certificate(tmp_path)
    secure = free_port()
    options = ["--tls-port", str(secure), "--tls-cert-file", str(cert), "--tls-key-file", str(key)]
    with serving(tmp_path, *options, "--tls-auth-clients", "no", "--tls-ca-cert-file", str(cert)):
        async with replica(Place("127.0.0.1", secure, tls=True, ca=cert)) as one:
            await there(one)
            assert await one.tier.put(entry_at(one, body=bytes(1 << 20)))
            assert (await one.tier.get(b"key")).length == 1 << 20
        async with replica(Place("127.0.0.1", secure, tls=True)) as one:
            assert "certificate" in one.tier.status()["why"].lower()
            assert await one.tier.get(b"key") is None


async def test_the_certificate_must_be_that_of_the_name_which_was_written(tmp_path):
    cert, key = certificate(tmp_path)
    secure = free_port()
    options = ["--tls-port", str(secure), "--tls-cert-file", str(cert), "--tls-key-file", str(key)]

    async def here(host):
        return ["127.0.0.1"]

    with serving(tmp_path, *options, "--tls-auth-clients", "no", "--tls-ca-cert-file", str(cert)):
        link = Link(Place("redis.test", secure, tls=True, ca=cert), here)
        assert await link.ask(("PING",)) == [b"PONG"]
        await link.close()
        link = Link(Place("another.test", secure, tls=True, ca=cert), here)
        with pytest.raises(FAILURES, match="certificate"):
            await link.ask(("PING",))
        await link.close()
