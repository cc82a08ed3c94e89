"""What the viewer packs into a page."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from srseg import DEFAULT_LABELS, Volume
from srseg.errors import LabelError, ParameterError
from srseg.labels import LabelClass, LabelTable
from srseg.reports._viewer import ViewerSample, viewer_head, viewer_html
from srseg.reports._viewer._shrink import shrink_labels, shrink_values
from srseg.reports._viewer._surface import surface
from srseg.volumes import Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srseg.volumes import Region


def blocks(array: NDArray[Any], factor: int) -> list[tuple[tuple[int, ...], NDArray[Any]]]:
    shape = [-(-n // factor) for n in array.shape]
    return [
        (place, array[tuple(slice(i * factor, (i + 1) * factor) for i in place)])
        for place in np.ndindex(*shape)
    ]


class Parts(HTMLParser):
    """The data of a fragment, and which elements it consists of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.data: dict[str, str] = {}
        self.index: list[dict[str, Any]] = []
        self.tags: list[str] = []
        self._open: dict[str, str | None] = {}
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self._open = dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        self._open = {}

    def handle_data(self, data: str) -> None:
        if self._open.get("class") == "v-index":
            self.index = json.loads(data)
        elif self._open.get("class") == "v-data":
            self.data[str(self._open["data-key"])] = data

    def array(self, number: int, key: str, dtype: str = "u1") -> NDArray[Any]:
        packed = base64.b64decode(self.data[f"{number}-{key}"], validate=True)
        return np.frombuffer(gzip.decompress(packed), dtype)

    def voxels(self, number: int, layer: dict[str, Any]) -> NDArray[np.uint8]:
        return self.array(number, layer["key"]).reshape(self.index[number]["shape"])


def some_labels(shape: tuple[int, int, int], seed: int = 0) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    smooth = ndimage.gaussian_filter(rng.normal(size=shape), 2)
    cuts = np.quantile(smooth, [0.3, 0.6, 0.85])
    labels = np.digitize(smooth, cuts).astype(np.uint8)
    labels[:, :, -2:] = 255
    return labels


def labelled(array: NDArray[np.uint8], voxel_size: float = 5.0) -> Volume:
    return Volume.from_array(array, voxel_size, table=DEFAULT_LABELS)


