"""The paths of a Python installation, as the interpreter itself reports them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ASK: Final = """
import json, sys, sysconfig
paths = sysconfig.get_paths()
base = getattr(sys, "_base_executable", None) or sys.executable
foreign = [path for path in sys.path if not path.startswith(sys.prefix)]
print(json.dumps({"executable": sys.executable, "base_executable": base, "prefix": sys.prefix,
 "base_prefix": sys.base_prefix, "version": list(sys.version_info[:2]),
 "site_packages": sorted({paths["purelib"], paths["platlib"]}),
 "sees_system": any("site-packages" in path or "dist-packages" in path for path in foreign)}))
"""
_ASK_TIMEOUT_S: Final = 60


class PythonUnusable(RuntimeError):
    """The interpreter configured for kernels does not run."""


@dataclass(frozen=True, slots=True)
class PythonHome:
    """One interpreter. *site_packages* is empty when it is no virtual environment: then base_prefix holds everything."""

    executable: str
    base_executable: str
    prefix: str
    base_prefix: str
    version: tuple[int, int]
    site_packages: tuple[str, ...]
    sees_system_packages: bool

    @property
    def is_environment(self) -> bool:
        """Whether it is a virtual environment."""
        return self.prefix != self.base_prefix

    @property
    def library(self) -> str:
        """The directory name of its standard library, as in lib/python3.12."""
        return "python{}.{}".format(*self.version)


def describe_python(kernel_python: str) -> PythonHome:
    """The paths that *kernel_python* reports, isolated from environment and current directory."""
    try:
        done = subprocess.run(
            [kernel_python, "-I", "-c", _ASK],
            capture_output=True,
            check=True,
            timeout=_ASK_TIMEOUT_S,
            stdin=subprocess.DEVNULL,
            env={"PATH": "/usr/bin:/bin"},
        )
        said = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        raise PythonUnusable(f"{kernel_python} failed: {error.stderr.decode(errors='replace')[-300:]}") from None
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        raise PythonUnusable(f"{kernel_python} cannot be run: {error}") from None
    is_environment = said["prefix"] != said["base_prefix"]
    return PythonHome(
        executable=said["executable"],
        base_executable=str(Path(said["base_executable"]).resolve()),
        # Resolved: a link on the way would lead nowhere once the host's root is no longer the root.
        prefix=str(Path(said["prefix"]).resolve()),
        base_prefix=str(Path(said["base_prefix"]).resolve()),
        version=(int(said["version"][0]), int(said["version"][1])),
        site_packages=tuple(str(Path(path).resolve()) for path in said["site_packages"]) if is_environment else (),
        sees_system_packages=bool(said["sees_system"]) or not is_environment,
    )
