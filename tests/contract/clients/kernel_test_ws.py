"""jupyter_kernel_test on a kernel behind the gateway, with jupyter-kernel-client between them."""

import io
import json
import os
import unittest

import jupyter_kernel_test
from jupyter_kernel_client import JupyterKernelClient
from kernel_test_samples import PythonSamples


class GatewayKernel(PythonSamples, jupyter_kernel_test.KernelTests):
    kernel_name = "python3"
    supported_history_operations = ()

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
print(said.getvalue())
told = {
    "ran": result.testsRun,
    "bad": [str(test) for test, _text in [*result.failures, *result.errors]],
    "skipped": sorted({str(test).split()[0] for test, _reason in result.skipped}),
}
print(json.dumps(told), flush=True)
os._exit(0)  # and that thread would be waited for
