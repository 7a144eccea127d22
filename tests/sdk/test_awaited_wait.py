"""Do the laws of `labgate.wait` hold for async clients, too? The tests are those of the others."""

from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one

globals().update(laws_of("test_sdk_wait"))
