"""Whose output it is, when threads, tasks and workers of one run still write during the next."""

from __future__ import annotations

import time

import pytest

from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel

LEFT = """
import asyncio, logging, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
logging.basicConfig(stream=sys.stderr, force=True)
go, done = threading.Event(), threading.Semaphore(0)
def write(name):
    print(name, "print")
    sys.stderr.write(name + " err\\n")
    logging.warning(name)
    display({"text/plain": name}, raw=True)
    threading.Thread(target=print, args=(name, "inner")).start()
    done.release()
def wait_and_write(name):
    go.wait()
    write(name)
"""
THREADS = """
threading.Thread(target=wait_and_write, args=("thread",)).start()
class Own(threading.Thread):
    def run(self): wait_and_write("subclass")
Own().start()
threading.Timer(0, wait_and_write, ["timer"]).start()
pool = ThreadPoolExecutor(1)
pool.submit(wait_and_write, "worker")
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
async def later():
    while not go.is_set(): await asyncio.sleep(0.001)
    write("task")
asyncio.run_coroutine_threadsafe(later(), loop)
print("first")
"""
NEXT = "go.set()\nfor _ in range(5): done.acquire()\ntime.sleep(0.1)\nprint('second')"


def test_what_an_earlier_run_left_behind_writes_nothing_into_the_next(kernel: TestKernel) -> None:
    """Threads of every kind, those they start, executors' work, tasks: text, log and displays. The run's own is there."""
    assert kernel.run(LEFT + THREADS).text("stdout") == "first\n"
    second = kernel.run(NEXT)
    assert second.text() == "second\n"
    assert [part["data"] for part in second.of("display_data")] == []
    kernel.run("done.acquire(False)")
    assert kernel.run("print('third')").text() == "third\n"


def test_what_a_run_gives_to_workers_of_an_earlier_one_is_its_own(kernel: TestKernel) -> None:
    """Executors, thread pools, an event loop in a thread: the work of the run that asked for it, however old they are."""
    kernel.run(
        LEFT + "pool = ThreadPoolExecutor(1); pool.submit(int).result()\n"
        "threads = ThreadPool(1); threads.apply(int)\n"
        "loop = asyncio.new_event_loop(); threading.Thread(target=loop.run_forever, daemon=True).start()\n"
        "async def say(name): print(name)\n"
    )
    second = kernel.run(
        "pool.submit(print, 'a').result()\nlist(pool.map(print, 'bc'))\nthreads.map(print, 'd')\n"
        "asyncio.run_coroutine_threadsafe(say('e'), loop).result()\n"
        "async def main():\n"
        "    await asyncio.to_thread(print, 'f')\n"
        "    await asyncio.get_running_loop().run_in_executor(pool, print, 'g')\n"
        "asyncio.run(main())\n"
        "thread = threading.Thread(target=print, args=('h',)); thread.start(); thread.join()"
    )
    assert second.text().split() == list("abcdefgh")


def test_what_went_through_a_descriptor_before_a_run_is_not_its_own(kernel: TestKernel) -> None:
    """Bytes that were written between two runs belong to neither; what is written later can't be told from the run's."""
    kernel.run(
        "import os, threading, time\n"
        "def write():\n"
        "    while not os.path.exists('go'): time.sleep(0.001)\n"
        "    os.write(1, b'between\\n'); open('done', 'w').close()\n"
        "threading.Thread(target=write).start()"
    )
    (kernel.work / "go").touch()
    while not (kernel.work / "done").exists():
        time.sleep(0.001)
    assert kernel.run("print('second')").text() == "second\n"


def test_a_notebook_shows_what_threads_and_tasks_write_as_in_ipykernel(kernel: TestKernel) -> None:
    """Threads write to the newest cell, tasks to the one that made them."""
    kernel.plain(LEFT + "threading.Thread(target=wait_and_write, args=('thread',)).start()")
    second = kernel.plain("go.set(); done.acquire(); time.sleep(0.1)")
    assert "thread print" in second.text()
    assert [part["data"] for part in second.of("display_data")] == [{"text/plain": "thread"}]
    first = kernel.send(
        "async def late():\n    await asyncio.sleep(0.2)\n    print('late')\ntask = asyncio.create_task(late())"
    )
    kernel.collect(first)
    second = kernel.plain("await task\nprint('second')")
    assert second.text() == "second\n"
    assert kernel.plain("print('third')").text() == "third\n"


def test_a_thread_that_can_not_be_started_says_so_as_ever(kernel: TestKernel) -> None:
    """And one that fails is told by the hook that programs set."""
    reply = kernel.run(
        "import threading\nseen = []\nthreading.excepthook = lambda args: seen.append(args.exc_value.args)\n"
        "def fail(): raise ValueError('x')\nthread = threading.Thread(target=fail); thread.start(); thread.join()\nseen"
    )
    assert reply.result["text/plain"] == "[('x',)]"
