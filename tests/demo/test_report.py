"""The page that the demo ends with, in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from browser import Browser
    from selenium.webdriver.remote.webelement import WebElement

    from srseg.demo import DemoResult

PREDICTED = "srseg-demo/soft9"


@pytest.fixture
def viewer(result: DemoResult, browser: Browser) -> WebElement:
    """Open the page; the browser says afterwards that nothing went wrong in its console."""
    browser.open(result.report, width=1280, height=900)
    return browser.viewer()


def cells(browser: Browser, section: str) -> Any:
    script = (
        "return [...document.querySelectorAll(arguments[0] + ' tr')]"
        ".map(r => [...r.cells].map(c => c.textContent.trim()))"
    )
    return browser.run(script, section)


def test_tables_and_pictures_are_there(viewer, browser, result):
    assert browser.run("return document.title") == "Sample V1"
    found = {row[0]: row[1:] for row in cells(browser, "#agreement")}
    iou = result.to_dict()["iou"]
    for name, key in (("WF", "wf"), (PREDICTED, "soft9")):
        expected = [100 * v for v in iou[key].values()]
        assert [float(v) for v in found[name]] == pytest.approx(expected, abs=0.006)
    rate = result.to_dict()["numbers"]["degradation_rate"]["V1"]
    (row,) = [r for r in cells(browser, "#numbers > .wide") if r[0].startswith("Degradation rate")]
    head = cells(browser, "#numbers > .wide")[0]
    assert row[head.index("HQ")] == f"{rate['HQ']:.3f}"
    assert cells(browser, "#next")[1][0] == "V1"
    sizes = browser.run(
        "return [...document.images].map(i => [i.complete, i.naturalWidth, i.clientWidth])"
    )
    assert len(sizes) == 6  # cuts, errors, implant, grey values, BV/TV, training
    assert all(done and natural > 300 and shown > 200 for done, natural, shown in sizes)


def test_the_wheel_changes_the_slice(viewer, browser):
    def position() -> list[int]:
        return [int(v) for v in viewer.get_attribute("data-position").split(",")]

    before = position()
    browser.wheel(browser.find(".v-note[data-cut=rc]"), 0.3, 0.4, 120)
    assert position()[0] > before[0]
    assert position()[1:] == before[1:]


def test_slices_to_correct_are_shown_in_the_viewer(viewer, browser):
    link = browser.all("#next a")[1]
    name, axis, index = link.text, *link.get_attribute("data-viewer-slice").split(":")
    assert name == f"{axis} {index}"
    browser.run("arguments[0].click()", link)
    browser.viewer()
    found = viewer.get_attribute("data-position").split(",")
    assert found["zyx".index(axis)] == index


def test_overlays_toggle(viewer, browser):
    stage = browser.find(".v-stage")
    before = browser.picture(stage).astype(int)
    (box,) = [one for one in browser.all(".v-overlays input[type=checkbox]") if one.is_selected()][
        :1
    ]
    box.click()
    without = browser.picture(stage).astype(int)
    # coloured before, grey after
    colourful = [np.mean(np.ptp(picture, axis=2) > 40) for picture in (before, without)]
    assert colourful[0] > 3 * colourful[1]
    box.click()
    np.testing.assert_allclose(browser.picture(stage), before, atol=2)


def test_it_fits_a_phone(viewer, browser):
    browser.resize(390, 844)
    wide = browser.run("return [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1] == 390
    low = browser.run(
        "return [...document.querySelectorAll('h2, p, td')].filter("
        "e => e.checkVisibility() && parseFloat(getComputedStyle(e).fontSize) < 11).length"
    )
    assert low == 0


def test_print_has_all_but_the_viewer(viewer, browser):
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        shown = browser.run(
            "return ['#look', 'nav', '#agreement', '#numbers', '#made', '#next', 'img']"
            ".map(s => document.querySelector(s).checkVisibility())"
        )
        assert shown == [False, False, True, True, True, True, True]
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_without_scripts_the_pictures_are_left(result, browser):
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.open(result.report)
        message = browser.find(".v-message")
        assert message.is_displayed()
        assert "needs a browser that runs scripts" in message.text
        assert len(browser.all("figure img")) == 6
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
