"""What can be set about traces: where they go, and how many of them?"""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, PlainValidator, field_validator

from gateway.settings.addresses import UpstreamUrl, Url
from gateway.settings.sections import Section
from gateway.settings.service_words import HeaderName, HeaderValue
from gateway.settings.values import Text, part, refusal

_PATH = "/v1/traces"
"""Where collectors take spans (https://opentelemetry.io/docs/specs/otlp/#otlphttp-request)."""


class Traces(Section):
    """Where spans go, as OTLP over HTTP: `url` is the collector's address, with or without `/v1/traces`.

    Of the requests whose callers name no trace, the part `sample` is recorded. `headers` are sent with every batch; `service` is
    what the gate calls itself.
    """

    url: UpstreamUrl
    sample: Annotated[float, PlainValidator(part)] = 0.01
    headers: Mapping[HeaderName, HeaderValue] = Field(default_factory=dict)
    service: Text = "labgate"

    @field_validator("url")
    @classmethod
    def _headers_are_nobodys(cls, value: Url) -> Url:
        if value.userinfo is not None:
            raise refusal("a user and password in the address", "write them as `headers: {Authorization: …}`")
        return value

    @property
    def endpoint(self) -> str:
        """The whole address."""
        return self.url.text if self.url.path.endswith(_PATH) else self.url.origin + self.url.path + _PATH


def traced(value: Any) -> Any:
    """An address alone is one with nothing else said; `off` is none."""
    if value is False or value == "off":
        return None
    return {"url": value} if isinstance(value, str) else value
