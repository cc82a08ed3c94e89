import pytest
import torch
from torch import Tensor, nn

from srseg.errors import PluginError
from srseg.testing import check_backbone


class Good(nn.Module):
    """A sound network that the others below break in one way each."""

    def __init__(self, n_classes: int) -> None:
        super().__init__()
        self.stride, self.reach = 2, 7
        self.first = nn.Conv2d(1, 3, kernel_size=3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.up = nn.ConvTranspose2d(3, n_classes, kernel_size=2, stride=2)
        self.last = nn.Conv2d(n_classes, n_classes, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.up(nn.functional.max_pool2d(self.norm(self.first(x)), 2)))


class TooFewClasses(Good):
    def __init__(self, n_classes: int) -> None:
        super().__init__(2)


class HalfSize(Good):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)[:, :, ::2, ::2]


class Double(Good):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).double()


class NotFinite(Good):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + torch.log(-x).nan_to_num(0) + (x > 0.9) * float("inf")


class InPlace(Good):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.mul_(0.5))


class Tuple(Good):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return super().forward(x), x


class StrideTooSmall(Good):
    def __init__(self, n_classes: int) -> None:
        super().__init__(n_classes)
        self.stride = 1


class UnusedParameter(Good):
    def __init__(self, n_classes: int) -> None:
        super().__init__(n_classes)
        self.spare = nn.Parameter(torch.zeros(3))


class Detached(Good):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x).detach()


class GradientNotFinite(Good):
    def forward(self, x: Tensor) -> Tensor:
        logits = super().forward(x)
        return logits + (0 * logits).abs().sqrt()


class Dropout(Good):
    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.dropout(super().forward(x), 0.5, training=True)


class BatchStatistics(Good):
    def __init__(self, n_classes: int) -> None:
        super().__init__(n_classes)
        self.norm = nn.BatchNorm2d(3, track_running_stats=False)


class Counting(Good):
    def __init__(self, n_classes: int) -> None:
        super().__init__(n_classes)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return super().forward(x)


class HiddenState(Good):
    def __init__(self, n_classes: int) -> None:
        super().__init__(n_classes)
        self.scale = torch.rand(1)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * self.scale


class ForeignState(Good):
    def get_extra_state(self) -> str:
        return "a note"

    def set_extra_state(self, state: str) -> None:
        pass


class DifferentEachTime(Good):
    built = 0

    def __init__(self, n_classes: int) -> None:
        super().__init__(n_classes)
        type(self).built += 1
        setattr(self, f"extra{self.built}", nn.Conv2d(1, n_classes, kernel_size=1))

    def forward(self, x: Tensor) -> Tensor:
        extra = next(m for name, m in self.named_children() if name.startswith("extra"))
        return super().forward(x) + extra(x)


class ReachTooSmall(Good):
    def __init__(self, n_classes: int) -> None:
        super().__init__(n_classes)
        self.reach = 2  # 3 is the truth


class GlobalPooling(Good):
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) + x.mean(dim=(2, 3), keepdim=True)


class KnowsWhereItIs(Good):
    def forward(self, x: Tensor) -> Tensor:
        rows = torch.arange(x.shape[2], dtype=x.dtype)
        return super().forward(x) + rows[:, None]


class LooksFar(Good):
    """Sees one pixel that is 8 px away, in one direction, from even or odd positions."""

    shift = (0, 0)
    phase = 0

    def forward(self, x: Tensor) -> Tensor:
        far = torch.roll(x, self.shift, dims=(2, 3))
        axis = 2 if self.shift[0] else 3
        n = x.shape[axis]
        positions = torch.arange(n)
        origin = positions - sum(self.shift)
        seen = (origin >= 0) & (origin < n) & (positions % 2 == self.phase)
        mask = seen.to(x.dtype)
        return super().forward(x) + far * (mask[:, None] if axis == 2 else mask)


