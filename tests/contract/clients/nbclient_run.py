"""nbclient and papermill through jupyter_server's GatewayKernelManager: a notebook, and one that kills its kernel."""

import json
import os
import tempfile

import nbformat
import papermill
from jupyter_server.gateway.managers import GatewayClient, GatewayKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

# Its WebSockets are opened without headers, so the token is in the address; and ws_url, unless given, is url in lower case.
client = GatewayClient.instance()
client.url = f"{os.environ['GATEWAY_URL']}/t/{os.environ['GATEWAY_TOKEN']}"
client.ws_url = client.url.replace("http", "ws", 1)


def notebook(*cells: str) -> nbformat.NotebookNode:
    made: nbformat.NotebookNode = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    made.metadata.kernelspec = {"name": "python3", "display_name": "Python"}
    return made


def run(made: nbformat.NotebookNode) -> None:
    NotebookClient(made, kernel_manager_class=GatewayKernelManager, timeout=30).execute()


book = notebook(
    "a = 1",
    "for i in range(3): print(i)",
    "import matplotlib.pyplot as plt\nplt.plot([1, 2]);",
    "from IPython.display import display\nh = display('x', display_id=True)\nh.update('y')",
    "a + 1",
)
run(book)
try:
    run(notebook("import os; os._exit(1)"))
    death = ""
except CellExecutionError as error:
    death = error.ename
with tempfile.TemporaryDirectory() as folder:
    source, target = f"{folder}/in.ipynb", f"{folder}/out.ipynb"
    nbformat.write(notebook("print(6 * 7)"), source)
    papermill.execute_notebook(source, target, kernel_manager_class=GatewayKernelManager, progress_bar=False)
    printed = nbformat.read(target, 4).cells[-1].outputs[0].text
print(
    json.dumps(
        {
            "types": [[output.output_type for output in cell.outputs] for cell in book.cells],
            "printed": book.cells[1].outputs[0].text,
            "png": "image/png" in book.cells[2].outputs[0].data,
            "updated": book.cells[3].outputs[0].data["text/plain"],
            "death": death,
            "papermill": printed,
        }
    )
)
