import subprocess
import sys
from pathlib import Path

import pytest
import torch

from srseg.backbones import create_backbone
from srseg.errors import ParameterError, UnknownNameError


@pytest.mark.parametrize(
    ("name", "stride"),
    [
        ("unet/resnet18", 32),
        ("FPN/resnet18", 32),
        ("segformer/mit_b0", 32),
        ("DeepLabV3Plus/resnet18", 16),
        ("dpt/tu-vit_tiny_patch16_224", 32),
    ],
)
def test_multiples_of_stride_work(name: str, stride: int) -> None:
    network = create_backbone(f"smp:{name}", n_classes=3).eval()
    assert network.stride == stride
    assert network.reach is None
    for rows, columns in ((1, 1), (1, 2), (3, 1)):
        x = torch.rand(1, 1, rows * stride, columns * stride)
        with torch.no_grad():
            logits = network(x)
        assert logits.shape == (1, 3, *x.shape[2:])
        assert (logits.sum(dim=1) - 1).abs().max() > 0.01  # logits, not probabilities


def test_encoder_of_timm_has_random_weights_and_stays_offline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_network(*args: object, **kwargs: object) -> None:
        raise AssertionError("a name was looked up on the network")

    monkeypatch.setattr("socket.getaddrinfo", no_network)
    weights = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        network = create_backbone("smp:unet/tu-resnet18", n_classes=2)
        weights.append(next(network.parameters()))
    assert weights[0].shape[1] == 1
    assert not torch.equal(*weights)


@pytest.mark.parametrize("name", ["unet", "unet/", "/resnet18", ""])
def test_incomplete_name(name: str) -> None:
    with pytest.raises(ParameterError, match="incomplete; write smp:<architecture>/<encoder>"):
        create_backbone(f"smp:{name}", n_classes=2)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "unett/resnet18",
            "no architecture 'unett'; did you mean 'unet' .*Known architectures: deep",
        ),
        ("unet/resnet19", "no encoder 'resnet19'; did you mean 'resnet18'"),
        ("unet/tu-convnext_tinyy", "'tu-convnext_tiny'"),
        ("unet/qqq", r"no encoder 'qqq'\. Known encoders"),
        # not a model of timm's table, but a file on the hub: nothing is fetched because of a name
        ("unet/tu-hf-hub:timm/resnet18", "no encoder 'tu-hf-hub:timm/resnet18'"),
        ("unet/tu-local-dir:models", "no encoder 'tu-local-dir:models'"),
    ],
)
def test_unknown_names(name: str, message: str) -> None:
    with pytest.raises(UnknownNameError, match=message):
        create_backbone(f"smp:{name}", n_classes=2)


def test_parts_that_do_not_work_together() -> None:
    with pytest.raises(ParameterError, match="'deeplabv3' cannot be built on the encoder 'vgg11'"):
        create_backbone("smp:deeplabv3/vgg11", n_classes=2)


def test_torchvision_that_fails_in_another_way_is_not_patched(tmp_path: Path) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('built for another machine')\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        "from srseg.backbones import create_backbone;"
        "create_backbone('smp:unet/resnet18', n_classes=2)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert "RuntimeError: built for another machine" in done.stderr


def test_torchvision_without_its_operators_is_helped(tmp_path: Path) -> None:
    # what torchvision's import does, whatever torchvision is installed here
    (tmp_path / "torchvision.py").write_text(
        "import torch\n"
        "@torch.library.register_fake('torchvision::nms')\n"
        "def nms(dets, scores, iou_threshold): ...\n"
    )
    (tmp_path / "segmentation_models_pytorch.py").write_text("import torchvision\n")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r});"
        "from srseg.backbones._torchvision import import_segmentation_models;"
        "print(import_segmentation_models().__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "segmentation_models_pytorch", done.stderr
