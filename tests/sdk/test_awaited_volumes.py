"""Do the laws of volumes hold for async clients, too? The tests are those of the clients that wait."""

from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one

globals().update(
    laws_of(
        "test_sdk_volume",
        # An array cannot be awaited by numpy; an async client's handles are not pickled, and are of another class.
        "test_numpy_takes_a_volume_as_an_array_and_iterating_gives_its_planes",
        "test_a_pickled_volume_is_the_same_one_without_its_token",
        "test_a_volume_says_what_the_gate_says_of_it",
        "test_a_refresh_knows_how_far_the_volume_has_grown",
        "test_a_batch_gives_volumes_too",
        "test_the_command_line_shows_a_volume_as_what_the_gate_says_of_it",
    )
)
globals().update(
    laws_of(
        "test_sdk_volume_read",
        "test_one_handle_serves_many_threads_and_connections_are_kept_for_all",
        "test_a_notice_of_the_service_is_a_warning_at_the_line_that_reads",
        "test_a_stale_part_warns_once_at_the_line_that_reads",
    )
)
globals().update(
    laws_of(
        "test_sdk_volume_write",
        # An assignment cannot be awaited.
        "test_an_index_is_written_from_an_array_or_from_one_value",
        "test_a_number_in_the_index_of_a_write_is_an_axis_of_one",
        "test_a_locked_node_is_named_and_nothing_is_sent",
        "test_values_that_it_would_not_change_are_written",
        "test_pythons_own_floats_are_those_of_the_volume",
    )
)
