"""Do the laws of catalogs hold for async clients, too? The tests are those of the clients that wait."""

from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one

globals().update(
    laws_of(
        "test_sdk_source",
        # Nothing that is not awaited asks the gate: no names as attributes, no `in`, no completion of names.
        "test_a_catalog_lists_its_entries_and_gives_them_by_name",
        "test_a_catalog_is_not_read_and_what_is_none_has_no_entries",
        # dask's workers wait, and pickle what they read.
        "test_without_dask_the_error_says_what_to_install",
        "test_a_source_outlives_a_pickle_without_its_token_and_asks_nothing_for_it",
        # Handles of another class, and of the adapter's.
        "test_a_source_says_what_the_gate_says_of_it_and_reads_nothing",
        "test_refreshed_it_is_what_the_gate_says_by_now",
        "test_a_search_is_its_answer_and_opens_what_it_found",
        "test_a_batch_gives_sources_too",
        "test_the_command_line_prints_what_a_source_is",
    )
)
globals().update(laws_of("test_sdk_source_read"))
