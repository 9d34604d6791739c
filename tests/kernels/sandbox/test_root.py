"""The prepared root shows neutral paths, one Python with its packages, and nothing of the gateway or the host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from kernels.contract import Level
from kernels.sandbox import root
from kernels.sandbox.python_home import PythonUnusable, describe_python
from tests.kernels.sandbox.denials import strange_denials
from tests.kernels.sandbox.rooted import APP_DIR, run_as_kernel, run_as_zygote, run_without_root
from tests.kernels.sandbox.uses import STACK, USES

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="builds a root file system as root")
SYSTEM_PYTHON = "/usr/bin/python3"
KERNEL_PYTHON = os.environ.get("OMEGA_KERNEL_PYTHON", f"{APP_DIR}/.venv-kernels/bin/python")
ALL_OF_THE_STACK = "\n".join(STACK.values())
"""In one kernel: importing the libraries takes longer than all that is done with them."""
PYTHONS = [
    pytest.param(sys.executable, id="this environment"),
    pytest.param(
        SYSTEM_PYTHON,
        id="the system's",
        marks=pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason="no Python in /usr/bin"),
    ),
]
needs_kernel_python = pytest.mark.skipif(not Path(KERNEL_PYTHON).exists(), reason="no environment for kernels is installed")
needs_system_python = pytest.mark.skipif(not Path(SYSTEM_PYTHON).exists(), reason="no Python in /usr/bin")


def facts(python: str, expression: str, **options: Any) -> Any:
    """What *expression* is inside the root, as the zygote sees it."""
    inside = f"import json, os, subprocess, pathlib, sysconfig; print(json.dumps({expression}))"
    done = run_as_zygote(python, inside, **options)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def test_an_interpreter_describes_itself() -> None:
    """Its own word, not a guess from its path."""
    home = describe_python(sys.executable)
    assert (home.prefix, home.version) == (sys.prefix, sys.version_info[:2])
    assert home.is_environment == (sys.prefix != sys.base_prefix)
    assert Path(home.base_executable).is_file()


@pytest.mark.parametrize("python", ("/nonexistent/python", "/bin/false", "/bin/echo"))
def test_what_is_no_interpreter_is_refused_by_name(python: str) -> None:
    """The operator sees which setting is wrong."""
    with pytest.raises(PythonUnusable, match=python):
        describe_python(python)


def test_the_commands_put_one_package_and_no_directory_on_the_path() -> None:
    """What lies beside the kernels package, the gateway, is not importable even where it can be read."""
    # The base interpreter, not this environment's: there the gateway is installed.
    spec = root.RootSpec(describe_python(sys.executable).base_executable, APP_DIR)
    argv = root.plain_command(spec, "7")
    code = argv[3].replace("from kernels.zygote import main\nsys.exit(main())", "import kernels.contract; import gateway")
    done = subprocess.run([*argv[:3], code], capture_output=True, text=True, check=False, cwd="/")
    assert "No module named 'gateway'" in done.stderr
    assert argv[-1] == "7"


def test_the_readable_paths_of_level_1_are_there_and_do_not_show_the_gateway() -> None:
    """Landlock refuses paths that do not exist; a parent of the gateway's code must not be among them."""
    paths = root.plain_paths(root.RootSpec(sys.executable, APP_DIR))
    assert all(Path(path).exists() for path in paths)
    assert not any(Path(APP_DIR, "gateway").is_relative_to(path) for path in paths)
    assert f"{APP_DIR}/kernels" in paths


