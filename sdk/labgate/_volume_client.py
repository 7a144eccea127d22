"""How do programs that were written for dvidclient go on with another import line?

from labgate import MetaInfo, VolumeClient

client = VolumeClient("127.0.0.1:8700", uuid, "my_volume")
cutout = client.retrieve_subvolume((0, 10, 20, 30), (1, 110, 120, 130))
"""

from __future__ import annotations

from labgate._at_once import at_once, carried, is_awaited, settled
from labgate._metainfo import MetaInfo
from labgate._method import Method
from labgate._target import terms_of
from labgate._volume_found import method_of, session_at, wire_of
from labgate._volume_refused import doing
from labgate.errors import ErrorResponse, NotFound

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Sequence
    from typing import Any, Self

    import numpy as np

    from labgate._async_client import AsyncClient
    from labgate._async_volume import AsyncVolume
    from labgate._client import Client
    from labgate._volume import Volume

ErrorResponseException = ErrorResponse

# What a service may call its list of all data, the gate's own name first.
_LISTS = ("datasets_info", "repos_info", "repos", "get_repos_info")


class VolumeWork:
    """The work of a volume client, awaited or not: see `labgate._at_once`.

    Attributes:
        volume: the same as `lab.service.volume(uuid, name)` gives it.
    """

    volume: Any

    def __repr__(self) -> str:
        return f"<labgate volume client of {getattr(self, 'volume', 'a volume that is not open yet')!r}>"

    @property
    def metainfo(self) -> MetaInfo:
        """Shape, dtype and axes, as far as is known: `volume.refresh()` asks again."""
        return _metainfo(self.volume)

    async def _open(self, session: Any, uuid: str, name: str, service: str | None) -> Self:
        method = await method_of(session, service)
        with doing(f"opening the volume {name} of {uuid}"):
            self.volume = await settled(session.call(method, {"node": uuid, "instance": name}))
        return self

    async def _create(
        self, session: Any, uuid: str, name: str, metainfo: MetaInfo, service: str | None
    ) -> Self:
        method = await method_of(session, service)
        create = wire_of(session, method, "create")
        with doing(f"creating the volume {name} in {uuid}"):
            sent = _created(uuid, name, metainfo)
            answer = await settled(session.call(Method(create, session.link.catalog.text(create)), sent))
            about = answer if isinstance(answer, dict) else answer.about
            self.volume = session.shaped(about, method)
        return self

    async def _retrieve(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None
    ) -> np.ndarray[Any, Any]:
        with doing(f"reading {self.volume.instance} from {list(start)} to {list(stop)}"):
            await self._checked(start, stop)
            low, high = self._placed(start), self._placed(stop)
            if out is None:
                array = await settled(self.volume.read(low, high))
                return _tagged(self._turned(array), self.metainfo.keys)
            if out.ndim != len(self.metainfo.shape):
                raise ValueError(f"out has {out.ndim} axes, and not {self.metainfo.keys}")
            await settled(self.volume.read(low, high, out=self._turned_back(out)))
            return out

    async def _modify(
        self, start: Sequence[int], stop: Sequence[int], new_subvolume: np.ndarray[Any, Any]
    ) -> None:
        import numpy as np

        array = np.asarray(new_subvolume)
        with doing(f"writing {self.volume.instance} from {list(start)} to {list(stop)}"):
            self._counted(start, stop)
            shape = tuple(high - low for low, high in zip(start, stop, strict=True))
            if array.shape != shape:
                raise ValueError(f"the array has the shape {array.shape}, and the box {shape}")
            if (start[0], stop[0]) != (0, self.metainfo.shape[0]):
                raise ValueError(f"all {self.metainfo.shape[0]} channels are written at once")
            written = self.volume.write(self._placed(start), self._turned_back(array), unaligned=True)
            await settled(written)

    # From the axes here to those of the volume, and back.

    def _counted(self, start: Sequence[int], stop: Sequence[int]) -> None:
        keys = self.metainfo.keys
        if not len(start) == len(stop) == len(keys):
            raise ValueError(f"start and stop have one coordinate for each axis: {keys}")
        for key, low, high in zip(keys, start, stop, strict=True):
            if low >= high:
                raise ValueError(f"along {key} the box stops at {high}, and starts at {low}")

    async def _checked(self, start: Sequence[int], stop: Sequence[int]) -> None:
        """Refuse what does not lie in the volume, once it is sure how large it is."""
        self._counted(start, stop)
        for known in (False, True):
            info = self.metainfo
            ends = [first + length for first, length in zip(info.offset, info.shape, strict=True)]
            beyond = [
                f"{key} is from {first} to {end}"
                for key, low, high, first, end in zip(info.keys, start, stop, info.offset, ends, strict=True)
                if low < first or high > end
            ]
            if not beyond:
                return
            if known:
                raise ValueError(f"the box does not lie in the volume: {', '.join(beyond)}")
            await settled(self.volume.refresh())

    def _placed(self, corner: Sequence[int]) -> list[int]:
        keys = self.metainfo.keys
        return [int(corner[keys.index(axis)]) for axis in self.volume.axes]

    def _turned(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        axes = self.volume.axes
        order = [axes.index(key) for key in self.metainfo.keys if key in axes]
        turned = array.transpose(order)
        return turned if "c" in axes else turned[None]

    def _turned_back(self, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        axes = self.volume.axes
        keys = self.metainfo.keys
        if "c" not in axes:
            array, keys = array[0], keys[1:]
        return array.transpose([keys.index(axis) for axis in axes])


class VolumeClient(VolumeWork):
    """A volume by the contract of dvidclient.

    Coordinates have the axes of `metainfo`: channels first, then x, y, z, in Fortran order. An array of the axes `cxyz` is
    the transposed one of `zyx`, without a copy. Any number of threads may use it at once.

    Of an async client (`host`) it is an `AsyncVolumeClient`, to be awaited, as is all that asks the gate.

    Attributes:
        volume: the same as `lab.service.volume(uuid, name)` gives it.
    """

    volume: Volume

    def __new__(cls, host: str | Client | AsyncClient | None = None, *given: Any, **options: Any) -> Any:
        """For an async client, one whose calls are awaited."""
        if is_awaited(host):
            return AsyncVolumeClient(host, *given, **options)  # type: ignore[arg-type]
        return super().__new__(cls)

    def __init__(
        self,
        host: str | Client,
        uuid: str,
        name: str,
        service: str | None = None,
        token: str | None = None,
        **options: Any,
    ) -> None:
        """
        Args:
            host: the gate's address, like `127.0.0.1:8700`, with the path of one of its services or not; or a client.
            uuid: the version.
            name: the volume.
            service: the gate's service that has it; default: that of the host's path, or the only one with volumes.
            token, options: see `labgate.connect`.

        Raises:
            ErrorResponse: there is no such volume, or not for this caller.
            SetupError: the gate has no service with volumes, or several; the message names them.
            Error: there is no answer.
        """
        session, meant = session_at(host, service, token, options)
        at_once(self._open(session, uuid, name, meant))

    def retrieve_subvolume(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """A part of the volume: an array in Fortran order, of the shape `stop - start`; vigra's where that is installed.

        Args:
            start, stop: the corners, of every axis: channels first.
            out: an array to read into.

        Raises:
            ErrorResponse: the gate or the service refuses.
            ValueError: the corners do not lie in the volume, or `out` does not fit.
            Error: there is no answer.
        """
        return at_once(self._retrieve(start, stop, out))

    def modify_subvolume(
        self, start: Sequence[int], stop: Sequence[int], new_subvolume: np.ndarray[Any, Any]
    ) -> None:
        """Write a part of the volume, with all of its channels. It need not follow the volume's blocks.

        Raises:
            ErrorResponse: the version is locked, or the gate or the service refuses.
            ValueError, TypeError: the array does not fit.
            Error: there is no answer.
        """
        at_once(self._modify(start, stop, new_subvolume))

    @staticmethod
    def create_volume(
        host: str | Client | AsyncClient,
        uuid: str,
        name: str,
        metainfo: MetaInfo,
        service: str | None = None,
        token: str | None = None,
        **options: Any,
    ) -> Any:
        """Make a volume, in which nothing is written yet; returns a client of it, of an async client to be awaited.

        Raises:
            ErrorResponse: there is one of this name, or the gate or the service refuses.
            Error: there is no answer.
        """
        kind = AsyncVolumeClient if is_awaited(host) else VolumeClient
        session, meant = session_at(host, service, token, options)
        made: Any = object.__new__(kind)
        return carried(host, made._create(session, uuid, name, metainfo, meant))  # noqa: SLF001

    @staticmethod
    def query_datasets_info(
        host: str | Client | AsyncClient, service: str | None = None, token: str | None = None, **options: Any
    ) -> Any:
        """What the service says of all its data; of an async client to be awaited.

        Raises:
            ErrorResponse: the gate or the service refuses.
            NotFound: the service has no method for that.
        """
        return carried(host, _datasets_info(*session_at(host, service, token, options)))


class AsyncVolumeClient(VolumeWork):
    """The same of an async client: `await labgate.VolumeClient(lab, uuid, name)`, then everything that asks the gate is awaited.

    Attributes:
        volume: the same as `await lab.service.volume(uuid, name)` gives it.
    """

    volume: AsyncVolume

    def __init__(self, host: AsyncClient, uuid: str, name: str, service: str | None = None) -> None:
        """As a `VolumeClient`, whose volume is opened when it is awaited."""
        self._opening = (terms_of(host)[0], uuid, name, service)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open(*self._opening).__await__()

    async def retrieve_subvolume(
        self, start: Sequence[int], stop: Sequence[int], out: np.ndarray[Any, Any] | None = None
    ) -> np.ndarray[Any, Any]:
        """A part of the volume; see `VolumeClient.retrieve_subvolume`.

        Raises: as that does.
        """
        return await self._retrieve(start, stop, out)

    async def modify_subvolume(
        self, start: Sequence[int], stop: Sequence[int], new_subvolume: np.ndarray[Any, Any]
    ) -> None:
        """Write a part of the volume; see `VolumeClient.modify_subvolume`.

        Raises: as that does.
        """
        await self._modify(start, stop, new_subvolume)

    create_volume = staticmethod(VolumeClient.create_volume)
    query_datasets_info = staticmethod(VolumeClient.query_datasets_info)


async def _datasets_info(session: Any, service: str | None) -> Any:
    method = await method_of(session, service)
    space = method.name.rpartition(".")[0]
    named = (method.volume or {}).get("info")
    for leaf in (*((named,) if isinstance(named, str) else ()), *_LISTS):
        for wire in (leaf, f"{space}.{leaf}"):
            if (text := session.link.catalog.text(wire)) is not None:
                with doing("asking for the datasets"):
                    return await settled(session.call(Method(wire, text), None))
    raise NotFound(f"the service {space} has no method that lists its data", method=method.name, hint="")


def _created(uuid: str, name: str, metainfo: MetaInfo) -> dict[str, Any]:
    """The arguments that make such a volume."""
    sent: dict[str, Any] = {
        "node": uuid,
        "instance": name,
        "dtype": metainfo.dtype.name,
        "axes": [*metainfo.keys[:0:-1]],
        "shape": [*metainfo.shape[:0:-1]],
        "resolution": [*metainfo.resolution[:0:-1]],
        "channels": metainfo.shape[0],
    }
    if all(metainfo.units[1:]):
        sent["units"] = [*metainfo.units[:0:-1]]
    if any(metainfo.offset):
        sent["offset"] = [*metainfo.offset[:0:-1]]
    return sent


def _metainfo(volume: Any) -> MetaInfo:
    """The metadata in the order of dvidclient: channels, then the volume's axes from the fastest on."""
    axes = volume.axes
    order = [at for at in range(len(axes) - 1, -1, -1) if axes[at] != "c"]
    channel = axes.index("c") if "c" in axes else None
    return MetaInfo(
        (1 if channel is None else volume.shape[channel], *(volume.shape[at] for at in order)),
        volume.dtype,
        "c" + "".join(axes[at] for at in order),
        resolution=(1.0, *(volume.resolution[at] for at in order)),
        units=("", *(volume.units[at] for at in order)),
        offset=(0, *(volume.offset[at] for at in order)),
    )


def _tagged(array: np.ndarray[Any, Any], keys: str) -> np.ndarray[Any, Any]:
    try:
        import vigra
    except ImportError:
        return array
    tagged: np.ndarray[Any, Any] = vigra.taggedView(array, keys)
    return tagged
