"""The measurements: each bounded in count and time, ours and the peer's taken in turns where both can run at once."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from jupyter_client.asynchronous.client import AsyncKernelClient

from gateway.core.errors import Unavailable
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.kernel.launch.zygote_launcher import ZygoteLauncher, ZygoteOptions
from kernels.contract import Policy
from tests.bench import ipykernels, jkg, plain, processes
from tests.bench.client import Connection
from tests.bench.numbers import Samples
from tests.live import Gateway

FRESH_RUNS = 100
CHARTS = 40
CHART_DPI = 100
THINK_S = 0.1
"""A pause before each timed request, long enough for the pool to be full again."""
NODE_RUNS = 40
NODE_THINK_S = 0.4
"""Longer: a JavaScript kernel takes more time to start."""
KERNELS = 40
JKG_KERNELS = 10
SUSTAINED_S = 15.0
SUSTAINED_CODE = f"{plain.IMPORTS}\nprint(1)"
JKG_S = 40.0
WARM_RUNS = 200
COLD_STARTS = 5
FORKS = 40


def fresh_run(gateway: Gateway, python: str) -> tuple[Samples, Samples]:
    """A fresh run over HTTP with a kernel ready, and a bare Python process, in turns."""
    connection = Connection(gateway)
    ours, theirs = [], []
    for turn in range(FRESH_RUNS + 3):
        time.sleep(THINK_S)
        took = connection.time_post("python", {"code": "print(1)"})
        time.sleep(THINK_S)
        bare = plain.time_process(python)
        if turn >= 3:  # the first ones fill caches on both sides
            ours.append(took)
            theirs.append(bare)
    connection.close()
    return Samples(tuple(ours)), Samples(tuple(theirs))


def fresh_javascript(gateway: Gateway, node: str) -> tuple[Samples, Samples]:
    """A fresh JavaScript run over HTTP with a kernel ready, and a bare Node process, in turns."""
    connection = Connection(gateway)
    ours, theirs = [], []
    for turn in range(NODE_RUNS + 3):
        time.sleep(NODE_THINK_S)
        took = connection.time_post("javascript", {"code": "console.log(1)"})
        time.sleep(THINK_S)
        bare = plain.time_node(node)
        if turn >= 3:
            ours.append(took)
            theirs.append(bare)
    connection.close()
    return Samples(tuple(ours)), Samples(tuple(theirs))


def create_kernel(gateway: Gateway) -> Samples:
    """POST /api/kernels until its answer, a kernel being ready in the pool; each is deleted untimed."""
    took = []
    for _ in range(KERNELS):
        time.sleep(THINK_S)
        begun = time.perf_counter()
        reply = gateway.ask("POST", "/api/kernels", {"name": "python3"})
        took.append((time.perf_counter() - begun) * 1000)
        if reply.status != 201:
            raise RuntimeError(f"POST /api/kernels answered {reply.status}: {reply.body}")
        gateway.ask("DELETE", f"/api/kernels/{reply.body['id']}")
    return Samples(tuple(took))


def chart(gateway: Gateway) -> tuple[Samples, Samples]:
    """The figure as a PNG over HTTP, and drawn and saved in a warm process, in turns."""
    connection = Connection(gateway)
    ours, theirs = [], []
    with plain.painter() as painter:
        for turn in range(CHARTS + 3):
            time.sleep(THINK_S)
            took = connection.time_post("chart", {"code": plain.FIGURE, "dpi": CHART_DPI})
            time.sleep(THINK_S)
            drawn, _ = painter.draw(CHART_DPI, tight=True)
            if turn >= 3:
                ours.append(took)
                theirs.append(drawn)
    connection.close()
    return Samples(tuple(ours)), Samples(tuple(theirs))


@dataclass(frozen=True, slots=True)
class Sustained:
    """Fresh runs back to back on all cores: the rate, and what one run cost in processor time by process."""

    per_s: Samples
    cpu_ms: dict[str, float]


def sustained(gateway: Gateway) -> Sustained:
    """Closed loop with two clients a core, the data stack imported in each run; the pool refills meanwhile."""
    roles = processes.helpers(gateway.pid)
    before = {role: processes.cpu_s(pid) for role, pid in roles.items()}
    own, machine = time.process_time(), _machine_busy_s()
    begun = time.monotonic()
    runs = _hammer(gateway, 2 * (os.cpu_count() or 1), begun + SUSTAINED_S)
    took_s = time.monotonic() - begun
    cpu = {role: processes.cpu_s(pid) - before[role] for role, pid in roles.items()}
    cpu["client"] = time.process_time() - own
    cpu["kernels and the rest of the machine"] = _machine_busy_s() - machine - sum(cpu.values())
    per_run = {role: 1000 * used / runs for role, used in cpu.items()}
    return Sustained(Samples((runs / took_s,), "runs/s"), per_run)


def _hammer(gateway: Gateway, clients: int, until: float) -> int:
    counts = [0] * clients
    failures: list[BaseException] = []

    def loop(index: int) -> None:
        try:
            connection = Connection(gateway)
            while time.monotonic() < until and not failures:
                connection.post("python", {"code": SUSTAINED_CODE})
                counts[index] += 1
            connection.close()
        except (OSError, RuntimeError, ValueError) as error:
            failures.append(error)

    threads = [threading.Thread(target=loop, args=(index,)) for index in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise RuntimeError(f"a run failed under load: {failures[0]}") from failures[0]
    return sum(counts)


def _machine_busy_s() -> float:
    user, nice, system, _, _, irq, softirq = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:8])
    return (user + nice + system + irq + softirq) / processes.TICKS_PER_S


@dataclass(frozen=True, slots=True)
class Peer:
    """What jupyter_kernel_gateway does in the same time: creating a kernel, and fresh runs back to back."""

    create: Samples
    per_s: Samples


async def jkg_alone(folder: Path) -> Peer:
    """Kernels created one by one, then fresh runs with one client a core: more only makes it slower."""
    async with jkg.kernel_gateway(folder) as server:
        await server.run_fresh()
        create = [await server.time_create() for _ in range(JKG_KERNELS)]
        begun = time.monotonic()

        async def loop() -> int:
            runs = 0
            while time.monotonic() < begun + JKG_S:
                await server.run_fresh()
                runs += 1
            return runs

        runs = sum(await asyncio.gather(*(loop() for _ in range(os.cpu_count() or 1))))
        return Peer(Samples(tuple(create)), Samples((runs / (time.monotonic() - begun),), "runs/s"))


@dataclass(frozen=True, slots=True)
class PlainKernel:
    """A plain ipykernel: from start to first output with the data stack, a warm round trip, and its memory."""

    cold: Samples
    warm: Samples
    pss: Samples


async def plain_kernel(folder: Path) -> PlainKernel:
    """The peer jupyter_client gives: measured alone, after the gateway has ended, so that it shares no memory with it."""
    cold = []
    for _ in range(COLD_STARTS):
        begun = time.perf_counter()
        async with ipykernels.plain_kernel(folder) as (_, client):
            await ipykernels.execute(client, SUSTAINED_CODE)
            cold.append((time.perf_counter() - begun) * 1000)
    async with ipykernels.plain_kernel(folder) as (manager, client):
        await ipykernels.execute(client, SUSTAINED_CODE)
        warm = [await _time_execute(client) for _ in range(WARM_RUNS + 5)][5:]
        used = processes.memory(manager.pid())
    return PlainKernel(Samples(tuple(cold)), Samples(tuple(warm)), Samples((used.pss,), "MiB"))


async def _time_execute(client: AsyncKernelClient) -> float:
    begun = time.perf_counter()
    await ipykernels.execute(client, "print(1)")
    return (time.perf_counter() - begun) * 1000


def idle_memory(gateway: Gateway) -> dict[str, Samples]:
    """PSS and USS of each unused kernel in the pool, init included, and PSS of the gateway's own processes."""
    time.sleep(4)  # let the pool fill and the allocators settle
    idle = processes.kernels(gateway.pid)
    if not idle:
        raise RuntimeError("no idle kernel was found below the gateway")
    return {
        "pss": Samples(tuple(each.pss for each in idle), "MiB"),
        "uss": Samples(tuple(each.uss for each in idle), "MiB"),
        **{role: Samples((processes.memory(pid).pss,), "MiB") for role, pid in processes.helpers(gateway.pid).items()},
    }


