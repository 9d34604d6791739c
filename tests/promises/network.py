"""Corpus 8.2, network: there is none but a loopback of one's own."""

from __future__ import annotations

import contextlib
import socket

from tests.promises.attempt import Attempt, Denied, Place, Prints
from tests.promises.beacon import BEACON, PORT, lit

NOWHERE = ("ENETUNREACH", "ECONNREFUSED", "EADDRNOTAVAIL", "ENOENT", "EHOSTUNREACH")
UNKNOWN = ("ENOSYS", "EPERM", "ENOTSUP")

_CONNECT = """
import socket
def connects(family, kind, address):
    def act():
        with socket.socket(family, kind) as one:
            one.settimeout(60)  # whoever answers does so at once
            one.connect(address)
            one.send(b"x")
    attempt(repr(address), act)
"""
_SOCKETS = """
import socket, stat
def inherited():
    for descriptor in range(3, 64):
        try:
            is_socket = stat.S_ISSOCK(os.fstat(descriptor).st_mode)
        except OSError:
            continue
        if is_socket:
            one = socket.socket(fileno=os.dup(descriptor))
            if one.family == socket.AF_UNIX:
                yield one
"""
"""The sockets a kernel was given, and the connections to them."""


def host_cannot_reach_it(place: Place) -> None:
    """The listener of N16 is on another network than the host."""
    with lit(place), contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", PORT)):
        raise AssertionError("the host reached a kernel's listener")


