"""What people do in Python: programs that must work in full confinement, each of many kinds of system calls."""

from __future__ import annotations

USES = {
    "processes": """
import subprocess, sys, os
assert subprocess.run(["/bin/sh", "-c", "echo $((6*7))"], capture_output=True, text=True, check=True).stdout == "42\\n"
assert subprocess.run([sys.executable, "-c", "print(1)"], capture_output=True, text=True, check=True).stdout == "1\\n"
assert subprocess.run("ls / | sort | head -1", shell=True, capture_output=True, text=True, check=True).stdout
""",
    "threads and asyncio": """
import asyncio, threading, concurrent.futures
async def main():
    process = await asyncio.create_subprocess_exec("/bin/echo", "hi", stdout=asyncio.subprocess.PIPE)
    assert (await process.communicate())[0] == b"hi\\n"
    server = await asyncio.start_server(lambda r, w: w.close(), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    assert await reader.read() == b""
    assert await asyncio.to_thread(lambda: 7) == 7
asyncio.run(main())
with concurrent.futures.ThreadPoolExecutor(8) as pool:
    assert sum(pool.map(abs, range(-5, 5))) == 25
""",
    "multiprocessing": """
import multiprocessing, concurrent.futures, math
for method in ("fork", "forkserver", "spawn"):
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        assert pool.map(math.sqrt, [4, 9]) == [2, 3]
    queue = context.Queue(); queue.put(1); assert queue.get(timeout=10) == 1
with concurrent.futures.ProcessPoolExecutor(2) as pool:
    assert list(pool.map(math.sqrt, [16])) == [4]
from multiprocessing import shared_memory
block = shared_memory.SharedMemory(create=True, size=4096); block.close(); block.unlink()
""",
    "files": """
import os, shutil, tempfile, sqlite3, pathlib, zipfile, tarfile, mmap
with tempfile.TemporaryDirectory() as folder:
    file = pathlib.Path(folder, "a.txt"); file.write_text("x" * 10)
    shutil.copy2(file, folder + "/b"); shutil.copytree(folder, "/work/copy"); file.chmod(0o600)
    os.link(file, folder + "/hard"); os.symlink(file, folder + "/soft"); os.rename(folder + "/b", folder + "/c")
    base = sqlite3.connect(folder + "/db"); base.execute("pragma journal_mode=wal"); base.execute("create table t(x)")
    base.execute("insert into t values (1)"); base.commit(); assert base.execute("select x from t").fetchall() == [(1,)]
    with open(folder + "/kept", "wb") as opened: os.fsync(opened.fileno()); os.fdatasync(opened.fileno())
    with zipfile.ZipFile(folder + "/z", "w") as archive: archive.write(file)
    with tarfile.open(folder + "/t", "w:gz") as archive: archive.add(file)
    safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(folder + "/t") as archive: archive.extractall("/work/out", **safely)
    with open(file, "r+b") as opened: mapped = mmap.mmap(opened.fileno(), 0); mapped.flush(); mapped.close()
""",
    "its own network": """
import asyncio, http.server, multiprocessing, socket, socketserver, ssl, threading, urllib.request
import xmlrpc.client, xmlrpc.server
class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_): pass
def served(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return "http://127.0.0.1:%d/" % server.server_address[1]
assert urllib.request.urlopen(served(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet))).status == 200
remote = xmlrpc.server.SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False); remote.register_function(pow)
assert xmlrpc.client.ServerProxy(served(remote)).pow(2, 3) == 8
socketserver.ThreadingUDPServer(("127.0.0.1", 0), socketserver.DatagramRequestHandler).server_close()
socket.create_server(("", 0), reuse_port=True).close()
if socket.has_dualstack_ipv6():
    socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True).close()
near, far = socket.create_server(("127.0.0.1", 0)), socket.socket()
far.connect(near.getsockname()); one, _ = near.accept(); far.settimeout(5)
for option in (socket.TCP_NODELAY, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT, socket.TCP_USER_TIMEOUT):
    far.setsockopt(socket.IPPROTO_TCP, option, 1); assert far.getsockopt(socket.IPPROTO_TCP, option)
for option in (socket.SO_KEEPALIVE, socket.SO_SNDBUF, socket.SO_RCVBUF):
    far.setsockopt(socket.SOL_SOCKET, option, 1); assert far.getsockopt(socket.SOL_SOCKET, option)
far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes(8))
assert far.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
there, here = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
here.check_hostname, here.verify_mode = False, ssl.CERT_NONE
for context in (there, here):
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AECDH-AES256-SHA:@SECLEVEL=0")
threading.Thread(target=lambda: there.wrap_socket(one, server_side=True).sendall(b"secret")).start()
assert here.wrap_socket(far).recv(6) == b"secret"
with multiprocessing.Manager() as manager:
    shared = manager.dict(); shared["a"] = 1; assert shared["a"] == 1
async def main():
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(
        asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0), allow_broadcast=True, reuse_port=True)
    transport.close()
    server = await asyncio.start_unix_server(lambda reader, writer: writer.close(), "/tmp/socket")
    reader, _ = await asyncio.open_unix_connection("/tmp/socket")
    assert await reader.read() == b""
asyncio.run(main())
""",
    "the rest of the standard library": """
import ctypes, getpass, locale, platform, pwd, random, secrets, signal, socket, time, uuid, zoneinfo, select, selectors, ssl
assert pwd.getpwuid(1000).pw_name == "omega" and getpass.getuser() and platform.node() == "omega"
assert socket.gethostbyname("localhost") == "127.0.0.1"
ctypes.CFUNCTYPE(ctypes.c_int)(lambda: 3)
signal.setitimer(signal.ITIMER_REAL, 0)
time.sleep(0.001); uuid.uuid1(); uuid.uuid4(); secrets.token_hex(); platform.platform(); ssl.create_default_context()
zoneinfo.ZoneInfo("Europe/Berlin") if __import__("os").path.exists("/usr/share/zoneinfo/Europe/Berlin") else None
""",
}
STACK = {
    "numpy, scipy, pandas": """
import numpy as np, pandas as pd, scipy.linalg, io
a = np.random.default_rng(1).random((300, 300)); assert np.allclose(a @ np.linalg.inv(a), np.eye(300), atol=1e-6)
assert pd.read_csv(io.StringIO("a,b\\n1,2")).to_dict() == {"a": {0: 1}, "b": {0: 2}}
pd.DataFrame({"x": [1]}).to_pickle("/work/p"); scipy.linalg.svd(a)
""",
    "matplotlib and seaborn": """
import matplotlib.pyplot as plt, seaborn as sns, os
figure, axes = plt.subplots(); axes.plot([1, 2]); figure.savefig("/work/f.png"); figure.savefig("/work/f.svg")
assert os.path.getsize("/work/f.png") > 1000
sns.heatmap([[1, 2], [3, 4]]); plt.savefig("/work/g.png")
""",
    "scikit-learn in parallel": """
import numpy as np
from sklearn.ensemble import RandomForestClassifier
from joblib import Parallel, delayed
x = np.random.default_rng(1).random((60, 3)); y = (x[:, 0] > .5).astype(int)
assert RandomForestClassifier(10, n_jobs=2).fit(x, y).score(x, y) > .9
assert Parallel(n_jobs=2, backend="loky")(delayed(abs)(-i) for i in range(4)) == [0, 1, 2, 3]
""",
}
JAVASCRIPT = {
    "files and buffers": """
const fs = require("fs"), crypto = require("crypto"), zlib = require("zlib");
fs.mkdirSync("/work/deep/er", {recursive: true});
fs.writeFileSync("/work/deep/er/a.txt", "x".repeat(1000));
fs.copyFileSync("/work/deep/er/a.txt", "/tmp/b.txt"); fs.renameSync("/tmp/b.txt", "/tmp/c.txt");
const text = await fs.promises.readFile("/tmp/c.txt", "utf8");
const hash = crypto.createHash("sha256").update(zlib.gunzipSync(zlib.gzipSync(text))).digest("hex");
if (text.length !== 1000 || hash.length !== 64) throw new Error("wrong");
fs.rmSync("/work/deep", {recursive: true});
""",
    "timers, workers, WebAssembly": """
const { Worker } = require("worker_threads");
await new Promise(done => setTimeout(done, 5));
const answer = await new Promise((done, fail) => {
  const worker = new Worker("require('worker_threads').parentPort.postMessage(6 * 7)", {eval: true});
  worker.once("message", done); worker.once("error", fail);
});
const memory = new WebAssembly.Memory({initial: 1});
if (answer !== 42 || memory.buffer.byteLength !== 65536) throw new Error("wrong");
""",
    "processes and its own network": """
const { execFileSync } = require("child_process"), net = require("net");
if (execFileSync("/bin/echo", ["hi"]).toString() !== "hi\\n") throw new Error("echo");
const server = net.createServer(socket => socket.end("served"));
await new Promise(done => server.listen(0, "127.0.0.1", done));
const said = await new Promise((done, fail) => {
  const socket = net.connect(server.address().port, "127.0.0.1"); let text = "";
  socket.on("data", part => text += part); socket.on("end", () => done(text)); socket.on("error", fail);
});
server.close();
if (said !== "served") throw new Error("net");
""",
}
