"""Does a box come whole into its array, in parts at once, or not at all with a reason?"""

from __future__ import annotations

import io
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest

import labgate
from labgate.errors import (
    BadReply,
    DeadlineExceeded,
    Error,
    GateUnreachable,
    NotFound,
    RateLimited,
    RemoteError,
    RemoteNotFound,
    ServiceWarning,
    SetupError,
    StaleWarning,
    Unauthenticated,
    Unavailable,
)
from tests.sdk.conftest import Gate, Handler
from tests.sdk.voxels import Voxels, answers, npy, once, refuse, traced

MIB = 1024 * 1024


def opened(voxels: Voxels, **options: object) -> labgate.Volume:
    return labgate.connect(voxels.gate.url, **options).dvid.volume("a1", "grayscale")


def large(gate: Gate, *shape: int, dtype: str = "uint8") -> Voxels:
    """A service of a larger volume, from (0, 0, 0) on."""
    count = int(np.prod(shape))
    return Voxels(gate, (np.arange(count, dtype=np.uint32) % 251).astype(dtype).reshape(shape))


def nobody_works() -> bool:
    """Whether all threads that were reading have ended; the interpreter may still be tidying up behind them."""
    for thread in threading.enumerate():
        if "labour" in thread.name:
            thread.join(5)
    return not any("labour" in thread.name for thread in threading.enumerate())


def late(_: Handler) -> bool:
    raise AssertionError("nobody was to ask again")


def put_off(*fields: tuple[str, str], status: int = 503, fault: str = "Unavailable"):
    def answer(asked: Handler) -> bool:
        refuse(asked, status, -32008 if status == 503 else -32005, "later", fault, *fields)
        return True

    return answer


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "uint64", "int64", "float32", "bool"])
def test_a_box_comes_bit_by_bit_as_it_is_whatever_its_dtype(gate: Gate, dtype: str) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(0, 2**63, (20, 30, 40), np.uint64).astype(dtype)
    vol = opened(Voxels(gate, values, (-7, 3, 0)))
    found = vol.read((-5, 4, 1), (9, 30, 39))
    assert found.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(found, values[2:16, 1:27, 1:39])
    assert found.flags.writeable


def test_a_large_box_is_asked_for_in_parts_that_meet_between_blocks(gate: Gate) -> None:
    voxels = large(gate, 100, 256, 512)
    vol = opened(voxels)
    found = vol.read((5, 0, 0), (95, 256, 512))
    np.testing.assert_array_equal(found, voxels.array[5:95])
    parts = sorted((start[0], stop[0]) for start, stop, _ in voxels.reads)
    assert len(parts) > 3
    assert (parts[0][0], parts[-1][1]) == (5, 95)
    assert all(one[1] == other[0] and one[1] % 16 == 0 for one, other in pairwise(parts))


def test_a_slab_of_one_block_that_is_still_large_is_cut_across_the_other_axes(gate: Gate) -> None:
    voxels = large(gate, 16, 1024, 512)
    found = opened(voxels).read()
    np.testing.assert_array_equal(found, voxels.array)
    assert len(voxels.reads) > 1
    assert all(start[1] % 16 == 0 for start, _, _ in voxels.reads)


def test_twenty_four_parts_are_on_their_way_at_once_and_may_come_in_any_order(gate: Gate) -> None:
    voxels = large(gate, 16 * 24, 256, 512)
    meeting = threading.Barrier(24)
    order = iter(np.random.default_rng(1).permutation(24))
    turns = [threading.Event() for _ in range(25)]
    turns[0].set()

    def one_after_the_other(_: Handler) -> bool:
        meeting.wait(30)
        with voxels.lock:
            mine = int(next(order))
        assert turns[mine].wait(30)
        turns[mine + 1].set()
        return False

    voxels.before = one_after_the_other
    np.testing.assert_array_equal(opened(voxels).read(workers=24), voxels.array)
    assert len(voxels.reads) == 24


