"""A real Chromium that looks at pages from the disk, without a window and without a network."""

from __future__ import annotations

import io
import os
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

REQUIRED = os.environ.get("SRSEG_BROWSER") == "required"
ARGUMENTS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--force-device-scale-factor=1",
    # WebGL drawn by the processor
    "--enable-unsafe-swiftshader", "--use-angle=swiftshader",
    # what a page asks of the network fails, and is an error in the console
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


def started_driver(folder: Path) -> Chrome:
    """Start Chromium; skip where there is none, unless SRSEG_BROWSER=required."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        message = "there is no chromium with its chromedriver; both are Debian packages"
        if REQUIRED:
            pytest.fail(message)
        pytest.skip(message)
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (*ARGUMENTS, f"--user-data-dir={folder}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(options=options, service=Service(driver))


class Browser:
    """One page in the browser.

    Parameters
    ----------
    driver : selenium.webdriver.Chrome
        The browser, for what is not offered here.
    """

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self.seen: list[str] = []

    def open(self, page: Path, *, width: int = 1200, height: int = 900, before: str = "") -> None:
        """Open a file in a window of that size; `before` is a script that runs first."""
        self.resize(width, height)
        kept = None
        if before:
            kept = self._tell("Page.addScriptToEvaluateOnNewDocument", source=before)["identifier"]
        self.driver.get("about:blank")
        self.errors()
        self.seen.clear()
        self.driver.get(page.resolve().as_uri())
        if kept is not None:
            self._tell("Page.removeScriptToEvaluateOnNewDocument", identifier=kept)

    def resize(self, width: int, height: int) -> None:
        """Make the window as large as that; a narrow one is that of a phone."""
        mobile = width < 600
        self._tell("Emulation.setDeviceMetricsOverride", width=width, height=height,
                   deviceScaleFactor=1, mobile=mobile)  # fmt: skip

    def viewer(self, state: str = "ready", *, seconds: float = 120) -> WebElement:
        """Wait until the viewer of the page is in a state, and give it."""
        section = self.find(".srseg-viewer")
        self.run("arguments[0].scrollIntoView()", section)
        self.until(lambda: section.get_attribute("data-state") in (state, "failed"), seconds)
        assert section.get_attribute("data-state") == state, section.text
        return section

    def until(self, holds: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until something holds."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, seconds, 0.1).until(lambda _: holds())

    def find(self, selector: str) -> WebElement:
        """Give the first element that a CSS selector finds."""
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[WebElement]:
        """Give all elements that a CSS selector finds."""
        return self.driver.find_elements("css selector", selector)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page."""
        return self.driver.execute_script(script, *arguments)

    def wheel(self, element: WebElement, across: float, down: float, turned: int = 100) -> None:
        """Turn the wheel over a place of an element, given in shares of its width and height."""
        from selenium.webdriver import ActionChains
        from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

        size = element.size
        x, y = round((across - 0.5) * size["width"]), round((down - 0.5) * size["height"])
        origin = ScrollOrigin.from_element(element, x, y)
        ActionChains(self.driver).scroll_from_origin(origin, 0, turned).perform()

    def press(self, element: WebElement, *keys: str) -> None:
        """Press keys while an element has the focus."""
        from selenium.webdriver import ActionChains

        self.run("arguments[0].focus()", element)
        ActionChains(self.driver).send_keys(*keys).perform()

    def picture(self, element: WebElement | None = None) -> NDArray[np.uint8]:
        """Give what is drawn of an element, or of the window, as an array (rows, columns, 3)."""
        # two frames, so that what was asked for is drawn
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => done()))"
        )
        png = self.driver.get_screenshot_as_png() if element is None else element.screenshot_as_png
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def errors(self) -> list[str]:
        """Give the errors and warnings in the console of the page until now."""
        for entry in self.driver.get_log("browser"):
            # a note of the software that draws on the processor when it is asked for pixels
            if "GPU stall due to ReadPixels" not in entry["message"]:
                self.seen.append(f"{entry['level']}: {entry['message']}")
        return list(self.seen)

    def _tell(self, command: str, **parameters: Any) -> Any:
        return self.driver.execute_cdp_cmd(command, parameters)
