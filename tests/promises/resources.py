"""Corpus 8.4, resources: every bomb meets a limit that the answer names, and no neighbour notices."""

from __future__ import annotations

from tests.promises.attempt import Attempt, Denied, Either, Ends, Prints, Raises

_MEMORY = Ends("memory")
_STOPPED = Either(Ends("timeout"), Ends("kernel_died"))

_NATIVE = """
import mmap
def native(what):
    code = {"x86_64": {"overflow": "50ebfd", "illegal": "0f0b"},
            "aarch64": {"overflow": "e007bfa9ffffff17", "illegal": "00000000"}}[os.uname().machine][what]
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(bytes.fromhex(code))
    ctypes.CFUNCTYPE(None)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""
"""Machine code: push until the stack is full; an instruction there is none of."""

_LOCKS = """
import fcntl, struct, time
def hold(ranges, pause_s=0.0):
    fd = os.open("/work", os.O_TMPFILE | os.O_RDWR)
    for at in range(ranges, 0, -1):
        # Each in front of those before: nothing has to be searched.
        fcntl.fcntl(fd, fcntl.F_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 2 * at, 1, 0))
        if at % 20 == 0: time.sleep(pause_s)
    time.sleep(1000)
"""
"""Locks on ranges of a file, kept until the limit ends it. A pause of 10 ms makes 2,000 a second: Linux hardly grows."""

RESOURCES = (
    Attempt("R01", "kept = []\nwhile True:\n    kept.append(bytearray(2**24))", _MEMORY),
    Attempt("R01", "bytearray(2 * 10**9)", _MEMORY, case="at-once"),
    Attempt("R02", "import numpy as np\nkept = []\nwhile True:\n    kept.append(np.ones(2**21))", _MEMORY),
    Attempt(
        "R03",
        "import mmap\narea = mmap.mmap(-1, 2 * 10**9)\nfor at in range(0, 2 * 10**9, 4096):\n    area[at] = 1",
        _MEMORY,
        slow=True,
    ),
    Attempt(
        "R03",
        """
import mmap, signal, time
def is_alive(child):
    try: return os.waitpid(child, os.WNOHANG)[0] == 0
    except ChildProcessError: return False  # seen dead before
def eat(told):
    area = mmap.mmap(-1, 10**9)
    for at in range(0, 300 * 2**20, 4096): area[at] = 1
    os.write(told, b"x")
    signal.pause()
children = []
for _ in range(6):
    read_end, write_end = os.pipe()
    children.append(os.fork())
    if children[-1] == 0:
        os.close(read_end); eat(write_end)
    os.close(write_end)
    os.read(read_end, 1)  # it has eaten, or is dead
while (alive := sum(map(is_alive, children))) > 1: time.sleep(0.01)  # until somebody ends one, or all
print("alive:", alive)
""",
        # 300 of the 512 MB are one child's: a second one ends somebody, and which one Linux decides.
        Either(_MEMORY, Prints("alive: 1"), Prints("alive: 0")),
        case="children",
        slow=True,
        at={"user": _MEMORY},
    ),
    Attempt(
        "R03",
        """
import socket, time
def eat():
    held, kept = 0, []
    server = socket.create_server(("127.0.0.1", 0))
    for _ in range(100):
        one = socket.create_connection(server.getsockname()); kept += [one, server.accept()[0]]
        one.setblocking(False)
        try:
            while True: held += one.send(bytes(2**20))
        except OSError: pass
    return held
told, tell = os.pipe()
for _ in range(5):
    if os.fork() == 0:
        os.write(tell, eat().to_bytes(8, "little"))
        time.sleep(1000)
print(sum(int.from_bytes(os.read(told, 8), "little") for _ in range(5)) < 512 * 2**20)
""",
        Either(Prints("True"), _MEMORY),
        case="sockets",
        slow=True,
        at={"user": Either(Prints("True"), Prints("False"), _MEMORY)},
    ),
    Attempt(
        "R03",
        """
import mmap
kept = []
while True:
    kept.append(mmap.mmap(-1, 2**30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ))
    for at in range(0, 2**30, 2**21): kept[-1][at]  # one page of zeros that all share, and a table for it
""",
        _MEMORY,
        case="page-tables",
        slow=True,
    ),
    Attempt(
        "R04",
        """
import subprocess
done = subprocess.run([sys.executable, "-c", "kept = []\\nwhile True: kept.append(bytearray(2**24))"],
                      stderr=subprocess.DEVNULL)
