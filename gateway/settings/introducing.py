"""What does the operator say of how a service is told who asks: a field, an exchange, an account of the gate's own?"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from gateway.settings.addresses import Endpoint, Url
from gateway.settings.sections import Section
from gateway.settings.service_words import IntroducingField
from gateway.settings.values import Secret, Text, Texts, Word, refusal, several


def _kept_to_itself(value: Url) -> Url:
    if value.scheme == "http" and not value.is_loopback:
        raise refusal("tokens and the client's secret would travel in the clear", "use https")
    return value


TokenEndpoint = Annotated[Endpoint, AfterValidator(_kept_to_itself)]


class UpstreamIdentity(Section):
    """The field in which the service is told who asks, by a token of at most a minute that the gate signs for this audience.

    Its key is published below `/.well-known/jwks.json`. `claims` are what it says beside the subject. Without an `audience` it is
    for the service's name.
    """

    header: IntroducingField = "Labgate-Identity"
    audience: Text | None = None
    claims: Annotated[tuple[Annotated[Literal["groups", "scope"], Word], ...], BeforeValidator(several)] = (
        "groups",
        "scope",
    )

    @model_validator(mode="after")
    def _it_is_for_somebody_else(self) -> "UpstreamIdentity":
        if self.audience == "labgate":
            fix = "name the service, or leave `audience` out"
            raise refusal("that is the audience of the gate's own tokens", fix, ("audience",))
        return self


class _Client(Section):
    url: TokenEndpoint
    client_id: Text
    client_secret: Secret
    auth: Annotated[Literal["basic", "post"], Word] = "basic"
    audience: Text | None = None
    resource: Text | None = None
    scope: Texts = ()


class ClientCredentials(_Client):
    """Where the gate gets a token of its own for the service (RFC 6749 section 4.4), as the client `client_id`.

    `audience`, `resource` and `scope` say for what, where the server wants to know it.
    """


class Exchange(_Client):
    """Where a caller's token is exchanged for one of the service's (RFC 8693), by the client `client_id`.

    `issuers` are whose tokens: names of `identity.issuers`, addresses of `identity.introspection`, and `labgate` for the gate's
    own, in the place of which it signs a short one.
    """

    issuers: Annotated[Texts, Field(min_length=1)]


def identity_in(value: Any) -> Any:
    """`true` is a field as it usually is."""
    return {} if value is True else None if value is False else value
