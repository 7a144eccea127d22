"""How is it seen that a job, which goes on by itself, has come to its end?"""

from typing import Annotated, Any

from pydantic import Field, model_validator

from gateway.settings.sections import Section
from gateway.settings.values import Count, Text, Texts, refusal


class Job(Section):
    """What the result of a method says of a job: for clients that wait for it.

    `status` is where its state stands in the result, members joined by dots; without it, the result itself is the state. It is
    over when that is one of `done`, and in vain when it is one of `failed`. `progress` is where a number stands that grows from
    0 to `of`.
    """

    status: Text | None = None
    done: Annotated[Texts, Field(min_length=1)]
    failed: Texts = ()
    progress: Text | None = None
    of: Count = 1

    @model_validator(mode="after")
    def _a_state_is_one_of_the_two(self) -> "Job":
        both = set(self.done) & set(self.failed)
        if both:
            raise refusal(
                f"a job in the state `{min(both)}` would be done and failed", "leave it in one", ("failed",)
            )
        return self

    def told(self) -> dict[str, Any]:
        """The same as clients are told."""
        said: dict[str, Any] = {"done": list(self.done)}
        if self.status is not None:
            said["status"] = self.status
        if self.failed:
            said["failed"] = list(self.failed)
        if self.progress is not None:
            said |= {"progress": self.progress, "of": self.of}
        return said
