"""The whitelist, and packages really fetched and placed."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import BadRequest, Busy, Forbidden, GatewayError, TooLarge, Unavailable
from gateway.service.packages.installer import Installer, InstallLimits
from gateway.service.packages.pip import ENVIRONMENT, Pin, Pip
from gateway.service.packages.store import PackageStore
from gateway.service.packages.wheels import hash_file
from tests.live import looks

BASE = {"numpy": "2.4.6", "scikit_learn": "1.9.1"}


@dataclass
class FakeKernels:
    base: Mapping[str, str] = field(default_factory=lambda: dict(BASE))
    used: list[tuple[str, ...]] = field(default_factory=list)
    fails: bool = False

    def versions(self) -> Mapping[str, str]:
        return self.base

    async def use_packages(self, extra_dirs: tuple[str, ...]) -> None:
        if self.fails:
            raise Unavailable("no spawner")
        self.used.append(extra_dirs)


class FakePip(Pip):
    """An index of wheels made on the spot: name -> (version, entries)."""

    def __init__(self, index: Mapping[str, tuple[str, Sequence[str]]]) -> None:
        super().__init__(Path("/nowhere"), {}, file_bytes=1)
        self.index = index
        self.asked: list[list[str]] = []
        self.gate: asyncio.Event | None = None

    def _wheel(self, name: str, folder: Path) -> Path:
        version, entries = self.index[name]
        path = folder / f"{name}-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as archive:
            for entry in entries:
                archive.writestr(zipfile.ZipInfo(entry), "x = 1\n")
        return path

    async def resolve(self, requirements: Sequence[str], work: Path) -> list[Pin]:
        self.asked.append(list(requirements))
        if self.gate is not None:
            await self.gate.wait()
        names = [name.partition("==")[0] for name in requirements]
        return [Pin(name, self.index[name][0], hash_file(self._wheel(name, work))) for name in names]

    async def download(self, pins: Sequence[Pin], work: Path) -> list[Path]:
        (work / "wheels").mkdir()
        return [self._wheel(pin.name, work / "wheels") for pin in pins]

    async def unpack(self, wheels: Sequence[Path], target: Path, work: Path) -> None:
        for wheel in wheels:
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(target)


def installer(tmp_path: Path, pip: Pip | None = None, *extra: str, **limits: float) -> tuple[Installer, FakeKernels]:
    kernels = FakeKernels()
    store = PackageStore(tmp_path / "packages")
    made = Installer(
        kernels,
        pip or FakePip({}),
        store,
        extra=extra,
        limits=InstallLimits(**limits),  # type: ignore[arg-type]  # whole numbers where they must be
    )
    return made, kernels


@pytest.mark.parametrize(
    ("asked", "output"),
    [
        ("numpy", "numpy-2.4.6 is already installed\n"),
        ("NumPy", "numpy-2.4.6 is already installed\n"),
        (" numpy ", "numpy-2.4.6 is already installed\n"),
        ("sklearn", "scikit-learn-1.9.1 is already installed\n"),
        ("scikit_learn", "scikit-learn-1.9.1 is already installed\n"),
        ("json", "json is part of Python; there is nothing to install\n"),
    ],
)
async def test_what_is_there_says_so(tmp_path: Path, asked: str, output: str) -> None:
    """With its version; the standard library has none of its own."""
    assert (await installer(tmp_path)[0].install(asked)).output == output


@pytest.mark.parametrize("asked", ["requests", "os", "subprocess", "numpy2", "pip", "setuptools"])
async def test_anything_else_is_forbidden_with_the_list(tmp_path: Path, asked: str) -> None:
    """The list has what the operator added."""
    with pytest.raises(Forbidden, match=r"Allowed packages: numpy, pandas, .*sklearn, math, .*random, six\."):
        await installer(tmp_path, None, "six")[0].install(asked)


@pytest.mark.parametrize(
    "asked",
    [
        *("", " ", "--index-url=http://evil", "-r", "numpy==1.0", "numpy>1", "numpy[x]", "numpy; python_version>'3'"),
        *(
            "https://evil/x.whl",
            "git+https://evil",
            "./numpy",
            "../x",
            "/tmp/x",
            "numpy\n--pre",
            "numpy six",
            "é",
            "a" + "\0",
        ),
    ],
)
async def test_only_a_bare_name_is_a_name(tmp_path: Path, asked: str) -> None:
    """No version, option, address or path gets anywhere near pip."""
    pip = FakePip({})
    with pytest.raises(BadRequest):
        await installer(tmp_path, pip, "six")[0].install(asked)
    assert not pip.asked


async def test_an_allowed_package_is_added_and_shown_to_new_kernels(tmp_path: Path) -> None:
    """Read-only, with its modules; asked again it is there already, also after a restart."""
    pip = FakePip({"six": ("1.17.0", ["six.py", "bin/x"])})
    made, kernels = installer(tmp_path, pip, "Six")
    done = await made.install("six")
    assert (done.package, done.version, done.output) == ("six", "1.17.0", "Successfully installed six-1.17.0\n")
    ((directory,),) = kernels.used
    assert sorted(os.listdir(directory)) == ["six.py"]
    assert mode_of(directory, "six.py") == 0o444
    assert (await made.install("SIX")).output == "six-1.17.0 is already installed\n"
    again, _ = installer(tmp_path, pip, "six")
    assert (await again.install("six")).output == "six-1.17.0 is already installed\n"
    assert PackageStore(tmp_path / "packages").current_dir() == Path(directory)
    assert len(pip.asked) == 1


async def test_a_version_that_the_operator_chose_is_the_one_that_is_installed(tmp_path: Path) -> None:
    """Callers name the package alone; asked for a version they are told who chooses it."""
    pip = FakePip({"six": ("1.16.0", ["six.py"])})
    made, _kernels = installer(tmp_path, pip, "Six==1.16.0")
    with pytest.raises(BadRequest, match=r"The operator chooses versions, as in OMEGA_EXTRA_PACKAGES=six==1\.17\.0"):
        await made.install("six==1.17.0")
    assert (await made.install("six")).version == "1.16.0"
    assert pip.asked == [["six==1.16.0"]]


async def test_whatever_kernels_have_is_there_whether_it_may_be_added_or_not(tmp_path: Path) -> None:
    """Nobody has to know which packages came with the kernels' environment."""
    made, kernels = installer(tmp_path)
    kernels.base = {**BASE, "tqdm": "4.70.1"}
    assert (await made.install("tqdm")).output == "tqdm-4.70.1 is already installed\n"


