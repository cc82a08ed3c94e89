"""The drawing of a network."""

import itertools

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.patches import FancyArrowPatch, Rectangle

from srseg.backbones import layer_table
from srseg.reports import network_figure, save_figure

NETWORKS = [
    ("unet", {"width": 32, "depth": 3, "input_size": 384}),
    ("unet", {"width": 112, "depth": 6, "input_size": 640}),
    ("unet", {"width": 1, "depth": 1, "input_size": 8}),
    ("smp:unet/resnet18", {"input_size": 64}),
    ("smp:fpn/resnet18", {"input_size": 64}),
    ("smp:segformer/mit_b0", {"input_size": 64}),
]


def boxes(figure, kind=None):
    return [p for p in figure.axes[0].patches if isinstance(p, Rectangle)
            and kind in (None, p.get_gid())]  # fmt: skip


def arrows(figure, kind):
    return [p for p in figure.axes[0].patches
            if isinstance(p, FancyArrowPatch) and p.get_gid() == kind]  # fmt: skip


def written(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_every_layer_of_the_unet_is_a_box():
    figure = network_figure("unet", width=8, depth=3, input_size=64)
    counts = {kind: len(boxes(figure, kind)) for kind in
              ("slice", "convolution", "pooling", "transposed convolution", "concatenation",
               "output")}  # fmt: skip
    assert counts == {"slice": 1, "convolution": 14, "pooling": 3, "transposed convolution": 3,
                      "concatenation": 3, "output": 1}  # fmt: skip
    assert len(arrows(figure, "skip")) == 3
    assert len(arrows(figure, "flow")) == 8


def test_numbers_are_those_of_the_layers():
    table = layer_table("unet", width=8, depth=3, input_size=64)
    figure = network_figure("unet", width=8, depth=3, input_size=64)
    texts = written(figure)
    assert texts[:3] == ["slice", "1 ch", "64²"]
    assert [tuple(texts[i : i + 3]) for i in range(3, len(texts), 3)] == [
        (stage.name, f"{stage.channels} ch", f"{stage.size[0]}²") for stage in table.stages
    ]
    below = " ".join(text.get_text() for text in figure.texts)
    assert "receptive field 100 px (by the paper's rule 188 px)" in below
    assert "unet, $c_0$ = 8, $d$ = 3" in below
    assert f"{table.parameters / 1e3:.4g} k parameters" in below


def test_heights_follow_the_size_and_widths_the_channels():
    found = boxes(network_figure("unet", width=32, depth=3, input_size=256), "convolution")
    first, bottom = found[0], found[7]
    assert first.get_height() / bottom.get_height() == pytest.approx(8**0.5)
    assert bottom.get_width() / first.get_width() == pytest.approx(8**0.5, rel=0.15)


def test_the_legend_says_what_the_colours_are():
    legend = network_figure("unet", width=8, depth=1, input_size=16).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == [
        "conv 3×3 + BN + Mish", "max-pool 2×2", "transposed conv 2×2", "concatenate", "conv 1×1",
    ]  # fmt: skip
    colors = [patch.get_facecolor() for patch in legend.get_patches()]
    assert len(set(colors)) == len(colors)


def test_skips_of_the_unet_join_boxes_of_one_height():
    figure = network_figure("unet", width=8, depth=3, input_size=64)
    found = {
        kind: [box.get_extents().transformed(figure.axes[0].transData.inverted()) for box in
               boxes(figure, kind)]
        for kind in ("convolution", "transposed convolution")
    }  # fmt: skip
    for skip in arrows(figure, "skip"):
        (left, start), (right, end) = skip._posA_posB
        assert start == end
        # from a convolution's right edge to the left edge of what enlarges the map to that size
        sources = [b for b in found["convolution"] if abs(b.x1 - left) < 1e-6 and b.y1 > start]
        targets = [
            b for b in found["transposed convolution"] if abs(b.x0 - right) < 1e-6 and b.y1 > end
        ]
        assert len(sources) == len(targets) == 1
        assert sources[0].height == pytest.approx(targets[0].height)


@pytest.mark.parametrize(("name", "sizes"), NETWORKS)
def test_nothing_overlaps_or_leaves_the_page(name, sizes, tmp_path):
    figure = network_figure(name, **sizes)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # the legend finds its place
    renderer = canvas.get_renderer()
    page = figure.bbox
    texts = [*figure.axes[0].texts, *figure.texts, *figure.axes[0].get_legend().get_texts()]
    extents = [text.get_window_extent(renderer) for text in texts if text.get_text()]
    for one in extents:
        assert page.x0 <= one.x0 < one.x1 <= page.x1
        assert page.y0 <= one.y0 < one.y1 <= page.y1
    for one, other in itertools.combinations(extents, 2):
        assert not one.overlaps(other)
    found = [box.get_window_extent(renderer) for box in boxes(figure)]
    for one, other in itertools.combinations(found, 2):
        assert not one.overlaps(other)
    for one, other in itertools.product(found, extents):
        assert not one.overlaps(other)
    save_figure(figure, tmp_path / "network.png", dpi=40)
