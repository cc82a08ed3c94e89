"""A page made of hostile names, in a real browser: they are letters on it, and nothing runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from browser import Browser

from srseg import Dataset, LabelClass, LabelTable, Volume
from srseg.io import write_volume
from srseg.reports import write_report

if TYPE_CHECKING:
    from pathlib import Path

    from selenium.webdriver import Chrome

RUN = "document.documentElement.dataset.ran=1"
EVIL = (
    f"\"'><script>{RUN}</script><img src=http://evil.example/x onerror='{RUN}'>"
    f"</script></style></title><svg onload={RUN}><!--<script> {{{{ 7*7 }}}} &lt;b&gt; `${{{RUN}}}`"
)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    voxels = np.random.default_rng(0).integers(0, 3, (12, 14, 16)).astype(np.uint8)
    table = LabelTable([LabelClass(0, "air"), LabelClass(1, EVIL), LabelClass(2, "javascript:x")])
    dataset = Dataset.create(folder / "study", table=table, name=EVIL)
    write_volume(folder / "scan.h5", Volume.from_array(voxels.astype(np.uint16) * 1000, 2.0))
    labels = Volume.from_array(voxels, 2.0, table=table)
    write_volume(folder / "labels.h5", labels)
    noted = {"alloy": EVIL, "extra": {"link": f"javascript:{RUN}", "web": "https://evil.example/"}}
    dataset.add_sample(folder / "scan.h5", name="S", metadata=noted)
    dataset.add_labels(folder / "labels.h5", sample="S", label_set="WF", note=EVIL)
    write_report(dataset, folder / "page.html", title=EVIL)
    return folder / "page.html"


def test_names_are_letters_and_nothing_runs(page: Path, browser: Browser) -> None:
    browser.open(page)
    browser.viewer()
    assert browser.run("return document.documentElement.dataset.ran") is None
    assert browser.run("return document.title") == EVIL
    assert browser.find("h1").text == EVIL
    text = browser.run("return document.body.innerText")
    assert text.count(EVIL) >= 4  # the title, the study, the alloy, a class
    # what is there besides is ours: pictures of the page itself, links within it
    sources = browser.run("return [...document.images].map((i) => i.getAttribute('src'))")
    assert all(source.startswith("data:image/") for source in sources)
    links = browser.run("return [...document.links].map((a) => a.getAttribute('href'))")
    assert {link[0] for link in links} == {"#"}
    assert browser.run("return document.querySelectorAll('svg, [onerror]').length") == 0


def test_what_would_not_be_escaped_runs_nothing_either(
    page: Path,
    tmp_path: Path,
    _driver: Chrome,  # noqa: PT019 - the fixture `browser` lets no error in the console pass
) -> None:
    text = page.read_text("utf-8")
    broken = tmp_path / "broken.html"
    broken.write_text(text.replace("</h1>", f"</h1>{EVIL}-->", 1), "utf-8")
    browser = Browser(_driver)
    browser.open(broken)
    assert len(browser.all("header > img, header > svg")) >= 1
    assert browser.run("return document.documentElement.dataset.ran") is None
    said = browser.errors()
    assert any("Content Security Policy" in line for line in said)
    assert not any("NAME_NOT_RESOLVED" in line for line in said)  # nobody was asked
    # the same without its policy does run: this test can fail
    head, _, tail = broken.read_text("utf-8").partition('<meta http-equiv="Content-Security-Policy')
    broken.write_text(head + tail.partition(">")[2], "utf-8")
    browser.open(broken)
    browser.until(lambda: browser.run("return document.documentElement.dataset.ran") == "1")