def test_one_handle_serves_many_threads_and_connections_are_kept_for_all(voxels: Voxels) -> None:
    vol = opened(voxels)
    meeting = threading.Barrier(24)
    voxels.before = lambda _: meeting.wait(30) > 99
    boxes = [(at - 16, at - 15) for at in range(24)]

    def read(box: tuple[int, int]) -> np.ndarray:
        return vol[box[0] : box[1]]

    with ThreadPoolExecutor(24) as pool:
        for at, found in enumerate(pool.map(read, boxes)):
            np.testing.assert_array_equal(found, voxels.array[at : at + 1])
    assert len(vol._session.link.pool.idle) == 24


def test_an_empty_box_is_an_empty_array_and_no_request(voxels: Voxels) -> None:
    found = opened(voxels).read((0, 0, 40), (0, 10, 50))
    assert (found.shape, found.dtype) == ((0, 10, 10), np.uint8)
    assert voxels.reads == []


# Into an array that is given.


@pytest.mark.parametrize(
    "strided",
    [
        lambda: np.zeros((30, 64, 80), np.uint8),
        lambda: np.zeros((30, 64, 80), np.uint8, order="F"),
        lambda: np.zeros((30, 64, 160), np.uint8)[:, :, ::2],
        lambda: np.zeros((30, 64, 80), np.uint8)[::-1, ::-1, ::-1],
        lambda: np.zeros((32, 70, 90), np.uint8)[1:31, 5:69, 5:85],
    ],
    ids=["plain", "fortran", "every second", "backwards", "a part of another"],
)
def test_out_may_have_any_strides(voxels: Voxels, strided) -> None:
    out = strided()
    assert opened(voxels).read((-16, 0, 32), (14, 64, 112), out=out) is out
    np.testing.assert_array_equal(out, voxels.array[:30])


def test_a_large_array_of_other_strides_is_filled_too(gate: Gate) -> None:
    voxels = large(gate, 40, 300, 1000, dtype="uint16")
    out = np.zeros((1000, 300, 40), np.uint16).T
    opened(voxels).read(out=out)
    np.testing.assert_array_equal(out, voxels.array)
    flat = np.zeros((40, 600, 1000), np.uint16)[:, ::2]
    opened(voxels).read(out=flat, workers=1)
    np.testing.assert_array_equal(flat, voxels.array)


@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        (np.zeros((2, 64, 80), np.int8), TypeError, "out has the dtype int8, and the volume uint8"),
        (np.zeros((2, 64, 80), np.uint16), TypeError, "out has the dtype uint16"),
        (np.zeros((2, 64, 81), np.uint8), ValueError, r"out has the shape \(2, 64, 81\)"),
        (np.zeros((1, 2, 64, 80), np.uint8), ValueError, "out has the shape"),
        (np.broadcast_to(np.uint8(0), (2, 64, 80)), ValueError, "cannot be written to"),
        ([[[0]]], TypeError, "out is a numpy array, not a list"),
    ],
)
def test_an_out_that_does_not_fit_is_refused_before_anything_is_sent(voxels, out, error, words) -> None:
    with pytest.raises(error, match=words):
        opened(voxels).read((-16, 0, 32), (-14, 64, 112), out=out)
    assert voxels.reads == []


def test_reading_takes_the_memory_of_the_array_and_no_more_than_eight_mebibytes_over(gate: Gate) -> None:
    voxels = large(gate, 64, 1024, 1024)
    voxels.block = (2, 16, 16)  # so that the service need not copy what it sends: its memory is traced, too
    vol = opened(voxels)
    out = np.empty(vol.shape, np.uint8)
    with traced() as highest:
        vol.read(out=out)
        assert highest() < 8 * MIB
    np.testing.assert_array_equal(out, voxels.array)
    with traced() as highest:
        found = vol.read(workers=3)
        assert found.nbytes <= highest() < found.nbytes + 8 * MIB


# What is no array of this box.


def body_of(array: np.ndarray) -> bytes:
    return b"".join(map(bytes, npy(array)))