NETWORK = (
    Attempt(
        "N01",
        _CONNECT
        + """
for host in ("192.0.2.1", "8.8.8.8", "10.0.0.1", "172.17.0.1"):
    connects(socket.AF_INET, socket.SOCK_STREAM, (host, 80))
connects(socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 80))
""",
        Denied(*NOWHERE),
        batch="network",
    ),
    Attempt(
        "N02",
        _CONNECT
        + """
for host in ("192.0.2.1", "8.8.8.8", "224.0.0.1", "255.255.255.255"):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        attempt(host, lambda: one.sendto(b"x", (host, 53)))
""",
        Denied(*NOWHERE, "EACCES"),
        batch="network",
    ),
    Attempt(
        "N03",
        """
import socket
for name in ("example.org", "metadata.google.internal", "localhost.localdomain.example"):
    try:
        print("found", socket.getaddrinfo(name, 80))
    except socket.gaierror as error:
        print(error.errno in (socket.EAI_AGAIN, socket.EAI_NONAME))
print(os.path.exists("/etc/resolv.conf") and open("/etc/resolv.conf").read().strip() != "")
def ask():  # without a name server's address the own one is asked, and refuses: nothing is waited for
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("127.0.0.1", 53)); one.send(b"x"); one.recv(1)
try: ask()
except ConnectionRefusedError: print("refused")
""",
        Prints("True", "True", "True", "False", "refused"),
        batch="network",
    ),
    Attempt(
        "N04",
        """
calls(("socket", 2, 3, 1), ("socket", 2, 3, 255), ("socket", 17, 3, 0x300), ("socket", 17, 2, 0), ("socket", 2, 2, 1),
      ("socket", 10, 2, 58), ("socket", 10, 3, 58), ("socket", 2, 1, 1))
""",
        Denied(*UNKNOWN),
        batch="network",
    ),
    Attempt(
        "N05",
        """
for protocol in (*range(0, 23), 100):
    for kind in (2, 3):
        report("netlink %s %s" % (protocol, kind), call("socket", 16, kind, protocol))
import socket
try:
    socket.if_nameindex()
    report("names", "ENOTSUP")
except OSError:
    report("names", "ENOTSUP")
""",
        Denied("ENOTSUP"),
        batch="network",
    ),
    Attempt(
        "N06",
        """
for family in range(0, 64):
    if family not in (1, 2, 10, 16):
        for kind in (1, 2, 3, 5):
            report("family %s %s" % (family, kind), call("socket", family, kind, 0))
""",
        Denied("ENOSYS"),
        batch="network",
    ),
    Attempt(
        "N07",
        """
for family in (2, 10):
    for kind in (1, 2, 5, 6):
        for protocol in (262, 132, 136, 33, 115, 256, 47, 50):
            report("protocol %s %s %s" % (family, kind, protocol), call("socket", family, kind, protocol))
""",
        Denied("ENOSYS"),
        batch="network",
    ),
    Attempt(
        "N08",
        _CONNECT
        + """
connects(socket.AF_UNIX, socket.SOCK_STREAM, HOST["canary_abstract"])
connects(socket.AF_UNIX, socket.SOCK_STREAM, HOST["canary_path"])
for name in ("\\0/tmp/.X11-unix/X0", "\\0/containerd-shim/x.sock", "\\0snapd"):
    connects(socket.AF_UNIX, socket.SOCK_STREAM, name)
""",
        Denied(*NOWHERE, "EPERM", "EACCES"),
        batch="network",
    ),
    Attempt(
        "N09",
        _CONNECT
        + """
for path in ("/var/run/docker.sock", "/run/dbus/system_bus_socket", "/run/containerd/containerd.sock", "/tmp/.X11-unix/X0",
             "/run/systemd/journal/socket", "/dev/log", "/run/podman/podman.sock", "/run/systemd/private",
             "/run/nscd/socket"):
    connects(socket.AF_UNIX, socket.SOCK_STREAM, path)
""",
        Denied("ENOENT", "EACCES"),
        batch="network",
    ),
    Attempt(
        "N10",
        _CONNECT
        + """
for host in ("127.0.0.1", "127.0.0.53", "0.0.0.0", *HOST["addresses"]):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in (HOST["port"], HOST["canary_tcp"], 22):
        connects(family, socket.SOCK_STREAM, (host, port))
connects(socket.AF_INET6, socket.SOCK_STREAM, ("::1", HOST["port"]))
connects(socket.AF_INET6, socket.SOCK_STREAM, ("::ffff:127.0.0.1", HOST["canary_tcp"]))
def says():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.connect(("127.0.0.1", HOST["canary_udp"])); one.send(b"x"); one.send(b"x")
attempt("udp", says)
""",
        Denied(*NOWHERE),
        batch="network",
    ),
    Attempt(
        "N11",
        _CONNECT
        + """
connects(socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80))
connects(socket.AF_INET, socket.SOCK_STREAM, ("169.254.170.2", 80))
connects(socket.AF_INET6, socket.SOCK_STREAM, ("fd00:ec2::254", 80))
connects(socket.AF_INET6, socket.SOCK_STREAM, ("fe80::a9fe:a9fe", 80))
""",
        Denied(*NOWHERE, "EINVAL"),
        batch="network",
    ),
    Attempt(
        "N12",
        """
import socket
one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for number in (0x8914, 0x890B, 0x89A0, 0x8922, 0x8933, 0x8912, 0x8916, 0x89F0, 0x8946):
    report(hex(number), call("ioctl", one.fileno(), number, bytes(64)))
""",
        Denied("ENOSYS", "EPERM"),
        batch="network",
    ),
    Attempt(
        "N14",
        """
import socket
a, b = socket.socketpair()
attempt("send", lambda: a.send(b"x", socket.MSG_OOB))
attempt("receive", lambda: b.recv(1, socket.MSG_OOB | socket.MSG_DONTWAIT))
attempt("sendmsg", lambda: a.sendmsg([b"x"], [], socket.MSG_OOB))
report("high bits", call("sendto", a.fileno(), b"x", 1, (1 << 32) | 1, None, 0))
""",
        Denied("ENOSYS", "EPERM"),
        batch="network",
    ),
    Attempt(
        "N15",
        """
pair = bytes(8)
calls(("socketpair", 1, 2, 0, pair), ("socketpair", 1, 2 | 0x80000, 0, pair), ("socketpair", 1, 3, 0, pair),
      ("socketpair", 2, 1, 0, pair), ("socketpair", (1 << 32) | 1, 2, 0, pair), ("socketpair", 30, 1, 0, pair))
""",
        Denied("ENOSYS", "EPERM"),
        batch="network",
    ),
    Attempt(
        "N18",
        """
import socket, struct
word, size = (1).to_bytes(4, "little") * 8, (64).to_bytes(4, "little")
bare = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 65535))
program = struct.pack("HxxxxxxQ", 1, ctypes.addressof(bare))
kinds = ((1, 1), (2, 1), (2, 2), (10, 1), (10, 2))
refused = {1: (16, 25, 29, 32, 33, 34, 36, 37, 42, 44, 46, 47, 49, 50, 51, 52, 54, 60, 61, 62, 65, 69, 70, 74, 75, 76, 82),
           6: (7, 8, 9, 10, 13, 14, 19, 22, 23, 25, 30, 31, 36, 37), 17: (1, 100, 101, 102, 103, 104),
           0: (4, 6, 8, 10, 11, 15, 19, 24, 32, 33, 34, 35, 36, 39, 41, 49), 41: (8, 17, 18, 19, 20, 21, 22, 25, 32, 33, 49)}
for family, kind in kinds:
    with socket.socket(family, kind) as one:
        for number in (26, (1 << 32) | 26):
            report("filter %s" % number, call("setsockopt", one.fileno(), 1, number, program, len(program)))
        for level, options in refused.items():
            for option in options:
                label = "%s %s %s %s" % (family, kind, level, option)
                report("set " + label, call("setsockopt", one.fileno(), level, option, word, 4))
                report("get " + label, call("getsockopt", one.fileno(), level, option, bytes(64), size))
""",
        Denied("ENOPROTOOPT"),
        batch="network",
    ),
    Attempt(
        "N18",
        _SOCKETS
        + """
size = (64).to_bytes(4, "little")
for one in inherited():
    for option in (17, 25, 31, 49, 55, 56, 57, 59, 62, 71, 77):
        report("%s %s" % (one.fileno(), option), call("getsockopt", one.fileno(), 1, option, bytes(64), size))
    report("bind", call("setsockopt", one.fileno(), 1, 62, size, 4))
""",
        Denied("ENOPROTOOPT"),
        case="of-the-host",
        used=True,
    ),
    Attempt(
        "N18",
        _SOCKETS
        + """
names = [one.getsockname() for one in inherited()]
print([name for name in names if name and not name.startswith("/proc/self/fd/")], len(names) > 3)
""",
        Prints("[] True"),
        case="names",
        used=True,
    ),
    Attempt(
        "N19",
        """
import shutil, subprocess
done = subprocess.run([sys.executable, "-m", "pip", "install", "six-of-nowhere"], capture_output=True, text=True)
print(done.returncode, "Retrying" in done.stderr, "No matching distribution" in done.stderr)
said = "ENOTCACHED"
if shutil.which("npm"):
    said = subprocess.run(["npm", "install", "left-pad"], capture_output=True, text=True).stderr
print("ENOTCACHED" in said)
""",
        Prints("1 False True", "True"),
    ),
    Attempt(
        "N16",
        BEACON
        + f"""
import threading
def serve():
    beacon.accept()[0].sendall(b"served")
thread = threading.Thread(target=serve); thread.start()
while not told: time.sleep(0.01)
print(socket.create_connection(("127.0.0.1", {PORT})).recv(10).decode())
thread.join()
""",
        Prints("served"),
        during=host_cannot_reach_it,
    ),
)
