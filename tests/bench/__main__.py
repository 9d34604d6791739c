"""Run the whole benchmark: prints the table and writes results.md and results.json beside this file."""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import inside_calls, measure, plain, sessions, tool_calls, unconfined
from tests.bench.numbers import Row, Samples
from tests.bench.profile import profile
from tests.bench.report import Report
from tests.live import serving

IDLE = 8
"""Unused kernels while memory is measured: what they share counts for each by its part."""
WARM_PEER = "warm round trip to a plain ipykernel, `jupyter_client`"
HERE = Path(__file__).resolve().parent
_begun = time.monotonic()


def main() -> int:
    """Measure, print, write; 0 unless something could not be measured."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--profile", action="store_true", help="also say where the gateway's own time goes")
    parser.add_argument("--output", type=Path, default=HERE, metavar="DIR", help="where results.md and results.json go")
    options = parser.parse_args()
    report = run(with_profile=options.profile)
    report.write(options.output)
    print(f"\n{report.to_markdown()}")
    return 0


def run(*, with_profile: bool) -> Report:
    """All measurements, one after the other, so that none disturbs another."""
    python = plain.bare_python()
    with serving("--pool-min", str(IDLE), "--pool-max", str(IDLE)) as gateway:
        say(f"memory of {IDLE} idle kernels")
        memory = measure.idle_memory(gateway)
    with serving() as gateway:
        say(f"fresh runs against {python}")
        fresh, bare = measure.fresh_run(gateway, python)
        say("charts against a warm process")
        charts, drawn = measure.chart(gateway)
        say("fresh JavaScript runs against node")
        javascript, node = measure.fresh_javascript(gateway, plain.find_node())
        say("a warm session over HTTP and over a WebSocket")
        session, stream = sessions.warm_http(gateway), sessions.warm_socket(gateway)
        say("calls of a client's tool from inside a run")
        called = inside_calls.call_from_inside(gateway)
        say("tools over HTTP and by MCP")
        warm_tools, fresh_tools = tool_calls.warm(gateway), tool_calls.fresh(gateway)
        say("kernels of the Jupyter API")
        kernels = measure.create_kernel(gateway)
        say("fresh runs on all cores")
        load = measure.sustained(gateway)
        isolation = str(gateway.ask("GET", "/code-interpreter/health").body.get("isolation", "unknown"))
    with serving(*sessions.GROWTH_OPTIONS) as gateway:
        say(f"{sessions.GROWTH[-1]} idle sessions")
        growth = sessions.growth(gateway)
    say("isolation steps")
    steps = asyncio.run(measure.isolation_steps())
    say("warm runs with and without the isolation steps")
    warm = asyncio.run(unconfined.warm_runs())
    with tempfile.TemporaryDirectory(prefix="omega-bench-") as folder:
        say("a plain ipykernel through jupyter_client")
        peer = asyncio.run(measure.plain_kernel(Path(folder)))
        say("jupyter_kernel_gateway, a kernel created and deleted for each run")
        jkg = asyncio.run(measure.jkg_alone(Path(folder)))
    lines = []
    if with_profile:
        say("profile")
        lines = profile()
    say("done")
    return Report(
        measure.machine(python),
        isolation,
        [
            Row(
                "fresh, isolated Python run over HTTP, data stack imported",
                'bare `python3 -c "print(1)"`',
                fresh,
                bare,
                "≤ 1",
            ),
            Row(
                "the same, sustained on all cores, refill included",
                "jupyter_kernel_gateway, kernel created and deleted per run, same imports",
                load.per_s,
                jkg.per_s,
                "≥ 100",
            ),
            Row(
                "fresh, isolated Python run over HTTP",
                WARM_PEER,
                fresh,
                peer.warm,
                "-",
            ),
            Row(
                "fresh, isolated Python run over HTTP", "plain ipykernel started for it, same imports", fresh, peer.cold, "-"
            ),
            Row("run in a warm session over HTTP", WARM_PEER, session, peer.warm, "≤ 1"),
            Row("run in a warm session over its WebSocket", WARM_PEER, stream, peer.warm, "≤ 1"),
            Row("call of a client's tool from inside a run, over its WebSocket", WARM_PEER, called, peer.warm, "≤ 1"),
            Row(
                f"run in a warm session, {growth[-1].sessions - 1} idle ones beside it",
                "the same with none beside it",
                growth[-1].run,
                growth[0].run,
                "≤ 1.25",
            ),
            *warm_tools.rows("warm session", "run over HTTP in the same session"),
            *fresh_tools.rows("fresh kernel", "fresh, isolated run over HTTP"),
            Row("fresh, isolated JavaScript run over HTTP", '`node -e "console.log(1)"`', javascript, node, "≤ 1"),
            Row(
                "kernel created by the Jupyter API, data stack imported",
                "jupyter_kernel_gateway's `POST /api/kernels`, nothing imported",
                kernels,
                jkg.create,
                "-",
            ),
            Row(
                "chart (PNG) over HTTP",
                "same figure drawn and saved in a warm plain Python process",
                charts,
                drawn,
                "≤ 1.25",
            ),
            *(
                Row(f"warm run in a confined kernel: {name}", "same in a kernel that took no isolation step", *pair, "≤ 1.1")
                for name, pair in warm.items()
            ),
            Row(
                f"memory of an idle kernel (PSS, {IDLE} of them)",
                "plain ipykernel with the same imports",
                memory["pss"],
                peer.pss,
                "≤ 0.2",
            ),
        ],
        load.cpu_ms,
        _memory_rows(memory, peer.pss),
        steps,
        sessions.growth_table(growth),
        lines,
    )


def _memory_rows(memory: dict[str, Samples], plain_pss: Samples) -> dict[str, float]:
    own = {f"{role}, once (PSS)": samples.p50 for role, samples in memory.items() if role not in ("pss", "uss")}
    return {
        "idle kernel with its init (PSS)": memory["pss"].p50,
        "idle kernel with its init (USS)": memory["uss"].p50,
        **own,
        "plain ipykernel (PSS)": plain_pss.p50,
    }


def say(what: str) -> None:
    """One line of progress on stderr."""
    print(f"[{time.monotonic() - _begun:5.1f} s] {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
