"""Do the laws of raw requests, downloads and uploads hold for async clients, too? The tests are those of the others."""

from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one

globals().update(
    # It looks at what a namespace is called.
    laws_of("test_sdk_request", "test_a_mounted_service_without_methods_is_a_namespace_until_it_is_gone")
)
globals().update(laws_of("test_sdk_request_broken"))
globals().update(
    laws_of(
        "test_sdk_response",
        "test_a_stale_reply_warns_at_the_callers_line_and_is_the_last_one",
        # They look at the connections of one client through another, which shares them.
        "test_a_body_that_is_unfinished_closes_the_connection_and_a_finished_one_gives_it_back",
        "test_what_a_service_says_in_json_is_the_errors_data_and_the_connection_serves_on",
    )
)
globals().update(laws_of("test_sdk_transfer"))