print(done.returncode != 0)
print("alive")
""",
        Either(Prints("True", "alive"), _MEMORY),
    ),
    Attempt("R05", "import numpy as np\nnp.empty(10**12)", Raises("MemoryError")),
    Attempt(
        "R06",
        "while True:\n    try:\n        os.fork()\n    except OSError:\n        pass",
        Either(_STOPPED, _MEMORY),
        timeout_ms=700,
        slow=True,
    ),
    Attempt(
        "R07",
        """
import subprocess
subprocess.run(["/bin/sh", "-c", "b() { b | b & }; b; b; sleep 5"], stderr=subprocess.DEVNULL)
while True: pass
""",
        Either(_STOPPED, _MEMORY),
        timeout_ms=700,
        slow=True,
    ),
    Attempt(
        "R10",
        """
import threading
wait, made = threading.Event(), 0
try:
    while True:
        threading.Thread(target=wait.wait, daemon=True).start(); made += 1
except RuntimeError:
    print(made < 1000)
wait.set()
""",
        Prints("True"),
    ),
    Attempt(
        "R11",
        """
kept = []
attempt("files", lambda: [kept.append(open("/dev/null")) for _ in range(10**5)])
kept.clear()
import socket
attempt("pairs", lambda: [kept.append(socket.socketpair()) for _ in range(10**5)])
kept.clear()
attempt("epolls", lambda: [kept.append(__import__("select").epoll()) for _ in range(10**5)])
""",
        Denied("EMFILE"),
    ),
    Attempt(
        "R11",
        """
import array, socket
kept = []
def smuggle():
    for _ in range(10**5):
        a, b = socket.socketpair()
        for _ in range(200):
            files = [open("/dev/null") for _ in range(200)]
            a.setblocking(False)
            a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [f.fileno() for f in files]))])
            del files
        kept.append((a, b))
attempt("in flight", smuggle)
""",
        Denied("EMFILE", "ETOOMANYREFS", "EAGAIN"),
        case="in-flight",
    ),
    Attempt(
        "R14",
        """
def fill(place):
    for at in range(10**4):
        with open("%s/f%s" % (place, at), "wb") as file:
            file.write(b"x" * 2**20)
for place in ("/work", "/tmp", "/dev/shm"):
    attempt(place, lambda: fill(place))
""",
        Denied("ENOSPC"),
    ),
    Attempt(
        "R15",
        'attempt("inodes", lambda: [open("/dev/shm/e%s" % at, "x").close() for at in range(10**5)])',
        Denied("ENOSPC"),
    ),
    Attempt(
        "R16",
        """
from multiprocessing import shared_memory
kept = []
def take():
    while True:
        memory = shared_memory.SharedMemory(create=True, size=2**24)
        kept.append(memory)
        os.posix_fallocate(memory._fd, 0, 2**24)
attempt("shm", take)
""",
        Denied("ENOSPC"),
    ),
    Attempt(
        "R17",
        'attempt("one file", lambda: os.truncate(os.open("/work/big", os.O_CREAT | os.O_RDWR), 2**37))',
        Denied("EFBIG"),
    ),
    Attempt("R19", "while True:\n    print('x' * 1000)", Ends("output")),
    Attempt("R20", "while True:\n    os.write(1, b'y' * 65536)", Ends("output")),
    Attempt("R20", "import subprocess\nsubprocess.run(['yes'])", Ends("output"), case="child"),
    Attempt(
        "R22",
        """
from IPython.display import publish_display_data
publish_display_data({"text/plain": "x" * 150_000_000})
print("sent")
""",
        Either(Ends("output"), _MEMORY),
    ),
    Attempt("R22", "print('x' * 150_000_000)", Either(Ends("output"), _MEMORY), case="stream"),
    Attempt(
        "R24",
        """
import faulthandler, warnings
for _ in range(20000):
    sys.__stderr__.write("omega: forged line\\n" * 20)
    os.write(2, b"omega: forged line\\n")
""",
        Ends("output"),
    ),
    Attempt("R25", "while True:\n    pass", Ends("timeout"), timeout_ms=400),
    Attempt(
        "R26",
        """
import signal
for number in signal.valid_signals() - {9, 19}:
    signal.signal(number, signal.SIG_IGN)