@pytest.mark.sandbox
@needs_root
class TestBuilt:
    """Inside a real root."""

    @pytest.mark.parametrize("python", PYTHONS)
    def test_python_knows_only_neutral_paths(self, python: str) -> None:
        """No path of the host shows up in a traceback or in sys.path, and packages are found."""
        seen = facts(
            python,
            "[sys.executable, sys.prefix, sys.base_prefix, sys.path, os.__file__, sysconfig.get_paths()['purelib']]",
        )
        assert seen[0] == f"{root.ENVIRONMENT}/bin/python"
        assert seen[1] == root.ENVIRONMENT
        # This test environment has the project itself installed in place; its marker is no path.
        shown = [path for path in seen[3] if not path.startswith("__editable__")]
        for path in (seen[2], *shown, *seen[4:]):
            assert path.startswith(("/opt/omega/", "/opt/python", "/usr")), path

    @pytest.mark.parametrize("python", PYTHONS)
    def test_a_program_started_with_an_empty_environment_is_the_same_python(self, python: str) -> None:
        """subprocess and multiprocessing start sys.executable, with or without our variables."""
        expression = "subprocess.run([sys.executable, '-c', 'import sys; print(sys.prefix, sys.version_info[:2])'], "
        expression += "env={}, capture_output=True, text=True, check=True).stdout"
        home = describe_python(python)
        assert facts(python, expression).strip() == f"{root.ENVIRONMENT} {home.version}"

    def test_the_environments_packages_are_importable_and_read_only(self) -> None:
        """The very files, not copies, and not to be changed."""
        import pytest as installed

        inside = "__import__('pytest').__file__, os.access(__import__('pytest').__file__, os.W_OK)"
        name, writable = facts(sys.executable, f"[{inside}]")
        if sys.prefix == sys.base_prefix:
            pytest.skip("these tests run outside a virtual environment")
        assert name.endswith(str(Path(installed.__file__).relative_to(sys.prefix)))
        assert not writable

    def test_nothing_of_the_host_is_there(self) -> None:
        """A published list: whatever else turns up at these places is a leak."""
        seen = facts(
            sys.executable,
            "{d: sorted(os.listdir(d)) for d in ('/', '/home', '/root', '/run', '/work', '/opt', '/opt/omega', "
            "'/opt/omega/app', '/dev', '/etc', '/var')}",
        )
        top = {
            "bin",
            "dev",
            "etc",
            "home",
            "lib",
            "lib32",
            "lib64",
            "libx32",
            "opt",
            "proc",
            "root",
            "run",
            "sbin",
            "tmp",
            "usr",
        }
        assert set(seen["/"]) <= top | {"var", "work"}
        assert [seen[name] for name in ("/home", "/root", "/run", "/work")] == [[]] * 4
        assert seen["/opt/omega/app"] == ["kernels"]
        assert set(seen["/opt"]) <= {"omega", "python"}
        assert set(seen["/opt/omega"]) <= {"app", "empty", "env", "extra", "lib"}
        devices = {"null", "zero", "full", "random", "urandom", "shm", "fd", "stdin", "stdout", "stderr"}
        assert set(seen["/dev"]) == devices
        written = {"passwd", "group", "hosts", "hostname", "nsswitch.conf", "localtime", "os-release", "mime.types"}
        assert set(seen["/etc"]) <= written | {"ld.so.cache", "ld.so.conf", "fonts", "alternatives"}

    def test_the_accounts_are_two_lines_that_name_nobody(self) -> None:
        """Only the names a program may ask for."""
        passwd = facts(sys.executable, "pathlib.Path('/etc/passwd').read_text().split()")
        assert [line.split(":")[0] for line in passwd] == ["root", "omega"]

    def test_nothing_can_be_written_but_the_zygotes_own_tmp(self) -> None:
        """Read-only by mount, not by permission: the zygote is root at L3."""
        places = "['/x', '/usr/x', '/etc/x', '/opt/omega/app/kernels/x', '/opt/omega/env/x', '/dev/x', '/work/x', '/tmp/x']"
        attempt = f"[name for name in {places} if os.system('mkdir ' + name + ' 2>/dev/null') == 0]"
        assert facts(sys.executable, attempt) == ["/tmp/x"]

    def test_the_zygote_holds_five_capabilities_and_can_gain_none(self) -> None:
        """What it needs to confine its children and to let guests join a place, also as root, also over exec."""
        lines = facts(
            sys.executable, "[l.split()[1] for l in open('/proc/self/status') if l[:5] in ('CapEf', 'CapPr', 'NoNew')]"
        )
        wanted = sum(1 << number for number in (6, 7, 12, 18, 21))
        assert [int(value, 16) for value in lines] == [wanted, wanted, 1]

    def test_extra_directories_are_shown_read_only(self, tmp_path: Path) -> None:
        """Installed wheels; what is added later is seen without a new root."""
        (tmp_path / "wheel.py").write_text("x = 1")
        expression = f"[os.listdir('{root.EXTRA}/0'), os.access('{root.EXTRA}/0', os.W_OK)]"
        assert facts(sys.executable, expression, extra=[str(tmp_path)]) == [["wheel.py"], False]

    @pytest.mark.parametrize("level", [Level.L3, Level.L2_PLUS])
    @pytest.mark.parametrize("kind", ["link", "link on the way", "directory"])
    def test_what_takes_the_place_of_an_extra_directory_is_not_shown(self, tmp_path: Path, kind: str, level: Level) -> None:
        """Whatever its owner puts there after it was opened. It is an error: no kernel starts without its packages."""
        extra, other = tmp_path / "way" / "site", tmp_path / "other"
        for place in (extra, other / "site"):
            place.mkdir(parents=True)
        (other / "site" / "secret").touch()
        link = tmp_path / "link"
        link.symlink_to("../other/site" if kind == "link" else "other")
        swaps = {"link": (link, extra), "link on the way": (link, extra.parent), "directory": (other / "site", extra)}
        inside = f"print(os.listdir('{root.EXTRA}/0'))"
        swap = [str(path) for path in swaps[kind]]
        done = run_as_zygote(sys.executable, inside, extra=[str(extra)], swap=swap, level=level)
        assert done.returncode != 0
        assert "secret" not in done.stdout + done.stderr
        assert ("another directory" if kind == "directory" else "Too many levels of symbolic links") in done.stderr

    def test_a_hidden_directory_below_a_bound_tree_is_empty(self) -> None:
        """A gateway installed below /usr stays out of sight."""
        assert facts(sys.executable, "os.listdir('/usr/share/doc')", hidden=["/usr/share/doc"]) == []

    def test_the_source_beside_the_package_is_not_there(self) -> None:
        """Neither by import nor by path."""
        expression = f"[os.path.exists({APP_DIR!r}), __import__('importlib.util').util.find_spec('gateway') is None]"
        assert facts(sys.executable, expression) == [False, True]

    @needs_system_python
    def test_an_ordinary_user_can_build_it_in_a_user_namespace(self) -> None:
        """Level L2+: no privilege at all."""
        seen = facts(SYSTEM_PYTHON, "[sys.prefix, os.getuid(), os.listdir('/root')]", level=Level.L2_PLUS, user=True)
        assert seen == [root.ENVIRONMENT, 1000, []]


