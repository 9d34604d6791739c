"""Programs sent to a kernel; each prints one JSON value."""

from __future__ import annotations

REACH = """
import errno, json, os, signal, socket
def said(act):
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno, str(error))
    return "done"
def connect(address):
    with socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET) as sock:
        sock.settimeout(60)
        sock.connect(address)
own = os.getpid()
try:
    seen = [int(name) for name in os.listdir("/proc") if name.isdigit()]
except OSError:
    seen = []
print(json.dumps({
    "seen": [pid for pid in seen if pid != own],
    # Its own threads have numbers too; they are in its process group.
    "signalled": [pid for pid in range(1, 600) if said(lambda: os.kill(pid, 0)) == "done" and os.getpgid(pid) != own],
    "connected": [address for address in (["127.0.0.1", PORT], ["::1", PORT], ["192.0.2.1", 80])
                  if said(lambda: connect(tuple(address))) == "done"],
    "read": [path for path in PATHS if said(lambda: open(path, "rb").read(1)) == "done"],
    "listed": [path for path in FOLDERS if said(lambda: os.listdir(path)) == "done"],
    "written": [path for path in ("/x", "/etc/x", "/usr/x", "/var/x", "/dev/x", *[folder + "/x" for folder in FOLDERS])
                if said(lambda: open(path, "w")) == "done"],
    "uids": [said(lambda: os.setuid(0)), said(lambda: os.setuid(12345))],
}))
"""
SHARED_MEMORY_BOMB = """
import mmap
held = []
for _ in range(64):
    block = mmap.mmap(-1, 32 << 20)
    for at in range(0, len(block), 4096):
        block[at] = 1
    held.append(block)
print("survived")
"""
CHILDREN_BOMB = """
import os, time
for _ in range(16):
    if os.fork() == 0:
        data = bytearray(64 << 20)
        for at in range(0, len(data), 4096):
            data[at] = 1
        time.sleep(1000)
time.sleep(1000)
print("survived")
"""
MEMORY_FILES_BOMB = """
import os
held = []
try:
    for _ in range(64):
        fd = os.memfd_create("x", 8)
        for _ in range(16):
            os.write(fd, bytes(1 << 20))
        held.append(fd)
except OSError as error:
    print(type(error).__name__, error.errno)
else:
    print("survived")
"""
DAEMONS = """
import ctypes, os, time
ctypes.CDLL(None).prctl(36, 0, 0, 0, 0)
for _ in range(8):
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.fork()
            time.sleep(1000)
        os._exit(0)
# A sibling's parent is ours.
if ctypes.CDLL(None).syscall({"x86_64": 56, "aarch64": 220}[os.uname().machine], 0x8011, None, None, None, None) == 0:
    time.sleep(300)
time.sleep(0.5)
print("left")
"""
FORKS = """
import os, time
made = 0
try:
    while made < 2000:
        if os.fork() == 0:
            time.sleep(1000)
            os._exit(0)
        made += 1
except OSError as error:
    print("refused", made, error.errno)
else:
    print("survived")
"""
MESS = """
import os
os.makedirs("a")
os.chdir("a")
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
os.chdir(os.environ["HOME"])
os.mkdir("closed")
open("closed/x", "w").close()
os.chmod("closed", 0)
open(b"bad\\xff\\n", "w").close()
os.symlink("/", "out")
print("made")
"""
COMPUTE = """
import concurrent.futures, sqlite3, subprocess, tempfile
import matplotlib.pyplot as plt, numpy as np, pandas as pd
with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
    file.write("a,b\\n1,2\\n3,4\\n"); file.flush()
    total = int(pd.read_csv(file.name).to_numpy().sum())
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    squares = list(pool.map(lambda n: n * n, range(4)))
script = "echo $((6*7)) > $TMPDIR/x && cat $TMPDIR/x"
shell = subprocess.run(script, shell=True, capture_output=True, text=True).stdout.strip()
rows = sqlite3.connect("x.db").execute("select 1").fetchone()[0]
plt.figure(); plt.plot([1, 2]); plt.savefig("x.png")
from joblib import Parallel, delayed
from sklearn.ensemble import RandomForestClassifier
assert Parallel(n_jobs=2)(delayed(abs)(number) for number in (-1, -2)) == [1, 2]
table = np.arange(60.0).reshape(20, 3)
assert RandomForestClassifier(3, n_jobs=2, random_state=0).fit(table, table[:, 0] > 30).score(table, table[:, 0] > 30) == 1
print(total, squares, shell, rows, np.linalg.norm([3, 4]))
"""
JAVASCRIPT_BOMBS = (
    "const held = []; for (;;) held.push({ a: [1, 2, 3] });",
    "const held = []; for (;;) held.push(new Uint8Array(16 << 20).fill(1));",
)
JAVASCRIPT_ESCAPE = """
let node;
const show = { [Symbol.for('nodejs.util.inspect.custom')]: (depth, options, inspect) => {
  node = inspect.constructor('return process')();
  return '';
} };
console.log(show);
try { return node.mainModule.require('fs').readFileSync(path, 'utf8'); } catch (error) { return error.code; }
"""
WAITING_SIGNALS = """
import ctypes, os, signal, struct, time
told, tell = os.pipe()
if os.fork() == 0:
    signal.pthread_sigmask(signal.SIG_BLOCK, [40])
    queue = {"x86_64": 129, "aarch64": 138}[os.uname().machine]
    info, number = struct.pack("iii116x", 0, 0, -1), 0
    while number < 100_000 and ctypes.CDLL(None).syscall(queue, os.getpid(), 40, info) == 0:
        number += 1
    os.write(tell, str(number).encode())
    time.sleep(1000)
    os._exit(0)
print(os.read(told, 100).decode())
"""
TIMER = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
made = libc.timer_create(1, None, ctypes.byref(ctypes.c_void_p()))
print(os.strerror(ctypes.get_errno()) if made else "made")
"""
PACKAGES = """
import importlib, io, subprocess
import pandas as pd
for name in {}:
    importlib.import_module(name)
frame = pd.DataFrame({{"a": range(1000)}})
frame.to_parquet("a.parquet")
assert pd.read_parquet("a.parquet").equals(frame)
assert pd.read_csv(io.StringIO(frame.to_csv(index=False)), engine="pyarrow").equals(frame)
print(subprocess.run(["pip", "list", "--format=json", "--disable-pip-version-check"], capture_output=True, text=True).stdout)
"""
