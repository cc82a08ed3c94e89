import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from srseg import backbones
from srseg.backbones import create_backbone, list_backbones, register_backbone
from srseg.errors import ParameterError, PluginError, UnknownNameError

PLUGIN = """
import torch

def thin(*, n_classes, width, depth):
    network = torch.nn.Conv2d(1, n_classes, kernel_size=1)
    network.stride, network.reach = 1, 0
    return network
"""


def install(folder: Path, name: str, code: str, entry_points: str) -> None:
    """A fake installed distribution: a module and its metadata on the path."""
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


class Linear(torch.nn.Conv2d):
    def __init__(self, n_classes: int, stride: object = 1, reach: object = 0) -> None:
        super().__init__(1, n_classes, kernel_size=1)
        self.stride, self.reach = stride, reach  # type: ignore[assignment]


def test_listing_needs_no_torch() -> None:
    code = (
        "import sys; from srseg.backbones import list_backbones; import srseg.testing;"
        "assert 'unet' in list_backbones(); print('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "False"


def test_unet_class_is_public() -> None:
    assert isinstance(create_backbone("unet", n_classes=2, width=1, depth=1), backbones.ScaledUNet)
    with pytest.raises(AttributeError, match="no attribute 'ScaledUNett'"):
        backbones.ScaledUNett  # noqa: B018


def test_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "srseg_thin", PLUGIN, "[srseg.backbones]\nthin = srseg_thin:thin\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert list_backbones() == ["smp:<architecture>/<encoder>", "thin", "unet"]
    assert "srseg_thin" not in sys.modules
    network = create_backbone("thin", n_classes=3)
    assert network(torch.zeros(1, 1, 5, 7)).shape == (1, 3, 5, 7)


def test_broken_plugin_is_named_and_the_rest_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(
        tmp_path,
        "srseg_broken",
        "import no_such_package\n",
        "[srseg.backbones]\nbroken = srseg_broken:network\n",
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        PluginError, match=r"'broken' of the package srseg_broken .*no_such_package"
    ):
        create_backbone("broken", n_classes=2)
    create_backbone("unet", n_classes=2, width=1, depth=1)


def test_plugin_cannot_take_the_name_of_the_unet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path, "srseg_rival", PLUGIN, "[srseg.backbones]\nunet = srseg_rival:thin\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.warns(UserWarning, match="'unet' of the package srseg_rival is already taken"):
        names = list_backbones()
    assert names.count("unet") == 1
    assert isinstance(create_backbone("unet", n_classes=2, width=1, depth=1), backbones.ScaledUNet)


def test_register(monkeypatch: pytest.MonkeyPatch) -> None:
    from srseg.backbones import _catalog

    monkeypatch.setattr(_catalog._registry, "_built_in", dict(_catalog._registry._built_in))

    def mine(*, n_classes: int, width: int, depth: int) -> torch.nn.Module:
        return Linear(n_classes)

    register_backbone("mine", mine)
    assert "mine" in list_backbones()
    assert isinstance(create_backbone("mine", n_classes=2), Linear)
    with pytest.raises(PluginError, match="'mine' is already taken"):
        register_backbone("mine", mine)


@pytest.mark.parametrize("name", ["", "smp:mine"])
def test_register_refuses_names(name: str) -> None:
    with pytest.raises(ParameterError, match="cannot be named"):
        register_backbone(name, lambda **_: Linear(2))


def test_register_refuses_what_is_no_factory() -> None:
    with pytest.raises(ParameterError, match="is of type int; give a callable"):
        register_backbone("seven", 7)  # type: ignore[arg-type]


def test_callable_gets_all_three_numbers() -> None:
    seen = {}

    def mine(**numbers: int) -> torch.nn.Module:
        seen.update(numbers)
        return Linear(numbers["n_classes"], stride=4, reach=None)

    network = create_backbone(mine, n_classes=3, width=5, depth=np.int64(2))
    assert seen == {"n_classes": 3, "width": 5, "depth": 2}
    assert type(seen["depth"]) is int
    assert network.stride == 4
    assert network.reach is None


def test_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(
        UnknownNameError, match=r"did you mean 'unet'\? .* unet, smp:<architecture>"
    ):
        create_backbone("unett", n_classes=2)


def test_spec_of_another_kind_is_refused() -> None:
    with pytest.raises(ParameterError, match=r"backbone is of type int; give a name .*unet"):
        create_backbone(3, n_classes=2)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"n_classes": 1}, "n_classes=1 .* at least 2"),
        ({"n_classes": 2, "width": 0}, "width=0 .* at least 1"),
        ({"n_classes": 2, "depth": 0}, "depth=0 .* at least 1"),
        ({"n_classes": 2, "depth": 2.5}, r"depth=2\.5 .* whole number"),
        ({"n_classes": 2, "width": True}, "width=True .* whole number"),
        ({"n_classes": 2, "width": None}, "width=None .* whole number"),
    ],
)
def test_numbers_that_cannot_work(numbers: dict[str, int], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        create_backbone("unet", **numbers)


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda **_: "network", "built a str"),
        (lambda **_: torch.nn.Identity(), "has stride=None; set its attribute `stride`"),
        (lambda **_: Linear(2, stride=0), "has stride=0"),
        (lambda **_: Linear(2, stride=(1, 1)), r"has stride=\(1, 1\)"),
        (lambda **_: Linear(2, reach=-1), "has reach=-1"),
        (lambda **_: Linear(2, reach=1.5), r"has reach=1\.5"),
        (lambda **_: Linear(2, reach=True), "has reach=True"),
    ],
)
def test_what_a_factory_builds_is_checked(factory: object, message: str) -> None:
    with pytest.raises(PluginError, match=message):
        create_backbone(factory, n_classes=2)  # type: ignore[arg-type]
