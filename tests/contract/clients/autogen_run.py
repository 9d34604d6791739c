"""AutoGen's DockerJupyterCodeExecutor: text, a picture saved to a file, an error, a restart."""

import asyncio
import json
import os
import tempfile
from pathlib import Path

from autogen_core import CancellationToken
from autogen_core.code_executor import CodeBlock
from autogen_ext.code_executors.docker_jupyter._docker_jupyter import DockerJupyterCodeExecutor, DockerJupyterCodeResult
from autogen_ext.code_executors.docker_jupyter._jupyter_server import JupyterConnectionInfo

WHERE = JupyterConnectionInfo(
    host=os.environ["GATEWAY_HOST"],
    use_https=False,
    port=int(os.environ["GATEWAY_PORT"]),
    token=os.environ["GATEWAY_TOKEN"],
)


def first_bytes(path: str | Path) -> str:
    return Path(path).read_bytes()[:4].hex()


async def main(folder: str) -> dict[str, object]:
    async with DockerJupyterCodeExecutor(WHERE, output_dir=folder) as executor:

        async def run(code: str) -> DockerJupyterCodeResult:
            return await executor.execute_code_blocks([CodeBlock(code=code, language="python")], CancellationToken())

        text = await run("x = 5\nprint('hello')")
        picture = await run("import matplotlib.pyplot as plt\nplt.plot([1, 2]);")
        failed = await run("1 / 0")
        await executor.restart()
        fresh = await run("x")
    return {
        "codes": [text.exit_code, picture.exit_code, failed.exit_code, fresh.exit_code],
        "text": text.output,
        "pictures": [first_bytes(path) for path in picture.output_files],
        "errors": ["ZeroDivisionError" in failed.output, "NameError" in fresh.output],
    }


with tempfile.TemporaryDirectory() as folder:
    said = asyncio.run(main(folder))
print(json.dumps(said))
