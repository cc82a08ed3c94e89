"""The viewer in a real browser: what is drawn, and what wheel, keys and controls do."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from browser import Browser

from srseg import DEFAULT_LABELS, Volume
from srseg.reports._viewer import ViewerSample, viewer_head, viewer_html

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

SHAPE = (24, 32, 40)
MIDDLE = [12, 16, 20]
CUTS = {"rc": (0, 1, 2), "cp": (1, 0, 2), "pr": (2, 0, 1)}  # stacking, rows, columns
STRANGE = "B </script><b>"


def _truth() -> NDArray[np.uint8]:
    """A screw of metal in a layer in bone, off the middle; a strip nobody has labelled."""
    z, y, x = np.mgrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    radius = np.hypot(y - 14 - z / 6, x - 24)
    found = np.select([radius < 5, radius < 8, radius < 13], [3, 2, 1]).astype(np.uint8)
    found[:, 30:] = 255
    return found


TRUTH = _truth()
WF = np.where((TRUTH == 2) & (np.arange(SHAPE[2]) < 24), 3, TRUTH).astype(np.uint8)
GREY = np.array([1000, 3000, 2000, 5000, *[500] * 252], np.uint16)[TRUTH]
GREY[0, 0, 0] = 100  # rarer than what grey values are told apart for
MAP = np.where(TRUTH == 2, 0.6, 0.0).astype(np.float32)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sets = {
        name: Volume.from_array(voxels, 5.0, table=DEFAULT_LABELS)
        for name, voxels in {"WF": WF, "HQ": TRUTH}.items()
    }
    noise = np.random.default_rng(0).integers(0, 5000, (40, 65, 64), dtype=np.uint16)
    samples = [
        ViewerSample(
            "A", Volume.from_array(GREY, 5.0), sets, {"disagreement": Volume.from_array(MAP, 5.0)}
        ),
        # too much for the budget in its own voxels
        ViewerSample(STRANGE, Volume.from_array(noise, 5.0)),
    ]
    html = viewer_html(samples, budget=200_000)
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>page</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{viewer_head()}</head><body>{html}"
        f'<p><a href="#top" data-viewer-sample="{escape(STRANGE)}" data-viewer-slice="y:41">go</a>'
        "</p></body></html>",
        "utf-8",
    )
    return path


@pytest.fixture(scope="module")
def _opened(page: Path, _driver: Chrome) -> None:
    # once for all tests of this module: to start takes seconds where the processor draws
    browser = Browser(_driver)
    browser.open(page)
    browser.viewer()
    assert browser.errors() == []


@pytest.fixture
def viewer(_opened: None, browser: Browser) -> WebElement:
    """Give the viewer as it is at first."""
    choose(browser, "A")
    browser.find('.v-views button[name="all"]').click()
    return browser.viewer()


def choose(browser: Browser, name: str) -> None:
    (option,) = [o for o in browser.all(".v-sample option") if o.text == name]
    script = "arguments[0].selected = true; arguments[0].parentNode.onchange()"
    browser.run(script, option)
    browser.viewer()


def move(browser: Browser, slider: str, value: float) -> None:
    script = "arguments[0].value = arguments[1]; arguments[0].oninput()"
    browser.run(script, browser.find(f'input[aria-label="{slider}"]'), value)


def note(browser: Browser, cut: str) -> Any:
    return browser.find(f".v-note[data-cut={cut}]")


def position(viewer: WebElement) -> list[int]:
    return [int(v) for v in (viewer.get_attribute("data-position") or "").split(",")]


def readout(browser: Browser) -> dict[str, str]:
    script = (
        "const rows = [...document.querySelectorAll('.v-readout tr')];"
        "return rows.map((row) => [...row.cells].map((cell) => cell.textContent))"
    )
    return dict(browser.run(script))


def color_at(browser: Browser, cut: str, voxel: tuple[int, int, int]) -> NDArray[np.int_]:
    """Give the colour in the middle of a voxel of a cut."""
    rect = browser.run("return arguments[0].getBoundingClientRect().toJSON()", note(browser, cut))
    _, row, column = CUTS[cut]
    x = rect["left"] + (voxel[column] + 0.5) / SHAPE[column] * rect["width"]
    y = rect["top"] + (voxel[row] + 0.5) / SHAPE[row] * rect["height"]
    return browser.picture()[int(y), int(x)].astype(int)


def mixed(grey: float, name: str, share: float) -> NDArray[np.float64]:
    color = next(c.rgb for c in DEFAULT_LABELS if c.name == name)
    return np.array(color) * share + grey * (1 - share)


def test_it_opens_in_the_middle_and_names_what_is_there(
    viewer: WebElement, browser: Browser
) -> None:
    assert position(viewer) == MIDDLE
    told = readout(browser)
    assert told["voxel z, y, x"] == "12, 16, 20"
    assert told["position z, y, x"] == "60, 80, 100 µm"
    assert abs(float(told["grey value"]) - GREY[tuple(MIDDLE)]) < 20
    assert told["WF"] == told["HQ"] == "residual material"
    assert told["disagreement"] == "0.00"
    assert not browser.find(".v-message").is_displayed()
    assert "own voxels of 5 µm" in browser.find(".v-size").text
    assert [n.text.split("\n")[0] for n in browser.all(".v-note")] == [
        "rc · z 12",
        "cp · y 16",
        "pr · x 20",
    ]


def test_the_wheel_changes_the_slice_of_the_cut_under_the_pointer(
    viewer: WebElement, browser: Browser
) -> None:
    for cut, (axis, *_) in CUTS.items():
        before, was = position(viewer), browser.picture()
        browser.wheel(note(browser, cut), 0.3, 0.4, 120)
        wanted = before.copy()
        wanted[axis] += 3
        assert position(viewer) == wanted
        assert (browser.picture() != was).any()
        browser.wheel(note(browser, cut), 0.3, 0.4, -40)
        wanted[axis] -= 1
        assert position(viewer) == wanted
    assert readout(browser)["HQ"] == DEFAULT_LABELS.names[TRUTH[tuple(position(viewer))]]


@pytest.mark.parametrize("cut", CUTS)
def test_each_voxel_is_drawn_where_it_lies(viewer: WebElement, browser: Browser, cut: str) -> None:
    stacking, row, column = CUTS[cut]
    for values in ({row: 3, column: 5}, {row: 20, column: 26}, {row: 9, column: 15}):
        voxel: Any = tuple(values.get(axis, MIDDLE[axis]) for axis in range(3))
        assert voxel[stacking] == MIDDLE[stacking]
        grey = (float(GREY[voxel]) - 500) / 4500 * 255
        known = TRUTH[voxel] not in (0, 255)
        shown = mixed(grey, DEFAULT_LABELS.names[TRUTH[voxel]], 0.5) if known else grey
        assert np.abs(color_at(browser, cut, voxel) - shown).max() < 14, voxel


def test_overlays_are_toggled_by_mouse_and_keys(viewer: WebElement, browser: Browser) -> None:
    layer: Any = tuple(np.argwhere((TRUTH == 2) & (WF == 3) & (np.indices(SHAPE)[0] == 12))[0])
    grey = (2000 - 500) / 4500 * 255
    canvas = browser.find(".v-cuts canvas")
    assert np.abs(color_at(browser, "rc", layer) - mixed(grey, "degradation layer", 0.5)).max() < 14
    browser.press(canvas, "2")
    plain = color_at(browser, "rc", layer)
    assert np.ptp(plain) <= 2
    assert abs(plain[0] - grey) < 8
    browser.find('input[aria-label="show WF"]').click()
    move(browser, "opacity of WF", 1)
    assert np.abs(color_at(browser, "rc", layer) - mixed(0, "residual material", 1)).max() < 14
    browser.press(canvas, "1", "3")
    assert [box.is_selected() for box in browser.all(".v-overlays input[type=checkbox]")] == [
        False,
        False,
        True,
        False,
    ]
    # as opaque as the value of the map, and as is said
    shown = color_at(browser, "rc", layer)
    assert np.abs(shown - (np.array([255, 235, 0]) * 0.36 + grey * 0.64)).max() < 8
    move(browser, "opacity of disagreement", 1)
    shown = color_at(browser, "rc", layer)
    assert np.abs(shown - (np.array([255, 235, 0]) * 0.6 + grey * 0.4)).max() < 8


def test_a_grey_value_beyond_those_that_are_told_apart(
    viewer: WebElement, browser: Browser
) -> None:
    for axis in "zyx":
        move(browser, f"slice along {axis}", 0)
    assert readout(browser)["grey value"] == "≤ 500"


def test_keys_move_the_crosshair(viewer: WebElement, browser: Browser) -> None:
    canvas = browser.find(".v-cuts canvas")
    browser.wheel(note(browser, "cp"), 0.5, 0.5, 40)  # the cut that the keys are for
    assert position(viewer) == [12, 17, 20]
    up, right, page_down = "\ue013", "\ue014", "\ue00f"
    browser.press(canvas, up, right, right, page_down)
    assert position(viewer) == [11, 18, 22]
    browser.press(canvas, "r")
    assert position(viewer) == MIDDLE
    move(browser, "slice along z", 23)
    move(browser, "slice along x", 38)
    browser.press(canvas, right, right)
    assert position(viewer) == [23, 16, 39]


def test_a_click_moves_the_crosshair_there(viewer: WebElement, browser: Browser) -> None:
    from selenium.webdriver import ActionChains

    target = note(browser, "pr")  # rows z, columns y
    size = target.size
    x, y = ((i + 0.5) / n - 0.5 for i, n in ((25, SHAPE[1]), (6, SHAPE[0])))
    ActionChains(browser.driver).move_to_element_with_offset(
        target, round(x * size["width"]), round(y * size["height"])
    ).click().perform()
    assert position(viewer) == [6, 25, 20]
    # and the keys are for the viewer from now on
    ActionChains(browser.driver).send_keys("2").perform()
    assert not browser.find('input[aria-label="show HQ"]').is_selected()


def test_the_window_of_grey_values(viewer: WebElement, browser: Browser) -> None:
    outside = (12, 2, 2)
    assert browser.find(".v-level").text == "500 to 5000"
    assert abs(color_at(browser, "rc", outside)[0] - 28) < 4
    move(browser, "brightest grey value", 28)
    assert color_at(browser, "rc", outside)[0] > 245
    assert browser.find(".v-level").text.startswith("500 to 99")
    browser.press(browser.find(".v-cuts canvas"), "r")
    assert abs(color_at(browser, "rc", outside)[0] - 28) < 4


def test_classes_are_hidden_in_cuts_and_in_space(viewer: WebElement, browser: Browser) -> None:
    bone = (12, 16, 13)
    assert TRUTH[bone] == 1
    assert np.ptp(color_at(browser, "rc", bone)) > 30
    browser.find('input[aria-label="bone in the cuts"]').click()
    assert np.ptp(color_at(browser, "rc", bone)) <= 2

    def orange_pixels() -> int:
        red, green, blue = np.moveaxis(browser.picture(browser.find(".v-space")).astype(int), 2, 0)
        return int(((red > blue + 40) & (green > blue + 20)).sum())

    assert browser.find(".v-caption").text == "surface of HQ"
    assert orange_pixels() > 1000
    browser.find('input[aria-label="degradation layer in 3D"]').click()
    assert orange_pixels() < 100


def test_outlines_replace_the_filled_classes(viewer: WebElement, browser: Browser) -> None:
    inside = (12, 16, 22)
    assert np.ptp(color_at(browser, "rc", inside)) > 20
    browser.press(browser.find(".v-cuts canvas"), "o")
    assert np.ptp(color_at(browser, "rc", inside)) <= 2
    picture = browser.picture(note(browser, "rc")).astype(int)
    for entry in DEFAULT_LABELS.foreground:
        assert (np.abs(picture - entry.rgb).max(2) < 30).sum() > 20, entry.name


def test_scale_bars_are_as_long_as_they_say(viewer: WebElement, browser: Browser) -> None:
    for cut, (_, _, column) in CUTS.items():
        tile = note(browser, cut)
        bar = tile.find_element("css selector", ".v-bar")
        length, unit = bar.text.split()
        assert unit == "µm"
        shown = bar.size["width"] / tile.size["width"] * SHAPE[column] * 5
        assert abs(shown - float(length)) < 0.03 * float(length)


def test_one_cut_alone_and_zoomed(viewer: WebElement, browser: Browser) -> None:
    canvas = browser.find(".v-cuts canvas")
    for name, count in (("rc", 1), ("3d", 0), ("all", 3)):
        browser.find(f'.v-views button[name="{name}"]').click()
        assert sum(tile.is_displayed() for tile in browser.all(".v-note")) == count
        assert browser.find(".v-space").is_displayed() == (name != "rc")
    whole = browser.find(".v-bar")
    per_µm = whole.size["width"] / float(whole.text.split()[0])
    browser.press(canvas, "+")
    close = browser.find(".v-bar")
    assert close.size["width"] / float(close.text.split()[0]) == pytest.approx(1.25 * per_µm, 0.05)
    browser.press(canvas, "r")


def test_another_sample_is_chosen(viewer: WebElement, browser: Browser) -> None:
    choose(browser, STRANGE)
    assert position(viewer) == [10, 16, 16]
    told = readout(browser)
    assert set(told) == {"voxel z, y, x", "position z, y, x", "grey value"}
    assert told["voxel z, y, x"] == "20, 32, 32"
    assert told["position z, y, x"] == "103, 163, 163 µm"  # the middle of 2 x 2 x 2 voxels
    assert "Shown in voxels of 10 µm, each of 2³ voxels of 5 µm" in browser.find(".v-size").text
    browser.wheel(note(browser, "rc"), 0.5, 0.5, -400)
    assert position(viewer)[0] < 10
    choose(browser, "A")
    assert position(viewer) == MIDDLE
    assert readout(browser)["HQ"] == "residual material"


@pytest.mark.usefixtures("_opened")
def test_a_phone_sees_all_of_it(browser: Browser) -> None:
    browser.resize(390, 844)
    try:
        browser.viewer()
        wide, high = browser.run("return [document.documentElement.scrollWidth, innerWidth]")
        assert wide <= high
        for tile in browser.all(".v-note"):
            assert tile.size["width"] > 120
        assert browser.find(".v-slices").size["width"] > 300
    finally:
        browser.resize(1200, 900)


def test_a_link_in_the_page_shows_a_slice(viewer: WebElement, browser: Browser) -> None:
    browser.run("document.querySelector('[data-viewer-slice]').click()")
    browser.until(lambda: position(viewer) == [10, 20, 16])
    assert readout(browser)["voxel z, y, x"] == "20, 40, 32"
    assert browser.run("return document.querySelector('.v-sample').selectedOptions[0].text") == (
        STRANGE
    )


def test_a_lost_graphics_card_is_told(page: Path, browser: Browser) -> None:
    browser.open(page)
    viewer = browser.viewer()
    browser.run(
        "const canvas = document.querySelector('.v-cuts canvas');"
        "canvas.dispatchEvent(new Event('webglcontextlost'))"
    )
    assert viewer.get_attribute("data-state") == "failed"
    assert "reload the page" in viewer.text


def test_without_webgl_it_says_so(page: Path, browser: Browser) -> None:
    without = (
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  return kind === 'webgl2' ? null : get.call(this, kind, ...more); };"
    )
    browser.open(page, before=without)
    viewer = browser.viewer("failed")
    assert "WebGL 2" in viewer.text
    assert "pictures of this page" in viewer.text
    assert browser.all(".v-body") == []