def test_sound_networks_pass() -> None:
    check_backbone(lambda *, n_classes, width, depth: Good(n_classes))
    check_backbone("unet", width=2, depth=3)


def test_network_of_another_library_passes() -> None:
    check_backbone("smp:fpn/resnet18")


def test_network_that_needs_larger_slices() -> None:
    class Pooling(Good):
        def forward(self, x: Tensor) -> Tensor:
            nn.functional.max_pool2d(x, 6)
            return super().forward(x)

    def pooling(*, n_classes: int, width: int, depth: int) -> nn.Module:
        return Pooling(n_classes)

    with pytest.raises(PluginError, match=r"slices of 4x4 px, .*made the network fail"):
        check_backbone(pooling)
    check_backbone(pooling, smallest=3)


def test_global_pooling_is_fine_if_it_is_said() -> None:
    class Honest(GlobalPooling):
        def __init__(self, n_classes: int) -> None:
            super().__init__(n_classes)
            self.reach = None  # type: ignore[assignment]

    check_backbone(lambda *, n_classes, width, depth: Honest(n_classes))


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (TooFewClasses, r"logits of shape \(2, 2, 2, 2\); \(2, 4, 2, 2\) is needed"),
        (HalfSize, r"gave logits of shape \(2, 2, 1, 1\)"),
        (Double, r"gave logits of torch\.float64; return float32"),
        (NotFinite, "gave NaN or inf|is NaN or inf"),
        (InPlace, "changes the slices it is given"),
        (Tuple, "the network returned tuple; it must return one tensor"),
        (StrideTooSmall, "is stride=1 what height and width must be a multiple of|gave logits of"),
        (UnusedParameter, "no gradient reaches spare;"),
        (Detached, "the logits depend on no parameter"),
        (GradientNotFinite, "the gradient of .* is NaN or inf"),
        (Dropout, "different logits twice in evaluation mode"),
        (BatchStatistics, "other logits alone than among others"),
        (Counting, "in evaluation mode changed calls"),
        (HiddenState, "same state_dict gave other logits"),
        (ForeignState, "state_dict holds more than tensors"),
        (DifferentEachTime, "cannot take over the weights"),
        (ReachTooSmall, "reach=2 px, but pixels farther"),
        (GlobalPooling, "reach=7 px, but pixels farther"),
        (KnowsWhereItIs, "knows where in the slice a pixel lies"),
    ],
)
def test_each_broken_rule_has_its_sentence(network: type[Good], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        check_backbone(lambda *, n_classes, width, depth: network(n_classes))


@pytest.mark.parametrize("phase", [0, 1])
@pytest.mark.parametrize(
    ("shift", "direction"),
    [((-8, 0), "below"), ((8, 0), "above"), ((0, -8), "to the right"), ((0, 8), "to the left")],
)
def test_far_pixels_are_found_in_every_direction(
    shift: tuple[int, int], direction: str, phase: int
) -> None:
    class Network(LooksFar):
        pass

    Network.shift, Network.phase = shift, phase
    with pytest.raises(PluginError, match=f"farther {direction}"):
        check_backbone(lambda *, n_classes, width, depth: Network(n_classes))


def test_one_pixel_too_little_is_found_in_the_unet() -> None:
    from srseg.backbones import ScaledUNet

    def short(*, n_classes: int, width: int, depth: int) -> nn.Module:
        network = ScaledUNet(n_classes=n_classes, width=width, depth=depth)
        network.reach -= 2  # one is to spare
        return network

    with pytest.raises(PluginError, match="reach=22 px, but pixels farther"):
        check_backbone(short)


def test_factory_without_the_keywords() -> None:
    with pytest.raises(PluginError, match=r"keywords n_classes, width and depth .*'width'"):
        check_backbone(lambda *, n_classes: Good(n_classes))  # type: ignore[misc]


def test_random_generator_is_left_alone() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    check_backbone(lambda *, n_classes, width, depth: Good(n_classes))
    assert torch.equal(torch.rand(1), expected)
