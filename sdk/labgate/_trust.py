"""Which certificates are trusted?"""

from __future__ import annotations

import os

from labgate.errors import SetupError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """What the system trusts, and beside it the authorities of a file (PEM).

    Raises:
        SetupError: the file cannot be read, or has no certificate.
    """
    import ssl  # 15 ms that plain http need not pay

    context = ssl.create_default_context()
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=os.path.expanduser(ca_file))
        except (OSError, ValueError) as error:
            raise SetupError(
                f"the certificates of {ca_file} cannot be read: {getattr(error, 'strerror', None) or type(error).__name__}",
                hint="It is a file with the lab's authority in PEM form.",
            ) from error
    return context
