"""jupyter-kernel-client: runs code, sees outputs and errors, restarts. Says what it got as JSON."""

import json
import os

from jupyter_kernel_client import JupyterKernelClient

with JupyterKernelClient(server_url=os.environ["GATEWAY_URL"], token=os.environ["GATEWAY_TOKEN"]) as kernel:
    ran = kernel.execute("import matplotlib.pyplot as plt\nplt.plot([1, 2]); print('hello')\n6 * 7")
    failed = kernel.execute("1 / 0")
    kernel.execute("x = 1")
    kernel.restart()
    after = kernel.execute("x")
    # Its two threads race for the end of the connection: the one that lost waits for this long.
    kernel._manager.client.timeout = 1

print(
    json.dumps(
        {
            "status": [ran["status"], failed["status"], after["status"]],
            "types": sorted(output["output_type"] for output in ran["outputs"]),
            "errors": [failed["outputs"][-1]["ename"], after["outputs"][-1]["ename"]],
        }
    ),
    flush=True,
)
os._exit(0)  # and that thread would be waited for
