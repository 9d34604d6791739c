"""Values with several forms: what a form that can't be made does to the others and to the run."""

from __future__ import annotations

import pytest

from tests.kernels.python.harness import TestKernel

pytestmark = pytest.mark.kernel
FORMS = """
class Broken:
    def __repr__(self): return "whole"
    def _repr_{}_(self, **_options): raise ValueError("no such form")
"""
ALL = ("html", "markdown", "svg", "png", "pdf", "jpeg", "latex", "json", "javascript", "mimebundle")


@pytest.mark.parametrize("form", ALL)
@pytest.mark.parametrize("code", ["Broken()", "display(Broken())"], ids=["result", "display"])
def test_a_form_that_raises_is_told_on_stderr_and_the_run_goes_on(shared: TestKernel, form: str, code: str) -> None:
    """As IPython does it: the error is the form's, and the value still has its text."""
    reply = shared.run(f"{FORMS.format(form)}\n{code}\n")
    assert (reply.status, reply.text("stdout")) == ("ok", "")
    lines = reply.text("stderr").splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith(f", in _repr_{form}_")
    assert lines[-1] == "ValueError: no such form"
    assert not [line for line in lines if "IPython" in line or "kernels" in line]
    (shown,) = reply.of("execute_result") + reply.of("display_data")
    assert {"text/plain": "whole"}.items() <= shown["data"].items()


def test_a_broken_form_is_no_failure_of_code_that_goes_on(shared: TestKernel) -> None:
    """Nor does it hide the failure that ends the run."""
    reply = shared.run(f"{FORMS.format('html')}\ndisplay(Broken())\nprint('on')\n1 / 0")
    assert (reply.content["ename"], reply.text("stdout")) == ("ZeroDivisionError", "on\n")
    assert reply.text("stderr").count("ValueError: no such form") == 1


def test_a_form_that_is_not_implemented_is_silent(shared: TestKernel) -> None:
    """That is how a class says that it has none."""
    code = FORMS.format("html").replace('ValueError("no such form")', "NotImplementedError")
    assert shared.run(f"{code}\nBroken()").text() == ""


def test_an_error_of_a_form_is_bounded(shared: TestKernel) -> None:
    """However much it says."""
    code = FORMS.format("html").replace('"no such form"', '"x" * 10**7')
    reply = shared.run(f"{code}\nBroken()")
    assert (reply.status, len(reply.text("stderr")) < 2**19) == ("ok", True)


def test_what_is_no_bundle_is_refused_as_by_ipython(shared: TestKernel) -> None:
    """With the same words."""
    reply = shared.run("display('text', raw=True)")
    assert (reply.content["ename"], reply.content["evalue"][:19]) == ("TypeError", "data must be a dict")


@pytest.mark.parametrize(
    ("bundle", "kept"),
    [
        ({"application/vnd.x+json": {"a": [1]}}, {"application/vnd.x+json": {"a": [1]}}),
        ({"e2b/data": {"a": 1}, "text/plain": "t"}, {"e2b/data": {"a": 1}, "text/plain": "t"}),
        ({"x/y": "z"}, {"x/y": "z"}),
    ],
)
def test_types_nobody_knows_are_sent_as_they_are(shared: TestKernel, bundle: object, kept: object) -> None:
    """Whether a client can show them is the client's to know."""
    (shown,) = shared.run(f"display({bundle!r}, raw=True)").of("display_data")
    assert shown["data"] == kept
