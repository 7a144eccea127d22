"""Which results of methods are tables and arrays of the gate's own catalog, and how are they cut?"""

import math
import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from gateway.core.arrays import NotSayable, array
from gateway.core.intake.entries import Entry
from gateway.core.intake.firewall import checked
from gateway.core.intake.refusals import Refusal
from gateway.core.source_layout import MOST_PARTS
from gateway.settings.document import Written
from gateway.settings.mounts import MountPath
from gateway.settings.problems import Where
from gateway.settings.sections import Section
from gateway.settings.values import HIDDEN, Count, Flag, Text, Word, each, kind, refusal, shown

_ENTRY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
_METHOD = re.compile(r"(?:[A-Za-z0-9][A-Za-z0-9_.-]*/)?[a-z][a-z0-9_]*\.[^\s/]+")


def _entry_name(name: str) -> str:
    if not _ENTRY.fullmatch(name):
        raise refusal(
            "no name for an entry",
            "use letters, digits, _ and -, beginning with a letter; dots lead elsewhere",
        )
    return name


def _method(written: str) -> str | None:
    return None if _METHOD.fullmatch(written) else "is no name of a method"


def _dtype(written: str) -> str | None:
    try:
        array(written, [0], b"")
    except NotSayable:
        return "is no type that arrays can have here"
    return None


def _plain(value: Any, at: Where = ()) -> Any:
    """The value as JSON has it."""
    if isinstance(value, dict):
        return {str(key): _plain(one, (*at, str(key))) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, (*at, index)) for index, one in enumerate(value)]
    if isinstance(value, date):
        raise refusal("YAML reads this as a date, and JSON has none", "write it between quotes", at)
    if isinstance(value, float) and not math.isfinite(value):
        raise refusal("is no number that JSON has", "write a number, or remove the key", at)
    return str(value) if isinstance(value, str) else value


