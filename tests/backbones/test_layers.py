"""The layers of a backbone, one by one."""

import json

import pytest
import torch

from srseg.backbones import describe_backbone, layer_table
from srseg.backbones._field import Field
from srseg.errors import ParameterError, PluginError, UnknownNameError

OTHERS = ["smp:unet/resnet18", "smp:fpn/efficientnet-b0", "smp:linknet/mobilenet_v2",
          "smp:segformer/mit_b0", "smp:deeplabv3plus/resnet18"]  # fmt: skip


@pytest.mark.parametrize(("width", "depth", "size"), [(32, 3, 384), (96, 5, 512), (3, 1, 10)])
def test_totals_are_those_of_the_description(width, depth, size):
    sizes = {"n_classes": 3, "width": width, "depth": depth, "input_size": size}
    table, info = layer_table("unet", **sizes), describe_backbone("unet", **sizes)
    for name in ("parameters", "flops", "input_size", "receptive_field", "receptive_field_paper"):
        assert getattr(table, name) == getattr(info, name), name


@pytest.mark.parametrize("name", OTHERS)
def test_totals_of_other_networks(name):
    table, info = layer_table(name, input_size=64), describe_backbone(name, input_size=64)
    assert (table.parameters, table.flops) == (info.parameters, info.flops)
    assert (table.width, table.depth, table.receptive_field_paper) == (None, None, None)


def test_the_largest_of_the_paper():
    table = layer_table("unet", width=96, depth=5, input_size=640)
    assert round(table.parameters / 1e6, 1) == 279.8
    assert (table.receptive_field, table.receptive_field_paper) == (412, 1084)


def test_the_baseline_of_the_paper_row_by_row():
    """The paper's words: two 3x3 convolutions and a pool per block, then up, skip, two more."""
    table = layer_table("unet", width=32, depth=2, input_size=64)
    conv = "conv + BN + Mish"
    rows = [
        (y.stage, y.operation, y.kernel, y.stride, y.in_channels, y.out_channels, y.output_size)
        for y in table.layers
    ]
    k3, k2, one, two = (3, 3), (2, 2), (1, 1), (2, 2)
    assert rows == [
        ("encoder 1", conv, k3, one, 1, 32, (64, 64)),
        ("encoder 1", conv, k3, one, 32, 32, (64, 64)),
        ("encoder 1", "max-pool", k2, two, 32, 32, (32, 32)),
        ("encoder 2", conv, k3, one, 32, 64, (32, 32)),
        ("encoder 2", conv, k3, one, 64, 64, (32, 32)),
        ("encoder 2", "max-pool", k2, two, 64, 64, (16, 16)),
        ("bottleneck", conv, k3, one, 64, 128, (16, 16)),
        ("bottleneck", conv, k3, one, 128, 128, (16, 16)),
        ("decoder 1", "transposed conv", k2, two, 128, 64, (32, 32)),
        ("decoder 1", "concatenate", None, None, 128, 128, (32, 32)),
        ("decoder 1", conv, k3, one, 128, 64, (32, 32)),
        ("decoder 1", conv, k3, one, 64, 64, (32, 32)),
        ("decoder 2", "transposed conv", k2, two, 64, 32, (64, 64)),
        ("decoder 2", "concatenate", None, None, 64, 64, (64, 64)),
        ("decoder 2", conv, k3, one, 64, 32, (64, 64)),
        ("decoder 2", conv, k3, one, 32, 32, (64, 64)),
        ("head", "conv", one, one, 32, 4, (64, 64)),
    ]
    # weights, and a scale and a shift of the batch norm for each channel
    assert [y.parameters for y in table.layers[:4]] == [
        9 * 32 + 64, 9 * 32 * 32 + 64, 0, 9 * 32 * 64 + 128,
    ]  # fmt: skip
    assert [y.parameters for y in table.layers[8:10]] == [4 * 128 * 64 + 64, 0]
    assert table.layers[0].flops == 2 * 9 * 32 * 64**2
    # worked out by hand: 3, 5, then the pool; two more convolutions at twice the distance
    assert [y.receptive_field for y in table.layers[:8]] == [3, 5, 6, 10, 14, 16, 24, 32]
    # the tool of the paper goes on with a distance of 4 px to the end
    assert [y.receptive_field_paper for y in table.layers[6:13]] == [24, 32, 36, 36, 44, 52, 56]
    assert table.layers[9].inputs == (4, 8)  # the skip is what the pool reads too
    assert table.layers[0].inputs == (-1,)


