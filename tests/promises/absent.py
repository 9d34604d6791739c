"""Every line of the specification's hostile corpus: those tested elsewhere, and those that cannot apply yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_LINES = """
FS01 FS02 FS03 FS04 FS05 FS06 FS07 FS08 FS09 FS10 FS12 FS13 FS14 FS15 FS16 FS17 FS19 FS20 FS21 FS22 FS23 FS24 FS25 FS27 FS28
FS30 FS31 FS32 FS33 FS34 FS35 FS37 FS38 FS39 FS40 FS41 FS44 FS45 FS46 FS48
N01 N02 N03 N04 N05 N06 N07 N08 N09 N10 N11 N12 N14 N15 N16 N17 N18 N19
S01 S02 S03 S04 S05 S06 S07 S08 S09 S10 S11 S12 S13 S14 S15 S16 S17 S18 S19 S20 S21 S22 S23 S24 S25 S26 S27 S28 S29 S30 S31
S32 S33 S34 S35 S36 S37 S38 S39 S40
R01 R02 R03 R04 R05 R06 R07 R08 R09 R10 R11 R14 R15 R16 R17 R19 R20 R21 R22 R24 R25 R26 R27 R28 R29 R30 R31 R34 R35 R37 R39
R40
E01 E02 E03 E04 E05 E06 E07 E08 E11 E12 E13
Z02 Z03 Z04 Z05 Z06 Z08 Z09 Z10
G01 G03 G04 G05 G07 G08 G09 G10 G12 G13 G14 G17 G18 G19 G20 G21 G22 G23 G24 G26 G28
H01 H02 H04 H05 H06 H07 H09 H10 H11 H13 H14 H15 H17 H18 H19 H20 H21 H22 H23 H24 H25 H26 H27 H29 H30 H31
JS01 JS02 JS05 JS06 JS07 JS08
J01 J02 J03 J04 J05 J06 J07 J08 J09 J10
"""
IDS: Final = tuple(_LINES.split())

_LIFE = "tests/api/test_life.py"
_SANDBOX = "tests/kernels/sandbox"
_SOCKET = "tests/gateway/web/edge/test_websocket.py"
_ENDPOINT = "tests/gateway/web/edge/test_endpoint.py"

ELSEWHERE: Final[Mapping[str, tuple[str, ...]]] = {
    "E05": (
        "tests/promises/test_corpus.py::test_what_a_run_left_behind_is_not_the_next_ones_output",
        "tests/kernels/python/test_attribution.py::test_what_an_earlier_run_left_behind_writes_nothing_into_the_next",
    ),
    "E11": (
        f"{_LIFE}::test_no_end_leaves_anything_on_the_machine",
        f"{_SANDBOX}/test_reaper.py::test_the_reaper_dies_with_its_spawner",
    ),
    "E12": (f"{_LIFE}::test_no_kernel_is_used_twice",),
    "E13": (f"{_LIFE}::test_a_killed_helper_is_replaced",),
    "Z06": (f"{_LIFE}::test_random_numbers_differ_between_kernels",),
    "Z08": ("tests/promises/test_zygote.py::test_the_zygote_holds_nothing_a_fork_could_inherit",),
    "Z09": (
        f"{_LIFE}::test_a_zygote_is_recycled_without_a_failed_request",
        "tests/promises/test_zygote.py::test_the_zygote_does_not_grow_with_its_kernels",
        "tests/kernels/spawner/test_zygotes.py::test_a_zygote_does_not_grow_with_its_forks",
    ),
    "Z10": (
        "tests/kernels/spawner/test_server.py::test_no_packet_brings_a_spawner_down",
        "tests/kernels/test_contract.py::test_a_malformed_packet_is_refused_with_its_reason",
        "tests/kernels/test_contract.py::test_no_json_at_all_brings_the_decoder_down",
    ),
    "S28": (f"{_SANDBOX}/test_seccomp.py::test_every_call_number_gets_the_verdict_of_the_policy",),
    "S36": (f"{_SANDBOX}/test_seccomp.py::test_calls_with_checked_arguments_get_the_verdict_of_the_policy",),
    "H01": (
        f"{_ENDPOINT}::test_every_address_needs_a_token",
        f"{_ENDPOINT}::test_a_foreign_origin_is_refused_everywhere",
        f"{_ENDPOINT}::test_a_foreign_host_is_refused_everywhere",
    ),
    "H02": (f"{_SOCKET}::test_nobody_else_gets_in", f"{_ENDPOINT}::test_a_foreign_origin_is_refused_everywhere"),
    "H15": (
        f"{_SOCKET}::test_what_breaks_the_protocol_is_closed_with_its_code",
        f"{_SOCKET}::test_a_storm_of_closings_leaves_nothing_open",
    ),
    "H07": (
        "tests/promises/test_corpus.py::test_a_session_of_another_key_is_not_there",
        "tests/api/test_sessions.py::test_another_key_sees_nothing",
    ),
    "R40": (
        "tests/promises/test_corpus.py::test_one_key_cannot_take_all_kernels",
        "tests/api/test_sessions.py::test_an_idle_session_is_culled_and_says_so",
    ),
    "H20": ("tests/gateway/test_settings.py::test_another_address_needs_a_token_of_the_operators_own",),
    "H22": (f"{_ENDPOINT}::test_every_answer_has_the_security_headers",),
    "H29": (
        f"{_LIFE}::test_a_leaving_caller_takes_its_run_with_it",
        f"{_ENDPOINT}::test_a_run_is_cancelled_when_its_client_goes_away",
    ),
    "J01": (
        f"{_SANDBOX}/test_fail_closed.py::test_user_code_does_not_run_when_a_call_fails",
        f"{_SANDBOX}/test_fail_closed.py::test_user_code_does_not_run_when_any_single_call_of_the_sandbox_fails",
    ),
    "J02": (f"{_SANDBOX}/test_attest.py::test_a_kernel_that_skipped_a_step_is_found",),
    "J03": (f"{_SANDBOX}/test_seccomp.py::test_every_call_number_gets_the_verdict_of_the_policy",),
    "J04": (
        f"{_SANDBOX}/test_probe.py::test_root_reaches_the_full_level",
        f"{_SANDBOX}/test_probe.py::test_an_ordinary_user_reaches_level_2_plus",
        f"{_SANDBOX}/test_probe.py::test_a_masked_proc_costs_the_plus",
        f"{_SANDBOX}/test_probe.py::test_a_containers_filter_leaves_level_1",
    ),
    "J05": ("tests/promises/test_bwrap.py::test_bubblewrap_denies_nothing_that_we_allow",),
    "J06": (f"{_SANDBOX}/test_root.py::test_nothing_is_denied_that_is_not_known_to_be_harmless",),
    "JS08": ("tests/promises/test_static.py::test_javascripts_own_walls_are_not_what_is_relied_on",),
    "J07": ("tests/promises/test_static.py::test_the_gateway_evaluates_nothing",),
    "J08": (
        "tests/test_requirements.py::test_every_package_is_pinned_and_has_hashes",
        "tests/test_requirements.py::test_no_lock_goes_back_behind_a_known_fault",
        "tests/test_requirements.py::test_the_library_below_pyzmq_is_new_enough",
    ),
    "J09": ("tests/promises/test_soak.py::test_everything_at_once_and_nothing_is_left",),
    "J10": ("tests/promises/test_corpus.py::test_a_line_of_the_corpus",),
}
"""Each with the tests that keep its promise; those of the list that are attempts here too are kept twice."""

_PAGE = "there is no page yet: every answer is JSON, plain text or a picture, with a policy that lets a browser run nothing"

ABSENT: Final[Mapping[str, str]] = {
    **dict.fromkeys(("H21", "H25", "H26", "H27"), _PAGE),
}
"""Each with the reason; they come in as their features land."""
