"""For which calls does a cache rule hold otherwise, and which right lets callers share what it stores?"""

import datetime
import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, NamedTuple

from pydantic import BeforeValidator, Field, PlainValidator, model_validator

from gateway.settings.sections import Section
from gateway.settings.values import HIDDEN, Seconds, Text, each, refusal, seconds

_PLACEHOLDER = re.compile(r"\{params\.[^{}]+\}|\{dataset\}")
"""A parameter of the call, or the dataset of a datastack whose service it is."""

Globs = tuple[str | None, ...]


class Before(NamedTuple):
    """A moment that is past by at least so many seconds."""

    seconds: float


def _globs(value: Any) -> Globs | Before:
    """One value or several of which a member must be one: texts are globs, others are as JSON writes them.

    `{before: 10m}` is a moment that is past by so long.
    """
    if isinstance(value, dict) and value.keys() == {"before"}:
        return Before(seconds(value["before"]))
    several = value if isinstance(value, list) else [value]
    if not several:
        raise refusal("an empty list matches nothing", "write at least one value")
    if any(isinstance(one, dict | list) for one in several):
        raise refusal("only plain values are compared", "name the member by a dotted name, like `job.status`")
    if any(isinstance(one, datetime.date) for one in several):
        raise refusal("YAML reads this as a date, and JSON has none", "write it between quotes")
    return tuple(one if one is None or isinstance(one, str) else json.dumps(one) for one in several)


def _right(written: str) -> str | None:
    bare = _PLACEHOLDER.sub("", written)
    if "{" in bare or "}" in bare:
        return "has a placeholder that is none"
    if written.startswith("{"):
        return "begins with what a caller says"
    kind, colon, rest = written.partition(":")
    if kind in ("scope", "group", "subject") and not (colon and rest):
        return f"does not say which {kind}"
    return "has spaces in it" if re.search(r"\s", written) else None


Tests = Mapping[Text, Annotated[Any, PlainValidator(_globs)]]
Right = Annotated[str, each(_right, "write a scope like view:{params.dataset}, or group:NAME"), HIDDEN]


class When(Section):
    """An exception: where all of `params` and `result` are so, replies are fresh and stale for these seconds instead.

    The keys are names of parameters, or of members of a result that is a JSON object (`job.status`); the values are globs,
    or lists of them. `null` is what is not there, `"*"` whatever is; `{before: 10m}` is a moment that is past by so long.
    """

    params: Tests = Field(default_factory=dict)
    result: Tests = Field(default_factory=dict)
    fresh: Seconds
    stale: Seconds = 0.0

    @model_validator(mode="after")
    def _tests_something(self) -> "When":
        if not self.params and not self.result:
            raise refusal(
                "it holds always", 'add `params: {version: "*"}`, or write `fresh` into the rule itself'
            )
        return self


def _one_or_several(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


Whens = Annotated[tuple[When, ...], BeforeValidator(_one_or_several)]
