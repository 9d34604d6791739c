"""A spawner of another user, started apart from the gateway: five capabilities there, none here."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.state import instance_name
from tests import live, traces
from tests.folders import folder as files_of
from tests.levels import places, setting
from tests.live import HANG_S, Gateway

pytestmark = [pytest.mark.kernel, pytest.mark.sandbox]
_ROOT = Path(__file__).resolve().parents[2]


@contextlib.contextmanager
def spawner(folder: Path, name: str = "spawner") -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A spawner that listens in *folder*, with a uid of its own and the five capabilities."""
    run = folder / "run"
    run.mkdir(exist_ok=True)
    os.chown(run, setting.SPAWNER_USER, setting.USER)
    run.chmod(0o2750)  # also a socket of root's then has the gateway's group
    path, log = run / "socket", folder / "spawner.log"
    command = [*places.launcher(name), "-m", "gateway", "spawner", "--gateway-user", str(setting.USER)]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--spawner-socket", str(path)],
            cwd=_ROOT,
            env={"PATH": os.environ["PATH"], "OMEGA_KERNEL_PYTHON": places.kernel_python()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_for(path, process, log)
        yield process, path
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(HANG_S) in (0, -signal.SIGTERM, -signal.SIGKILL), log.read_text()
        finally:
            process.kill()
            process.wait()


def wait_for(path: Path, process: subprocess.Popen[bytes], log: Path) -> None:
    """Return once something listens at *path*."""
    deadline = time.monotonic() + HANG_S
    while not path.exists():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@contextlib.contextmanager
def serving(folder: Path, path: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Gateway]]:
    """A gateway of an ordinary user whose kernels come from the spawner at *path*; it has what is in packages."""
    made = folder / f"gateway-{len(list(folder.iterdir()))}"
    made.mkdir()
    if (packages := folder / "packages").exists():
        (state := made / "state").mkdir(mode=0o755)
        packages.rename(state / "packages")
        os.chown(state, setting.USER, setting.USER)
    places.prepare(made, "user")
    env = {"OMEGA_KERNEL_PYTHON": places.kernel_python()}
    options = (*places.SMALL, "--spawner-socket", str(path), *options)
    process, gateway = live.start(made, *options, env=env, launcher=places.launcher("user"))
    try:
        yield process, gateway
    finally:
        live.stop(process)


def test_one_gateway_after_another_is_served_and_nobody_else(folder: Path) -> None:
    """A gateway without privileges reaches the full level; a restarted one waits until nothing of it is left."""
    with spawner(folder) as (_process, path):
        assert_turned_away(folder, path)
        with serving(folder, path, "--require-isolation", "L3") as (process, gateway):
            live.wait_ready(gateway, process)
            assert_full_level(gateway)
            process.kill()
            process.wait()
        with serving(folder, path) as (process, gateway):
            live.wait_ready(gateway, process)
            assert gateway.run("print(1)")["output"] == "1\n"


