"""Is a JPEG file of the demo's what the standard says? It is decoded by the tables that it brings itself."""

import struct

import numpy as np
import pytest

from gateway.demo.jpeg import jpeg


def segments(data: bytes) -> tuple[dict[int, list[bytes]], str]:
    """What stands behind each marker, and the bits of the scan."""
    assert (data[:2], data[-2:]) == (b"\xff\xd8", b"\xff\xd9")
    found: dict[int, list[bytes]] = {}
    at = 2
    while 0xDA not in found:
        assert data[at] == 0xFF
        length = struct.unpack(">H", data[at + 2 : at + 4])[0]
        found.setdefault(data[at + 1], []).append(data[at + 4 : at + 2 + length])
        at += 2 + length
    scan = data[at:-2].replace(b"\xff\x00", b"\xff")
    return found, "".join(format(byte, "08b") for byte in scan)


def huffman(table: bytes) -> dict[str, int]:
    """The symbols of a table by their bits."""
    found, code, values = {}, 0, iter(table[17:])
    for bits, count in enumerate(table[1:17], 1):
        for _ in range(count):
            found[format(code, f"0{bits}b")] = next(values)
            code += 1
        code <<= 1
    return found


def zigzag() -> list[int]:
    """Row after row, where each of the 64 coefficients stands."""
    order, row, column = [], 0, 0
    for _ in range(64):
        order.append(row * 8 + column)
        if (row + column) % 2 == 0:
            row, column = (row + 1, 7) if column == 7 else (max(0, row - 1), column + 1)
        else:
            row, column = (7, column + 1) if row == 7 else (row + 1, max(0, column - 1))
    return order


class Bits:
    """The bits of a scan, read from the front."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def symbol(self, table: dict[str, int]) -> int:
        """The next value of a table."""
        for length in range(1, 17):
            if (code := self.text[self.at : self.at + length]) in table:
                self.at += length
                return table[code]
        raise AssertionError("no such code")

    def number(self, size: int) -> int:
        """The next number of so many bits."""
        text = self.text[self.at : self.at + size]
        self.at += size
        return int(text, 2) - (0 if text[0] == "1" else (1 << size) - 1) if size else 0


def decoded(data: bytes) -> np.ndarray:
    found, text = segments(data)
    bits = Bits(text)
    _, rows, columns = struct.unpack(">BHH", found[0xC0][0][:5])
    dc, ac = (huffman(table) for table in found[0xC4])
    order, quanta = zigzag(), found[0xDB][0][1:]
    wave, place = np.mgrid[0:8, 0:8]
    basis = np.cos((2 * place + 1) * wave * np.pi / 16) / 2
    basis[0] /= np.sqrt(2)
    high, wide = -(-rows // 8), -(-columns // 8)
    picture, level = np.zeros((high * 8, wide * 8)), 0
    for square in range(high * wide):
        values = [0] * 64
        level += bits.number(bits.symbol(dc))
        values[0], index = level * quanta[0], 1
        while index < 64 and (code := bits.symbol(ac)):
            index += code >> 4
            values[order[index]] = bits.number(code & 15) * quanta[index]
            index += 1
        y, x = divmod(square, wide)
        picture[y * 8 : y * 8 + 8, x * 8 : x * 8 + 8] = basis.T @ np.reshape(values, (8, 8)) @ basis + 128
    assert set(text[bits.at :]) <= {"1"}
    assert len(text) - bits.at < 8
    return picture[:rows, :columns].round().clip(0, 255)


@pytest.mark.parametrize(("quality", "off"), [(100, 2), (80, 6), (10, 40)])
@pytest.mark.parametrize("shape", [(8, 8), (33, 70), (1, 1)])
def test_a_picture_comes_back_nearly_as_it_was(quality: int, off: int, shape: tuple[int, int]) -> None:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    picture = (128 + 60 * np.sin(rows / 9) + 50 * np.cos(columns / 7)).astype(np.uint8)
    found = decoded(jpeg(picture, quality))
    assert found.shape == shape
    assert np.abs(found - picture).max() <= off


def test_noise_and_sharp_edges_survive_the_best_quality() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 40), np.uint8)
    edges = np.where(np.add.outer(np.arange(32), np.arange(32)) % 3 == 0, 255, 0).astype(np.uint8)
    for picture in (noise, edges, np.zeros((16, 16), np.uint8)):
        assert np.abs(decoded(jpeg(picture, 100)) - picture).max() <= 2
