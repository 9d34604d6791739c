"""Corpus 8.5, signals, life cycle, persistence: what a kernel does ends with it."""

from __future__ import annotations

from tests.promises.attempt import Attempt, Denied, Either, Ends, Prints, Raises

LIFECYCLE = (
    Attempt(
        "E01",
        """
import signal
for pid in (1, HOST["pid"]):
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except OSError:
            pass
try:
    os.kill(-1, signal.SIGKILL)
except OSError:
    pass
print("alive")
""",
        Either(Prints("alive"), Ends("kernel_died", "SIGKILL")),
    ),
    Attempt("E01", "import signal\nos.kill(0, signal.SIGKILL)", Ends("kernel_died", "SIGKILL"), case="group"),
    Attempt("E01", "import signal\nos.kill(os.getppid(), signal.SIGKILL)", Ends("kernel_died", "SIGKILL"), case="parent"),
    Attempt("E02", "import signal\nos.kill(os.getpid(), signal.SIGSTOP)\nprint('on')", Ends("timeout"), timeout_ms=400),
    Attempt("E03", "os._exit(0)", Ends("kernel_died")),
    Attempt("E03", "os.execv('/bin/sleep', ['sleep', '1000'])", Ends("kernel_died", "connection"), case="exec"),
    Attempt("E03", "os.closerange(3, 512)\nimport time\ntime.sleep(1000)", Ends("kernel_died"), case="closed"),
    Attempt("E03", "sys.exit(3)", Raises("SystemExit"), case="sys.exit"),
    Attempt(
        "E03",
        "import threading\nthread = threading.Thread(target=sys.exit); thread.start(); thread.join()\nprint('on')",
        Prints("on"),
        case="thread",
    ),
    Attempt(
        "E03",
        "import atexit, time\natexit.register(time.sleep, 1000)\natexit.register(ctypes.string_at, 0)\nprint('on')",
        Prints("on"),
        case="atexit",
    ),
    Attempt(
        "E04",
        """
import time
def daemon():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for descriptor in range(3, 1024):
                try: os.close(descriptor)
                except OSError: pass
            time.sleep(1000)
        os._exit(0)
for _ in range(10): daemon()
time.sleep(0.1)
print("left")
""",
        Prints("left"),
        used=True,
    ),
    Attempt(
        "E04",
        """
import signal, subprocess
subprocess.Popen(["setsid", "nohup", "sh", "-c", "trap '' HUP INT TERM QUIT; while :; do sleep 1; done"],
                 start_new_session=True,
                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("left")
""",
        Prints("left"),
        case="trap",
    ),
    Attempt(
        "E04",
        """
import time
for signals in (17, 0, 10):
    if call("clone", 0x8000 | signals, None, None, None, 0) == "ok":
        time.sleep(0 if signals else 1000); os._exit(0)  # the one that asked, too, or its sibling, whom no one waits for
print(call("clone", 0x8011, None, None, None, 0))
""",
        Prints("EPERM"),
        case="sibling",
        used=True,
    ),
    Attempt(
        "E06",
        """
import shutil, subprocess
for command in (["crontab", "-l"], ["at", "now"], ["systemd-run", "true"], ["systemctl", "status"], ["loginctl"],
                ["dbus-send", "--print-reply", "x"]):
    found = shutil.which(command[0])
    done = subprocess.run(command, capture_output=True, timeout=100).returncode if found else 127
    report(command[0], "done" if done == 0 else "refused")
""",
        Denied("refused"),
    ),
    Attempt(
        "E07",
        """
for place in ("/work", "/tmp", "/dev/shm"):
    open(place + "/left", "w").write("left")
print("left")
""",
        Prints("left"),
        used=True,
        then="import os\nprint([os.listdir(place) for place in ('/work', '/tmp', '/dev/shm')])",
        after=Prints("[[], [], []]"),
    ),
    Attempt(
        "E08",
        """
import builtins, json, numpy, pandas
builtins.leak = numpy.leak = pandas.leak = sys.leak = os.leak = 1
builtins.print_, json.loads, numpy.ones = print, None, None
sys.modules["math"] = None
sys.path.insert(0, "/leak")
os.environ["LEAK"] = "1"
ctypes.memset(id(256) + 24, 7, 1)  # the zygote's page of small numbers: a copy of it
""",
        Either(Prints(), Ends("kernel_died"), Raises("TypeError")),
        used=True,
        then="""
import builtins, json, math, numpy, os, pandas, sys
print([hasattr(thing, "leak") for thing in (builtins, numpy, pandas, sys, os)], json.loads("[256]"), numpy.ones(1), 255 + 1,
      "/leak" in sys.path, "LEAK" in os.environ)
""",
        after=Prints("[False, False, False, False, False] [256] [1.] 256 False False"),
    ),
)
