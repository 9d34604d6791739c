"""The commands ``omega kernelspec install``, ``list`` and ``remove``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from gateway.commands import add_command, print_table
from gateway.core.kernel_limits import IN_KERNELSPECS
from gateway.kernel.in_jupyter import kernelspecs
from gateway.kernel.in_jupyter.kernelspecs import Wish
from gateway.settings import Settings, find_kernel_python

SETTINGS = ("kernel_python", "require_isolation", *IN_KERNELSPECS)
DEFAULT_NAME = "omega"
AddSettings = Callable[[argparse.ArgumentParser, tuple[str, ...]], None]


def add_actions(parser: argparse.ArgumentParser, add_settings: AddSettings) -> None:
    """Give *parser* the actions; *add_settings* adds settings as options."""
    actions = parser.add_subparsers(metavar="ACTION", required=True)

    def action(name: str, about: str) -> argparse.ArgumentParser:
        made = add_command(actions, name, about)
        made.set_defaults(action=name)
        return made

    installing = action("install", 'add "Python (sandboxed)" and "JavaScript (sandboxed)" to Jupyter')
    installing.epilog = (
        "Install the package omega-gateway in Jupyter's environment, too: it contains the kernel provisioner."
    )
    add_settings(installing, SETTINGS)
    installing.add_argument("--python", dest="kernel_python", metavar="VALUE", help="same as --kernel-python")
    removing = action("remove", "remove the kernels that `omega kernelspec install` added")
    for made in (installing, removing):
        made.add_argument(
            "--name",
            metavar="NAME",
            default=DEFAULT_NAME,
            help=f"the kernels are NAME-python and NAME-javascript (default: {DEFAULT_NAME})",
        )
        place = made.add_mutually_exclusive_group()
        place.add_argument("--user", action="store_true", help="in this user's Jupyter directory (default)")
        place.add_argument("--sys-prefix", action="store_true", help="in the environment that omega is installed in")
        place.add_argument("--prefix", metavar="DIR", help="in the environment at DIR")
    action("list", "list the sandboxed kernels that Jupyter finds")


def carry_out(values: Mapping[str, str], read: Callable[[], Settings]) -> None:
    """Carry out one action; raises KernelspecError, or SettingsError if there is no Python for kernels."""
    if values["action"] == "list":
        print_table([(found.name, found.title, str(found.directory)) for found in kernelspecs.installed()])
        return
    directory, name = kernelspecs.data_dir(_prefix(values)), values["name"]
    if values["action"] == "remove":
        for path in kernelspecs.remove(name, directory):
            print(f"removed {path}")
        return
    settings = read()
    limits = {limit: getattr(settings, limit) for limit in IN_KERNELSPECS}
    wish = Wish(find_kernel_python(settings), settings.require_isolation.label, limits)
    for found in kernelspecs.install(name, wish, directory):
        print(f"{found.name}: {found.title}, in {found.directory}")


def _prefix(values: Mapping[str, str]) -> Path | None:
    if values.get("sys_prefix"):
        return Path(sys.prefix)
    return Path(values["prefix"]).expanduser().absolute() if "prefix" in values else None
