"""Do the laws of pages, and of what a client fills in, hold for async clients, too? The tests are those of the others."""

from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one

globals().update(laws_of("test_sdk_pages"))
globals().update(laws_of("test_sdk_defaults", "test_batches_explanations_and_pickles_have_it_too"))
