"""What do the settings of sources mean in the gate's own values?"""

from __future__ import annotations

from typing import Final

from gateway.core.sources import Blocks, Boxes, Cut, Rows, Source, Values
from gateway.settings import Settings
from gateway.settings.sources import Blocks as BlocksSettings
from gateway.settings.sources import Boxes as BoxesSettings
from gateway.settings.sources import Rows as RowsSettings
from gateway.settings.sources import Source as SourceSettings
from gateway.settings.sources import Values as ValuesSettings

INTAKE_FIELD: Final = "intake-secret"
"""The field in which Intake's own client shows a secret: here, the gate's token."""


def source_entries(settings: Settings) -> tuple[Source, ...]:
    """The entries of the gate's own catalog, in the order of the file."""
    section = settings.sources
    return () if section is None else tuple(_source(name, one) for name, one in section.entries.items())


def _source(name: str, one: SourceSettings) -> Source:
    datastack, _, method = one.method.rpartition("/")
    chosen = one.user_parameters
    return Source(
        name=name,
        method=method,
        datastack=datastack or None,
        params=one.params,
        declared=tuple(parameter.declared(called) for called, parameter in chosen.items()),
        arguments={called: parameter.argument or called for called, parameter in chosen.items()},
        container=one.container,
        description=one.description or "",
        metadata=one.metadata,
        items=one.items or "",
        cut=None if one.partitions is None else _cut(one.partitions.chosen),
    )


def _cut(one: BlocksSettings | BoxesSettings | RowsSettings | ValuesSettings) -> Cut:
    match one:
        case BlocksSettings():
            return Blocks(one.chunks)
        case BoxesSettings():
            return Boxes(
                one.shape,
                one.chunks,
                one.start,
                one.stop or "",
                one.size or "",
                one.origin or (),
                one.reversed,
                one.dtype or "",
            )
        case RowsSettings():
            return Rows(
                one.size,
                one.start or "",
                one.page or "",
                one.first,
                one.limit or "",
                one.count,
                one.total or "",
            )
    return Values(one.argument, one.of)
