"""Every private name of a library that we use: which, where, why, and what breaks without it.

Whoever moves to a new version of one of these libraries reads its rows first. A new use fails in test_borrowed.py until it
has a row here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Borrowed:
    """One private *name* of *library*, used in *path*; *home* is where it is found ("" where only instances have it)."""

    library: str
    name: str
    path: str
    why: str
    home: str = ""


TABLE = (
    Borrowed(
        "tornado",
        "_connections",
        "gateway/shutdown.py",
        "The only list of open connections: without it the gateway can't wait for its last answers at the end.",
    ),
    Borrowed(
        "tornado",
        "_finished",
        "gateway/web/edge/endpoint.py",
        "Whether an answer has begun to end: without it a late body would be answered twice.",
    ),
    Borrowed(
        "tornado", "_finished", "gateway/web/edge/streamed_body.py", "The same, for bodies that are taken piece by piece."
    ),
    Borrowed(
        "ipywidgets",
        "_instances",
        "kernels/python/shown/widgets.py",
        "Finds a widget that was shown by the id of its model: without it a progress bar keeps the text it had at 0 %.",
    ),
    Borrowed(
        "ipywidgets", "_repr_mimebundle_", "kernels/python/shown/widgets.py", "Gives the text of a widget as it is now."
    ),
    Borrowed(
        "tornado",
        "_headers",
        "gateway/web/edge/streamed_body.py",
        "Reads back the Content-Length of a download: without it a file that shrinks meanwhile would not be noticed.",
    ),
    Borrowed(
        "tornado",
        "_WebSocketParams",
        "gateway/web/edge/websocket.py",
        "Needed to make our own frames: without it the limits of fragments, pings and masks are gone.",
        "tornado.websocket:_WebSocketParams",
    ),
    Borrowed(
        "tornado",
        "_receive_frame",
        "gateway/web/edge/websocket_frames.py",
        "One frame is read here: without it neither masks nor the number of fragments can be checked.",
        "tornado.websocket:WebSocketProtocol13._receive_frame",
    ),
    Borrowed(
        "tornado",
        "_handle_message",
        "gateway/web/edge/websocket_frames.py",
        "One message is taken here: without it pings have no limit, and close codes and UTF-8 are not checked.",
        "tornado.websocket:WebSocketProtocol13._handle_message",
    ),
    Borrowed(
        "tornado",
        "_abort",
        "gateway/web/edge/websocket_frames.py",
        "Tornado drops a client that breaks the protocol without a word: ours says why before.",
        "tornado.websocket:WebSocketProtocol13._abort",
    ),
    Borrowed(
        "tornado",
        "_fragmented_message_buffer",
        "gateway/web/edge/websocket_frames.py",
        "Tells whether a message is still incomplete: without it fragments can't be counted.",
    ),
    Borrowed(
        "tornado",
        "_frame_mask",
        "gateway/web/edge/websocket_frames.py",
        "Tells whether a frame was masked, as each one of a client has to be (RFC 6455 section 5.1).",
    ),
    Borrowed(
        "tornado",
        "_total_write_index",
        "gateway/web/jupyter/channels.py",
        "Bytes given to the stream: without it a client that comes back could miss messages or get them twice.",
    ),
    Borrowed(
        "tornado",
        "_total_write_done_index",
        "gateway/web/jupyter/channels.py",
        "Bytes given to Linux: without it a client that comes back could miss messages or get them twice.",
    ),
    Borrowed(
        "SQLAlchemy",
        "_mapping",
        "gateway/service/history/store.py",
        "A documented name in spite of its form: a row by its columns' names.",
        "sqlalchemy.engine:Row._mapping",
    ),
    Borrowed(
        "SQLAlchemy",
        "_mapping",
        "gateway/service/keys/store.py",
        "A documented name in spite of its form: a row by its columns' names.",
        "sqlalchemy.engine:Row._mapping",
    ),
    Borrowed(
        "python",
        "_SubParsersAction",
        "gateway/cli.py",
        "What add_subparsers() gives has no public name: used for types alone.",
        "argparse:_SubParsersAction",
    ),
    Borrowed(
        "python",
        "_SubParsersAction",
        "gateway/commands.py",
        "What add_subparsers() gives has no public name: used for types alone.",
        "argparse:_SubParsersAction",
    ),
    Borrowed(
        "pandas",
        "_get_column_array",
        "kernels/python/tables/storage.py",
        "One column as it is stored: all public ways to it copy attrs, which runs code of the caller.",
        "pandas:DataFrame._get_column_array",
    ),
    Borrowed(
        "python",
        "_getframe",
        "kernels/python/shown/glyphs.py",
        "The line of the caller that drew a figure: without it warnings of missing glyphs name none.",
        "sys:_getframe",
    ),
    Borrowed(
        "seaborn",
        "_has_statsmodels",
        "kernels/python/warmup/on_demand.py",
        "seaborn finds out while it is imported: without it robust and lowess fits say that statsmodels is missing.",
        "seaborn.regression:_has_statsmodels",
    ),
    Borrowed(
        "python",
        "_getframe",
        "kernels/python/shown/exception_chains.py",
        "The frame of the caller without the cost of the whole stack: without it long chains of exceptions are slow.",
        "sys:_getframe",
    ),
    Borrowed(
        "python",
        "_run_exitfuncs",
        "kernels/serving/child.py",
        "A forked child ends by os._exit: without it the atexit handlers of a session's code would not run.",
        "atexit:_run_exitfuncs",
    ),
    Borrowed(
        "python",
        "_clear",
        "kernels/serving/child.py",
        "Takes away the zygote's own atexit handlers: without it they would run in every kernel.",
        "atexit:_clear",
    ),
    Borrowed(
        "python",
        "_leave_task",
        "kernels/python/event_loops.py",
        "Hides the kernel's task: without it asyncio.run in a cell fails.",
        "asyncio.tasks:_leave_task",
    ),
    Borrowed(
        "python",
        "_enter_task",
        "kernels/python/event_loops.py",
        "Puts the kernel's task back after the code.",
        "asyncio.tasks:_enter_task",
    ),
    Borrowed(
        "python",
        "_set_running_loop",
        "kernels/python/event_loops.py",
        "Hides the kernel's event loop, and puts it back: without it asyncio.run in a cell fails.",
        "asyncio:_set_running_loop",
    ),
    Borrowed(
        "python",
        "_name_sequence",
        "kernels/serving/identity.py",
        "Names of temporary files: without a new start kernels of one zygote would draw the same ones.",
        "tempfile:_name_sequence",
    ),
    Borrowed(
        "python",
        "_node",
        "kernels/serving/identity.py",
        "The node of uuid1: without a new start kernels of one zygote would share it.",
        "uuid:_node",
    ),
    Borrowed(
        "python",
        "_last_timestamp",
        "kernels/serving/identity.py",
        "The time of the last uuid1, which a new kernel has not drawn.",
        "uuid:_last_timestamp",
    ),
    Borrowed(
        "python",
        "_Pointer",
        "kernels/sandbox/sysc.py",
        "The type of a ctypes pointer has no public name: used for types alone.",
        "ctypes:_Pointer",
    ),
    Borrowed(
        "python",
        "_WorkItem",
        "kernels/serving/attribution.py",
        "Work of an executor: without it what a worker prints would be output of the run that started the worker.",
        "concurrent.futures.thread:_WorkItem",
    ),
    Borrowed(
        "ipykernel",
        "_topic",
        "kernels/node/kernel.py",
        "How ipykernel names the topic of a message: subscribers filter by it.",
        "ipykernel.kernelbase:Kernel._topic",
    ),
    Borrowed(
        "ipykernel",
        "_topic",
        "kernels/python/kernel.py",
        "How ipykernel names the topic of a message: subscribers filter by it.",
        "ipykernel.kernelbase:Kernel._topic",
    ),
    Borrowed(
        "ipykernel",
        "_topic",
        "kernels/python/identity.py",
        "The display hook keeps the topic of the kernel at rest: without it results carry another kernel's name.",
        "ipykernel.kernelbase:Kernel._topic",
    ),
    Borrowed(
        "ipykernel",
        "_topic",
        "kernels/serving/served.py",
        "How ipykernel names the topic of a message: subscribers filter by it.",
        "ipykernel.kernelbase:Kernel._topic",
    ),
    Borrowed(
        "ipykernel",
        "_forward_input",
        "kernels/python/kernel.py",
        "Puts ipykernel's input() in place for one run: without it input() waits for a client that is not there.",
        "ipykernel.ipkernel:IPythonKernel._forward_input",
    ),
    Borrowed(
        "ipykernel",
        "_restore_input",
        "kernels/python/kernel.py",
        "Takes ipykernel's input() away after the run.",
        "ipykernel.ipkernel:IPythonKernel._restore_input",
    ),
    Borrowed(
        "ipykernel",
        "_cancel_on_sigint",
        "kernels/python/kernel.py",
        "ipykernel's own would replace our handler of SIGINT: without it an interrupt of awaiting code is lost.",
        "ipykernel.ipkernel:IPythonKernel._cancel_on_sigint",
    ),
    Borrowed(
        "ipykernel",
        "_input_request",
        "kernels/python/kernel.py",
        "ipykernel's own lets threads take one another's answers to input(), and send on one socket at a time.",
        "ipykernel.kernelbase:Kernel._input_request",
    ),
    Borrowed(
        "ipykernel",
        "_execute_sleep",
        "kernels/python/kernel.py",
        "A pause after each failed run: without setting it to 0 such a run takes half a millisecond longer.",
        "ipykernel.kernelbase:Kernel._execute_sleep",
    ),
    Borrowed(
        "ipykernel",
        "_aborting",
        "kernels/python/warmup/rehearsal.py",
        "Set by the rehearsal's failing run: without taking it back the first request would be aborted.",
        "ipykernel.kernelbase:Kernel._aborting",
    ),
    Borrowed(
        "ipython",
        "_filename_map",
        "kernels/python/shell.py",
        "Source names of earlier cells: without emptying it tracebacks could show the rehearsal's code.",
        "IPython.core.compilerop:CachingCompiler",
    ),
    Borrowed(
        "ipython",
        "_ip",
        "kernels/python/shell.py",
        "The shell that exit() belongs to: without it exit() would end the kernel and not the run.",
        "IPython.core.autocall:IPyAutocall._ip",
    ),
    Borrowed(
        "ipython",
        "_pseudo_sync_runner",
        "kernels/python/tasks/run.py",
        "Runs plain code without an event loop: without it asyncio.run in a cell fails.",
        "IPython.core.async_helpers:_pseudo_sync_runner",
    ),
    Borrowed(
        "matplotlib",
        "_text_helpers",
        "kernels/python/shown/fonts.py",
        "Imported before the fork, as each text needs it.",
        "matplotlib._text_helpers:layout",
    ),
    Borrowed(
        "matplotlib",
        "_find_fonts_by_props",
        "kernels/python/shown/fonts.py",
        "Appends fonts with glyphs of other scripts: without it such text is drawn as boxes.",
        "matplotlib.font_manager:FontManager._find_fonts_by_props",
    ),
    Borrowed(
        "matplotlib",
        "_get_font",
        "kernels/python/shown/fonts.py",
        "Keeps font files open over the fork: without it each kernel opens them anew. It falls back to that by itself.",
        "matplotlib.font_manager:_get_font",
    ),
    Borrowed(
        "matplotlib",
        "_find_fonts_by_props",
        "kernels/python/shown/renderer.py",
        "Looks up a font for its heights, by the way of matplotlib's own texts.",
        "matplotlib.font_manager:FontManager._find_fonts_by_props",
    ),
    Borrowed(
        "matplotlib",
        "_get_font_height_metrics",
        "kernels/python/shown/renderer.py",
        "matplotlib asks a renderer that has it for the heights of a font: without it a chart takes a fifth more time.",
        "matplotlib.backends._backend_pdf_ps:RendererPDFPSBase._get_font_height_metrics",
    ),
    Borrowed(
        "matplotlib",
        "_update_ticks",
        "kernels/python/shown/extent.py",
        "The ticks of an axis, asked for once for the box of a figure: without it that takes twice the time.",
        "matplotlib.axis:Axis._update_ticks",
    ),
    Borrowed(
        "matplotlib",
        "_get_ticklabel_bboxes",
        "kernels/python/shown/extent.py",
        "The same for the boxes of their labels.",
        "matplotlib.axis:Axis._get_ticklabel_bboxes",
    ),
    Borrowed(
        "matplotlib",
        "_mapping",
        "kernels/python/shown/chart_data/axis.py",
        "The names of an axis of categories: without it chart data has their numbers.",
    ),
    Borrowed(
        "matplotlib",
        "_locs",
        "kernels/python/shown/chart_data/axis.py",
        "How many ticks were drawn: without it each locator is asked again, which takes ten milliseconds for dates.",
        "matplotlib.ticker:Formatter._locs",
    ),
    Borrowed(
        "pandas",
        "_repr_html_",
        "kernels/python/warmup/exercise.py",
        "IPython's documented protocol in spite of its form.",
        "pandas:DataFrame._repr_html_",
    ),
)
NODE_INTERNALS = {
    "internal/test/binding": "The watchdog of SIGINT: the public way lets an interrupt at a boundary end the process.",
    "internal/deps/acorn/acorn/dist/acorn": "Node's own parser: cells of a session need one, and no package is installed.",
}
DOCUMENTED = {"_", "_exit", "_replace", "_asdict", "_fields"}
