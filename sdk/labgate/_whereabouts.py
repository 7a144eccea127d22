"""At which gate is what a program asks for, when it names the gate and when it does not?"""

from __future__ import annotations

from labgate._address import Address, parse_address
from labgate._codec import decode_json
from labgate._delivery import Request, deliver
from labgate._memory import cave_map_path, memory_path, read_map
from labgate._transport import Pool, close_all
from labgate.errors import Error, SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_PROBE_TIMEOUT = 30.0


class Whereabouts:
    """A gate's address, and `hearsay`: only CAVE's own file named it, which names CAVE servers as well."""

    __slots__ = ("address", "hearsay")

    def __init__(self, address: Address, *, hearsay: bool = False) -> None:
        self.address = address
        self.hearsay = hearsay


def find_gate(given: str | None, datastack: str | None, environ: Mapping[str, str]) -> Whereabouts:
    """The gate: the argument, LABGATE_URL, where the datastack was last, or what CAVE's own map file says of it.

    Raises:
        SetupError: nothing names one, or the address cannot be read.
    """
    named = given or environ.get("LABGATE_URL")
    if named:
        return Whereabouts(parse_address(named))
    if datastack is None:
        raise SetupError(
            "no gate was named",
            hint="Give its address: labgate.connect('https://gate.lab.org'), or set LABGATE_URL.",
        )
    if address := read_map(memory_path()).get(datastack):
        return Whereabouts(address)
    if address := read_map(cave_map_path()).get(datastack):
        return Whereabouts(address, hearsay=True)
    raise SetupError(
        f"no gate was named, and none is remembered for the datastack {datastack!r}",
        hint="Give its address once: labgate.connect(datastack=..., server_address='https://gate.lab.org').",
    )


def make_sure(address: Address, datastack: str, timeout: float | None) -> None:
    """Ask, without a token, whether a gate answers at an address that CAVE's file has.

    Raises:
        SetupError: something else does.
        Error: nothing does.
    """
    pool = Pool(address)
    head = pool.route.opening("GET", f"{address.path}/openrpc.json")
    fields = "User-Agent: labgate-python\r\nAccept: application/json\r\n"
    seconds = _PROBE_TIMEOUT if timeout is None else min(timeout, _PROBE_TIMEOUT)
    request = Request(
        (head + fields).encode("ascii"), b"", method=None, repeatable=True, timeout=seconds, retries=0
    )
    try:
        response = deliver(pool, request, str(address))
    finally:
        close_all(pool.idle)
    try:
        answer = decode_json(response.body)
    except Error:
        answer = None
    if not _is_gates(answer):
        raise SetupError(
            f"{cave_map_path()} has {address} for the datastack {datastack!r}, and no labgate answers there",
            hint="Name the gate: labgate.connect(datastack=..., server_address='https://gate.lab.org').",
        )


def _is_gates(answer: object) -> bool:
    """A list of methods, or one of the gate's own refusals."""
    if not isinstance(answer, dict):
        return False
    error = answer.get("error")
    data = error.get("data") if isinstance(error, dict) else None
    return "openrpc" in answer or (isinstance(data, dict) and isinstance(data.get("fault"), str))
