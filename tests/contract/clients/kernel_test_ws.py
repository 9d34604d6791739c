"""jupyter_kernel_test on a kernel behind the gateway, with jupyter-kernel-client between them."""

# ruff: noqa: RUF012 - the way jupyter_kernel_test is configured
import io
import json
import os
import unittest

import jupyter_kernel_test
from jupyter_kernel_client import JupyterKernelClient


class GatewayKernel(jupyter_kernel_test.KernelTests):
    kernel_name, language_name, file_extension = "python3", "python", ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise"
    code_execute_result = [{"code": "1+2+3", "result": "6"}]
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>a</b>'))", "mime": "text/html"}
    ]
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"

    @classmethod
    def setUpClass(cls) -> None:
        cls.kernel = JupyterKernelClient(server_url=os.environ["GATEWAY_URL"], token=os.environ["GATEWAY_TOKEN"])
        cls.kernel.start()
        cls.kc, cls.km = cls.kernel._manager.client, None

    @classmethod
    def tearDownClass(cls) -> None:
        cls.kc.timeout = 1  # its two threads race for the end of the connection: the one that lost waits for this long
        cls.kernel.stop()


said = io.StringIO()
result = unittest.TextTestRunner(said, verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(GatewayKernel))
passed = result.testsRun - len(result.failures) - len(result.errors) - len(result.skipped)
print(said.getvalue())
print(json.dumps({"passed": passed, "failed": [str(test) for test, _ in result.failures + result.errors]}), flush=True)
os._exit(0)  # and that thread would be waited for
