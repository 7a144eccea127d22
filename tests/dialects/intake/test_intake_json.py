"""Is what Intake says told as JSON that anybody can read?"""

from __future__ import annotations

from datetime import UTC, datetime

from gateway.dialects.intake.values import as_json


def test_moments_are_texts_in_json_and_so_are_keys() -> None:
    assert as_json({1: datetime(2024, 5, 1, tzinfo=UTC)}) == b'{"1":"2024-05-01T00:00:00+00:00"}'