async def test_a_package_that_kernels_could_not_be_given_is_not_called_installed(tmp_path: Path) -> None:
    """The next request for any package gives it to them first; only then it is there."""
    made, kernels = installer(tmp_path, FakePip({"six": ("1.0", ["six.py"])}), "six")
    kernels.fails = True
    for _ in range(2):
        with pytest.raises(Unavailable, match="no spawner"):
            await made.install("six")
    assert kernels.used == []
    kernels.fails = False
    assert (await made.install("six")).output == "six-1.0 is already installed\n"
    assert len(kernels.used) == 1
    assert (await made.install("six")).output == "six-1.0 is already installed\n"
    assert len(kernels.used) == 1


async def test_what_was_added_before_stays_in_the_same_version(tmp_path: Path) -> None:
    """The new set is the old one and the new package; the answer names what is new."""
    pip = FakePip({"six": ("1.17.0", ["six.py"]), "toolz": ("1.0", ["toolz/__init__.py"])})
    made, kernels = installer(tmp_path, pip, "six", "toolz")
    await made.install("six")
    assert (await made.install("toolz")).output == "Successfully installed toolz-1.0\n"
    assert pip.asked[-1] == ["six==1.17.0", "toolz"]
    assert sorted(os.listdir(kernels.used[-1][0])) == ["six.py", "toolz"]
    assert mode_of(kernels.used[0][0], "six.py"), "kernels that run on may still import from the old set"


@pytest.mark.parametrize(
    ("entries", "limits", "kind"),
    [
        (["six.py", "evil.pth"], {}, Forbidden),
        (["json.py"], {}, Forbidden),
        (["../six.py"], {}, Forbidden),
        (["six.py"] + [f"m{n}.py" for n in range(20)], {"files": 5}, TooLarge),
        (["six.py", "seven.py"], {"total_bytes": 8}, TooLarge),
        (["six.py"], {"wheel_bytes": 10}, TooLarge),
        (["six.py"], {"wheels": 0}, TooLarge),
    ],
)
async def test_a_package_that_may_not_be_placed_leaves_no_trace(
    tmp_path: Path, entries: list[str], limits: dict[str, float], kind: type[GatewayError]
) -> None:
    """Nothing is placed, nothing is left, and the next installation works."""
    pip = FakePip({"six": ("1.17.0", entries)})
    made, kernels = installer(tmp_path, pip, "six", **limits)
    with pytest.raises(kind):
        await made.install("six")
    assert not kernels.used
    assert not list((tmp_path / "packages").iterdir())


async def test_a_package_that_needs_other_versions_of_what_kernels_have_is_refused(tmp_path: Path) -> None:
    """It would take effect in some kernels and not in the libraries loaded already."""

    class Greedy(FakePip):
        async def resolve(self, requirements: Sequence[str], work: Path) -> list[Pin]:
            return [*await super().resolve(requirements, work), Pin("numpy", "3.0", "0" * 64)]

    made, _ = installer(tmp_path, Greedy({"six": ("1", ["six.py"])}), "six")
    with pytest.raises(Forbidden, match=r"needs numpy 3\.0, but kernels have another version"):
        await made.install("six")


