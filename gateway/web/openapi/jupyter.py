"""The schemas of the Jupyter API in the API description: answers and bodies."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.web.jupyter.bodies import MAX_CHARS
from gateway.web.openapi.schemas import (
    ANY,
    FLAG,
    MOMENT,
    TEXT,
    WHOLE,
    Schema,
    array,
    described,
    mapping,
    one_of,
    ref,
    struct,
)

ASKED_TEXT: Schema = {"type": ["string", "null"], "maxLength": MAX_CHARS}
ENV: Schema = {
    "type": ["object", "null"],
    "description": "values that are not strings, and names that are not allowed, are ignored",
}
PERSON = dict.fromkeys(("username", "name", "display_name", "initials"), TEXT)
NOTHING: Schema = {"type": "null"}
NOTEBOOK_NAMES = {"path": TEXT, "name": TEXT}

JUPYTER_ANSWERS: dict[str, Schema] = {
    "ApiVersion": struct({"version": TEXT}),
    "ApiStatus": struct({"started": MOMENT, "last_activity": MOMENT, "kernels": WHOLE, "connections": WHOLE}),
    "Identity": struct(
        {"identity": struct({**PERSON, "avatar_url": NOTHING, "color": NOTHING}), "permissions": ANY},
    ),
    "KernelSpec": struct(
        {
            "name": TEXT,
            "spec": struct(
                {
                    "argv": array(TEXT),
                    "env": ANY,
                    "display_name": TEXT,
                    "language": TEXT,
                    "interrupt_mode": TEXT,
                    "metadata": struct({"debugger": FLAG}),
                }
            ),
            "resources": mapping(TEXT),
        }
    ),
    "KernelSpecs": struct({"default": TEXT, "kernelspecs": mapping(ref("KernelSpec"))}),
    "Kernel": struct(
        {
            "id": {"type": "string", "format": "uuid"},
            "name": TEXT,
            "last_activity": MOMENT,
            "execution_state": TEXT,
            "connections": WHOLE,
        }
    ),
    "KernelList": array(ref("Kernel")),
    "JupyterSession": struct(
        {
            "id": TEXT,
            **NOTEBOOK_NAMES,
            "type": TEXT,
            "kernel": ref("Kernel"),
            "notebook": struct(NOTEBOOK_NAMES),
        }
    ),
    "JupyterSessionList": array(ref("JupyterSession")),
    "Swagger": described(ANY, "a Swagger 2.0 document"),
}


def wanted(kernel_names: Sequence[str]) -> dict[str, Schema]:
    """The bodies, for a gateway with kernels of *kernel_names*. Other fields are ignored."""
    name = one_of([*kernel_names, "", None])
    kernel_id: Schema = {"anyOf": [{"type": "string", "format": "uuid"}, one_of(["", None])]}
    notebook: dict[str, Schema] = {"path": ASKED_TEXT, "name": ASKED_TEXT}
    kernel: Schema = {"anyOf": [struct({}, {"id": ASKED_TEXT, "name": name, "env": ENV}), NOTHING]}
    return {
        "NewKernel": struct({}, {"name": name, "kernel_id": kernel_id, "env": ENV}),
        "JupyterSessionWanted": struct(
            {},
            {
                **notebook,
                "type": ASKED_TEXT,
                "kernel": described(kernel, "an existing kernel, or the name of the kernel to start"),
            },
        ),
    }
