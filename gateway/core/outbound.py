"""Which addresses does the gate never connect to, whatever a name leads to?

At link-local addresses clouds give away the credentials of the machine that asks. A name of the settings may lead there
tomorrow though it led to a service today; so the address is looked at, at every connection. An address that the settings
themselves write is what is meant.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

_LINK_LOCAL: Final = IPv4Network("169.254.0.0/16")
_LINK_LOCAL_6: Final = IPv6Network("fe80::/10")
_METADATA_6: Final = IPv6Address("fd00:ec2::254")  # of Amazon's EC2, which is in no link-local network
_TRANSLATED: Final = IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address

WHY: Final = (
    "its host name leads to a link-local address, where clouds keep the credentials of their machines: "
    "write that address itself into the URL if it is meant"
)


class NeverConnectedError(OSError):
    """A host name leads only to addresses that are never connected to."""

    def __init__(self) -> None:
        super().__init__(WHY)


def is_address(host: str) -> bool:
    """Whether a host is written as an address, in the one form that everybody reads alike."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_never(address: str) -> bool:
    """Whether no name may lead to this address, also if it is wrapped in one of IPv6."""
    try:
        found = ip_address(address)
    except ValueError:
        return True
    if isinstance(found, IPv4Address):
        return found in _LINK_LOCAL
    inner = found.ipv4_mapped or found.sixtofour
    if inner is None and found in _TRANSLATED:
        inner = IPv4Address(found.packed[12:])
    if inner is not None:
        return inner in _LINK_LOCAL
    return found in _LINK_LOCAL_6 or IPv6Address(found.packed) == _METADATA_6


def allowed(addresses: list[str]) -> list[str]:
    """Those of a name's addresses that may be connected to. Raises NeverConnectedError if there are others alone."""
    kept = [one for one in addresses if not is_never(one)]
    if addresses and not kept:
        raise NeverConnectedError
    return kept