async def test_files_other_than_those_resolved_are_refused(tmp_path: Path) -> None:
    """The hash of the first look is the hash of what is placed."""

    class Swapped(FakePip):
        async def download(self, pins: Sequence[Pin], work: Path) -> list[Path]:
            self.index = {"six": ("1", ["other.py"])}
            return await super().download(pins, work)

    made, _ = installer(tmp_path, Swapped({"six": ("1", ["six.py"])}), "six")
    with pytest.raises(Forbidden, match="do not match the hashes"):
        await made.install("six")


async def test_installations_wait_their_turn_and_few_may_wait(tmp_path: Path) -> None:
    """One at a time; two for the same package fetch it once."""
    pip = FakePip({"six": ("1", ["six.py"])})
    pip.gate = asyncio.Event()
    made, _ = installer(tmp_path, pip, "six", waiting=2)
    first, second = (asyncio.create_task(made.install("six")) for _ in range(2))
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await made.install("six")
    pip.gate.set()
    assert (await first).output == "Successfully installed six-1\n"
    assert (await second).output == "six-1 is already installed\n"
    assert len(pip.asked) == 1


async def test_an_installation_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    """And leaves nothing."""
    pip = FakePip({"six": ("1", ["six.py"])})
    pip.gate = asyncio.Event()
    made, _ = installer(tmp_path, pip, "six", timeout_s=0.01)
    with pytest.raises(Unavailable, match="longer than"):
        await made.install("six")
    assert not list((tmp_path / "packages").iterdir())


async def test_a_full_disk_is_told_as_one(tmp_path: Path) -> None:
    """Not as a network that failed; nothing is left, and it may work later."""

    class Full(FakePip):
        async def unpack(self, wheels: Sequence[Path], target: Path, work: Path) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    made, kernels = installer(tmp_path, Full({"six": ("1", ["six.py"])}), "six")
    with pytest.raises(Unavailable, match="could not be written: No space left on device"):
        await made.install("six")
    assert not kernels.used
    assert not list((tmp_path / "packages").iterdir())


async def test_leftovers_of_an_interrupted_installation_are_swept(tmp_path: Path) -> None:
    """At the next start."""
    store = PackageStore(tmp_path / "packages")
    left = tmp_path / "packages" / ".staging-x" / "deep"
    left.mkdir(parents=True)
    left.chmod(0o555)
    store.sweep()
    assert not list((tmp_path / "packages").iterdir())


async def test_old_sets_are_removed(tmp_path: Path) -> None:
    """The current one and two more are kept."""
    store = PackageStore(tmp_path / "packages")
    for number in range(6):
        with store.staging() as work:
            (work / "site").mkdir()
            (work / "site" / "m.py").write_text(str(number))
            made = store.activate(work / "site", [])
    assert made.name == "site"
    names = sorted(path.name for path in (tmp_path / "packages").iterdir())
    assert names == ["4", "5", "6", "current"]
    assert store.current_dir() == made


async def test_pip_sees_named_variables_alone(tmp_path: Path) -> None:
    """How to reach the index, and no secret of the gateway's."""
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\necho 'ERROR: http://user:secret@index/x' >&2\nexit 1\n")
    script.chmod(0o755)
    environ = {"PATH": os.environ["PATH"], "PIP_INDEX_URL": "http://index", "OMEGA_TOKEN": "secret", "PIP_TARGET": "/x"}
    with pytest.raises(Forbidden) as caught:
        await Pip(script, environ, file_bytes=1000).resolve(["six"], tmp_path)
    assert "secret" not in caught.value.message
    seen = dict(line.split("=", 1) for line in (tmp_path / "seen").read_text().splitlines())
    assert set(seen) - {"PWD", "SHLVL", "_"} <= {*ENVIRONMENT, "TMPDIR"}
    assert seen["PIP_INDEX_URL"] == "http://index"


@pytest.mark.parametrize("moment", ["while it starts", "while it runs"])
async def test_nothing_of_a_cancelled_pip_goes_on(moment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its children end with it, whenever that is."""
    script = tmp_path / "python"
    script.write_text(f"#!/bin/sh\nsleep 60 &\necho $! > {tmp_path}/child\nwait\n")
    script.chmod(0o755)
    child = tmp_path / "child"
    create, runs = asyncio.create_subprocess_exec, asyncio.Event()

    async def create_and_see(*command: Any, **options: Any) -> asyncio.subprocess.Process:
        process = await create(*command, **options)
        await until(lambda: child.exists() and child.read_text().strip() != "")
        runs.set()
        if moment == "while it starts":
            await asyncio.sleep(0.1)
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", create_and_see)
    running = asyncio.create_task(Pip(script, dict(os.environ), file_bytes=1000).resolve(["six"], tmp_path))
    await runs.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not is_alive(int(child.read_text())))


async def until(holds: Callable[[], bool]) -> None:
    """Return once *holds*; what is watched is another process, so there is nothing to wait on."""
    for _ in looks():
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came to that")


def mode_of(folder: str, name: str) -> int:
    """The permissions of a file that was placed."""
    return stat.S_IMODE(Path(folder, name).stat().st_mode)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False
