"""A module is tested by the test of its name, in the directory of its path; every other case is listed here.

A change to a module says by this where to look. ``SEEN_THROUGH`` lists modules without a test of their name: what they do
is seen by those tests, mostly because they do it inside a kernel, a spawner or an HTTP exchange. ``SUBJECTS`` lists tests of
a subject that several modules share.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest

from tests.source import CLIENT, PRODUCT, ROOT, modules

SEEN_THROUGH: Final[Mapping[str, tuple[str, ...]]] = {
    # ---- the command
    "gateway/test_serve.py": (
        "gateway/__main__.py",
        "gateway/app.py",
        "gateway/banner.py",
        "gateway/part_settings.py",
        "gateway/shutdown.py",
    ),
    "gateway/test_settings.py": ("gateway/configuration.py",),
    "gateway/test_cli.py": ("gateway/tokens.py", "gateway/version.py"),
    # ---- core: values without behaviour
    "gateway/core/test_fold.py": ("gateway/core/model.py",),
    # ---- web
    "gateway/web/openapi/test_document.py": (
        "gateway/web/openapi/answers.py",
        "gateway/web/openapi/bodies.py",
        "gateway/web/openapi/chart_data.py",
        "gateway/web/openapi/jupyter.py",
        "gateway/web/openapi/schemas.py",
        "gateway/web/api/patterns.py",
    ),
    "gateway/web/test_routes.py": ("gateway/web/services.py", "gateway/web/operations.py", "gateway/web/api/pages.py"),
    "gateway/web/test_http.py": ("gateway/web/edge/server.py",),
    "gateway/web/edge/test_websocket.py": ("gateway/web/edge/websocket_frames.py",),
    "gateway/web/api/test_files.py": ("gateway/web/api/file_names.py", "gateway/web/api/multipart.py"),
    "gateway/web/api/test_run_bodies.py": (
        "gateway/web/api/runs.py",
        "gateway/web/api/session_bodies.py",
        "kernels/run_rules.py",
    ),
    "gateway/web/api/test_events.py": (
        "gateway/web/caller_limits.py",
        "gateway/web/api/server_sent_events.py",
        "gateway/web/api/stream_messages.py",
    ),
    "gateway/web/api/test_entries.py": ("gateway/web/api/entry_bodies.py",),
    "gateway/web/api/test_sandboxes.py": ("gateway/web/api/sandbox_bodies.py",),
    "gateway/web/api/test_notebooks.py": ("gateway/web/api/notebook_bodies.py",),
    "gateway/web/jupyter/test_channels.py": ("gateway/web/jupyter/endpoint.py", "gateway/web/jupyter/rest.py"),
    "gateway/web/jupyter/test_wire.py": ("gateway/web/jupyter/bodies.py",),
    # ---- service
    "gateway/test_signals.py": ("gateway/service/drain.py",),
    "gateway/test_metrics.py": ("gateway/service/runs/kernel_metrics.py",),
    "gateway/service/runs/test_live.py": ("gateway/service/runs/live_run.py",),
    "gateway/service/sandboxes/test_table.py": (
        "gateway/service/sandboxes/contexts.py",
        "gateway/service/sandboxes/place_kernels.py",
        "gateway/service/sandboxes/sandbox.py",
    ),
    "gateway/service/sandboxes/test_commands.py": ("gateway/service/sandboxes/command.py",),
    "gateway/service/history/test_history.py": ("gateway/service/database.py", "gateway/service/history/store.py"),
    "gateway/service/packages/test_pip.py": ("gateway/service/packages/pip_failures.py",),
    "gateway/service/packages/test_installer.py": ("gateway/service/packages/store.py",),
    "gateway/service/tools/test_formats.py": ("gateway/service/tools/openapi.py",),
    "kernels/python/shown/test_small_pictures.py": ("kernels/serving/small_pictures.py",),
    "api/test_guide.py": (
        "gateway/service/examples/example.py",
        "gateway/service/examples/gallery.py",
        "gateway/service/examples/javascript.py",
    ),
    "gateway/service/jupyter/test_kernel.py": (
        "gateway/service/jupyter/listener.py",
        "gateway/service/jupyter/own_messages.py",
    ),
    "api/test_jupyter.py": (
        "kernels/python/questions.py",
        "gateway/service/jupyter/pool_source.py",
        "gateway/service/jupyter/sessions.py",
        "gateway/service/jupyter/table.py",
    ),
    "api/test_mcp_stdio.py": ("gateway/mcp_stdio.py",),
    "api/test_mcp.py": ("gateway/web/mcp/resources.py",),
    "api/test_tools.py": ("gateway/web/api/tools.py",),
    "contract/test_allowed.py": ("gateway/service/jupyter/kernelspec_source.py",),
    # ---- pool and kernel
    "gateway/pool/test_pool.py": ("gateway/pool/kernel.py",),
    "gateway/service/test_kernel_health.py": ("gateway/pool/recipe_pool.py",),
    "gateway/kernel/test_client_contract.py": ("gateway/kernel/start.py", "gateway/kernel/launch/launcher.py"),
    "gateway/kernel/test_loop.py": ("gateway/kernel/relay.py",),
    "gateway/kernel/in_jupyter/test_provisioner.py": (
        "gateway/kernel/in_jupyter/background.py",
        "gateway/kernel/in_jupyter/connection.py",
        "gateway/kernel/in_jupyter/instance_lock.py",
    ),
    "gateway/test_kernelspecs.py": ("gateway/kernel/in_jupyter/kernelspecs.py",),
    "gateway/kernel/launch/test_place.py": ("gateway/kernel/launch/pipes.py", "gateway/kernel/launch/zygote_places.py"),
    "gateway/kernel/launch/test_zygote_launcher.py": (
        "gateway/kernel/launch/ipc.py",
        "gateway/kernel/launch/minimum_level.py",
        "gateway/kernel/launch/runtime.py",
        "gateway/kernel/launch/spawner_process.py",
    ),
    # ---- the spawner
    "kernels/spawner/test_hosting.py": (
        "kernels/sandbox/join.py",
        "kernels/spawner/commands.py",
        "kernels/spawner/place.py",
        "kernels/spawner/place_requests.py",
    ),
    "kernels/spawner/test_server.py": ("kernels/zygote.py", "kernels/spawner/init.py", "kernels/spawner/main.py"),
    "levels/test_apart.py": ("kernels/spawner/listen.py",),
    "kernels/spawner/test_life.py": ("kernels/spawner/actions.py", "kernels/spawner/events.py"),
    "kernels/spawner/test_performer.py": ("kernels/spawner/preparer.py",),
    "kernels/spawner/test_watchdog.py": ("kernels/spawner/locks.py",),
    "kernels/spawner/test_shown.py": ("kernels/sandbox/extra_dir.py",),
    # ---- isolation: what a step denies is seen from inside a confined process
    "kernels/sandbox/test_root.py": (
        "kernels/sandbox/etc_files.py",
        "kernels/sandbox/mounts.py",
        "kernels/sandbox/python_home.py",
    ),
    "kernels/sandbox/test_steps_reach.py": (
        "kernels/sandbox/capabilities.py",
        "kernels/sandbox/descriptors.py",
        "kernels/sandbox/identity.py",
        "kernels/sandbox/landlock.py",
        "kernels/sandbox/limits.py",
        "kernels/sandbox/network.py",
        "kernels/sandbox/selfcheck.py",
        "kernels/sandbox/sysc.py",
    ),
    "kernels/sandbox/test_cgroup.py": (
        "kernels/sandbox/cgroup_files.py",
        "kernels/sandbox/cgroup_v2.py",
    ),
    "kernels/sandbox/test_seccomp.py": ("kernels/sandbox/seccomp/generate.py", "kernels/sandbox/seccomp/policy.py"),
    # ---- kernels: what they do is seen by whoever speaks with one
    "kernels/files_helper/test_folder.py": ("kernels/files_helper/beneath.py", "kernels/files_helper/serve.py"),
    "kernels/python/test_attribution.py": ("kernels/serving/attribution.py",),
    "kernels/python/test_child.py": (
        "kernels/python/identity.py",
        "kernels/python/parts.py",
        "kernels/program_environment.py",
        "kernels/serving/child.py",
        "kernels/serving/identity.py",
        "kernels/serving/setup.py",
    ),
    "kernels/python/test_python.py": (
        "kernels/python/event_loops.py",
        "kernels/python/kernel.py",
        "kernels/python/refusals.py",
        "kernels/python/request.py",
        "kernels/python/shell.py",
        "kernels/python/tasks/run.py",
        "kernels/python/usage.py",
        "kernels/serving/output.py",
        "kernels/serving/publisher.py",
        "kernels/serving/served.py",
        "kernels/serving/streams.py",
        "kernels/serving/texts.py",
    ),
    "kernels/python/test_around.py": ("kernels/python/standard_input.py",),
    "kernels/python/test_errors.py": (
        "kernels/python/shown/exception_chains.py",
        "kernels/python/shown/tracebacks.py",
        "kernels/serving/failure.py",
    ),
    "kernels/python/shown/test_hints.py": ("kernels/python/shown/absent.py", "kernels/python/shown/missing.py"),
    "kernels/python/shown/test_figures.py": (
        "kernels/python/shown/drawing.py",
        "kernels/python/shown/extent.py",
        "kernels/python/shown/fonts.py",
        "kernels/python/shown/glyphs.py",
        "kernels/python/shown/png.py",
        "kernels/python/shown/renderer.py",
    ),
    "kernels/python/shown/test_images.py": ("kernels/python/shown/album.py", "kernels/python/shown/written.py"),
    "kernels/python/shown/test_chart_data.py": (
        "kernels/python/shown/chart_data/axis.py",
        "kernels/python/shown/chart_data/bars.py",
        "kernels/python/shown/chart_data/boxes.py",
        "kernels/python/shown/chart_data/budget.py",
        "kernels/python/shown/chart_data/fills.py",
        "kernels/python/shown/chart_data/grids.py",
        "kernels/python/shown/chart_data/pie.py",
        "kernels/python/shown/chart_data/points.py",
        "kernels/python/shown/chart_data/reading.py",
        "kernels/python/shown/chart_data/sheet.py",
    ),
    "kernels/python/test_math.py": ("kernels/python/tasks/expression.py",),
    "kernels/python/tasks/test_analyze.py": ("kernels/python/tasks/csv_text.py",),
    "kernels/python/test_sessions.py": (
        "kernels/python/exact.py",
        "kernels/python/tasks/previews.py",
        "kernels/python/tasks/setup.py",
        "kernels/python/tasks/variables.py",
    ),
    "kernels/python/warmup/test_on_demand.py": ("kernels/python/warmup/arrow.py",),
    "kernels/python/warmup/test_memory.py": (
        "kernels/python/warmup/exercise.py",
        "kernels/python/warmup/rehearsal.py",
    ),
    "kernels/node/test_cells.py": ("kernels/node/child.py", "kernels/node/kernel.py", "kernels/node/parts.py"),
    "kernels/node/test_conversation.py": ("kernels/node/binary.py", "kernels/node/process.py"),
    "kernels/python/host_tools/test_tools.py": (
        "kernels/python/host_tools/arguments.py",
        "kernels/python/host_tools/calls.py",
        "kernels/python/host_tools/offer.py",
    ),
    "api/test_host_tools.py": (
        "gateway/web/api/host_answers.py",
        "gateway/web/api/host_fields.py",
    ),
    "kernels/python/tables/test_page.py": (
        "kernels/python/tables/cells.py",
        "kernels/python/tables/forms.py",
        "kernels/python/tables/keys.py",
        "kernels/python/tables/objects.py",
        "kernels/python/tables/refusal.py",
        "kernels/python/tables/source.py",
        "kernels/python/tables/storage.py",
    ),
    # ---- the client library for Python
    "clients/python/test_client.py": (
        f"{CLIENT}/async_client.py",
        f"{CLIENT}/async_link.py",
        f"{CLIENT}/async_sessions.py",
        f"{CLIENT}/async_streams.py",
        f"{CLIENT}/endpoints.py",
        f"{CLIENT}/errors.py",
        f"{CLIENT}/link.py",
        f"{CLIENT}/sessions.py",
        f"{CLIENT}/streams.py",
    ),
    "clients/python/test_transport.py": (f"{CLIENT}/async_transport.py",),
    "clients/python/llm/test_call.py": (
        f"{CLIENT}/llm/anthropic.py",
        f"{CLIENT}/llm/async_call.py",
        f"{CLIENT}/llm/async_senders.py",
        f"{CLIENT}/llm/chat.py",
        f"{CLIENT}/llm/dialect.py",
        f"{CLIENT}/llm/gemini.py",
        f"{CLIENT}/llm/loop.py",
        f"{CLIENT}/llm/responses.py",
        f"{CLIENT}/llm/senders.py",
        f"{CLIENT}/llm/tools.py",
    ),
    "contract/test_llm_sdks.py": (f"{CLIENT}/llm/sdks.py",),
}
"""By test, below ``tests``."""

SUBJECTS: Final = frozenset(
    {
        "clients/python/test_distribution.py",
        "clients/python/test_giving_up.py",
        "clients/python/test_malformed.py",
        "clients/python/test_results_not_taken.py",
        "clients/python/test_tools_side_by_side.py",
        "gateway/test_serve.py",
        "gateway/kernel/test_client_contract.py",
        "gateway/kernel/test_client_ends.py",
        "gateway/kernel/test_client_hostile.py",
        "gateway/kernel/test_loop.py",
        "gateway/pool/test_languages.py",
        "gateway/pool/test_pool_reserve.py",
        "gateway/service/history/test_opening.py",
        "gateway/service/history/test_trouble.py",
        "gateway/service/packages/test_real_pip.py",
        "gateway/service/runs/test_awaited_runs.py",
        "gateway/web/test_edge.py",
        "gateway/web/test_http.py",
        "kernels/node/test_body.py",
        "kernels/node/test_cells.py",
        "kernels/node/test_hostile.py",
        "kernels/node/test_interrupts.py",
        "kernels/node/test_stacks.py",
        "kernels/node/test_tools.py",
        "kernels/node/test_web.py",
        "kernels/python/shown/test_chart_data.py",
        "kernels/python/shown/test_small_pictures.py",
        "kernels/python/test_attribution.py",
        "kernels/python/test_errors.py",
        "kernels/python/test_forms.py",
        "kernels/python/test_math.py",
        "kernels/python/test_python.py",
        "kernels/python/test_sessions.py",
        "kernels/sandbox/test_fail_closed.py",
        "kernels/sandbox/test_seccomp.py",
        "kernels/sandbox/test_signals.py",
        "kernels/sandbox/test_steps_reach.py",
        "kernels/sandbox/test_steps_table.py",
        "kernels/spawner/test_nursery.py",
    }
)
"""By their place below ``tests``; what each is about, its first line says."""


def own_test(module: str) -> str:
    """Where the test of *module*'s name is or would be, below ``tests``: a distribution's folder is that of its package."""
    folder, _, name = module.replace(CLIENT, CLIENT.rpartition("/")[0]).rpartition("/")
    return f"{folder}/test_{name.lstrip('_')}"


MODULES = [source.path for source in modules(*PRODUCT, CLIENT) if not source.path.endswith("__init__.py")]


def test_each_module_has_its_test() -> None:
    """One of its name, or those it is seen through."""
    without = {module for module in MODULES if not (ROOT / "tests" / own_test(module)).exists()}
    listed = [module for seen in SEEN_THROUGH.values() for module in seen]
    assert len(listed) == len(set(listed))
    assert without - set(listed) == set(), "these have neither a test of their name nor a place in SEEN_THROUGH"
    assert set(listed) - without == set(), "these have a test of their name now, or are gone: take them out of SEEN_THROUGH"


@pytest.mark.parametrize("top", [*PRODUCT, "clients/python"])
def test_each_test_has_its_module(top: str) -> None:
    """One of its name, or a subject that several share."""
    mirrored = {own_test(module) for module in MODULES}
    found = {str(path.relative_to(ROOT / "tests")) for path in (ROOT / "tests" / top).rglob("test_*.py")}
    of_subjects = {test for test in SUBJECTS if test.startswith(top)}
    assert found - mirrored == of_subjects


@pytest.mark.parametrize("test", SEEN_THROUGH)
def test_what_a_module_is_seen_through_is_there(test: str) -> None:
    """A table of files that are gone says nothing."""
    assert (ROOT / "tests" / test).is_file()
