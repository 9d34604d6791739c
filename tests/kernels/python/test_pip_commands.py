"""Commands of package managers: what is there is said to be there, anything else is an error that says what to do."""

from __future__ import annotations

import pytest

from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel


@pytest.mark.parametrize(
    "command",
    [
        "!pip install nosuch",
        "!pip3 install -q --upgrade numpy 'nosuch>1' 2>/dev/null",
        "!python -m pip install --no-index nosuch",
        "!pip install --index-url https://example.org/simple nosuch > log 2>&1",
        "%pip install nosuch",
        "%conda install -y nosuch",
        "%uv pip install nosuch",
        "import subprocess, sys\nsubprocess.check_call([sys.executable, '-m', 'pip', 'install', 'nosuch>1'])",
        "import subprocess\nsubprocess.run('pip install -q nosuch', shell=True, check=True)",
    ],
)
def test_a_package_that_is_not_there_is_an_error_with_what_to_do(shared: TestKernel, command: str) -> None:
    """It must not look like a success: the import that follows would fail in another place."""
    reply = shared.run(command)
    assert reply.status == "error"
    assert reply.content["hint"] == (
        "'nosuch' is not installed, and code can't install it: use what `!pip list` shows, "
        "or ask the operator to add nosuch to OMEGA_EXTRA_PACKAGES"
    )
    assert reply.content["hint"] in reply.traceback


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("!pip install ./x.whl", "code can't install packages"),
        ("!pip install -r requirements.txt", "code can't install packages"),
        ("!pip install git+https://example.org/x", "code can't install packages"),
        ("!pip install 'numpy<1'", "numpy 2"),
        ("!pip install 'unclosed", "code can't install packages"),
        ("%conda list", "kernels have no conda: `%pip list` shows what is installed"),
    ],
)
def test_what_can_never_be_there_says_why(shared: TestKernel, command: str, said: str) -> None:
    """Files, addresses, other versions, other package managers."""
    reply = shared.run(command)
    assert (reply.content["ename"], reply.content["hint"][: len(said)]) == ("UsageError", said)


@pytest.mark.parametrize("command", ["!pip install -U numpy 'pandas>2' sklearn", "%pip install numpy pandas>2 scikit-learn"])
def test_what_is_there_needs_no_installation(shared: TestKernel, command: str) -> None:
    """Programs begin with such lines; they go on."""
    reply = shared.run(f"{command}\n_exit_code")
    assert [line.split(" (")[0] for line in reply.text("stdout").splitlines()] == [
        "Requirement already satisfied: numpy",
        "Requirement already satisfied: pandas>2",
        f"Requirement already satisfied: {command.split()[-1]}",
    ]
    assert reply.result["text/plain"] == "0"


def test_a_package_that_the_operator_allows_can_be_asked_for(shared: TestKernel) -> None:
    """The hint says how; names are compared as indexes do, and a version that the operator chose is no part of them."""
    shared.run("import os; os.environ['OMEGA_EXTRA_PACKAGES'] = 'six,Py_YAML==6.0.2,pyyaml==6.0.2'")
    for code in ("import yaml", "!pip install pyyaml"):
        hint = shared.run(code).content["hint"]
        assert hint.partition(" is")[2] == (
            ' not installed yet: POST /code-interpreter/install with {"package": "pyyaml"} adds it to new kernels'
        )
    shared.run("del os.environ['OMEGA_EXTRA_PACKAGES']")
    assert "can't install" in shared.run("import yaml").content["hint"]


def test_pip_lists_what_the_kernel_has(shared: TestKernel) -> None:
    """In every form; other commands of a line with pip are the shell's."""
    for command in ("%pip list", "!pip list", "!python -m pip list --format=freeze"):
        listed = shared.run(command).text("stdout").replace("==", " ").split()
        assert {"numpy", "openpyxl", "ipykernel"} <= set(listed), command
    assert "not available" not in shared.run("!pip --version; echo pip install; false").text()
