"""How deep and how large JSON may be, by its author. Each number fits into that of the next place the value goes to. Pure.

=============================  ======  ==========  =============================================================
JSON of                        depth   values      why
=============================  ======  ==========  =============================================================
a value that a kernel shows    40                  fits into a kernel's message with what is around it
a request, a stream message    32      2,000,000   the API's own fields are a few levels deep; a table of 100,000
                                                   rows and ten columns has half as many values
results of a client's tools    67      2,000,000   any input that code sent can be sent back, in the fields of the API
an uploaded notebook           64      2,000,000   its outputs are messages that some kernel sent
a kernel's message             64      200,000     charts of JavaScript libraries are nested deep
a relayed Jupyter message      1,024   500,000     passed on byte for byte: the depth is that of the reader, orjson
an answer                      100                 more than any of the above with an answer around it, so that
                                                   nothing accepted is cut on its way out
=============================  ======  ==========  =============================================================

*Values* are lists, objects and commas between values: what a reader makes objects of, see `strict_json.counting`.
"""

from __future__ import annotations

from typing import Final

REQUEST_DEPTH: Final = 32
NOTEBOOK_DEPTH: Final = 64
KERNEL_DEPTH: Final = 64
RESULTS_DEPTH: Final = KERNEL_DEPTH + 3
ANSWER_DEPTH: Final = 100

REQUEST_VALUES: Final = 2_000_000
RELAYED_VALUES: Final = 500_000
KERNEL_VALUES: Final = 200_000
"""The gateway serves nobody else while it makes the values of a message, and they take more memory than they have bytes:
`[[],[],` some fifty times as much."""