def saved(array: np.ndarray) -> bytes:
    """What numpy itself writes, in the array's own order."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


WHOLE = body_of(np.zeros((1, 64, 80), np.uint8))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (answers(WHOLE, b"x"), "the reply has 5249 bytes, and its array 5248 with its header"),
        (answers(WHOLE[:-1]), "the reply has 5247 bytes"),
        (answers(body_of(np.zeros((1, 64, 81), np.uint8))), r"shape \(1, 64, 81\) instead of \|u1"),
        (answers(body_of(np.zeros((1, 64, 80), np.int8))), r"an array of '\|i1'"),
        (answers(saved(np.zeros((80, 64, 1), np.uint8).T)), "in Fortran order instead of"),
        (answers(b"\x93NUMPX" + WHOLE[6:]), "no numpy file that can be read"),
        (answers(WHOLE[:6] + b"\x09" + WHOLE[7:]), "no numpy file that can be read"),
        (answers(b"\x93NUMPY\x02\x00\xff\xff\xff\x7f"), "no numpy file that can be read"),
        (answers(b"short"), "the reply ended"),
        (answers(b"{}", kind="application/json"), "answered 200 with a body that is no array"),
    ],
)
def test_a_reply_that_is_another_array_is_a_bad_reply_and_is_not_asked_for_again(
    voxels, answer, words
) -> None:
    voxels.before = once(answer, late)
    with pytest.raises(BadReply, match=words) as caught:
        opened(voxels)[0]
    assert caught.value.method == "dvid.read"
    assert "the part from [0, 0, 32] to [1, 64, 112]" in caught.value.__notes__[0]


def chunked(*pieces: bytes, whole: bool = True):
    def answer(asked: Handler) -> bool:
        asked.close_connection = True
        asked.send_response(200)
        asked.send_header("Content-Type", "application/x-npy")
        asked.send_header("Transfer-Encoding", "chunked")
        asked.end_headers()
        for piece in pieces:
            asked.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if whole:
            asked.wfile.write(b"0\r\n\r\n")
        return True

    return answer


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_numpys_format_is_read(voxels: Voxels, version: tuple[int, int]) -> None:
    file = io.BytesIO()
    np.lib.format.write_array(file, voxels.array[16:17], version)
    voxels.before = answers(file.getvalue())
    np.testing.assert_array_equal(opened(voxels)[0], voxels.array[16])


def test_a_body_in_chunks_is_as_good(voxels: Voxels) -> None:
    plane = body_of(voxels.array[16:17])
    voxels.before = chunked(plane[:5], plane[5:200], plane[200:])
    np.testing.assert_array_equal(opened(voxels)[0], voxels.array[16])


def test_chunks_that_end_early_or_go_on_are_bad_replies(voxels: Voxels) -> None:
    plane = body_of(voxels.array[16:17])
    voxels.before = once(chunked(plane[:-9]), chunked(plane, b"more"))
    vol = opened(voxels)
    with pytest.raises(BadReply, match="ended 9 bytes before its array did"):
        vol[0]
    with pytest.raises(BadReply, match="bytes behind the end of its array"):
        vol[0]


def test_a_reply_that_is_cut_is_asked_for_again_and_an_error_where_it_stays_so(voxels: Voxels) -> None:
    cut = answers(WHOLE[:3000], length=len(WHOLE))
    voxels.before = once(cut, chunked(WHOLE[:400], whole=False))
    np.testing.assert_array_equal(opened(voxels)[0], voxels.array[16])
    assert len(voxels.reads) == 3
    voxels.before = cut
    with pytest.raises(GateUnreachable, match="did not finish its answer") as caught:
        opened(voxels, retries=1)[0]
    assert len(voxels.reads) == 5
    assert caught.value.maybe_executed is False


def test_one_part_that_fails_ends_the_others_at_once(gate: Gate) -> None:
    voxels = large(gate, 16 * 8, 512, 512)
    meeting = threading.Barrier(8)
    forever = threading.Event()

    def one_refuses(asked: Handler) -> bool:
        if meeting.wait(30) == 0:
            refuse(asked, 400, -32602, "not this part", "InvalidParams")
            return True
        return forever.wait(60)

    voxels.before = one_refuses
    began = time.monotonic()
    with pytest.raises(Error, match="not this part"):
        opened(voxels).read()
    forever.set()
    assert time.monotonic() - began < 30
    assert nobody_works()


@pytest.mark.parametrize("workers", [1, 8])
def test_ctrl_c_ends_a_reading_and_its_connections(gate: Gate, workers: int) -> None:
    voxels = large(gate, 16 * 8, 512, 512)
    here, forever = threading.Semaphore(0), threading.Event()

    def hold(_: Handler) -> bool:
        here.release()
        return forever.wait(60)

    def interrupt() -> None:
        for _ in range(workers):
            here.acquire()
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    voxels.before = hold
    vol = opened(voxels)
    hand = threading.Thread(target=interrupt)
    hand.start()
    with pytest.raises(KeyboardInterrupt):
        vol.read(workers=workers)
    hand.join()
    forever.set()
    assert len(vol._session.link.pool.idle) <= 1
    assert nobody_works()


# Later, and within which time.


def test_a_read_that_is_put_off_is_asked_for_again_as_often_as_the_deadline_lets(voxels: Voxels) -> None:
    voxels.before = once(*[put_off(("Retry-After", "0"))] * 2)
    np.testing.assert_array_equal(opened(voxels, retries=0)[0], voxels.array[16])
    assert len(voxels.reads) == 3


def test_a_read_that_is_put_off_beyond_the_deadline_says_so_at_once(voxels: Voxels) -> None:
    voxels.before = put_off(("Retry-After", "100"))
    with pytest.raises(Unavailable) as caught:
        opened(voxels).read((0, 0, 40), (1, 1, 41), timeout=5)
    assert (caught.value.http_status, len(voxels.reads)) == (503, 1)


@pytest.mark.parametrize(
    ("answer", "error"),
    [(put_off(), Unavailable), (put_off(status=429, fault="RateLimited"), RateLimited)],
)
def test_other_refusals_for_now_are_raised_after_the_clients_retries(voxels, answer, error) -> None:
    voxels.before = answer
    with pytest.raises(error):
        opened(voxels, retries=1)[0]
    assert len(voxels.reads) == 2


def test_a_read_has_one_deadline_which_it_tells_the_gate(voxels: Voxels) -> None:
    forever = threading.Event()
    voxels.before = lambda _: forever.wait(60)
    with pytest.raises(DeadlineExceeded, match=r"the box did not come within 0\.2 s"):
        opened(voxels).read((0, 0, 40), (1, 1, 41), timeout=0.2)
    forever.set()
    assert 0 < float(voxels.gate.requests[-1][2]["labgate-timeout"]) <= 0.2


def test_a_timeout_that_is_none_is_refused_and_none_waits_as_long_as_it_takes(voxels: Voxels) -> None:
    with pytest.raises(SetupError, match="timeout is a number of seconds above 0"):
        opened(voxels).read(timeout=-1)
    assert opened(voxels).read((0, 0, 40), (1, 1, 41), timeout=None).shape == (1, 1, 1)
    assert "labgate-timeout" not in voxels.gate.requests[-1][2]


def test_a_body_that_does_not_come_to_its_end_in_time_is_a_deadline_exceeded(voxels: Voxels) -> None:
    forever = threading.Event()

    def stall(asked: Handler) -> bool:
        asked.send_response(200)
        asked.send_header("Content-Type", "application/x-npy")
        asked.send_header("Content-Length", str(len(WHOLE)))
        asked.end_headers()
        asked.wfile.write(WHOLE[:1000])
        return forever.wait(60)

    voxels.before = stall
    with pytest.raises(DeadlineExceeded, match=r"the box did not come within 0\.3 s"):
        opened(voxels, timeout=0.3)[0]
    forever.set()


# Whose request it is.


def test_every_part_carries_the_token_the_options_and_no_more_than_the_box(voxels: Voxels) -> None:
    lab = labgate.connect(voxels.gate.url, headers={"X-Run": "7"})
    lab(fresh=True).dvid.volume("a1", "grayscale")[0, 0, 40]
    verb, target, headers, _ = voxels.gate.requests[-1]
    assert (verb, headers["x-run"], headers["cache-control"]) == ("GET", "7", "no-cache")
    assert target.startswith("/rpc/dvid.read?node=")
    assert target.endswith("&start=%5B0%2C0%2C40%5D&stop=%5B1%2C1%2C41%5D&format=npy")


def test_a_part_is_asked_for_below_the_gates_path_and_in_the_clients_datastack(voxels: Voxels) -> None:
    lab = labgate.connect(f"{voxels.gate.url}/lab/gate", datastack="minnie65")
    lab.dvid.volume("a1", "grayscale")[0, 0, 40]
    _, target, _, _ = voxels.gate.requests[-1]
    assert target.startswith("/lab/gate/rpc/dvid.read?")
    assert "&datastack=minnie65&" in target


def test_a_notice_of_the_service_is_a_warning_at_the_line_that_reads(voxels: Voxels) -> None:
    def noted(asked: Handler) -> bool:
        body = body_of(voxels.array[16:17])
        asked.reply(200, body, ("Content-Type", "application/x-npy"), ("Warning", '299 - "moves on Monday"'))
        return True

    voxels.before = noted
    with pytest.warns(ServiceWarning, match="moves on Monday") as said:
        opened(voxels)[0]
    assert [one.filename for one in said] == [__file__]


def test_a_token_that_the_gate_does_not_know_is_unauthenticated(voxels: Voxels) -> None:
    vol = opened(voxels)
    voxels.gate.token = "another"
    with pytest.raises(Unauthenticated, match="does not know you"):
        vol[0]


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        (b'{"code":-32601,"message":"none such","data":{"fault":"UnknownMethod"}}', NotFound, "none such"),
        (b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"enveloped"}}', NotFound, "enveloped"),
        (b'{"code":7,"message":"the service is unhappy"}', RemoteError, "the service is unhappy"),
        (b'{"detail":"what a proxy says"}', RemoteNotFound, "was answered 404: .*what a proxy says"),
        (b"no JSON", RemoteNotFound, "no JSON"),
    ],
)
def test_a_refusal_is_told_from_the_error_in_its_body_or_from_its_status(voxels, body, error, words) -> None:
    def refused(asked: Handler) -> bool:
        asked.reply(404, body, ("Content-Type", "application/json"))
        return True

    voxels.before = refused
    with pytest.raises(error, match=words) as caught:
        opened(voxels)[0]
    assert (caught.value.http_status, caught.value.method) == (404, "dvid.read")


def test_a_stale_part_warns_once_at_the_line_that_reads(voxels: Voxels) -> None:
    def stale(asked: Handler) -> bool:
        body = body_of(voxels.array[16:17])
        asked.reply(
            200, body, ("Content-Type", "application/x-npy"), ("Cache-Status", "labgate; hit; ttl=-5")
        )
        return True

    voxels.before = stale
    vol = opened(voxels)
    with pytest.warns(StaleWarning, match=r"dvid\.read") as said:
        vol[0]
    vol[0]  # a second warning would be an error here
    assert [one.filename for one in said] == [__file__]


def test_progress_is_shown_where_somebody_looks(gate: Gate, capsys, monkeypatch) -> None:
    voxels = large(gate, 64, 256, 512)
    voxels.before = once(answers(b"short", length=900_000))
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setitem(__import__("sys").modules, "tqdm", None)
    opened(voxels).read(progress=True)
    assert capsys.readouterr().err.rstrip().endswith("dvid.read: 8.0 MiB of 8.0 MiB (100 %)\x1b[K")


def test_the_number_of_workers_is_a_whole_one_from_one_on(voxels: Voxels) -> None:
    for wrong in (0, -1, True, 1.5, "8"):
        with pytest.raises(ValueError, match="workers is a whole number from 1 on"):
            opened(voxels).read(workers=wrong)
