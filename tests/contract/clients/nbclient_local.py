"""Execute a notebook on the kernelspec named in the first argument by nbclient; prints each cell's outputs."""

from __future__ import annotations

import json
import sys

import nbformat
from nbclient import NotebookClient

cells = [
    "import pandas as pd\nframe = pd.DataFrame({'a': [1, 2, 3]})",
    "frame.describe()",
    "import matplotlib.pyplot as plt\nframe.plot()\nplt.show()",
    "print(frame.a.sum())",
]
notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code) for code in cells])
NotebookClient(notebook, timeout=60, kernel_name=sys.argv[1]).execute()
nbformat.validate(notebook)
print(
    json.dumps(
        [
            [(output.output_type, sorted(output.get("data", {})), output.get("text", "")) for output in cell.outputs]
            for cell in notebook.cells
        ]
    )
)
