"""Do the laws of proxies and of sockets with a path hold for async clients, too?"""

from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one

globals().update(
    # A recording connects by itself, as clients do that wait.
    laws_of("test_sdk_proxies", "test_a_recording_tells_nothing_of_the_proxy")
)
globals().update(
    # An async client belongs to its event loop, and does not leave it.
    laws_of("test_sdk_sockets", "test_a_client_of_a_socket_comes_back_from_a_pickle")
)
