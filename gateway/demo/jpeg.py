"""How does a grey picture become a JPEG file? Baseline, with the tables of the standard's annex K (ITU-T T.81)."""

import struct
from functools import cache

import numpy as np
import numpy.typing as npt

_QUANTA = (
    "16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62 "
    "18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101 72 92 95 98 112 100 103 99"
)
_DC_COUNTS = "00010501010101010100000000000000"
_DC_VALUES = "000102030405060708090a0b"
_AC_COUNTS = "0002010303020403050504040000017d"
_AC_VALUES = (
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728"
    "292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a83848586878889"
    "8a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2"
    "e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
)
_END, _SIXTEEN_ZEROS = 0x00, 0xF0
_ZIGZAG = np.array(
    sorted(range(64), key=lambda at: (at // 8 + at % 8, (at // 8, at % 8)[(at // 8 + at % 8) % 2 == 0]))
)


def jpeg(pixels: npt.NDArray[np.uint8], quality: int = 80) -> bytes:
    """`pixels` of shape (rows, columns); `quality` goes from 1 to 100."""
    rows, columns = pixels.shape
    quanta = _quanta(quality)
    frame = struct.pack(">BHHBBBB", 8, rows, columns, 1, 1, 0x11, 0)
    parts = [
        b"\xff\xd8",
        _segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
        _segment(0xDB, b"\x00" + quanta.astype(np.uint8)[_ZIGZAG].tobytes()),
        _segment(0xC0, frame),
        _segment(0xC4, bytes.fromhex("00" + _DC_COUNTS + _DC_VALUES)),
        _segment(0xC4, bytes.fromhex("10" + _AC_COUNTS + _AC_VALUES)),
        _segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
        _scan(_coefficients(pixels, quanta)).replace(b"\xff", b"\xff\x00"),
        b"\xff\xd9",
    ]
    return b"".join(parts)


def _segment(marker: int, data: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data


def _quanta(quality: int) -> npt.NDArray[np.int64]:
    """The steps to which coefficients are rounded, row after row (as the Independent JPEG Group scales them)."""
    share = 5000 // quality if quality < 50 else 200 - 2 * quality
    table = np.array([int(text) for text in _QUANTA.split()])
    steps: npt.NDArray[np.int64] = ((table * share + 50) // 100).clip(1, 255)
    return steps


def _coefficients(pixels: npt.NDArray[np.uint8], quanta: npt.NDArray[np.int64]) -> list[list[int]]:
    """The rounded cosine transform of every square of 8 x 8, in zigzag order; the rim is repeated outwards."""
    rows, columns = pixels.shape
    padded = np.pad(pixels, ((0, -rows % 8), (0, -columns % 8)), mode="edge").astype(np.float64) - 128
    squares = padded.reshape(padded.shape[0] // 8, 8, -1, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    wave, place = np.mgrid[0:8, 0:8]
    basis = np.cos((2 * place + 1) * wave * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    rounded = np.rint((basis @ squares @ basis.T).reshape(-1, 64) / quanta).astype(int)
    found: list[list[int]] = rounded[:, _ZIGZAG].tolist()
    return found


@cache
def _codes(counts: str, values: str) -> dict[int, tuple[int, int]]:
    """Code and its number of bits, by value (annex C)."""
    found, code, at = {}, 0, 0
    symbols = bytes.fromhex(values)
    for bits, count in enumerate(bytes.fromhex(counts), 1):
        for _ in range(count):
            found[symbols[at]] = code, bits
            code, at = code + 1, at + 1
        code <<= 1
    return found


def _scan(squares: list[list[int]]) -> bytes:
    """The entropy-coded bits, filled up with ones."""
    dc, ac = _codes(_DC_COUNTS, _DC_VALUES), _codes(_AC_COUNTS, _AC_VALUES)
    bits: list[str] = []

    def put(code: tuple[int, int], number: int, size: int) -> None:
        bits.append(format(code[0], f"0{code[1]}b"))
        if size:
            bits.append(format(number if number > 0 else number + (1 << size) - 1, f"0{size}b"))

    before = 0
    for square in squares:
        step, before = square[0] - before, square[0]
        put(dc[abs(step).bit_length()], step, abs(step).bit_length())
        zeros = 0
        for number in square[1:]:
            if not number:
                zeros += 1
                continue
            for _ in range(zeros // 16):
                put(ac[_SIXTEEN_ZEROS], 0, 0)
            size = abs(number).bit_length()
            put(ac[zeros % 16 << 4 | size], number, size)
            zeros = 0
        if zeros:
            put(ac[_END], 0, 0)
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    return int(text or "0", 2).to_bytes(len(text) // 8, "big")
