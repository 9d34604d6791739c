"""Real user code that attacks the gateway through its own kernel's sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from gateway.core.model import Limit
from gateway.kernel.client import ClientSettings, KernelClient
from gateway.kernel.launch.launcher import LaunchRequest
from gateway.kernel.start import KernelStarter
from kernels.contract import Policy
from tests.fakes import spec
from tests.stock import StockLauncher, kernel_python, stock_address

pytestmark = pytest.mark.kernel

SETUP = """
import json
from ipykernel.kernelapp import IPKernelApp
app = IPKernelApp.instance()
session, thread = app.session, app.iopub_thread
def publish(kind, content, parent=None, metadata=None):
    parts = [session.pack(session.msg_header(kind)), session.pack(parent or {}), session.pack(metadata or {})]
    parts.append(content if isinstance(content, bytes) else session.pack(content))
    frames = [b"t", b"<IDS|MSG>", session.sign(parts), *parts]
    thread.send_multipart(frames)
from ipykernel.kernelbase import Kernel
mine = app.kernel.get_parent()["header"]
"""


@pytest.fixture
async def client() -> AsyncIterator[KernelClient]:
    """A real kernel."""
    python = kernel_python()
    if python is None:
        pytest.skip("OMEGA_KERNEL_PYTHON names no interpreter with ipykernel")
    launcher = StockLauncher(python)
    settings = ClientSettings(connect_timeout_s=30.0, max_message_bytes=4 * 2**20)
    starter = KernelStarter(launcher, settings=settings, address=stock_address)
    started = await starter.start(LaunchRequest("python", Policy()))
    yield started
    await started.kill()
    await launcher.close()
    starter.close()


async def test_a_forged_idle_does_not_shift_output_to_the_next_run(client: KernelClient) -> None:
    """Each run has its own output, whatever a run claims about itself."""
    forge = SETUP + 'publish("status", {"execution_state": "idle"}, mine)\nprint("first")'
    first = await client.run(spec(forge))
    assert first.success
    second = await client.run(spec("print('second')"))
    assert second.output == "second\n"


async def test_malformed_messages_are_dropped(client: KernelClient) -> None:
    """Signed nonsense of every kind, then an ordinary end."""
    code = (
        SETUP
        + """
for content in (b"", b"[", b"[" * 200_000, b"3", b'{"name": "stdout", "text": [1]}', b"\\xff", b'{"data": []}'):
    for kind in ("stream", "display_data", "error", "status"):
        publish(kind, content, mine)
publish("stream", {"name": "stdout", "text": "x"}, {"msg_id": ["x"]})
print("fine")
"""
    )
    result = await client.run(spec(code))
    assert result.success
    assert result.output == "fine\n"


async def test_an_oversized_message_ends_at_the_output_limit(client: KernelClient) -> None:
    """A hundred megabytes in one message: the connection breaks, the answer names the limit."""
    result = await client.run(
        spec("import sys; sys.stdout.write('x' * 10**8); sys.stdout.flush()\nimport time; time.sleep(60)")
    )
    assert (result.limit, result.kernel_replaced) == (Limit.OUTPUT, True)


async def test_an_oversized_display_ends_at_the_output_limit(client: KernelClient) -> None:
    """Within the size of a message but over the limit for rich output."""
    code = "from IPython.display import display\ndisplay({'text/plain': 'x' * 3_000_000}, raw=True)"
    result = await client.run(spec(code, rich_bytes=10**6))
    assert result.limit is Limit.OUTPUT


async def test_a_segfault_is_told_with_its_signal_and_last_words(client: KernelClient) -> None:
    """What had left the kernel's own sending thread before is there."""
    code = "import ctypes, time; print('hi', flush=True); time.sleep(0.3); ctypes.string_at(0)"
    result = await client.run(spec(code))
    assert result.error is not None
    assert "SIGSEGV" in result.error.message
    assert (result.output, result.exit_code, result.limit) == ("hi\n", 139, Limit.DIED)


async def test_code_that_ignores_sigint_is_killed(client: KernelClient) -> None:
    """After the grace that follows its deadline; otherwise it would sleep on and its kernel be kept."""
    code = "import signal, time; signal.signal(2, signal.SIG_IGN); time.sleep(60)"
    result = await client.run(spec(code, timeout_s=0.2))
    assert (result.limit, result.kernel_replaced) == (Limit.TIMEOUT, True)


async def test_a_native_loop_is_killed(client: KernelClient) -> None:
    """Code that never returns to the interpreter cannot be interrupted at all."""
    result = await client.run(spec("sum(iter(int, 1))", timeout_s=0.3))
    assert (result.limit, result.kernel_replaced) == (Limit.TIMEOUT, True)
