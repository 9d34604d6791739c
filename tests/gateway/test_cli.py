"""The command line as an operator meets it: each command in a process of its own."""

from __future__ import annotations

import os
import re
import socket
import stat
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from gateway.cli import NO_FLAG
from gateway.configuration import GROUPS
from gateway.settings import Settings
from gateway.version import VERSION
from tests.live import HANG_S

pytestmark = pytest.mark.process
ROOT = Path(__file__).parents[2]


def omega(*arguments: str, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """One command, with no settings but those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMEGA_")}
    command = [sys.executable, "-m", "gateway", *arguments]
    environment = {**kept, "PYTHONPATH": str(ROOT), "HOME": str(cwd), "XDG_STATE_HOME": "", **environ}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=HANG_S, check=False)


def test_help_names_every_setting_with_its_default(tmp_path: Path) -> None:
    """The help is made from the settings, so it can't be out of date."""
    done = omega("serve", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for name in set(Settings.model_fields) - NO_FLAG:
        assert f"--{name.replace('_', '-')} VALUE" in done.stdout
    assert "port to listen on; 0 takes a free one (default: 8080; a whole number from 0 to 65535)" in " ".join(
        done.stdout.split()
    )
    assert "--token" not in done.stdout
    for heading in GROUPS.values():
        assert f"\n{heading}:\n" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_version_is_the_one_of_the_package(tmp_path: Path) -> None:
    """Both places say the same."""
    packaged = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert omega("version", cwd=tmp_path).stdout == f"omega-gateway {VERSION}\n"
    assert packaged == VERSION


def test_a_command_loads_neither_database_nor_server_nor_jupyter(tmp_path: Path) -> None:
    """They take longer to load than all else, and agents start `omega mcp` with each of their programs."""
    code = (
        "import sys\nfrom gateway import cli\ncli.run(['version'])\ncli.run(['token', 'path'])\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "XDG_STATE_HOME": ""}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "pydantic" in loaded, done
    assert not loaded & {"jupyter_client", "jupyter_core", "sqlalchemy", "structlog", "tornado", "zmq"}


@pytest.mark.parametrize(
    ("arguments", "environ", "said"),
    [
        (["--port", "x"], {}, "omega: --port is 'x': use a whole number from 0 to 65535\n"),
        ([], {"OMEGA_PROT": "1"}, "omega: OMEGA_PROT is not a setting; did you mean OMEGA_PORT?\n"),
        (["--config", "gone.toml"], {}, "omega: the settings file gone.toml does not exist\n"),
        (
            ["--host", "0.0.0.0"],
            {},
            "omega: host is 0.0.0.0, which other machines can reach: set OMEGA_TOKEN to listen there\n",
        ),
        (
            ["--kernel-python", "/nope/python"],
            {},
            "omega: kernel_python is /nope/python: no Python to run kernels in; run `make install` or set kernel_python\n",
        ),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(
    tmp_path: Path, arguments: list[str], environ: dict[str, str], said: str
) -> None:
    """No traceback, nothing on stdout."""
    done = omega("serve", *arguments, cwd=tmp_path, **environ)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", said)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serv"], "'serv' is not a command of `omega`; did you mean serve?"),
        (
            ["it's"],
            '"it\'s" is not a command of `omega`; use one of serve, mcp, spawner, doctor, token, kernelspec, version',
        ),
        (["token", "lst"], "'lst' is not an action of `omega token`; did you mean list?"),
        (["serve", "--por", "1"], "--por is not an option of `omega serve`; did you mean --port?"),
        (["serve", "--log_level=info"], "--log_level is not an option of `omega serve`; did you mean --log-level?"),
        (["serve", "--nonsense"], "--nonsense is not an option of `omega serve`; `omega serve --help` lists all options"),
        (
            ["doctor", "--kernel-pyton", "x"],
            "--kernel-pyton is not an option of `omega doctor`; did you mean --kernel-python?",
        ),
        (["token", "add", "a", "--expire", "1d"], "--expire is not an option of `omega token add`; did you mean --expires?"),
        (
            ["kernelspec", "list", "--usr"],
            "--usr is not an option of `omega kernelspec list`; `omega kernelspec list --help` lists all options",
        ),
        (["version", "now"], "unexpected argument 'now'; `omega version --help` lists what it takes"),
    ],
)
def test_an_unknown_argument_is_one_sentence_with_the_nearest_option(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    """Of the command that was called, not of another one. Abbreviations are not guessed: --por is not --port."""
    done = omega(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"omega: {said}\n")


def test_a_secret_in_an_unknown_option_is_not_repeated(tmp_path: Path) -> None:
    """A token has no option; who passes one nevertheless does not find it in a log of stderr."""
    done = omega("serve", "--token=configured-token-0123456789", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("omega: --token is not an option of `omega serve`")
    assert "0123456789" not in done.stderr


def test_a_port_in_use_is_one_sentence_before_anything_is_started(tmp_path: Path) -> None:
    """Also before the token is made."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = omega("serve", "--port", str(port), "--kernel-python", sys.executable, cwd=tmp_path)
    sentence = f"omega: port {port} on 127.0.0.1 is in use: stop the program that uses it, or set another port"
    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, sentence)
    assert not (tmp_path / ".local/state/omega/token").exists()


def test_a_damaged_state_directory_is_one_sentence(tmp_path: Path) -> None:
    """A file where the directory should be."""
    (tmp_path / "state").touch()
    done = omega("token", "--state-dir", "state", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"omega: state_dir {tmp_path}/state can't be created")


def test_a_damaged_database_stops_the_start_before_there_is_a_kernel(tmp_path: Path) -> None:
    """Nobody waits for imports first: the kernels' interpreter is not even asked."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state/history.db").write_bytes(b"damaged" * 1000)
    (python := tmp_path / "python").write_text(f"#!/bin/sh\ntouch {tmp_path}/asked\n")
    python.chmod(0o755)
    done = omega("serve", "--state-dir", "state", "--port", "0", "--kernel-python", str(python), cwd=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"omega: the database \S+ can't be used: it is damaged.*", done.stderr.splitlines()[-1])
    assert not (tmp_path / "asked").exists()


def test_the_token_commands(tmp_path: Path) -> None:
    """path tells where, print tells which, rotate makes a new one; the file is private."""
    path = tmp_path / ".local/state/omega/token"
    assert omega("token", cwd=tmp_path).stdout == f"{path}\n"
    none = omega("token", "print", cwd=tmp_path)
    assert (none.returncode, none.stdout) == (1, "")
    assert none.stderr == f"omega: no token is stored in {path.parent} yet: the first `omega serve` creates one\n"

    rotated = omega("token", "rotate", cwd=tmp_path)
    assert rotated.returncode == 0
    first = omega("token", "print", cwd=tmp_path).stdout
    assert first not in rotated.stdout
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    omega("token", "rotate", cwd=tmp_path)
    assert omega("token", "print", cwd=tmp_path).stdout not in ("", first)


def test_a_key_is_added_listed_and_revoked(tmp_path: Path) -> None:
    """The token is alone on stdout, and shown this once; the list tells state and limits."""
    added = omega("token", "add", "ci", "--expires", "30d", "--memory-mb", "256", "--cpu-cores", "0.5", cwd=tmp_path)
    assert added.returncode == 0
    assert re.fullmatch(r"omega_[\w-]{43}\n", added.stdout)
    assert re.fullmatch(
        r"omega: key ci expires 20\S+Z; its token is shown only this once and stored as a hash\n", added.stderr
    )
    listed = omega("token", "list", cwd=tmp_path).stdout
    assert re.search(r"^ci +valid +20\S+Z +20\S+Z +memory_mb=256 cpu_cores=0.5$", listed, re.MULTILINE)
    assert added.stdout.strip() not in listed
    assert omega("token", "revoke", "ci", cwd=tmp_path).returncode == 0
    assert re.search(r"^ci +revoked", omega("token", "list", cwd=tmp_path).stdout, re.MULTILINE)
    assert stat.S_IMODE((tmp_path / ".local/state/omega/history.db").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (
            ["add", "a b"],
            2,
            "the name is 'a b': use letters, digits, dots, dashes and underscores, 64 at most, a letter or digit first",
        ),
        (["add", "a", "--expires", "soon"], 2, "--expires is 'soon': use a time such as 90m, 12h, 30d or 8w, 3650d at most"),
        (["add", "a", "--expires", "0d"], 2, "--expires is '0d': use a time such as 90m, 12h, 30d or 8w, 3650d at most"),
        (
            ["add", "a", "--expires", "4000d"],
            2,
            "--expires is '4000d': use a time such as 90m, 12h, 30d or 8w, 3650d at most",
        ),
        (
            ["add", "a", "--requests-per-minute", "0"],
            2,
            "--requests-per-minute is '0': use a whole number from 1 to 10000000",
        ),
        (["add", "a", "--concurrent", "1.5"], 2, "--concurrent is '1.5': use a whole number from 1 to 100000"),
        (["add", "a", "--memory-mb", "63"], 2, "--memory-mb is '63': use a whole number from 64 to 1048576"),
        (["add", "a", "--max-timeout-s", "nan"], 2, "--max-timeout-s is 'nan': use a number from 0.1 to 86400"),
        (["add", "a", "--cpu-cores", "inf"], 2, "--cpu-cores is 'inf': use a number from 0.05 to 1024"),
        (["add", "default"], 1, "the name default belongs to the stored token: use another name"),
        (["revoke", "default"], 1, "the default key can't be revoked: `omega token rotate` replaces its token"),
        (["revoke", "a"], 1, "there is no key named a: `omega token list` lists the keys"),
    ],
)
def test_a_mistake_about_a_key_is_one_sentence(tmp_path: Path, arguments: list[str], code: int, said: str) -> None:
    """Nothing is made, and no token shown."""
    done = omega("token", *arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"omega: {said}\n")


def test_a_key_can_not_have_more_memory_than_all_together(tmp_path: Path) -> None:
    """It would never get a kernel."""
    done = omega("token", "add", "a", "--memory-mb", "2048", cwd=tmp_path, OMEGA_POOL_MEMORY_MB="1024")
    assert (done.returncode, done.stderr) == (2, "omega: --memory-mb is 2048: it must not be above pool_memory_mb, 1024\n")


def test_keys_of_a_damaged_database_are_one_sentence(tmp_path: Path) -> None:
    """No traceback."""
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state/history.db").write_bytes(b"damaged" * 1000)
    done = omega("token", "list", "--state-dir", "state", cwd=tmp_path)
    assert done.returncode == 1
    assert re.fullmatch(r"omega: the database \S+ can't be used: it is damaged[^\n]*\n", done.stderr)


def test_a_configured_token_is_never_printed(tmp_path: Path) -> None:
    """Nor is it mistaken for the stored one."""
    secret = "configured-token-0123456789"
    done = omega("token", "print", cwd=tmp_path, OMEGA_TOKEN=secret)
    assert secret not in done.stdout + done.stderr
    assert "the gateway uses the configured token, not the stored one" in done.stderr


@pytest.mark.sandbox
@pytest.mark.parametrize(("needed", "code"), [("none", 0), ("L3", None)])
def test_doctor_tries_each_facility_and_compares(tmp_path: Path, needed: str, code: int | None) -> None:
    """The exit code says whether the level needed is reached."""
    done = omega("doctor", "--require-isolation", needed, "--kernel-python", sys.executable, cwd=tmp_path)
    assert f"required: {needed}" in done.stdout
    level = done.stdout.split("isolation level: ")[1].split(",")[0]
    assert level in ("none", "L1", "L2", "L2+", "L3")
    assert done.returncode == (code if code is not None else int(level != "L3"))
