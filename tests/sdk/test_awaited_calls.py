"""Do the laws of calls hold for async clients, too? The tests are those of the clients that wait."""

from tests.sdk.awaiting import awaited, laws_of  # noqa: F401 - the fixture makes `labgate.connect` an async one

globals().update(
    laws_of(
        "test_sdk_delivery",
        # They put sockets into the pool; test_sdk_async has the same laws for connections of an event loop.
        "test_a_kept_connection_that_the_gate_has_closed_is_noticed_before_a_call_leaves",
        "test_a_kept_connection_with_bytes_that_nobody_asked_for_is_not_used",
    )
)
globals().update(
    # It says `async with` here, which the same test looks at.
    laws_of("test_sdk_batch", "test_a_batch_without_its_block_says_how_it_is_begun")
)
globals().update(laws_of("test_sdk_status"))
globals().update(laws_of("test_sdk_explain"))
globals().update(
    # Whose line a warning points at, the adapter hides: test_sdk_async looks at it without one.
    laws_of("test_sdk_notices", "test_a_notice_is_a_python_warning_at_the_callers_line_and_can_be_filtered")
)
globals().update(
    laws_of(
        "test_sdk_inform",
        "test_a_stale_reply_warns_once_per_method_at_the_callers_line",
        # Tasks have their own last reply: test_sdk_async.
        "test_what_the_gate_did_not_say_is_none_and_each_thread_has_its_own_last_reply",
    )
)
globals().update(
    laws_of(
        "test_sdk_linking",
        # It has the package's functions before the adapter replaces them.
        "test_a_gate_that_keeps_no_links_is_an_error_and_not_no_link",
    )
)
globals().update(
    laws_of(
        "test_sdk_client",
        # Nothing that is not awaited asks the gate, so that news come a moment later: test_sdk_async.
        "test_a_wrong_name_asks_the_gate_once_and_then_not_for_30_seconds",
        "test_a_new_method_is_found_by_its_first_use",
        "test_a_reply_that_names_another_version_brings_the_news_without_polling",
        # Async clients share nothing: each is one event loop's.
        "test_views_and_second_clients_share_the_catalog_and_follow_it",
        "test_threads_that_use_methods_while_others_refresh_meet_no_error",
        # They look at classes, identities and texts, which are the adapter's here.
        "test_a_client_shows_only_what_the_gate_advertises",
        "test_dots_nest",
        "test_the_token_is_sent_and_shown_nowhere",
        "test_copies_of_a_client_are_clients",
        "test_a_method_that_is_touched_while_a_refresh_takes_it_away_does_not_come_back",
    )
)
globals().update(
    laws_of(
        "test_sdk_methods",
        "test_a_method_has_the_signature_the_name_and_the_documentation_of_its_description",
        "test_help_on_a_namespace_lists_its_methods",
        # Whose line a warning points at, the adapter hides: test_sdk_async looks at it without one.
        "test_a_deprecated_method_warns_at_the_callers_line_and_works",
    )
)
globals().update(
    laws_of(
        "test_sdk_connections",
        # A loop's client is neither another thread's nor a forked child's: test_sdk_async.
        "test_a_forked_child_does_not_use_its_parents_connections",
        "test_many_threads_get_each_their_own_answer",
    )
)
globals().update(
    laws_of(
        "test_sdk_lock",
        "test_a_client_with_a_lock_file_warns_of_a_change_and_refuses_only_the_changed_method",
        "test_a_pickled_client_keeps_its_lock_file",
        "test_an_async_client_has_a_lock_file_too",  # it is one of async clients, and has a loop of its own
    )
)
globals().update(
    laws_of(
        "test_sdk_datastacks",
        "test_a_map_that_others_may_write_or_that_is_no_file_is_left_aside_with_a_warning",
    )
)
globals().update(laws_of("test_sdk_profiles", "test_a_pickled_client_has_its_profile_where_there_is_one"))
globals().update(laws_of("test_sdk_frames"))
globals().update(laws_of("test_sdk_aliases", "test_another_spelling_is_the_same_namespace_and_is_not_listed"))