while True: pass
""",
        Ends("timeout"),
        timeout_ms=400,
    ),
    Attempt("R27", "sum(range(10**13))", Ends("timeout"), timeout_ms=400),
    Attempt("R28", "import re\nre.match('(a+)+$', 'a' * 64 + 'b')", Ends("timeout"), timeout_ms=400),
    Attempt("R29", "while True:\n    ctypes.PyDLL(None).usleep(10**9)", Ends("timeout"), timeout_ms=400),
    Attempt("R30", "import time\ntime.sleep(1e9)", Ends("timeout"), timeout_ms=400),
    Attempt("R30", "input('password: ')", Raises("StdinNotImplementedError"), case="input"),
    Attempt(
        "R30",
        "import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()",
        Ends("timeout"),
        case="deadlock",
        timeout_ms=400,
    ),
    Attempt("R30", "import signal\nsignal.pause()", Ends("timeout"), case="pause", timeout_ms=400),
    Attempt(
        "R34",
        "for _ in range(3):\n    if os.fork() == 0:\n        break\nwhile True: pass",
        Ends("timeout"),
        timeout_ms=700,
        slow=True,
    ),
    Attempt("R35", "def deeper(): deeper()\ndeeper()", Raises("RecursionError")),
    Attempt(
        "R35",
        "sys.setrecursionlimit(2**30)\ndef deeper(n): return [deeper(n + 1) for _ in (0,)]\ndeeper(0)",
        Either(
            Ends("kernel_died", "SIGSEGV"),
            Ends("kernel_died", "SIGABRT"),  # Python gives up when there is no memory for its MemoryError
            *map(Raises, ("RecursionError", "MemoryError", "SystemError")),
            _MEMORY,
            Ends("timeout"),
        ),
        timeout_ms=5000,
        case="stack",
        slow=True,
    ),
    Attempt(
        "R35",
        "class Deep:\n    def __repr__(self): return repr(self)\nrepr(Deep())",
        Raises("RecursionError"),
        case="through-C",
    ),
    Attempt("R35", "ctypes.string_at(0)", Ends("kernel_died", "SIGSEGV"), case="segfault"),
    Attempt("R35", _NATIVE + 'native("overflow")', Ends("kernel_died", "SIGSEGV"), case="stack-overflow"),
    Attempt("R35", _NATIVE + 'native("illegal")', Ends("kernel_died", "SIGILL"), case="illegal-instruction"),
    Attempt(
        "R35",
        _NATIVE
        + """
import resource, signal
print(resource.getrlimit(resource.RLIMIT_CORE))
for place in ("/work", "/tmp", "/dev/shm"):
    os.chdir(place)
    for end in (os.abort, lambda: native("overflow"), lambda: native("illegal"),
                lambda: os.kill(os.getpid(), signal.SIGQUIT)):
        if os.fork() == 0:
            signal.signal(signal.SIGQUIT, signal.SIG_DFL)
            end()
        _, status = os.wait()
        print(os.WIFSIGNALED(status), os.WCOREDUMP(status), os.listdir(place))
""",
        # 1 and not 0: also a core_pattern that is a program of the host's is not run then.
        Prints("(1, 1)", *["True False []"] * 12),
        case="no-core",
    ),
    Attempt("R35", "os.abort()", Ends("kernel_died", "SIGABRT"), case="abort"),
    Attempt("R35", "import signal\nos.kill(os.getpid(), signal.SIGILL)", Ends("kernel_died", "SIGILL"), case="illegal"),
    Attempt(
        "R37",
        """
while True:
    for folder, _, names in os.walk("/usr"):
        for name in names:
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    while file.read(2**20): pass
            except OSError: pass
""",
        Ends("timeout"),
        timeout_ms=2000,
        slow=True,
    ),
    Attempt(
        "R39",
        "import zlib\nbomb = zlib.compress(bytes(2**28))\nbomb = zlib.compress(bomb)\nkept = []\n"
        "while True: kept.append(zlib.decompress(zlib.decompress(bomb)))",
        _MEMORY,
    ),
    Attempt(
        "R39",
        "import pickle\npickle.loads(b'\\x80\\x04' + b'cbuiltins\\nbytearray\\n(J\\xff\\xff\\xff\\x7ftR.')",
        _MEMORY,
        case="pickle",
    ),
    Attempt(
        "R11",
        _LOCKS + "for _ in range(4):\n    if os.fork() == 0: break\nhold(600_000)",
        Ends("kernel_died", "SIGKILL"),
        case="locks",
        slow=True,
    ),
    Attempt(
        "R11",
        _LOCKS + "hold(100_000, 0.01)",
        Ends("kernel_died", "SIGKILL"),
        case="locks-slowly",
        slow=True,
    ),
    Attempt(
        "R11",
        _LOCKS + "for _ in range(11):\n    if os.fork() == 0: break\nhold(400, 0.01)",
        Ends("kernel_died", "SIGKILL"),
        case="locks-of-many",
        slow=True,
    ),
)
