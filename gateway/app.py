"""The one place that builds everything, in the order of its dependencies, and ends it in the opposite order."""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from gateway import listen, state
from gateway.banner import Banner, Serving
from gateway.commands import as_typed
from gateway.core.errors import CommandFailed, Unavailable
from gateway.core.request import Caller
from gateway.kernel.client import ClientSettings, KernelClient
from gateway.kernel.files import open_folder
from gateway.kernel.launch.kept_spawner import LowIsolation, NoIsolation
from gateway.kernel.launch.kernelspec_launcher import NoSpec
from gateway.kernel.launch.minimum_level import LevelFloor
from gateway.kernel.launch.zygote_launcher import ZygoteLauncher, ZygoteOptions
from gateway.kernel.start import KernelStarter
from gateway.log import set_up_log
from gateway.metrics import Metrics
from gateway.part_settings import Languages, languages_of, pool_settings, web_settings
from gateway.pool.pool import KernelPool
from gateway.service.drain import Drain
from gateway.service.examples.gallery import Gallery
from gateway.service.health import NODE, Health
from gateway.service.history.history import History
from gateway.service.history.store import Retention
from gateway.service.jupyter.kernelspec_source import AllowedSpecs
from gateway.service.jupyter.pool_source import PoolSource
from gateway.service.jupyter.sessions import JupyterSessions
from gateway.service.jupyter.table import JupyterKernels, JupyterSettings
from gateway.service.kept_kernels import Quota, Room
from gateway.service.kernel_health import KernelHealth
from gateway.service.keys.admission import Admission, ConcurrentRuns
from gateway.service.keys.keys import Key, Keys
from gateway.service.keys.links import DownloadLinks
from gateway.service.keys.store import KeyStore
from gateway.service.keys.watch import KeyWatch
from gateway.service.packages.installer import Installer
from gateway.service.packages.pip import Pip
from gateway.service.packages.store import PackageStore
from gateway.service.runs.kernel_metrics import KernelWatch, MeteredPool
from gateway.service.runs.live import LiveRuns, LiveSettings
from gateway.service.runs.runner import Runner
from gateway.service.runs.watches import Watches
from gateway.service.sandboxes.place_kernels import PlaceMaker
from gateway.service.sandboxes.table import Sandboxes, SandboxSettings
from gateway.service.sessions.files import Files
from gateway.service.sessions.notebooks import Notebooks
from gateway.service.sessions.table import NewSession, Sessions, SessionSettings
from gateway.service.tools.kept_pictures import KeptPictures
from gateway.service.tools.pictures import Pictures
from gateway.service.tools.toolbox import ToolBox
from gateway.settings import Settings, find_kernel_python
from gateway.shutdown import wind_down
from gateway.signals import StopSignals
from gateway.version import VERSION
from gateway.web.edge.server import make_server
from gateway.web.routes import make_application
from gateway.web.services import Services
from kernels.contract import EXTRA_PACKAGES, MIB, Language
from kernels.sandbox import sysc

INTERRUPTED = 130
MAX_WHEEL_BYTES = 256 * MIB
_log = structlog.get_logger("omega")


class StartError(CommandFailed):
    """The gateway can't start; the message is one sentence for the operator."""


async def serve(settings: Settings, banner: Banner) -> int:
    """Serve until a signal; returns the exit code: 0 if all work had ended, 1 if the drain timed out, 130 if forced."""
    set_up_log(settings.log_level, settings.log_format)
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("serve() runs in a task")
    stop = StopSignals(task)
    stop.listen(asyncio.get_running_loop())
    try:
        async with AsyncExitStack() as stack:
            code = await _serve(settings, banner, stop, stack)
            stop.close()
            return code
    except asyncio.CancelledError:
        if not stop.is_forced:
            raise
        return INTERRUPTED
    except (listen.PortError, Unavailable) as error:
        raise StartError(str(error)) from None


