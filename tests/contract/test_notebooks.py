"""The tutorials executed by nbclient, as nbconvert and papermill do it: through the Jupyter API, by Jupyter's own client."""

from __future__ import annotations

import pytest

from tests.contract.conftest import RunClient
from tests.notebooks.tutorials import TUTORIALS, read, stable

pytestmark = pytest.mark.kernel


def test_nbclient_gives_the_outputs_the_tutorials_show(run_client: RunClient) -> None:
    """The same as the gateway's own execution: texts, tables, pictures; of errors their names and messages."""
    executed = run_client("tutorials_run", *(str(path) for path in TUTORIALS), timeout_s=240)
    for path, notebook in zip(TUTORIALS, executed, strict=True):
        assert list(stable(notebook, has_tracebacks=False)) == list(stable(read(path), has_tracebacks=False)), path.stem