def assert_turned_away(folder: Path, path: Path) -> None:
    """Who connects is known from Linux; root of the test is not the gateway's user either."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as stranger:
        stranger.settimeout(HANG_S)
        stranger.connect(str(path))
        assert stranger.recv(10) == b""
    assert "connection of uid 0 refused" in (folder / "spawner.log").read_text()


def assert_full_level(gateway: Gateway) -> None:
    """Its kernels have uids and namespaces of their own; the gateway never held a capability."""
    assert gateway.ask("GET", "/code-interpreter/health").body["isolation"] == "L3"
    assert gateway.run("import os; print(os.getuid(), os.getpid(), os.listdir('.'))")["output"] == "1000 2 []\n"
    reply = gateway.ask("POST", "/code-interpreter/python", {"code": "import os; os.kill(os.getpid(), 9)"})
    assert reply.body["success"] is False
    assert gateway.run("print('next')")["output"] == "next\n"
    with files_of(gateway) as files:
        assert files.put(b"a/in", b"12").status == 200
        files.run("open('out', 'w').write(open('a/in').read() * 2)")
        assert files.get(b"out").body == b"1212"


def test_a_gateway_outlives_its_spawner_and_keeps_its_level(folder: Path) -> None:
    """Runs are answered 503 while there is none, or one that reaches less than the gateway was to have at its start."""
    with contextlib.ExitStack() as stack:
        with spawner(folder) as (_first, path):
            process, gateway = stack.enter_context(serving(folder, path, "--require-isolation", "L3", "--queue-wait-s", "2"))
            live.wait_ready(gateway, process)
            assert gateway.run("print(1)")["output"] == "1\n"
        assert ask_to_run(gateway) == 503
        with spawner(folder, "spawner-without"):
            deadline = time.monotonic() + HANG_S
            while "the isolation level fell to L2+, below L3" not in gateway.log.read_text():
                assert ask_to_run(gateway) == 503
                assert time.monotonic() < deadline, gateway.log.read_text()[-3000:]
        with spawner(folder):
            deadline = time.monotonic() + HANG_S
            while ask_to_run(gateway) != 200:
                assert time.monotonic() < deadline, gateway.log.read_text()[-3000:]
                time.sleep(0.2)
            live.stop(process)


def ask_to_run(gateway: Gateway) -> int:
    """The status of the answer to a run."""
    return gateway.ask("POST", "/code-interpreter/python", {"code": "print(2)"}).status


LOOK = "import os\nprint([os.listdir(f'/opt/omega/extra/{name}') for name in sorted(os.listdir('/opt/omega/extra'))])"


ONE_AT_A_TIME = ("--pool-min", "1", "--pool-max", "1", "--pool-min-javascript", "0", "--zygote-forks", "3")
"""No more kernels than are looked at: the third, begun by the second look, has another zygote made."""


@pytest.mark.parametrize("name", ["spawner", "root"])
def test_packages_are_shown_and_what_takes_their_place_is_not(folder: Path, name: str) -> None:
    """The gateway's user puts a link there, to what the spawner alone may enter; it makes every later zygote."""
    (secret := folder / "closed" / "secret").mkdir(parents=True)
    (secret / "TOP SECRET").touch()
    for place in (secret, secret.parent):
        os.chown(place, setting.SPAWNER_USER, setting.SPAWNER_USER)
    secret.parent.chmod(0o700)
    (folder / "packages" / "1" / "site" / "added").mkdir(parents=True)
    (folder / "packages" / "current").symlink_to("1")
    for place in (folder / "packages", *(folder / "packages").rglob("*")):
        os.lchown(place, setting.USER, setting.USER)
    log = folder / "spawner.log"
    with spawner(folder, name) as (_process, path), serving(folder, path, *ONE_AT_A_TIME) as (served, gateway):
        live.wait_ready(gateway, served)
        assert gateway.run(LOOK)["output"] == "[['added']]\n"
        site = gateway.state_dir / "packages" / "1" / "site"
        site.rename(site.with_name("was"))
        site.symlink_to("../../../../closed/secret")
        deadline = time.monotonic() + HANG_S
        while "zygote: start failed: OSError" not in log.read_text():
            assert gateway.run(LOOK)["output"] == "[['added']]\n"
            assert time.monotonic() < deadline, log.read_text()[-3000:]
        assert gateway.run(LOOK)["output"] == "[['added']]\n", "the zygote that is there goes on"


def test_a_spawner_without_capabilities_says_that_it_shows_no_packages(folder: Path) -> None:
    """In its user namespace it can't tell whose a directory is; its log says so before the first installation."""
    (folder / "packages" / "1" / "site" / "added").mkdir(parents=True)
    (folder / "packages" / "current").symlink_to("1")
    for place in (folder / "packages", *(folder / "packages").rglob("*")):
        os.lchown(place, setting.USER, setting.USER)
    with spawner(folder, "spawner-without") as (_process, path), serving(folder, path) as (served, gateway):
        live.wait_ready(gateway, served)
        assert gateway.run("import os; print(os.path.exists('/opt/omega/extra/0/added'))")["output"] == "False\n"
        live.stop(served)
    assert "added packages can't be shown to kernels" in (folder / "spawner.log").read_text()


def test_a_serving_spawner_that_is_killed_leaves_nothing(folder: Path) -> None:
    """Its gateway may not come back for long: the one that listens cleans up. As root, who may make control groups."""
    with spawner(folder, "root") as (process, path), serving(folder, path) as (served, gateway):
        live.wait_ready(gateway, served)
        instance = instance_name(gateway.state_dir)
        if not traces.take(instance).cgroups:
            pytest.skip("no control group can be made here")
        [listens] = [pid for pid in traces.descendants(process.pid) if b"kernels.spawner.listen" in _words(pid)]
        [serves] = traces.children(listens)
        for pid in traces.descendants(served.pid):
            os.kill(pid, signal.SIGSTOP)  # the gateway, which would have another one made
        os.kill(serves, signal.SIGKILL)
        deadline = time.monotonic() + HANG_S
        while traces.take(instance).cgroups:
            assert time.monotonic() < deadline, (folder / "spawner.log").read_text()[-3000:]
            time.sleep(0.05)  # other processes
        served.kill()
    assert "was killed by signal 9" in (folder / "spawner.log").read_text()


def _words(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def test_a_spawner_that_is_not_there_is_one_sentence(folder: Path) -> None:
    """At the start of the gateway."""
    places.prepare(folder, "user")
    path = folder / "nobody"
    options = ("--port", "0", "--state-dir", str(folder / "state"), "--spawner-socket", str(path))
    said = places.omega("user", "serve", *options, folder=folder)
    assert said.returncode == 1
    assert said.stderr.splitlines()[-1].endswith(f"the spawner at {path} can't be reached: No such file or directory"), said
