"""The JavaScript client in a page: Debian's Chromium loads it from one origin, and the gateway is another one.

Arguments: the folder of the client, and the port of the page. Prints what the page found.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import chromium
from selenium.webdriver.support.ui import WebDriverWait

WAIT_S = 120
PAGE = """<!doctype html><title>page</title><script type="module">
import { configure, omega, dataUrlOf, toolRegistry } from "./omega.mjs";
configure(%s);
const found = {};
try {
  found.output = (await omega.run("print(6 * 7)")).output;
  found.javascript = (await omega.javascript("return [1]")).returnValue;
  found.events = [];
  for await (const event of omega.stream("print('on', flush=True)\\nwhile True: pass")) {
    found.events.push(event.type);
    if (event.type === "stdout") break;
  }
  await omega.withSession(async session => {
    await session.writeFile("in.bin", new Blob([Uint8Array.of(0, 255)]));
    await session.execute("data = open('in.bin', 'rb').read()");
    found.variables = (await session.variables()).map(({ name }) => name);
    found.bytes = [...await session.readFile("in.bin")];
  });
  const image = new Image();
  image.src = dataUrlOf((await omega.chart("plt.plot([1, 4, 9])")).chart);
  await image.decode();
  found.picture = image.naturalWidth > 100;
  found.tools = (await toolRegistry.getToolDefinitions(["code_execute_python"])).length;
  found.wrong = await omega.run("").catch(error => [error.name, error.status, error.code]);
  configure({ token: "wrong" });
  found.refused = await omega.run("1").catch(error => error.name);
} catch (error) {
  found.error = String(error.stack);
}
document.title = JSON.stringify(found);
</script>"""


class Page(SimpleHTTPRequestHandler):
    """Serves the client and one page."""

    page = ""

    def do_GET(self) -> None:
        """The page, or a file of the client."""
        if self.path != "/":
            super().do_GET()
            return
        body = self.page.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name in the library
        """Say nothing: what is printed is the result."""


def main(folder: str, port: str) -> None:
    """Load the page and print what it found."""
    Page.extensions_map = {**Page.extensions_map, ".mjs": "text/javascript"}
    Page.page = PAGE % json.dumps({"url": os.environ["GATEWAY_URL"], "token": os.environ["GATEWAY_TOKEN"]})
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), functools.partial(Page, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as place, chromium.browser(Path(place)) as driver:
        driver.get(f"http://127.0.0.1:{port}/")
        WebDriverWait(driver, WAIT_S).until(lambda _: driver.title.startswith("{"))
        print(driver.title)
    server.shutdown()


main(*sys.argv[1:])
