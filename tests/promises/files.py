"""Corpus 8.1, files: what a kernel writes, links, mounts and executes."""

from __future__ import annotations

from tests.promises.attempt import Attempt, Denied, Either, Ends, Prints
from tests.promises.secrets import READ_ONLY

FILES = (
    Attempt(
        "FS17",
        """
for path in ("/x", "/usr/x", "/usr/bin/x", "/etc/x", "/opt/x", "/opt/omega/x", "/opt/omega/app/kernels/x.py", "/dev/x",
             "/home/x",
             "/root/x", "/var/x", "/run/x", "/proc/x", os.path.dirname(os.__file__) + "/x.py", sys.prefix + "/x"):
    attempt(path, lambda: os.open(path, os.O_CREAT | os.O_WRONLY))
opens("/etc/passwd", "/usr/bin/env", os.path.realpath(sys.executable), "/proc/self/exe", os.__file__,
      "/opt/omega/app/kernels/zygote.py", HOST["canary_file"], flags=os.O_WRONLY)
attempt("unlink", lambda: os.unlink("/etc/passwd"))
attempt("rename", lambda: os.rename("/usr/bin/env", "/work/env"))
attempt("chmod", lambda: os.chmod("/usr/bin/env", 0o777))
attempt("utime", lambda: os.utime("/usr/bin/env", (0, 0)))
attempt("truncate", lambda: os.truncate("/etc/passwd", 0))
""",
        Denied(*READ_ONLY),
        batch="files",
    ),
    Attempt(
        "FS19",
        """
import pathlib
trap = "open('/work/sprung', 'w').close(); print('sprung')"
for name in ("sitecustomize.py", "usercustomize.py", "json.py", "numpy.py", ".pythonrc", ".bashrc", "kernels/__init__.py",
             ".ipython/profile_default/startup/x.py", ".jupyter/jupyter_config.py", ".config/matplotlib/matplotlibrc"):
    for home in ("/work", "/tmp", "/dev/shm"):
        path = pathlib.Path(home, name); path.parent.mkdir(parents=True, exist_ok=True); path.write_text(trap)
import importlib, json, numpy, kernels
print([m.__file__ for m in (json, numpy, kernels) if not m.__file__.startswith(("/usr", "/opt"))])
""",
        Prints("[]"),
        used=True,
        then="import os, json\nprint(os.listdir('/work'), os.listdir('/tmp'), os.path.exists('/work/sprung'))",
        after=Prints("[] [] False"),
    ),
    Attempt(
        "FS20",
        """
import shutil, subprocess
shutil.copy("/usr/bin/id", "/work/id"); os.chmod("/work/id", 0o6755)
print(subprocess.run(["/work/id", "-u"], capture_output=True, text=True).stdout.strip() == str(os.getuid()))
print([line for line in open("/proc/self/mountinfo").read().splitlines() if "nosuid" not in line.split()[5]],
      [line.split()[1] for line in open("/proc/self/status") if line.startswith(("NoNewPrivs", "CapEff", "CapBnd"))])
""",
        Prints("True", "[] ['0000000000000000', '0000000000000000', '1']"),
        batch="files",
    ),
    Attempt(
        "FS21",
        """
open("/work/x", "w").close()
for name in ("security.capability", "security.x", "trusted.x", "system.posix_acl_access"):
    attempt(name, lambda: os.setxattr("/work/x", name, b"\\1\\0\\0\\2" + bytes(16)))
""",
        Denied("EPERM", "ENOTSUP", "EINVAL", "EACCES"),
        batch="files",
    ),
    Attempt(
        "FS21",
        """
def fill(name):
    for at in range(10**4):
        open("/work/x%s" % at, "w").close()
        os.setxattr("/work/x%s" % at, name, b"x" * 65536)
for name in ("security.selinux", "user.x", "security.ima"):
    attempt(name, lambda: fill(name))
""",
        Denied("ENOSPC", "EPERM", "ENOTSUP"),
        case="room",
    ),
    Attempt(
        "FS22",
        """
import stat
for kind, device in ((stat.S_IFBLK, os.makedev(254, 0)), (stat.S_IFCHR, os.makedev(1, 1)), (stat.S_IFIFO, 0),
                     (stat.S_IFSOCK, 0)):
    attempt(oct(kind), lambda: os.mknod("/work/node", kind | 0o666, device))
attempt("fifo", lambda: os.mkfifo("/work/fifo"))
""",
        Denied("EPERM"),
        batch="files",
    ),
    Attempt(
        "FS23",
        """
for path in ("/usr/bin/env", "/etc/passwd", "/proc/self/exe", "/dev/null"):
    attempt(path, lambda: os.link(path, "/work/linked"))
""",
        Denied("EXDEV", "EPERM", "EACCES"),
        batch="files",
    ),
    Attempt(
        "FS24",
        """
calls(("name_to_handle_at", -100, b"/work", bytes(200), bytes(8), 0), ("open_by_handle_at", 0, bytes(200), 0),
      ("open_by_handle_at", -100, b"\\x08\\0\\0\\0\\x01\\0\\0\\0\\x02\\0\\0\\0\\0\\0\\0\\0", 0))
""",
        Denied("EPERM"),
        batch="files",
    ),
    Attempt(
        "FS25",
        """
calls(("mount", b"tmpfs", b"/work", b"tmpfs", 0, None), ("mount", b"/", b"/work", None, 4096, None),
      ("mount", b"none", b"/", None, 0x20 | 4096, None), ("umount2", b"/proc", 2), ("umount2", b"/work", 0),
      ("pivot_root", b"/work", b"/work"), ("chroot", b"/work"), ("move_mount", -100, b"/", -100, b"/work", 0),
      ("open_tree", -100, b"/", 1), ("fsopen", b"tmpfs", 0), ("fsmount", 0, 0, 0), ("fspick", -100, b"/", 0),
      ("fsconfig", 0, 0, None, None, 0), ("mount_setattr", -100, b"/", 0, bytes(32), 32))
""",
        Denied("EPERM", "ENOSYS"),
        batch="files",
    ),
    Attempt(
        "FS27",
        """
calls(("memfd_create", b"x", 0), ("memfd_create", b"x", 1), ("memfd_create", b"x", 16), ("memfd_create", b"x", 4))
import shutil
def execute():
    descriptor = os.memfd_create("x", 8)
    os.write(descriptor, open("/usr/bin/true", "rb").read())
    if os.fork() == 0:
        try:
            os.execve(descriptor, ["true"], {})
        except OSError as error:
            os._exit(error.errno)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    if code:
        raise OSError(code, "execve")
attempt("execute", execute)
""",
        Denied("ENOSYS", "EPERM", "EACCES"),
        batch="files",
    ),
    Attempt(
        "FS32",
        """
open("/work/a", "w").write("x" * 1000)
for at in range(2000):
    os.link("/work/a", "/work/b%s" % at)
print(os.stat("/work/a").st_nlink)
""",
        Prints(2001),
    ),
    Attempt("FS33", 'attempt("fifo", lambda: os.mkfifo("/work/out.csv"))', Denied("EPERM"), batch="files"),
    Attempt(
        "FS35",
        """
attempt("sparse", lambda: open("/work/sparse", "wb").truncate(2**40))
attempt("seek", lambda: os.pwrite(os.open("/work/far", os.O_CREAT | os.O_WRONLY), b"x", 2**41))
attempt("fallocate", lambda: os.posix_fallocate(os.open("/work/full", os.O_CREAT | os.O_WRONLY), 0, 2**40))
""",
        Denied("EFBIG", "ENOSPC"),
        batch="files",
    ),
    Attempt(
        "FS37",
        """
def deepen():
    for _ in range(10**5):
        os.mkdir("d"); os.chdir("d")
attempt("deep", deepen)
""",
        Either(Denied("ENOSPC", "ENAMETOOLONG"), Ends("timeout")),
        timeout_ms=1500,
        slow=True,
    ),
    Attempt(
        "FS38",
        """
def fill(make):
    for at in range(10**5):
        make("/tmp/e%s" % at)
attempt("files", lambda: fill(lambda path: open(path, "x").close()))
os.system("rm -rf /tmp/e*")
attempt("directories", lambda: fill(os.mkdir))
attempt("symlinks", lambda: fill(lambda path: os.symlink("/", path.replace("tmp", "dev/shm"))))
""",
        Denied("ENOSPC"),
    ),
    Attempt(
        "FS46",
        """
def fill(place):
    with open(place + "/big", "wb", buffering=0) as file:
        while file.write(b"x" * 2**20) == 2**20:
            pass
    raise OSError(28, "short")
for place in ("/work", "/tmp", "/dev/shm"):
    attempt(place, lambda: fill(place))
""",
        Denied("ENOSPC", "EFBIG"),
    ),
)
