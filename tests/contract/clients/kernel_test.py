"""Run jupyter_kernel_test on the kernelspec named in the first argument; prints what ran, failed and was left out.

The kernel is started by jupyter_client through our provisioner, without any gateway.
"""

from __future__ import annotations

import json
import sys
import unittest

import jupyter_kernel_test
from kernel_test_samples import JavaScriptSamples, PythonSamples


class PythonTests(PythonSamples, jupyter_kernel_test.KernelTests):
    """What a Python kernel does."""


class JavaScriptTests(JavaScriptSamples, jupyter_kernel_test.KernelTests):
    """What a JavaScript kernel does."""


def run(kernel_name: str, case: type[jupyter_kernel_test.KernelTests]) -> dict[str, object]:
    """What came of *case*."""
    case.kernel_name = kernel_name
    result = unittest.TextTestRunner(sys.stderr, verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(case))
    bad = [str(test) for test, _text in [*result.failures, *result.errors]]
    return {
        "ran": result.testsRun,
        "bad": bad,
        "skipped": sorted({str(test).split()[0] for test, _reason in result.skipped}),
    }


print(json.dumps(run(sys.argv[1], JavaScriptTests if sys.argv[1].endswith("javascript") else PythonTests)))
