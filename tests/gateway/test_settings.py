"""Settings: where they come from, and the sentence each mistake is told in."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.configuration import read_settings
from gateway.settings import SettingsError, find_kernel_python, is_loopback
from kernels.contract import MIB, Level

TOKEN = "0123456789abcdef-token"


@pytest.fixture(autouse=True)
def _in_empty_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def sentence(flags: dict[str, str] | None = None, **environ: str) -> str:
    """What the start would say about these settings."""
    with pytest.raises(SettingsError) as caught:
        read_settings(flags or {}, environ)
    return str(caught.value)


def test_defaults_are_those_of_the_guide() -> None:
    """The seed guide promises these limits."""
    settings = read_settings({}, {})
    assert (settings.host, settings.port) == ("127.0.0.1", 8080)
    assert (settings.python_timeout_s, settings.javascript_timeout_s) == (30, 10)
    assert (settings.memory_mb, settings.output_bytes) == (512, 1_048_576)
    assert settings.require_isolation is Level.L1


def test_flags_win_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    """Each source is looked at only where the ones before it are silent."""
    file = tmp_path / "settings.toml"
    file.write_text('port = 1\npool_min = 1\nqueue_limit = 1\nextra_packages = ["attrs"]\n')
    environ = {"OMEGA_CONFIG": str(file), "OMEGA_PORT": "2", "OMEGA_POOL_MIN": "2", "HOME": "/"}
    settings = read_settings({"port": "3"}, environ)
    assert (settings.port, settings.pool_min, settings.queue_limit) == (3, 2, 1)
    assert settings.extra_packages == ("attrs",)


def test_what_clients_read_is_no_setting() -> None:
    """The shell that a client runs in can start a gateway, too."""
    assert read_settings({}, {"OMEGA_URL": "http://127.0.0.1:9", "OMEGA_PORT": "2"}).port == 2


def test_omega_toml_in_the_current_directory_is_read() -> None:
    """No option is needed for the usual file; one named on the command line wins over it."""
    Path("omega.toml").write_text("port = 9\n")
    Path("other.toml").write_text("port = 10\n")
    assert read_settings({}, {}).port == 9
    assert read_settings({"config": "other.toml"}, {}).port == 10


def test_a_file_that_is_named_must_be_there() -> None:
    """A misspelt path must not silently mean the defaults."""
    assert sentence({"config": "gone.toml"}) == "the settings file gone.toml does not exist"


def test_broken_toml_is_told_with_its_place() -> None:
    """The parser knows the line."""
    Path("omega.toml").write_text("port = = 1\n")
    assert sentence() == "the settings file omega.toml is not TOML: Invalid value (at line 1, column 8)"


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [
        ({"port": "70000"}, {}, "--port is '70000': use a whole number from 0 to 65535"),
        ({"port": "8080.5"}, {}, "--port is '8080.5': use a whole number from 0 to 65535"),
        ({}, {"OMEGA_PORT": ""}, "OMEGA_PORT is '': use a whole number from 0 to 65535"),
        ({}, {"OMEGA_PROT": "1"}, "OMEGA_PROT is not a setting; did you mean OMEGA_PORT?"),
        ({}, {"OMEGA_port": "1"}, "OMEGA_port is not a setting; did you mean OMEGA_PORT?"),
        ({}, {"OMEGA_XYZZY": "1"}, "OMEGA_XYZZY is not a setting; `omega serve --help` lists all settings"),
        ({"python_timeout_s": "nan"}, {}, "--python-timeout-s is 'nan': use a number from 0.1 to 86400"),
        ({"python_timeout_s": "inf"}, {}, "--python-timeout-s is 'inf': use a number from 0.1 to 86400"),
        ({"require_isolation": "L9"}, {}, "--require-isolation is 'L9': use one of none, L1, L2, L2+, L3"),
        ({"log_level": "loud"}, {}, "--log-level is 'loud': use one of debug, info, warning, error"),
        ({"host": "http://x"}, {}, "--host is 'http://x': use a host name or an IP address"),
        (
            {"extra_packages": "attrs, ../x"},
            {},
            "--extra-packages is 'attrs, ../x': use comma-separated package names, each also as name==version",
        ),
        (
            {"work_mb": "400"},
            {},
            "work_mb + tmp_mb + shm_mb is 528: it must be below memory_mb, which is 512",
        ),
        ({"pool_min": "9"}, {}, "pool_min is 9: it must not be above pool_max, which is 8"),
        ({"max_timeout_s": "20"}, {}, "python_timeout_s is 30: it must not be above max_timeout_s, which is 20"),
        (
            {"memory_mb": "8192", "pool_memory_mb": "4096"},
            {},
            "memory_mb is 8192: it must not be above pool_memory_mb, which is 4096",
        ),
        ({"pool_max": "40"}, {}, "pool_max is 40: it must not be above max_kernels, which is 32"),
        (
            {"allowed_origins": "example.org"},
            {},
            "--allowed-origins is 'example.org': use comma-separated origins such as https://example.org",
        ),
        ({"allowed_hosts": "a/b"}, {}, "--allowed-hosts is 'a/b': use comma-separated host names"),
        (
            {"host": "0.0.0.0"},
            {},
            "host is 0.0.0.0, which other machines can reach: set OMEGA_TOKEN to listen there",
        ),
    ],
)
def test_each_mistake_is_one_sentence(flags: dict[str, str], environ: dict[str, str], said: str) -> None:
    """It names the setting as it was written, its value, and what is allowed."""
    assert sentence(flags, **environ) == said


@pytest.mark.parametrize("line", ["prot = 1", "[server]\nport = 1"])
def test_unknown_keys_in_the_file_stop_the_start(line: str) -> None:
    """A limit that is misspelt would otherwise not be set."""
    Path("omega.toml").write_text(line)
    assert sentence().startswith(f"'{line.strip('[')[:4]}")
    assert " in omega.toml is not a setting" in sentence()


def test_a_boolean_is_no_number() -> None:
    """TOML has both, and true must not mean 1."""
    Path("omega.toml").write_text("port = true\n")
    assert sentence() == "port in omega.toml is True: use a whole number from 0 to 65535"


@pytest.mark.parametrize("token", ["short", "x" * 513, "with space in it 1234", "ünïcödé-ünïcödé-ünïcödé"])
def test_a_token_that_is_refused_is_not_shown(token: str) -> None:
    """The sentence may end up in a log."""
    said = sentence({}, OMEGA_TOKEN=token)
    assert said == "OMEGA_TOKEN is invalid: use 16 to 512 printable ASCII characters without spaces"


@pytest.mark.parametrize("url", ["mysql://u:hunter2@h/d", "sqlite:///:memory:", "hunter2"])
def test_a_database_url_that_is_refused_is_not_shown(url: str) -> None:
    """It may have a password in it."""
    assert "hunter2" not in sentence({}, OMEGA_DATABASE_URL=url)


def test_secrets_are_not_in_the_settings_text() -> None:
    """Printing or logging the settings must not give them away."""
    environ = {"OMEGA_TOKEN": TOKEN, "OMEGA_DATABASE_URL": "postgresql://u:hunter2@h/d"}
    settings = read_settings({}, environ)
    assert TOKEN not in repr(settings) + str(settings)
    assert "hunter2" not in repr(settings) + str(settings)
    assert settings.database() == "postgresql+psycopg://u:hunter2@h/d"


def test_another_address_needs_a_token_of_the_operators_own() -> None:
    """With one, the gateway listens where others can reach it."""
    assert read_settings({"host": "0.0.0.0"}, {"OMEGA_TOKEN": TOKEN}).host == "0.0.0.0"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *[(host, True) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost")],
        *[(host, False) for host in ("0.0.0.0", "::", "10.0.0.1", "example.org")],
    ],
)
def test_loopback_addresses_are_known(host: str, expected: bool) -> None:
    """Anything not known to be loopback counts as open to others."""
    assert is_loopback(host) is expected


def test_the_policy_has_the_limits_of_the_settings() -> None:
    """What the operator sets is what kernels are born with."""
    policy = read_settings({"memory_mb": "300", "work_mb": "40", "processes": "33"}, {}).policy()
    assert (policy.memory_bytes, policy.work_bytes, policy.processes) == (300 * MIB, 40 * MIB, 33)


def test_a_kernel_python_that_is_not_there_is_told() -> None:
    """Before anything is started."""
    with pytest.raises(SettingsError, match=r"^kernel_python is /nope/python: no Python to run kernels in"):
        find_kernel_python(read_settings({"kernel_python": "/nope/python"}, {}))


def test_the_state_directory_follows_xdg(monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative XDG_STATE_HOME is ignored, as the specification says."""
    monkeypatch.setenv("XDG_STATE_HOME", "/somewhere")
    assert read_settings({}, {}).state_dir == Path("/somewhere/omega")
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert read_settings({}, {}).state_dir == Path("~/.local/state/omega").expanduser()