async def _serve(settings: Settings, banner: Banner, stop: StopSignals, stack: AsyncExitStack) -> int:
    """Build from the bottom up, serve, drain. *stack* closes the parts in reverse order."""
    python = find_kernel_python(settings)
    sockets = _claim(settings, stack)
    _shed_privileges()
    token = None if settings.token else state.ensure_token(settings.state_dir)
    packages = PackageStore(settings.state_dir / "packages")
    packages.sweep()
    banner.announce()
    metrics, drain = Metrics(VERSION), Drain()
    # Before any kernel starts: an unusable database stops the start without waiting for their imports.
    history = _open_history(settings, metrics, stack)
    keys, watch = await _open_keys(settings, stack)
    launcher = await _launch(settings, python, packages, stack)
    ready = launcher.ready
    languages = languages_of(ready)
    starter = _make_starter(settings, launcher, stack)
    pool = _make_pool(settings, languages, starter, metrics)
    quota = _make_quota(settings, languages)
    sessions = _make_sessions(settings, languages, pool, quota, drain, metrics)
    allowed = _allow_kernelspecs(settings, stack)
    jupyter = _make_jupyter(settings, languages, pool, quota, drain, allowed)
    kept = KeptPictures(settings.tool_kept_bytes, settings.tool_kept_s)
    metrics.watch_kept_pictures(kept.used_bytes)
    maker = PlaceMaker(pool, starter, launcher, settings.policy())
    sandboxes = _make_sandboxes(settings, languages, maker, sessions, quota, drain)
    metrics.watch_sandboxes(sandboxes.states)
    watch.listeners += [sandboxes.keep_only, sessions.keep_only, jupyter.keep_only, kept.keep_only]
    guards = (ConcurrentRuns(settings.concurrent_runs).enter, lambda _caller: drain.enter())
    runs = Runner(MeteredPool(pool.lease, metrics), history, metrics, sessions, guards=guards)
    source = KernelHealth(launcher, pool.snapshot, pool.renew)
    health = Health(source, [spec.name for spec in allowed.specs()])
    metrics.watch_health(health.available)
    web = web_settings(settings)
    live = LiveRuns(runs, LiveSettings(settings.stream_grace_s, settings.stream_bytes), sessions.feed)
    files = _make_files(settings, launcher, sessions)
    admission = Admission(keys, settings.requests_per_minute)
    services = Services(
        settings=web,
        keys=admission,
        links=DownloadLinks(admission),
        runner=live,
        installer=_installer(settings, source, python, packages, drain),
        history=history,
        health=health,
        gallery=Gallery(languages),
        metrics=metrics,
        sessions=sessions,
        files=files,
        tools=_make_tools(settings, live, sessions, files, kept),
        pictures=kept,
        notebooks=Notebooks(live, sessions, total_s=settings.notebook_timeout_s, room=web.allowance),
        jupyter=jupyter,
        jupyter_sessions=JupyterSessions(jupyter),
        live=live,
        watches=Watches(sessions.feed),
        sandboxes=sandboxes,
    )
    server = make_server(make_application(services), web)
    metrics.watch_connections(server.open_connections.states)
    metrics.watch_streams(live.states)
    stack.push_async_callback(server.close_all_connections)
    stack.push_async_callback(pool.close)
    stack.push_async_callback(sessions.close)
    stack.push_async_callback(sandboxes.close)
    stack.push_async_callback(jupyter.close)
    stack.push_async_callback(live.close)
    pool.open()
    listen.listen(sockets, settings.host)
    server.add_sockets(sockets)
    port = int(sockets[0].getsockname()[1])
    banner.show(Serving(settings.host, port, ready.level, ready.python_version, token, ready.packages.get(NODE)))
    _log.info("serving", host=settings.host, port=port, isolation=ready.level, version=VERSION)
    await stop.wait()
    live.end_turns()
    return await wind_down(server, drain, settings.drain_s)


def _make_tools(settings: Settings, live: LiveRuns, sessions: Sessions, files: Files, kept: KeptPictures) -> ToolBox:
    """The tools of agents; *kept* is for their pictures."""

    async def begin(language: Language, timeout_s: float, caller: Caller) -> str:
        return (await sessions.create(NewSession(language, timeout_s=timeout_s), caller)).id

    pictures = Pictures(kept, settings.tool_picture_bytes)
    return ToolBox(live, begin, sessions, files, pictures, text_bytes=settings.tool_text_bytes)


def _claim(settings: Settings, stack: AsyncExitStack) -> list[socket.socket]:
    """Take the state directory and the port, which only one gateway can have, before anything starts."""
    state.prepare_directory(settings.state_dir)
    stack.callback(os.close, state.lock_directory(settings.state_dir))
    sockets = listen.bind(settings.host, settings.port)
    stack.callback(listen.close, sockets)
    return sockets


async def _launch(settings: Settings, python: Path, packages: PackageStore, stack: AsyncExitStack) -> ZygoteLauncher:
    """A launcher with a warm zygote, at the level required."""
    added = packages.current_dir()
    options = ZygoteOptions(
        kernel_python=str(python),
        instance=state.instance_name(settings.state_dir),
        required=settings.require_isolation,
        forks_per_zygote=settings.zygote_forks,
        extra_dirs=(str(added),) if added else (),
        work_aliases=settings.work_aliases,
        kernel_env={EXTRA_PACKAGES: ",".join(settings.extra_packages)} if settings.extra_packages else {},
        spawner_socket=str(settings.spawner_socket or ""),
    )
    try:
        launcher = await ZygoteLauncher.start(options)
    except NoIsolation:
        raise StartError(
            "this machine reaches no isolation level, and the gateway starts no kernel without isolation: "
            f"`{as_typed('doctor')}` says what is missing"
        ) from None
    except LowIsolation as error:
        raise StartError(
            f"this machine reaches isolation level {error.reached.label}, but require_isolation is "
            f"{settings.require_isolation.label}: `{as_typed('doctor')}` says what is missing"
        ) from None
    except Unavailable as error:
        raise StartError(f"the gateway can't start kernels with {python}: {error}") from None
    stack.callback(_log.info, "stopped")
    stack.push_async_callback(launcher.close)
    return launcher


def _open_history(settings: Settings, metrics: Metrics, stack: AsyncExitStack) -> History:
    retention = Retention(settings.history_max_rows, settings.history_max_days)
    history = History.open(settings.database(), retention, metrics)
    stack.push_async_callback(history.close)
    return history