def test_stages_of_the_unet():
    stages = layer_table("unet", width=8, depth=2, input_size=32).stages
    assert [(y.name, y.channels, y.size, y.sources) for y in stages] == [
        ("encoder 1", 8, (32, 32), (-1,)),
        ("encoder 2", 16, (16, 16), (0,)),
        ("bottleneck", 32, (8, 8), (1,)),
        ("decoder 1", 16, (16, 16), (1, 2)),
        ("decoder 2", 8, (32, 32), (0, 3)),
        ("head", 4, (32, 32), (4,)),
    ]
    assert [i for stage in stages for i in stage.layers] == list(range(17))


def test_stages_of_another_unet():
    table = layer_table("smp:unet/resnet18", input_size=64)
    assert [(y.name, y.channels, y.size and y.size[0]) for y in table.stages] == [
        ("encoder 1", 64, 32), ("encoder 2", 64, 16), ("encoder 3", 128, 8), ("encoder 4", 256, 4),
        ("encoder 5", 512, 2), ("decoder 1", 256, 4), ("decoder 2", 128, 8), ("decoder 3", 64, 16),
        ("decoder 4", 32, 32), ("decoder 5", 16, 64), ("head", 4, 64),
    ]  # fmt: skip
    skips = {stage.name: [table.stages[i].name for i in stage.sources] for stage in table.stages}
    assert skips["decoder 1"] == ["encoder 4", "encoder 5"]
    assert skips["decoder 4"] == ["encoder 1", "decoder 3"]
    assert skips["decoder 5"] == ["decoder 4"]
    operations = {layer.operation for layer in table.layers}
    assert {"conv + BN + ReLU", "conv + BN + add + ReLU", "max-pool", "upsample (nearest)",
            "concatenate"} <= operations  # fmt: skip


class Winding(torch.nn.Module):
    """A bit of everything: residuals, dilation, two kinds of upsampling, skips."""

    def __init__(self, n):
        super().__init__()
        self.stem = torch.nn.Conv2d(1, 2, 7, stride=2, padding=3)
        self.pool = torch.nn.AvgPool2d(3, stride=2, padding=1)
        self.wide = torch.nn.Conv2d(2, 2, 3, padding=2, dilation=2)
        self.down = torch.nn.Conv2d(2, 2, 3, stride=2, padding=1)
        self.up = torch.nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
        self.after = torch.nn.Conv2d(4, 2, 3, padding=1)
        self.head = torch.nn.Conv2d(2, n, 1)

    def forward(self, x):
        fine = self.pool(self.stem(x))
        fine = fine + self.wide(fine)
        x = self.after(torch.cat([fine, self.up(self.down(fine))], dim=1))
        x = torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        return self.head(
            torch.nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        )


def test_receptive_field_is_what_gradients_say():
    network = Winding(2).double()
    for parameter in network.parameters():
        parameter.data.fill_(1.0)  # so that nothing cancels
    x = torch.zeros(1, 1, 16, 160, dtype=torch.float64, requires_grad=True)
    logits = network(x)
    widest = 0
    for position in range(80, 88):
        (gradient,) = torch.autograd.grad(logits[0, 0, :, position].sum(), x, retain_graph=True)
        seen = torch.nonzero(gradient.abs().amax(dim=(0, 1, 2)))[:, 0]
        widest = max(widest, int(seen[-1] - seen[0]) + 1)
    assert layer_table(own(Winding, 8), n_classes=2, input_size=64).receptive_field == widest


def test_receptive_field_of_a_known_encoder():
    """435 px for ResNet-18, as Araujo et al. 2019 and others have computed it."""
    table = layer_table("smp:unet/resnet18", input_size=64)
    last = [layer for layer in table.layers if layer.stage == "encoder 5"][-1]
    assert last.receptive_field == 435
    assert table.receptive_field > 435


@pytest.mark.parametrize("depth", [3, 4, 5, 6])
def test_receptive_fields_of_the_paper(depth):
    table = layer_table("unet", width=1, depth=depth, input_size=64)
    assert table.receptive_field == {3: 100, 4: 204, 5: 412, 6: 828}[depth]
    assert table.receptive_field_paper == {3: 188, 4: 460, 5: 1084, 6: 2492}[depth]


@pytest.mark.parametrize("name", ["smp:segformer/mit_b0", "smp:fpn/efficientnet-b0"])
def test_no_receptive_field_where_every_pixel_sees_the_slice(name):
    # attention; the whole slice's mean, by which squeeze-and-excitation scales the channels
    assert layer_table(name, input_size=64).receptive_field is None


def own(build, stride=1):
    def factory(*, n_classes, width, depth):
        network = build(n_classes)
        network.stride, network.reach = stride, None
        return network

    return factory


