"""The viewer in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from srseg import DEFAULT_LABELS, Volume
from srseg.reports._viewer import ViewerSample, viewer_head, viewer_html

if TYPE_CHECKING:
    from pathlib import Path

    from browser import Browser
    from numpy.typing import NDArray
    from selenium.webdriver.remote.webelement import WebElement

SHAPE = (24, 32, 40)
BONE, LAYER, METAL = ((86, 180, 233), (230, 159, 0), (204, 121, 167))


def labels() -> NDArray[np.uint8]:
    """A screw of metal in a layer in bone, off the middle; a strip nobody has labelled."""
    _, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    radius = np.hypot(y - 14, x - 24)
    found = np.select([radius < 5, radius < 8, radius < 13], [3, 2, 1]).astype(np.uint8)
    found[:, 30:] = 255
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    truth = labels()
    grey = np.array([1000, 3000, 2000, 5000, *[500] * 252], np.uint16)[truth]
    grey += np.arange(SHAPE[0], dtype=np.uint16)[:, None, None] * 10
    scan = Volume.from_array(grey, 5.0)
    wrong = truth.copy()
    wrong[:, :, :24][truth[:, :, :24] == 2] = 3
    sets = {
        "WF": Volume.from_array(wrong, 5.0, table=DEFAULT_LABELS),
        "HQ": Volume.from_array(truth, 5.0, table=DEFAULT_LABELS),
    }
    map_ = Volume.from_array((truth == 2).astype(np.float32) * 0.5, 5.0)
    samples = [
        ViewerSample("A", scan, sets, {"disagreement": map_}),
        ViewerSample("B </script><b>", Volume.from_array(grey[:10], 5.0), {}),
    ]
    html = viewer_html(samples, budget=2_000_000)
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>page</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{viewer_head()}</head><body>{html}</body></html>",
        "utf-8",
    )
    return path


@pytest.fixture
def viewer(page: Path, browser: Browser) -> WebElement:
    browser.open(page)
    return browser.viewer()


def position(viewer: WebElement) -> list[int]:
    return [int(v) for v in (viewer.get_attribute("data-position") or "").split(",")]


def readout(browser: Browser) -> dict[str, str]:
    rows = browser.all(".v-readout tr")
    return dict(row.text.rsplit(maxsplit=0)[0].split("\n")[0].split("\t") for row in rows)  # type: ignore[misc]


def test_the_wheel_changes_the_slice_of_the_cut_under_the_pointer(
    viewer: WebElement, browser: Browser
) -> None:
    cuts = browser.find(".v-cuts")
    assert position(viewer) == [12, 16, 20]
    browser.wheel(cuts, 0.2, 0.2)
    assert position(viewer)[0] > 12
