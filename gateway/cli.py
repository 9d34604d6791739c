"""The commands ``omega serve``, ``mcp``, ``spawner``, ``doctor``, ``token``, ``kernelspec``, ``version``, and how they fail.

Exit codes: 0 success, 1 failure, 2 wrong options or settings, 130 interrupted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import pwd
import sys
from collections.abc import Callable, Iterable, Sequence

from gateway import kernelspecs, mcp_stdio, state, tokens
from gateway.banner import Banner
from gateway.commands import PROGRAM, CommandParser, add_command
from gateway.configuration import describe_allowed, describe_default, group_settings, read_settings
from gateway.core.errors import CommandFailed
from gateway.event_loop import make_loop
from gateway.kernel.launch.spawner_process import APP_DIR
from gateway.settings import Settings, SettingsError, find_kernel_python, is_loopback
from gateway.tokens import Values
from gateway.version import VERSION
from kernels.contract import Level
from kernels.sandbox import probe

DONE, FAILED, WRONG, INTERRUPTED = 0, 1, 2, 130
NO_FLAG = frozenset({"token", "database_url"})
"""Settings that hold a secret: every user of the machine can read a command line."""

Command = Callable[[Callable[[], Settings], Values], int]
"""Takes the function that reads the settings, and the other arguments of the command line."""


def run(arguments: Sequence[str]) -> int:
    """Carry out one command; a failure is one sentence on stderr."""
    options = vars(make_parser().parse_args(arguments))
    command: Command = options.pop("command")
    flags = {name: value for name, value in options.items() if name == "config" or name in Settings.model_fields}
    try:
        return command(lambda: read_settings(flags, os.environ), options)
    except SettingsError as error:
        return _complain(error, WRONG)
    except CommandFailed as error:
        return _complain(error, FAILED)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return INTERRUPTED


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; every setting is an option of ``serve``."""
    parser: argparse.ArgumentParser = CommandParser(
        PROGRAM, description="A self-hosted code interpreter on isolated Jupyter kernels.", allow_abbrev=False
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    served = _add(commands, "serve", _serve, "run the gateway until SIGTERM or Ctrl-C", ())
    served.usage = f"{PROGRAM} serve [OPTION ...]"
    for heading, settings in group_settings().items():
        _add_flags(served.add_argument_group(heading).add_argument, settings)
    served.epilog = (
        "Each option can also be an environment variable (--pool-min: OMEGA_POOL_MIN) or a key of the TOML file (pool_min). "
        "Options override the environment, and the environment overrides the file. token and database_url have no "
        "option: set OMEGA_TOKEN and OMEGA_DATABASE_URL, or their keys in the file."
    )
    mcp = _add(commands, "mcp", _speak_mcp, "speak the Model Context Protocol on stdin and stdout", ("state_dir",))
    reached = mcp.add_mutually_exclusive_group()
    reached.add_argument("--url", metavar="URL", help="a gateway that runs (default: the one of these settings)")
    reached.add_argument("--serve", action="store_true", help="start a gateway for this program alone, until stdin ends")
    apart = ("kernel_python", "spawner_socket")
    spawner = _add(commands, "spawner", _spawn, "start kernels for a gateway that runs as another user", apart)
    spawner.add_argument(
        "--gateway-user", metavar="USER", required=True, help="name or uid of the user that the gateway runs as"
    )
    kernels = ("kernel_python", "require_isolation")
    _add(commands, "doctor", _diagnose, "test each isolation facility and print the level reached", kernels)
    token = _add(commands, "token", _manage_token, "manage the stored token and named keys", ("state_dir",))
    tokens.add_actions(token, lambda parser: _add_settings(parser, ("state_dir",)))
    kernelspec = _add(commands, "kernelspec", _manage_kernelspecs, "install sandboxed kernels for Jupyter", ())
    kernelspecs.add_actions(kernelspec, _add_settings)
    _add(commands, "version", _tell_version, "print the version", ())
    return parser


def _add(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    command: Command,
    about: str,
    settings: Iterable[str],
) -> argparse.ArgumentParser:
    parser = add_command(commands, name, about)
    parser.set_defaults(command=command)
    _add_settings(parser, settings)
    return parser


def _add_settings(parser: argparse.ArgumentParser, settings: Iterable[str]) -> None:
    parser.add_argument("--config", metavar="FILE", help="TOML file with settings (default: omega.toml, if it exists)")
    _add_flags(parser.add_argument, settings)


def _add_flags(add: Callable[..., object], settings: Iterable[str]) -> None:
    for setting in settings:
        if setting not in NO_FLAG:
            _add_flag(add, setting)


def _add_flag(add: Callable[..., object], name: str) -> None:
    about = Settings.model_fields[name].description
    text = f"{about} (default: {describe_default(name)}; {describe_allowed(name)})"
    add(f"--{name.replace('_', '-')}", dest=name, metavar="VALUE", help=text.replace("%", "%%"))


def _serve(read: Callable[[], Settings], _values: Values) -> int:
    settings = read()
    from gateway.app import serve  # here: it loads the whole gateway, which nothing else needs, wrong settings included

    with asyncio.Runner(debug=False, loop_factory=make_loop) as runner:
        return runner.run(serve(settings, Banner(sys.stdout)))


def _speak_mcp(read: Callable[[], Settings], values: Values) -> int:
    settings = read()
    if "serve" in values:
        with mcp_stdio.own_gateway() as (url, token):
            mcp_stdio.talk(url, token)
        return DONE
    if settings.token is not None:
        token = settings.token.get_secret_value()
    elif (stored := state.load_token(settings.state_dir)) is not None:
        token = stored.value
    else:
        raise SettingsError(f"there is no token in {settings.state_dir}: set OMEGA_TOKEN, or start a gateway first")
    host = settings.host if is_loopback(settings.host) else "127.0.0.1"
    mcp_stdio.talk(values.get("url", f"http://{host if ':' not in host else f'[{host}]'}:{settings.port}"), token)
    return DONE


def _spawn(read: Callable[[], Settings], values: Values) -> int:
    """Become the spawner by exec, so that no code of the gateway is loaded in the privileged process."""
    settings, user = read(), str(values["gateway_user"])
    if settings.spawner_socket is None:
        raise SettingsError("spawner_socket is not set: set it to the path to listen on")
    try:
        uid = int(user) if user.isdigit() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise SettingsError(f"--gateway-user is {user!r}: there is no such user") from None
    told = {
        "--socket": settings.spawner_socket,
        "--gateway-uid": uid,
        "--kernel-python": find_kernel_python(settings),
        "--app-dir": APP_DIR,
    }
    options = [str(part) for pair in told.items() for part in pair]
    run = (
        "import sys; sys.path.insert(0, sys.argv[-1]); from kernels.spawner.listen import main; sys.exit(main(sys.argv[1:]))"
    )
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", run, *options])


def _diagnose(read: Callable[[], Settings], _values: Values) -> int:
    settings = read()
    measured = probe.measure()
    width = max(map(len, measured.facilities), default=0)
    for name, said in measured.facilities.items():
        print(f"{name:{width}}  {said}")
    print(f"\nisolation level: {measured.level.label}, required: {settings.require_isolation.label}")
    for sentence in measured.lacking:
        print(f"  {sentence}")
    try:
        print(f"kernel python: {find_kernel_python(settings)}")
    except SettingsError as error:
        return _complain(error, FAILED)
    # Without any isolation no kernel starts, whatever level is required.
    return DONE if measured.level >= max(settings.require_isolation, Level.L1) else FAILED


def _manage_token(read: Callable[[], Settings], values: Values) -> int:
    tokens.carry_out(values["action"], values, read())
    return DONE


def _manage_kernelspecs(read: Callable[[], Settings], values: Values) -> int:
    kernelspecs.carry_out(values, read)
    return DONE


def _tell_version(_read: Callable[[], Settings], _values: Values) -> int:
    print(f"omega-gateway {VERSION}")
    return DONE


def _complain(error: Exception, code: int) -> int:
    print(f"omega: {error}", file=sys.stderr)
    return code
