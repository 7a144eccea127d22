"""Is the service there, and which one is it?"""

from typing import Any

from gateway.demo.jobs.rpc import offered

NAME = "Demo job manager"
VERSION = "1.0.0"


class About:
    """The methods about the service itself."""

    @offered(safe=True)
    def get_version(self) -> str:
        """Get the version of the service."""
        return VERSION

    @offered(safe=True)
    def test_connection(self) -> bool:
        """Return true."""
        return True

    @offered(safe=True)
    def echo(self, value: Any) -> Any:
        """Return what was sent."""
        return value