async def isolation_steps() -> dict[str, float]:
    """Median ms of each step between fork and user code, from launching kernels one after the other."""
    launcher = await ZygoteLauncher.start(ZygoteOptions(str(plain.KERNEL_PYTHON), f"bench-{os.getpid()}"))
    taken: dict[str, list[float]] = {}
    try:
        for _ in range(FORKS):
            begun = time.perf_counter()
            kernel = await launcher.launch(LaunchRequest("python", Policy()))
            taken.setdefault("launch in all", []).append((time.perf_counter() - begun) * 1000)
            for step, took in kernel.steps_ms.items():
                taken.setdefault(step, []).append(took)
            await kernel.kill()
    except Unavailable as error:
        raise RuntimeError(f"no kernel: {error}") from error
    finally:
        await launcher.close()
    return {step: Samples(tuple(values)).p50 for step, values in taken.items()}


def machine(bare_python: str) -> dict[str, str]:
    """What the numbers were taken on."""
    total = int(Path("/proc/meminfo").read_text().split()[1]) / 1024**2
    return {
        "cores": str(os.cpu_count()),
        "memory": f"{total:.0f} GiB",
        "Linux": os.uname().release,
        "architecture": os.uname().machine,
        "kernels' Python": _version(str(plain.KERNEL_PYTHON)),
        "bare Python": _version(bare_python),
    }


def _version(python: str) -> str:
    said = subprocess.run([python, "--version"], check=True, capture_output=True, text=True).stdout
    return said.strip().removeprefix("Python ")