def _make_starter(settings: Settings, launcher: ZygoteLauncher, stack: AsyncExitStack) -> KernelStarter:
    """Starts kernels of the required level, each with its client."""
    client = ClientSettings(grace_s=settings.interrupt_grace_s)
    starter = KernelStarter(LevelFloor(launcher, settings.require_isolation), settings=client)
    stack.callback(starter.close)
    return starter


def _make_pool(
    settings: Settings, languages: Languages, starter: KernelStarter, metrics: Metrics
) -> KernelPool[KernelClient]:
    """The pool, still empty; the caller opens and closes it."""
    pool = KernelPool(starter, pool_settings(settings, languages), KernelWatch(metrics))
    metrics.watch_pool(pool.snapshot)
    return pool


def _make_quota(settings: Settings, languages: Languages) -> Quota:
    """The quota of kept kernels; at least one kernel is always left to runs without a session."""
    pooled = pool_settings(settings, languages)
    room = Room.beside(max(1, settings.pool_min), settings.max_sessions, pooled.policy, pooled.limits)
    return Quota(settings.sessions_per_key, room)


def _allow_kernelspecs(settings: Settings, stack: AsyncExitStack) -> AllowedSpecs:
    """The source of kernels of the operator's own kernelspecs."""
    try:
        allowed = AllowedSpecs.find(settings.allowed_kernelspecs, state.instance_name(settings.state_dir))
    except NoSpec as error:
        raise StartError(f"allowed_kernelspecs: {error}") from None
    stack.push_async_callback(allowed.close)
    return allowed


def _make_jupyter(
    settings: Settings,
    languages: Languages,
    pool: KernelPool[KernelClient],
    quota: Quota,
    drain: Drain,
    allowed: AllowedSpecs,
) -> JupyterKernels:
    """The table of Jupyter kernels, from *pool* and from the kernelspecs *allowed*."""
    source = PoolSource(pool, languages)
    kept = JupyterSettings(settings.session_idle_s, settings.jupyter_buffer_bytes, settings.jupyter_env_names)
    return JupyterKernels([source, allowed], quota, drain, kept)


def _make_sessions(
    settings: Settings,
    languages: Languages,
    pool: KernelPool[KernelClient],
    quota: Quota,
    drain: Drain,
    metrics: Metrics,
) -> Sessions:
    """The table of sessions, on kernels of *pool*."""
    times = SessionSettings(settings.session_idle_s, settings.session_lifetime_s, settings.transcript_bytes)
    sessions = Sessions(pool, quota, drain, metrics, times, languages=languages)
    metrics.watch_sessions(sessions.states)
    return sessions


def _make_sandboxes(
    settings: Settings, languages: Languages, maker: PlaceMaker, sessions: Sessions, quota: Quota, drain: Drain
) -> Sandboxes:
    """The table of sandboxes, whose contexts are *sessions*."""
    times = SandboxSettings(settings.session_idle_s, settings.session_lifetime_s, languages)
    return Sandboxes(maker, sessions, quota, drain, times)


def _make_files(settings: Settings, launcher: ZygoteLauncher, sessions: Sessions) -> Files:
    return Files(
        sessions.kernel_id,
        lambda kernel_id: open_folder(launcher.open_files(kernel_id)),
        sessions.note_activity,
        file_bytes=settings.file_bytes,
        work_bytes=settings.policy().work_bytes,
    )


async def _open_keys(settings: Settings, stack: AsyncExitStack) -> tuple[Keys, KeyWatch]:
    """All keys, and the watch that follows changes in database and state directory."""
    keys = Keys(_default_key(settings), settings.policy())
    watch = KeyWatch(KeyStore(settings.database()), keys, lambda: _default_key(settings))
    await watch.open()
    stack.push_async_callback(watch.close)
    return keys, watch


def _default_key(settings: Settings) -> Key | None:
    """The key of the configured token, otherwise of the stored one; raises OSError if that can't be read."""
    if settings.token is not None:
        return Key.of_token(settings.token.get_secret_value())
    try:
        stored = state.load_token(settings.state_dir)
    except state.StateError as error:
        raise OSError(str(error)) from None
    return Key.of_token(stored.value) if stored else None


def _shed_privileges() -> None:
    """Drop all effective capabilities, and make this process inaccessible to others of the same user.

    To be called before there is a second thread, which would keep them. They stay permitted (and ambient, for a user who is
    not root), though not effective: the spawner gets them at its exec, also one that has to be started later in place of the
    first, so that its isolation level does not drop. Nothing this process does itself uses them.
    """
    sysc.set_no_new_privs()
    sysc.set_dumpable(dumpable=False)
    _effective, permitted, inheritable = sysc.capget()
    sysc.capset(0, permitted, inheritable)


def _installer(settings: Settings, source: KernelHealth, python: Path, store: PackageStore, drain: Drain) -> Installer:
    pip = Pip(python, os.environ, file_bytes=MAX_WHEEL_BYTES)
    return Installer(source, pip, store, extra=settings.extra_packages, drain=drain)