@pytest.mark.parametrize(
    ("layers", "stride", "expected"),
    [
        ([torch.nn.Conv2d(1, 1, 5, padding=2)], 1, 5),
        ([torch.nn.Conv2d(1, 1, 3, padding=4, dilation=4)], 1, 9),
        ([torch.nn.Conv2d(1, 1, (1, 7), padding=(0, 3))], 1, 7),
        ([torch.nn.Conv2d(1, 1, 3, stride=2, padding=1), torch.nn.Upsample(scale_factor=2)], 2, 3),
        # two coarse pixels, each the mean of two
        ([torch.nn.AvgPool2d(2), torch.nn.Upsample(scale_factor=2, mode="bilinear")], 2, 4),
        ([torch.nn.AvgPool2d(4), torch.nn.ConvTranspose2d(1, 1, 8, stride=4, padding=2)], 4, 8),
        ([torch.nn.ZeroPad2d((0, 1, 0, 1)), torch.nn.Conv2d(1, 1, 2)], 1, 2),
        ([torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True),
          torch.nn.AvgPool2d(2)], 1, None),
        ([torch.nn.Conv2d(1, 1, 1), torch.nn.Flatten(2), torch.nn.Unflatten(2, (8, 8))], 1, None),
    ],
)  # fmt: skip
def test_receptive_fields_of_small_networks(layers, stride, expected):
    factory = own(lambda n: torch.nn.Sequential(*layers, torch.nn.Conv2d(1, n, 1)), stride)
    assert layer_table(factory, input_size=8).receptive_field == expected


def test_field_of_a_border_goes_on_beyond_the_slice():
    field = Field.of_input(8).through_window(3, 2, 1)
    assert field.first.tolist() == [-1, 1, 3, 5]
    assert field.last.tolist() == [1, 3, 5, 7]
    assert Field.of_input(8).through_window(3, 3, 1) is None
    assert Field.of_input(8).through_transposed(1, 2, 0) is None  # every other pixel is empty


def test_a_network_without_parts_is_divided_where_it_is_smallest():
    def build(n):
        return torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(4, 4, 3, padding=1), torch.nn.Upsample(scale_factor=2),
            torch.nn.Conv2d(4, n, 1),
        )  # fmt: skip

    table = layer_table(own(build, 2), input_size=8)
    assert [layer.stage for layer in table.layers] == [
        "encoder 1", "encoder 1", "encoder 2", "decoder", "decoder",
    ]  # fmt: skip
    plain = layer_table(own(lambda n: torch.nn.Conv2d(1, n, 3, padding=1)), input_size=8)
    assert [layer.stage for layer in plain.layers] == ["network"]
    assert plain.name.endswith("factory")


def test_weights_shared_and_unused_are_counted_once():
    class Odd(torch.nn.Module):
        def __init__(self, n):
            super().__init__()
            self.twice = torch.nn.Conv2d(1, 1, 3, padding=1)
            self.never = torch.nn.Conv2d(5, 5, 1)
            self.fixed = torch.nn.Parameter(torch.ones(7), requires_grad=False)
            self.head = torch.nn.Conv2d(1, n, 1)

        def forward(self, x):
            return self.head(self.twice(self.twice(x)))

    table = layer_table(own(Odd), n_classes=2, input_size=8)
    assert [layer.parameters for layer in table.layers] == [10, 0, 4, 30]
    assert table.layers[-1].operation == "weights that no slice uses"
    assert table.parameters == describe_backbone(own(Odd), n_classes=2, input_size=8).parameters
    assert table.receptive_field == 5


def test_the_network_stays_as_it_was():
    """Hooks are taken away: the callable may hand out a network that it keeps."""
    kept = torch.nn.Conv2d(1, 4, 1)
    layer_table(own(lambda n: torch.nn.Sequential(kept)), input_size=8)
    assert not kept._forward_hooks
    assert not kept._forward_pre_hooks


def test_json():
    table = layer_table("unet", width=1, depth=1, input_size=7)
    plain = json.loads(json.dumps(table.to_dict()))
    assert plain["input_size"] == 8
    assert plain["layers"][0]["kernel"] == [3, 3]
    assert plain["stages"][0]["name"] == "encoder"


def test_bad_requests():
    with pytest.raises(ParameterError, match="input_size=0"):
        layer_table("unet", input_size=0)
    with pytest.raises(UnknownNameError, match="'unet'"):
        layer_table("unnet")

    class Branching(torch.nn.Conv2d):
        def forward(self, x):
            return super().forward(x) if x.sum() > 0 else -super().forward(x)

    with pytest.raises(PluginError, match="could not be measured on slices of 16x16 px"):
        layer_table(own(lambda n: Branching(1, n, 1)), input_size=16)