@pytest.mark.sandbox
@needs_root
class TestUsable:
    """What people do in Python still works in full confinement."""

    @pytest.mark.parametrize("use", USES)
    def test_the_standard_library_works(self, use: str) -> None:
        """Processes, threads, sockets, files."""
        run_as_kernel(sys.executable, USES[use])

    @needs_system_python
    @pytest.mark.parametrize("use", USES)
    def test_the_standard_library_works_for_an_ordinary_user(self, use: str) -> None:
        """The same at level L2+, with the system's Python."""
        run_as_kernel(SYSTEM_PYTHON, USES[use], level=Level.L2_PLUS, user=True)

    @needs_kernel_python
    def test_the_data_stack_works(self) -> None:
        """Imported before the fork, as the zygote does."""
        run_as_kernel(KERNEL_PYTHON, ALL_OF_THE_STACK, preload="import numpy, pandas, matplotlib.pyplot")

    def test_children_inherit_every_lock(self) -> None:
        """A program started inside has no capability, the filter, and sees no uid but one."""
        code = """
import subprocess
text = subprocess.run(["/bin/cat", "/proc/self/status"], capture_output=True, text=True, check=True).stdout
facts = dict(line.split(":\\t", 1) for line in text.splitlines() if ":\\t" in line)
assert facts["Uid"].split() == ["1000"] * 4 and facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2", facts
assert all(int(facts[name], 16) == 0 for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")), facts
"""
        run_as_kernel(sys.executable, code)

    def test_the_reaper_is_not_visible(self) -> None:
        """Its command line would name paths of the host."""
        code = (
            "import os; names = [n for n in os.listdir('/proc') if n.isdigit()]; assert names == [str(os.getpid())], names"
        )
        run_as_kernel(sys.executable, code)

    @pytest.mark.skipif(shutil.which("strace") is None, reason="strace counts the denials")
    @pytest.mark.parametrize("use", [*USES, "the data stack"])
    def test_nothing_is_denied_that_is_not_known_to_be_harmless(self, use: str, tmp_path: Path) -> None:
        """Each denial here is one that the library falls back from; a new one is a program that may break."""
        if use not in USES and not Path(KERNEL_PYTHON).exists():
            pytest.skip("no environment for kernels is installed")
        log = tmp_path / "strace"
        under = ("strace", "-f", "-qq", "-Z", "-o", str(log))
        if use in USES:
            run_as_kernel(sys.executable, USES[use], under=under)
        else:
            run_as_kernel(KERNEL_PYTHON, ALL_OF_THE_STACK, preload="import numpy, pandas, matplotlib.pyplot", under=under)
        assert not strange_denials(log.read_text())


@pytest.mark.sandbox
@needs_root
@needs_system_python
def test_without_a_root_of_its_own_a_kernel_still_computes() -> None:
    """Level L1 on host paths: programs, threads and files in the work directory; no sockets, no gateway."""
    code = f"""
import subprocess, threading, sqlite3, tempfile, os, json, importlib.util
assert subprocess.run(["/bin/sh", "-c", "echo 42"], capture_output=True, text=True, check=True).stdout == "42\\n"
thread = threading.Thread(target=lambda: None); thread.start(); thread.join()
open("a", "w").write("x"); base = sqlite3.connect("db"); base.execute("create table t(x)"); base.commit()
with open("kept", "wb") as kept: kept.write(b"x"); os.fsync(kept.fileno())
try:
    os.open("kept", os.O_WRONLY | os.O_DSYNC); raise AssertionError("each write would flush the host's disk")
except OSError as error:
    assert error.errno == 22
assert importlib.util.find_spec("gateway") is None
hidden = ("cmdline", "config.gz", "diskstats", "interrupts", "kallsyms", "pressure/cpu", "sys/kernel/random/boot_id")
for path in ({APP_DIR!r} + "/gateway", {APP_DIR!r} + "/pyproject.toml", "/etc/shadow", "/root", "/home",
             *["/proc/" + name for name in hidden]):
    try:
        os.open(path, os.O_RDONLY)
    except (PermissionError, FileNotFoundError):
        continue
    raise AssertionError(path)
"""
    with tempfile.TemporaryDirectory(prefix="omega-test-") as work_dir:
        os.chown(work_dir, 1879048189, 1879048189)
        run_without_root(SYSTEM_PYTHON, work_dir, code)
