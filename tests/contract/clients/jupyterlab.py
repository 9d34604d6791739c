"""JupyterLab on the gateway, used in a real browser: open a notebook, run all its cells, look at what came.

Arguments: the notebook, and where to put a picture of the page ("" for none). Prints what stands in the page.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests
from chromium import browser
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WAIT_S = 60
OUTPUT_IMAGE = ".jp-OutputArea-output img"
SHOW_A_CHART = f"""
document.activeElement.blur();
const charts = document.querySelectorAll({OUTPUT_IMAGE!r});
(charts[1] || charts[0] || document.body).scrollIntoView({{block: "center"}});
"""
SETTINGS = (
    # Nothing of the machine's own and no question to the network: the page alone.
    ("@jupyterlab/apputils-extension", "notification", {"fetchNews": "false", "checkForUpdates": False}),
)


@contextmanager
def lab(folder: Path, home: Path) -> Iterator[str]:
    """The address of a JupyterLab whose kernels are the gateway's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    for plugin, name, values in SETTINGS:
        settings = home / "settings" / plugin
        settings.mkdir(parents=True)
        (settings / f"{name}.jupyterlab-settings").write_text(json.dumps(values))
    environment = {**os.environ, "JUPYTER_GATEWAY_AUTH_TOKEN": os.environ["GATEWAY_TOKEN"], "HOME": str(home)}
    options = (
        f"--gateway-url={os.environ['GATEWAY_URL']}",
        "--no-browser",
        f"--port={port}",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        f"--LabApp.user_settings_dir={home / 'settings'}",
        "--allow-root",
    )
    with subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=sys.stderr, stdin=subprocess.DEVNULL
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url, token)
            yield f"{url}/lab/tree/%s?token={token}"
        finally:
            process.terminate()


def wait_for(url: str, token: str) -> None:
    """Wait until the server answers."""
    session = requests.Session()
    session.mount(
        "http://", requests.adapters.HTTPAdapter(max_retries=requests.adapters.Retry(total=12, backoff_factor=0.1))
    )
    session.get(f"{url}/api/status", params={"token": token}, timeout=WAIT_S).raise_for_status()


def click(driver: Any, selector: str, text: str = "") -> None:
    """Click the first thing that fits and shows *text*, as soon as there is one."""

    def try_it(_driver: Any) -> bool:
        for found in driver.find_elements(By.CSS_SELECTOR, selector):
            if found.is_displayed() and text in found.text:
                found.click()
                return True
        return False

    WebDriverWait(driver, WAIT_S, ignored_exceptions=[WebDriverException]).until(try_it, f"{selector} {text}")


def read(driver: Any) -> dict[str, Any]:
    """What the notebook in the page shows."""
    return {
        "prompts": [item.text for item in driver.find_elements(By.CSS_SELECTOR, ".jp-CodeCell .jp-InputPrompt")],
        "texts": [item.text for item in driver.find_elements(By.CSS_SELECTOR, ".jp-CodeCell .jp-OutputArea-output")],
        "pictures": len(images(driver)),
        "kernel": [item.text for item in driver.find_elements(By.CSS_SELECTOR, ".jp-KernelName")],
    }


def is_done(driver: Any) -> bool:
    """Whether every cell has its number."""
    prompts = read(driver)["prompts"]
    return bool(prompts) and all(prompt.strip("[]: ").isdigit() for prompt in prompts)


def main(notebook: str, picture: str) -> None:
    """Run the notebook in the browser."""
    with tempfile.TemporaryDirectory() as place:
        folder, home, profile = (Path(place, name) for name in ("notebooks", "home", "profile"))
        folder.mkdir()
        home.mkdir()
        name = shutil.copy(notebook, folder)
        with lab(folder, home) as address, browser(profile) as driver:
            driver.get(address % Path(name).name)
            click(driver, ".jp-NotebookPanel .jp-CodeCell .jp-Editor")
            WebDriverWait(driver, WAIT_S).until(lambda _: "|" in title(driver), "the kernel is idle")
            click(driver, "#jp-MainMenu .lm-MenuBar-itemLabel", "Run")
            click(driver, ".lm-Menu-item", "Run All Cells")
            WebDriverWait(driver, WAIT_S).until(is_done, "all cells have run")
            if picture:
                driver.execute_script(SHOW_A_CHART)
                WebDriverWait(driver, WAIT_S).until(lambda _: any(is_in_view(image) for image in images(driver)))
                driver.save_screenshot(picture)
            print(json.dumps(read(driver)))


def images(driver: Any) -> Any:
    """All pictures among the outputs."""
    return driver.find_elements(By.CSS_SELECTOR, OUTPUT_IMAGE)


def is_in_view(image: Any) -> bool:
    """Whether all of it can be seen."""
    return bool(image.rect["height"]) and image.rect["y"] > 90 and image.rect["y"] + image.rect["height"] < 780


def title(driver: Any) -> str:
    """What the status line says of the kernel, such as ``Python 3 | Idle``."""
    found = driver.find_elements(By.CSS_SELECTOR, "#jp-main-statusbar")
    return str(found[0].text) if found and "Idle" in found[0].text else ""


main(*sys.argv[1:])
