"""Corpus 8.1, files and secrets: what a kernel reads, finds, writes and executes."""

from __future__ import annotations

from tests.promises.attempt import Attempt, Denied, Either, Ends, Prints

ABSENT = ("ENOENT", "EACCES", "EPERM")
READ_ONLY = ("EROFS", "EXDEV", "EACCES", "EPERM", "ETXTBSY", "ENOENT")

_SECRETS = 'needles = [HOST["token_backwards"], HOST["canary_backwards"]]\n'

FILES = (
    Attempt(
        "FS01",
        _SECRETS
        + """
known = set('''HOME PATH LANG LC_ALL LC_CTYPE TERM NO_COLOR PAGER TMPDIR TZ USER MPLBACKEND MPLCONFIGDIR PYTHONDONTWRITEBYTECODE
PYTHONIOENCODING PYTHONUNBUFFERED OPENBLAS_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS GIT_PAGER CLICOLOR FORCE_COLOR
CLICOLOR_FORCE JPY_PARENT_PID IPYTHON_DIR PYTHONHASHSEED PYDEVD_USE_FRAME_EVAL JOBLIB_MULTIPROCESSING LOKY_MAX_CPU_COUNT
GIO_USE_VFS MATPLOTLIBRC NUMEXPR_NUM_THREADS'''.split())
block = open("/proc/self/environ").read() if os.path.exists("/proc/self/environ") else ""
first = {part.partition("=")[0] for part in block.split(chr(0)) if part}
print(sorted((first | set(os.environ)) - known))
told = (block + repr(dict(os.environ)))[::-1]
print([needle for needle in needles if needle in told])
""",
        Prints("[]", "[]"),
        batch="files",
    ),
    Attempt(
        "FS03", 'opens("/proc/1/environ", "/proc/%s/environ" % HOST["pid"], "/proc/1/mem")', Denied(*ABSENT), batch="files"
    ),
    Attempt(
        "FS04",
        "print([name for name in os.listdir('/proc') if name.isdigit() and int(name) != os.getpid()])",
        Prints("[]"),
        used=True,
    ),
    Attempt(
        "FS05",
        """
import stat
strange = []
for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd") else map(str, range(1024)):
    try:
        mode, target = os.fstat(int(name)).st_mode, os.readlink("/proc/self/fd/" + name)
    except OSError:
        continue
    harmless = target.startswith(("socket:[", "pipe:[", "anon_inode:")) or target == "/dev/null"
    if not harmless or stat.S_ISDIR(mode):
        strange.append((name, target))
print(strange)
""",
        Prints("[]"),
        batch="files",
    ),
    Attempt(
        "FS06",
        _SECRETS
        + """
found = []
memory = os.open("/proc/self/mem", os.O_RDONLY)
for line in open("/proc/self/maps").read().splitlines():
    area, rights = line.split()[:2]
    if "r" not in rights or "[v" in line:
        continue
    start, end = (int(part, 16) for part in area.split("-"))
    rest = b""
    while start < end:
        try:
            data = os.pread(memory, min(end - start, 4 << 20), start)
        except OSError:
            break
        if not data:
            break
        start += len(data)
        turned = (rest + data)[::-1]
        found += [needle for needle in needles if needle.encode() in turned]
        rest = data[-64:]
print(found)
""",
        Prints("[]"),
        used=True,
    ),
    Attempt(
        "FS07",
        _SECRETS
        + """
import gc, linecache
seen, found = set(), []
def look(thing):
    if isinstance(thing, (str, bytes)) and len(thing) < 10000:
        turned = thing[::-1] if isinstance(thing, str) else thing.decode("latin-1")[::-1]
        found.extend(needle for needle in needles if needle in turned)
for thing in gc.get_objects():
    for inner in gc.get_referents(thing):
        look(inner)
for thing in (sys.argv, sys.orig_argv, sys.path, list(linecache.cache), list(map(repr, sys.modules.values()))):
    for inner in thing:
        look(inner)
print(found, [name for name in sys.modules if name.split(".")[0] == "gateway"])
""",
        Prints("[] []"),
        used=True,
    ),
    Attempt(
        "FS08",
        """
opens("/etc/shadow", "/root/.ssh/id_rsa", "/root/.bash_history", "/run/secrets/x", "/etc/machine-id",
      "/var/run/secrets/kubernetes.io/serviceaccount/token", HOST["canary_file"], HOST["state_dir"] + "/token",
      HOST["state_dir"] + "/history.db", HOST["log"], HOST["checkout"] + "/gateway/app.py")
attempt("home", lambda: os.stat(os.listdir("/home")[0]) if os.listdir("/home") else opens_nothing())
""".replace("opens_nothing()", "os.stat('/home/nobody')"),
        Denied(*ABSENT),
        batch="files",
    ),
    Attempt(
        "FS09",
        """
import glob
places = ("/run/user/*", "/tmp/omega*", "/work/.local/share/jupyter", "/root/.local/share/jupyter", "/run/omega*", "/var/run/*")
print([path for place in places for path in glob.glob(place)])
print([path for path in glob.glob("/tmp/**/kernel-*.json", recursive=True)])
""",
        Prints("[]", "[]"),
        batch="files",
    ),
    Attempt(
        "FS10",
        """
published = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/opt/omega", "/opt/python", "/proc", "/dev",
             "/etc", "/work", "/tmp", "/var/tmp")
outside, odd, waiting = [], [], ["/"]
while waiting:
    folder = waiting.pop()
    try:
        entries = list(os.scandir(folder))
    except OSError:
        continue
    for entry in entries:
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder and entry.path != "/proc":
            waiting.append(entry.path)
        if not is_folder and not entry.path.startswith(tuple(place + "/" for place in published)):
            outside += [] if entry.is_symlink() else [entry.path]
        is_plain = is_folder or entry.is_symlink() or entry.is_file(follow_symlinks=False)
        is_odd = not is_plain and not entry.path.startswith("/dev/")
        if is_odd or entry.name == ".git" or entry.path.endswith(("/gateway/app.py", "/history.db", "/id_rsa")):
            odd.append(entry.path)
print(outside, odd, sorted(os.listdir("/etc")).__len__() < 40)
""",
        Prints("[] [] True"),
    ),
    Attempt(
        "FS12",
        _SECRETS
        + """
told = open("/proc/self/mountinfo").read()[::-1]
print([needle for needle in [*needles, HOST["state_dir"][::-1]] if needle in told])
""",
        Prints("[]"),
        batch="files",
    ),
    Attempt(
        "FS13",
        """
lines = open("/proc/self/cgroup").read().splitlines()
print({line.split(":", 2)[2] for line in lines} - {"/"})
print([line for line in open("/proc/self/mounts").read().splitlines() if "cgroup" in line])
""",
        Prints("set()", "[]"),
        batch="files",
    ),
    Attempt(
        "FS14",
        """
opens("/proc/kcore", "/proc/kmsg", "/dev/kmsg", "/dev/mem", "/dev/port", "/sys/kernel/notes", "/sys/firmware/x", "/dev/vda",
      "/dev/sda", "/dev/fuse", "/dev/kvm", "/dev/tty", "/dev/ptmx", "/dev/vsock", "/dev/userfaultfd")
symbols = open("/proc/kallsyms") if os.path.exists("/proc/kallsyms") else []
report("kallsyms", "EPERM" if not any(int(line.split()[0], 16) for line in symbols) else "told")
""",
        Denied(*ABSENT, "ENXIO", "ENODEV"),
        batch="files",
    ),
    Attempt(
        "FS15",
        """
def writes(path, data):
    def act():
        descriptor = os.open(path, os.O_WRONLY)
        os.write(descriptor, data)
    attempt(path, act)
for path in ("kernel/core_pattern", "user/max_user_namespaces", "kernel/randomize_va_space", "vm/drop_caches", "net/ipv4/ip_forward",
             "kernel/yama/ptrace_scope", "fs/pipe-user-pages-soft", "kernel/hostname"):
    writes("/proc/sys/" + path, b"0")
writes("/proc/self/oom_score_adj", b"-1000")
writes("/proc/self/uid_map", b"0 0 1")
writes("/proc/self/setgroups", b"allow")
writes("/proc/self/timerslack_ns", b"x")
""",
        Denied(*READ_ONLY, "EINVAL"),
        batch="files",
    ),
    Attempt("FS16", 'opens("/proc/sysrq-trigger", flags=os.O_WRONLY)', Denied(*READ_ONLY, "EIO"), batch="files"),
    Attempt(
        "FS17",
        """
for path in ("/x", "/usr/x", "/usr/bin/x", "/etc/x", "/opt/x", "/opt/omega/x", "/opt/omega/app/kernels/x.py", "/dev/x", "/home/x",
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
for kind, device in ((stat.S_IFBLK, os.makedev(254, 0)), (stat.S_IFCHR, os.makedev(1, 1)), (stat.S_IFIFO, 0), (stat.S_IFSOCK, 0)):
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
        timeout_ms=3000,
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