def _named(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise refusal(f"expected a mapping, found {kind(value)}", "write names and values below it")
    found: dict[str, Any] = _plain(value)
    return found


def _told(value: Any) -> dict[str, Any]:
    """What every caller is told."""
    for name, one in value.items() if isinstance(value, dict) else ():
        if isinstance(one, Written) and one.secret:
            fix = "remove it; what only the method needs belongs under `params`"
            raise refusal("a secret that callers would be told", fix, (str(name),))
    return _named(value)


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise refusal(f"expected a whole number, found {shown(value)}", "write a number like 0")
    return int(value)


def _length(value: Any) -> int:
    if _whole(value) < 0:
        raise refusal("a length is 0 or more", "write how many elements there are")
    return int(value)


Whole = Annotated[int, PlainValidator(_whole)]
Length = Annotated[int, PlainValidator(_length)]
MethodName = Annotated[
    str, each(_method, "write it like dvid.read, or datastack/service.method for a local service"), HIDDEN
]
DtypeName = Annotated[str, each(_dtype, "write a name of numpy's, like uint8 or <f4"), HIDDEN]
Arguments = Annotated[Mapping[str, Any], PlainValidator(_named)]
Value = Annotated[Any, PlainValidator(_plain)]


class Parameter(Section):
    """A parameter that callers choose, as Intake declares them; `argument` is the method's name for it, by default its own."""

    type: Annotated[Literal["bool", "int", "float", "str", "datetime", "list"], Word]
    default: Value
    description: Text | None = None
    allowed: Annotated[tuple[Value, ...], Field(min_length=1)] = ()
    min: Value = None
    max: Value = None
    argument: Text | None = None

    def declared(self, name: str) -> dict[str, Any]:
        """The parameter in Intake's words."""
        said = {
            "name": name,
            "description": self.description or "",
            "type": self.type,
            "default": self.default,
        }
        bounds = {"min": self.min, "max": self.max, "allowed": list(self.allowed) or None}
        return said | {key: one for key, one in bounds.items() if one is not None}

    @model_validator(mode="after")
    def _the_default_may_be_chosen(self) -> "Parameter":
        declared = self.declared("it")
        try:
            checked(Entry({}, "", "", "forbid", (), (declared,)), {"it": self.default})
        except Refusal as problem:
            text = problem.reason.removeprefix("parameter it: ")
            raise refusal(text, "write a default that callers could choose", ("default",)) from None
        return self


class Blocks(Section):
    """A volume in parts of this shape, the slowest axis first; without it, in as many of its service's blocks as are 8 MiB."""

    chunks: tuple[Count, ...]

    @model_validator(mode="after")
    def _there_are_axes(self) -> "Blocks":
        if not self.chunks:
            raise refusal("a part without axes", "write how long it is along each axis", ("chunks",))
        return self

    def taken(self) -> tuple[str, ...]:
        """The arguments that say which part is meant: those of the method that reads volumes."""
        return ("start", "stop")


class Boxes(Section):
    """An array in boxes: the method takes where one begins (`start`) and ends (`stop`), or its `size`, and gives it.

    `shape` is the array's and `chunks` a box's, along each axis, the slowest first; the lists that are sent are in the same order, or
    the other way round where they are `reversed`. `origin` is where the array begins. Without `dtype` one box is read to know it.
    """

    shape: tuple[Length, ...]
    chunks: tuple[Count, ...]
    start: Text
    stop: Text | None = None
    size: Text | None = None
    origin: tuple[Whole, ...] | None = None
    reversed: Flag = False
    dtype: DtypeName | None = None

    @model_validator(mode="after")
    def _a_box_is_said_in_one_way(self) -> "Boxes":
        if (self.stop is None) == (self.size is None):
            raise refusal(
                "needs one of `stop` and `size`",
                "name the argument that says where a box ends, or how large it is",
            )
        if not self.shape:
            raise refusal("an array without axes has no boxes", "remove `partitions`", ("shape",))
        for key, one in (("chunks", self.chunks), ("origin", self.origin)):
            if one is not None and len(one) != len(self.shape):
                raise refusal(
                    f"has {len(one)} axes, and `shape` has {len(self.shape)}",
                    "write a number for each axis",
                    (key,),
                )
        parts = math.prod(
            -(-length // chunk) or 1 for length, chunk in zip(self.shape, self.chunks, strict=True)
        )
        if parts > MOST_PARTS:
            raise refusal(
                f"cut into {parts} boxes, and at most {MOST_PARTS} can be dealt with",
                "write larger `chunks`",
                ("chunks",),
            )
        return self

    def taken(self) -> tuple[str, ...]:
        """The arguments that say which part is meant."""
        return tuple(one for one in (self.start, self.stop, self.size) if one)


class Rows(Section):
    """A table, or an array along its first axis, `size` rows at a time.

    `start` is the argument for the number of the first row, or `page` for that of a page, which are counted from `first` on;
    `limit` is that for how many rows are wanted. How many there are says `count`, or the member `total` of each result.
    """

    size: Count
    start: Text | None = None
    page: Text | None = None
    first: Length = 0
    limit: Text | None = None
    count: Length | None = None
    total: Text | None = None

    @model_validator(mode="after")
    def _a_page_is_said_in_one_way(self) -> "Rows":
        if (self.start is None) == (self.page is None):
            raise refusal(
                "needs one of `start` and `page`",
                "name the argument that says with which row, or which page, to begin",
            )
        if (self.count is None) == (self.total is None):
            raise refusal(
                "needs one of `count` and `total`",
                "write how many rows there are, or the member of a result that says it",
            )
        if self.count is not None and self.count > self.size * MOST_PARTS:
            raise refusal(f"more than {MOST_PARTS} partitions", "write a larger `size`", ("size",))
        return self

    def taken(self) -> tuple[str, ...]:
        """The arguments that say which part is meant."""
        return tuple(one for one in (self.start, self.page, self.limit) if one)


class Values(Section):
    """One partition for each of some values of an argument; arrays are stacked along a new first axis."""

    argument: Text
    of: Annotated[tuple[Value, ...], Field(min_length=1)]

    def taken(self) -> tuple[str, ...]:
        """The arguments that say which part is meant."""
        return (self.argument,)


class Partitions(Section):
    """How a source is cut: in one of four ways."""

    blocks: Blocks | None = None
    boxes: Boxes | None = None
    rows: Rows | None = None
    values: Values | None = None

    @property
    def chosen(self) -> Blocks | Boxes | Rows | Values:
        """The one that is said."""
        found = self.blocks or self.boxes or self.rows or self.values
        assert found is not None  # noqa: S101 - the file was checked
        return found

    @model_validator(mode="after")
    def _there_is_one_way(self) -> "Partitions":
        ways = (self.blocks, self.boxes, self.rows, self.values)
        if sum(one is not None for one in ways) != 1:
            raise refusal(
                "needs one of `blocks`, `boxes`, `rows` and `values`",
                "keep one of them, or remove `partitions`",
            )
        return self


class Source(Section):
    """An entry of the gate's catalog: the method that brings it, and what this is given.

    `user_parameters` are what callers may choose. `container` is `ndarray` or `dataframe`; without it, it is what the method
    says its result to be. `items` is the member of the result that is meant. `partitions` says how it is cut; a method that reads
    volumes needs none, and what else has none is read whole.
    """

    method: MethodName
    params: Arguments = Field(default_factory=dict)
    user_parameters: Mapping[Annotated[str, AfterValidator(_entry_name)], Parameter] = Field(
        default_factory=dict
    )
    container: Annotated[Literal["ndarray", "dataframe"], Word] | None = None
    description: Text | None = None
    metadata: Annotated[Mapping[str, Any], PlainValidator(_told)] = Field(default_factory=dict)
    items: Text | None = None
    partitions: Partitions | None = None

    @model_validator(mode="after")
    def _each_argument_is_said_once(self) -> "Source":
        taken = dict.fromkeys(self.params, "`params`")
        for name, one in self.user_parameters.items():
            argument = one.argument or name
            if argument in taken:
                at = ("user_parameters", name)
                raise refusal(f"`{argument}` is said by {taken[argument]} already", "keep one of the two", at)
            taken[argument] = f"the parameter `{name}`"
        for argument in () if self.partitions is None else self.partitions.chosen.taken():
            if argument in taken:
                fix = "keep one of the two: it is how the partitions are told apart"
                raise refusal(f"`{argument}` is said by {taken[argument]} already", fix, ("partitions",))
        return self

    @model_validator(mode="after")
    def _boxes_are_of_arrays(self) -> "Source":
        if (
            self.partitions is not None
            and self.partitions.boxes is not None
            and self.container == "dataframe"
        ):
            raise refusal("a table has no boxes", "write `rows` or `values`", ("partitions", "boxes"))
        return self


class Sources(Section):
    """The gate as a catalog server of Intake's protocol: `entries` by their names, below `mount`."""

    mount: MountPath
    entries: Mapping[Annotated[str, AfterValidator(_entry_name)], Source] = Field(default_factory=dict)


def check_mount(sources: Sources, services: Iterable[tuple[str, Any]]) -> None:
    """Refuse a mount that one of the services has."""
    for name, one in services:
        if one.mount == sources.mount:
            text = f"`{name}` is mounted at {sources.mount} already"
            raise refusal(text, "give the sources a mount of their own", ("mount",))
