"""Corpus 8.1, secrets: what a kernel reads and finds, and the files of Linux itself it must not write."""

from __future__ import annotations

from tests.promises.attempt import Attempt, Denied, Prints

ABSENT = ("ENOENT", "EACCES", "EPERM")
READ_ONLY = ("EROFS", "EXDEV", "EACCES", "EPERM", "ETXTBSY", "ENOENT")

_NEEDLES = 'needles = [HOST["token_backwards"], HOST["canary_backwards"]]\n'

SECRETS = (
    Attempt(
        "FS01",
        _NEEDLES
        + """
known = set('''HOME PATH LANG LC_ALL LC_CTYPE TERM NO_COLOR PAGER TMPDIR TZ USER MPLBACKEND PLOTLY_RENDERER MPLCONFIGDIR
PYTHONDONTWRITEBYTECODE PYTHONIOENCODING PYTHONUNBUFFERED OPENBLAS_NUM_THREADS OMP_NUM_THREADS MKL_NUM_THREADS
GIT_PAGER PIP_NO_INDEX npm_config_offline CLICOLOR FORCE_COLOR
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
        "FS04",
        """
import fcntl
calls(("inotify_init",), ("inotify_init1", 0), ("inotify_init1", 0o2004000))
for path in ("/usr/bin", "/etc", "/", os.path.dirname(os.__file__), "/work"):
    folder = os.open(path, os.O_RDONLY)
    attempt("notify " + path, lambda: fcntl.fcntl(folder, 1026, 0x8000003F))
    os.close(folder)
for path in ("/usr/bin/env", os.__file__, "/opt/omega/app/kernels/contract.py"):
    if os.path.exists(path):
        file = os.open(path, os.O_RDONLY)
        attempt("lease " + path, lambda: fcntl.fcntl(file, 1024, fcntl.F_RDLCK))
        os.close(file)
""",
        Denied("ENOSYS"),
        case="what-others-open",
        batch="files",
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
        _NEEDLES
        + """
own = get_ipython().kernel.session.key.decode()[::-1]
needles += [*HOST["keys_backwards"], own]
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
print(len(HOST["keys_backwards"]), [needle for needle in found if needle != own], own in found)
""",
        Prints("3 [] True"),
        used=True,
    ),
    Attempt(
        "FS07",
        _NEEDLES
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
places = ("/run/user/*", "/tmp/omega*", "/work/.local/share/jupyter", "/root/.local/share/jupyter", "/run/omega*",
          "/var/run/*")
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
        _NEEDLES
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
print([line for line in open("/proc/self/mounts").read().splitlines() if line.split()[2].startswith("cgroup")])
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
        "FS14",
        """
files = ("cmdline", "bootconfig", "config.gz", "kallsyms", "modules", "sys/kernel/random/boot_id", "cgroups", "diskstats",
         "interrupts", "partitions")
told = [name for name in files if os.path.exists("/proc/" + name) and open("/proc/" + name, "rb").read(1)]
folders = ("bus", "fs", "pressure")
told += [name for name in folders if os.path.exists("/proc/" + name) and os.listdir("/proc/" + name)]
told += [path for path in ("/proc/pressure/cpu", "/proc/self/root/proc/cmdline", "/proc/thread-self/root/proc/config.gz")
         if os.path.exists(path) and open(path, "rb").read(1)]
print(told)
""",
        Prints("[]"),
        case="host",
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
for path in ("kernel/core_pattern", "user/max_user_namespaces", "kernel/randomize_va_space", "vm/drop_caches",
             "net/ipv4/ip_forward",
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
)
