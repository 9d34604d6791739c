"""What jupyter_kernel_test gives a kernel to do, and what is to come of it, by language."""

# ruff: noqa: RUF012 - the way jupyter_kernel_test is configured
from __future__ import annotations


class PythonSamples:
    """What a Python kernel does."""

    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise"
    code_execute_result = [
        {"code": "1+2+3", "result": "6"},
        {"code": "[n*n for n in range(1, 4)]", "result": "[1, 4, 9]"},
    ]
    code_history_pattern = "1?2*"
    supported_history_operations: tuple[str, ...] = ("tail", "range", "search")
    code_display_data = [
        {"code": "from IPython.display import HTML, display; display(HTML('<b>test</b>'))", "mime": "text/html"},
        {"code": "import matplotlib.pyplot as plt; plt.plot([1, 2]); plt.show()", "mime": "image/png"},
        {"code": "from IPython.display import Math, display; display(Math('\\\\frac{1}{2}'))", "mime": "text/latex"},
    ]
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class JavaScriptSamples:
    """What a JavaScript kernel does."""

    language_name = "javascript"
    file_extension = ".js"
    code_hello_world = "console.log('hello, world')"
    code_stderr = "console.error('test')"
    completion_samples = [{"text": "Math.hyp", "matches": {"hypot"}}]
    complete_code_samples = ["1", "console.log('hello, world')", "function f(x) {\n  return x*2;\n}"]
    incomplete_code_samples = ["function f(x) {", "console.log(`hello"]
    invalid_code_samples = ["let = 7q"]
    code_generate_error = "throw new Error('no')"
    code_execute_result = [{"code": "1+2+3", "result": "6"}, {"code": "'a' + 'b'", "result": "'ab'"}]
    code_display_data = [{"code": "display({'text/html': '<b>test</b>'})", "mime": "text/html"}]
    code_inspect_sample = "Math.hypot"