@settings(deadline=None, max_examples=50)
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    factor=st.integers(1, 5),
    dtype=st.sampled_from(["u1", "u2", "i2", "f4", "f8"]),
    seed=st.integers(0, 99),
)
def test_values_are_the_means_of_blocks(
    shape: tuple[int, int, int], factor: int, dtype: str, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    array = rng.integers(0, 100, shape).astype(dtype)
    if array.dtype.kind == "f":
        array[rng.random(shape) < 0.3] = np.nan
    found = shrink_values(Volume.from_array(array), factor, "a scan")
    for place, block in blocks(array.astype(float), factor):
        finite = block[np.isfinite(block)]
        wanted = finite.mean() if finite.size else np.nan
        np.testing.assert_allclose(found[place], wanted, rtol=1e-5)


@settings(deadline=None, max_examples=50)
@given(
    shape=st.tuples(*[st.integers(1, 9)] * 3),
    factor=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_labels_are_the_most_frequent_of_blocks(
    shape: tuple[int, int, int], factor: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    table = LabelTable([LabelClass(7, "rest"), LabelClass(9, "this"), LabelClass(200, "that")])
    array = rng.choice(np.array([7, 9, 200, 255], np.uint8), shape)
    found = shrink_labels(Volume.from_array(array, table=table), table, factor, "labels")
    assert found.dtype == np.uint8
    order = {255: 0, 7: 1, 9: 2, 200: 3}
    for place, block in blocks(np.vectorize(order.get)(array), factor):
        counts = np.bincount(block.ravel(), minlength=4)
        last = int(np.flatnonzero(counts == counts.max())[-1])
        assert {0: 255}.get(last, last - 1) == found[place]


def test_large_factors_do_not_overflow() -> None:
    array = np.full((70, 70, 70), 60000, np.uint16)
    assert shrink_values(Volume.from_array(array), 70, "a scan").tolist() == [[[60000.0]]]
    ones = np.ones((70, 70, 70), np.uint8)
    ones[:30] = 2
    assert shrink_labels(labelled(ones), DEFAULT_LABELS, 70, "labels").tolist() == [[[1]]]


class Watched:
    """A source that keeps in mind how much was read of it."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array, self.shape, self.dtype = array, array.shape, array.dtype
        self.largest = 0
        self.times = np.zeros(array.shape, np.uint8)

    def __getitem__(self, region: Region) -> NDArray[Any]:
        part = self.array[region]
        self.largest = max(self.largest, part.size)
        self.times[region] += 1
        return part


@pytest.mark.parametrize("factor", [1, 3, 64])
def test_volumes_are_read_once_and_in_parts(factor: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("srseg.reports._viewer._shrink._VOXELS", 2000)
    monkeypatch.setattr("srseg.reports._viewer._shrink._SLICES", 6)
    source = Watched(np.random.default_rng(0).integers(0, 9, (21, 22, 23), dtype=np.uint8))
    volume = Volume(source, Grid(source.shape, (5, 5, 5)))
    shrink_values(volume, factor, "a scan")
    assert (source.times == 1).all()
    assert source.largest <= max(2000, 6 * 23 * factor, factor**2 * 23)


def test_all_of_a_small_sample_is_packed_as_it_is() -> None:
    labels = some_labels((12, 14, 16))
    grey = labels.astype(np.float32) * 10 + np.arange(16, dtype=np.float32)
    map_ = np.random.default_rng(1).random((12, 14, 16)).astype(np.float32)
    map_[0, 0, 0] = np.nan
    sample = ViewerSample(
        "A", Volume.from_array(grey, 5.0), {"WF": labelled(labels)},
        {"margin": Volume.from_array(map_, 5.0)},
    )  # fmt: skip
    parts = Parts(viewer_html([sample], budget=500_000))
    (index,) = parts.index
    assert (index["name"], index["factor"], index["shape"]) == ("A", 1, [12, 14, 16])
    (packed,) = index["labels"]
    assert (parts.voxels(0, packed) == np.where(labels == 255, 4, labels)).all()
    assert [c["name"] for c in packed["classes"]] == list(DEFAULT_LABELS.names)
    assert [c["color"] for c in packed["classes"]] == [c.color for c in DEFAULT_LABELS]
    scan = index["scan"]
    back = scan["low"] + scan["step"] * parts.voxels(0, scan).astype(float)
    low, high = np.percentile(grey, (0.1, 99.95))
    assert np.abs(back - grey.clip(low, high)).max() <= scan["step"] / 2 * 1.001
    dark, bright = (scan["low"] + scan["step"] * v for v in scan["window"])
    wanted = np.percentile(grey, (0.5, 99.9))
    assert np.abs([dark, bright] - wanted).max() <= scan["step"] * 1.001
    shown = parts.voxels(0, index["maps"][0]) / 255
    assert np.abs(shown - np.nan_to_num(map_)).max() <= 0.5 / 255 * 1.001


def test_what_lies_on_another_grid_is_brought_onto_that_of_the_labels() -> None:
    labels = some_labels((8, 8, 8))
    fine = np.random.default_rng(0).integers(0, 1000, (16, 16, 16)).astype(np.uint16)
    scan = Volume.from_array(fine, 2.5)
    # the lower faces coincide, so that each voxel of the labels covers 2 x 2 x 2 of the scan
    grid = scan.grid.resampled(5.0)
    other = Volume(labels, grid, table=DEFAULT_LABELS)
    fine_labels = np.kron(labels, np.ones((2, 2, 2), np.uint8))
    sample = ViewerSample("A", scan, {"WF": other})
    parts = Parts(viewer_html([sample], budget=500_000))
    (index,) = parts.index
    assert index["shape"] == [8, 8, 8]
    assert index["origin"] == pytest.approx([1.25] * 3)
    means = fine.reshape(8, 2, 8, 2, 8, 2).mean((1, 3, 5))
    back = index["scan"]["low"] + index["scan"]["step"] * parts.voxels(0, index["scan"])
    low, high = np.percentile(means, (0.1, 99.95))
    assert np.abs(back - means.clip(low, high)).max() <= index["scan"]["step"]
    # of several grids that with the most voxels
    both = ViewerSample("A", scan, {"WF": other, "HQ": labelled(fine_labels, 2.5)})
    parts = Parts(viewer_html([both], budget=500_000))
    (index,) = parts.index
    assert index["shape"] == [16, 16, 16]
    first, second = (parts.voxels(0, packed) for packed in index["labels"])
    assert (first == second).all()


@pytest.mark.parametrize("budget", [30_000, 60_000, 200_000])
def test_the_budget_is_kept(budget: int) -> None:
    rng = np.random.default_rng(0)
    large, small = (48, 50, 52), (10, 10, 10)
    samples = [
        ViewerSample(
            str(shape), Volume.from_array(rng.integers(0, 60000, shape, dtype=np.uint16), 5.0),
            {"WF": labelled(some_labels(shape))},
        )
        for shape in (large, small)
    ]  # fmt: skip
    html = viewer_html(samples, budget=budget)
    assert budget / 8 < len(html.encode()) <= budget
    first, second = Parts(html).index
    assert first["name"] == str(large)
    assert first["factor"] > 1
    assert first["shape"] == [-(-n // first["factor"]) for n in large]
    assert second["factor"] == 1


def test_a_budget_that_nothing_fits_into_is_refused() -> None:
    sample = ViewerSample("A", Volume.from_array(np.zeros((4, 4, 4), np.uint8)))
    with pytest.raises(ParameterError, match=r"A does not fit into \d+ bytes"):
        viewer_html([sample], budget=4200)
    with pytest.raises(ParameterError, match="at least one sample"):
        viewer_html([], budget=10**6)


def test_boxes_are_entries_in_finer_voxels() -> None:
    shape = (40, 50, 60)
    grey = np.random.default_rng(0).integers(0, 60000, shape, dtype=np.uint16)
    labels = some_labels(shape)
    box = (slice(4, 14), slice(10, 22), slice(30, 45))
    sample = ViewerSample(
        "A", Volume.from_array(grey, 5.0), {"WF": labelled(labels)}, boxes={"box 1": box}
    )
    parts = Parts(viewer_html([sample], budget=60_000))
    whole, part = parts.index
    assert whole["factor"] > part["factor"] == 1
    assert part["name"] == "A: box 1"
    assert part["origin"] == pytest.approx([20, 50, 150])
    wanted = labels[box]
    assert (parts.voxels(1, part["labels"][0]) == np.where(wanted == 255, 4, wanted)).all()


def test_names_cannot_break_the_page() -> None:
    name = "</script><script>alert(1)</script>&\"'"
    volume = Volume.from_array(np.arange(8, dtype=np.uint8).reshape(2, 2, 2))
    labels = labelled(np.ones((2, 2, 2), np.uint8), 1.0)
    parts = Parts(viewer_html([ViewerSample(name, volume, {name: labels})], budget=10**5))
    assert parts.index[0]["name"] == parts.index[0]["labels"][0]["name"] == name
    assert set(parts.tags) == {"section", "p", "script"}


def test_scans_without_contrast_or_values() -> None:
    flat = Volume.from_array(np.full((4, 4, 4), 7.0, np.float32))
    index = Parts(viewer_html([ViewerSample("A", flat)], budget=10**5)).index[0]
    assert index["scan"]["low"] == 7.0
    assert (index["scan"]["beyond"], index["scan"]["gaps"]) == ([False, False], False)
    voxels = np.arange(8000, dtype=np.float32).reshape(20, 20, 20)
    voxels[3, 3, 3] = np.nan
    index = Parts(viewer_html([ViewerSample("A", Volume.from_array(voxels))], budget=10**5)).index[
        0
    ]
    assert (index["scan"]["beyond"], index["scan"]["gaps"]) == ([False, False], True)
    voxels[0, 0, 0] = -1e6
    index = Parts(viewer_html([ViewerSample("A", Volume.from_array(voxels))], budget=10**5)).index[
        0
    ]
    assert index["scan"]["beyond"] == [True, False]
    nothing = Volume.from_array(np.full((4, 4, 4), np.nan, np.float32))
    with pytest.raises(ParameterError, match="A: the scan has no finite voxel"):
        viewer_html([ViewerSample("A", nothing)], budget=10**5)


def test_a_scan_may_cover_less_than_the_labels() -> None:
    labels = labelled(some_labels((40, 10, 10)))
    scan = Volume.from_array(np.random.default_rng(0).random((6, 10, 10)), 5.0)
    parts = Parts(viewer_html([ViewerSample("A", scan, {"WF": labels})], budget=10**5))
    grey = parts.voxels(0, parts.index[0]["scan"])
    assert grey[:6].std() > 50
    assert (grey[6:] == 0).all()


def test_labels_must_be_known() -> None:
    scan = Volume.from_array(np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(ParameterError, match="A: label set WF has no label table"):
        ViewerSample("A", scan, {"WF": scan})
    wrong = Volume.from_array(np.full((4, 4, 4), 9, np.uint8), table=DEFAULT_LABELS)
    with pytest.raises(LabelError, match="A: label set WF: value 9"):
        viewer_html([ViewerSample("A", scan, {"WF": wrong})], budget=10**5)


def test_only_the_implant_is_shown_in_space_at_first() -> None:
    _, y, x = np.mgrid[:20, :30, :30]
    radius = np.hypot(y - 15, x - 15)
    labels = np.select([radius < 5, radius < 8, radius < 12], [3, 2, 1]).astype(np.uint8)
    scan = Volume.from_array(labels)

    def shown(table: LabelTable) -> dict[str, bool]:
        volume = Volume.from_array(labels, table=table)
        html = viewer_html([ViewerSample("A", scan, {"WF": volume})], budget=10**6)
        (packed,) = Parts(html).index[0]["labels"]
        return {table.names[int(i)]: s["shown"] for i, s in packed["surfaces"].items()}

    assert shown(DEFAULT_LABELS) == {
        "bone": False, "degradation layer": True, "residual material": True,
    }  # fmt: skip
    other = LabelTable(LabelClass(i, name) for i, name in enumerate("abcd"))
    assert shown(other) == {"b": True, "c": True, "d": True}


def test_the_surface_of_a_ball() -> None:
    centre, radius = np.array([20.0, 24.0, 30.0]), 12
    middles = np.moveaxis(np.indices((44, 50, 60)), 0, -1) + 0.5
    mask = np.linalg.norm(middles - centre, axis=-1) < radius
    corners, triangles = surface(mask, 60_000)
    away = np.linalg.norm(corners - centre, axis=1)
    assert away.mean() == pytest.approx(radius, abs=0.5)
    assert away.std() < 0.3
    a, b, c = np.moveaxis(corners[triangles], 1, 0).astype(float)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    assert area == pytest.approx(4 * np.pi * radius**2, rel=0.05)
    few = surface(mask, 500)
    assert 100 < len(few[1]) <= 500
    assert np.linalg.norm(few[0] - centre, axis=1).mean() == pytest.approx(radius, abs=1)


def test_surfaces_end_where_the_volume_ends() -> None:
    corners, triangles = surface(np.ones((8, 9, 10), bool), 10_000)
    assert corners.min() == 0
    assert (corners.max(0) == [8, 9, 10]).all()
    edges = np.sort(
        np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    )
    # closed: each edge belongs to two triangles
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()
    assert len(surface(np.zeros((4, 4, 4), bool), 100)[1]) == 0


def test_the_library_is_the_one_that_was_published() -> None:
    here = resources.files("srseg.reports._viewer") / "niivue"
    source = json.loads((here / "SOURCE.json").read_text("utf-8"))
    found = hashlib.sha256((here / "niivue.umd.js").read_bytes()).hexdigest()
    assert found == source["file_sha256"]
    head = viewer_head()
    assert "BSD 2-Clause License" in head
    assert not re.search(r"</script(?!>\n<script>|>\n$)", head)
    assert not re.search(r"<(script|link|img|iframe)[^>]+(src|href)=", head.split("niivue.umd")[0])
