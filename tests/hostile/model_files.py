"""Models and checkpoints: files that are none, and files that lie under a checksum that fits."""

from __future__ import annotations

import json
import random
import struct
from functools import partial
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import numpy as np
from cases import Cases

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


KEPT: dict[str, Any] = {}


def read_model(path: Path) -> str:
    """Load a model, and what it says of itself."""
    from srseg import load_model
    from srseg.estimators import model_facts

    loaded = load_model(path)
    model_facts(path)
    labels = loaded.predict(np.arange(120, dtype=np.float32).reshape(4, 5, 6))
    return f"read: predicts {labels.shape[0]} slices"


MODEL = Cases("model", read_model)
CASES = MODEL.found


def warm_up(folder: Path) -> None:
    """Train a model for a moment, keep it, and read it."""
    from srseg import VolumeSegmenter

    scan = np.random.default_rng(0).normal(size=(8, 9, 10)).astype(np.float32)
    KEPT["model"] = VolumeSegmenter(
        width=2, depth=1, input_size=16, max_iter=1, batch_size=1, validation=None, random_state=0
    ).fit([scan], [(scan > 0).astype(np.uint8)])
    assert "4 slices" in read_model(changed(lambda *_: None, folder))
    assert "read" in read_checkpoint(checkpoint({}, folder))


def changed(change: Any, folder: Path) -> Path:
    """Write the model with something changed in it, under a checksum that fits."""
    from srseg.estimators import _model_file

    kept, tensors = _model_file.pack(KEPT["model"])
    kept, tensors = json.loads(json.dumps(kept, default=float)), dict(tensors)
    change(kept, tensors)
    with patch.object(_model_file, "pack", lambda _: (kept, tensors)):
        _model_file.save_model(None, folder / "m.srseg")
    return folder / "m.srseg"


def _set(keys: str, value: Any, kept: dict[str, Any], _: Any) -> None:
    *way, last = keys.split("/")
    for key in way:
        kept = kept[key]
    kept[last] = value


for _name, _keys, _value in (
    ("of a version that is not there yet", "version", 99),
    ("a version that is a text", "version", "1"),
    ("no parameters", "parameters", None),
    ("parameters that are a list", "parameters", [1, 2]),
    ("a parameter that is not known", "parameters/evil", 1),
    ("a width of 10⁹", "parameters/width", 10**9),
    ("a depth of 10⁹", "parameters/depth", 10**9),
    ("another width than its weights", "parameters/width", 3),
    ("a backbone of a plugin that is not installed", "parameters/backbone", "evil:net"),
    ("a backbone with `../` in its name", "parameters/backbone", "../../evil"),
    ("no classes", "label_table", []),
    (
        "one class",
        "label_table",
        [{"index": 0, "name": "a", "color": "#000000"}],
    ),
    ("a label table that is a text", "label_table", "bone"),
    ("a voxel size of zero", "voxel_size_um", 0),
    ("a voxel size that is a list", "voxel_size_um", [5, 5, 5]),
    ("a history of texts", "history", "x"),
):
    MODEL.add(_name, partial(changed, partial(_set, _keys, _value)))


def _weight(
    change: Callable[[dict[str, Any], str], Any], kept: Any, tensors: dict[str, Any]
) -> None:
    change(tensors, max(tensors, key=lambda name: tensors[name].numel()))


def _no_segmenter(kept: dict[str, Any], _: Any) -> None:
    kept["segmenter"] = "evil"


def _doubled(tensors: dict[str, Any], name: str) -> None:
    tensors[name] = tensors[name].repeat(2, *(1,) * (tensors[name].dim() - 1)).contiguous()


for _name, _change in (
    ("a weight that is missing", lambda t, n: t.pop(n)),
    ("a weight of twice the shape", _doubled),
    ("weights that are integers", lambda t, n: t.update({n: t[n].int()})),
    ("weights that are NaN", lambda t, n: t.update({n: t[n] * float("nan")})),
    ("weights called `../../evil`", lambda t, n: t.update({"../../evil": t.pop(n)})),
    ("one weight more, of 16 MB", lambda t, n: t.update(more=t[n].new_zeros(1 << 22))),
):
    MODEL.add(_name, partial(changed, partial(_weight, _change)))


def _bytes(content: bytes, folder: Path) -> Path:
    (folder / "m.srseg").write_bytes(content)
    return folder / "m.srseg"


def _header(header: Any, folder: Path, *, data: bytes = bytes(64)) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return _bytes(struct.pack("<Q", len(text)) + text + data, folder)


def _tensor(first: int, last: int, shape: list[int] | None = None, dtype: str = "F32") -> Any:
    return {"dtype": dtype, "shape": shape or [(last - first) // 4], "data_offsets": [first, last]}


for _name, _document in {
    "a header nested 100,000 deep": b'{"a":' * 100_000,
    "a header of a list": [1, 2],
    "a header that is no UTF-8": b'{"\xff": 1}',
    "a header with a number of 5,000 digits": b'{"a": ' + b"9" * 5000 + b"}",
    "tensors that overlap": {"a": _tensor(0, 40), "b": _tensor(20, 64)},
    "a tensor behind the end of the file": {"a": _tensor(0, 1 << 40)},
    "a tensor that runs backwards": {"a": _tensor(64, 0, [16])},
    "a tensor before the file": {"a": _tensor(-64, 0, [16])},
    "a tensor of 10¹⁸ numbers in 64 bytes": {"a": _tensor(0, 64, [10**6] * 3)},
    "a tensor whose size has no 64 bits": {"a": _tensor(0, 64, [2**32, 2**32, 2])},
    "a tensor of objects": {"a": _tensor(0, 64, dtype="O")},
    "bytes that no tensor has": {"a": _tensor(0, 4)},
    "safetensors of another program": {"a": _tensor(0, 64), "__metadata__": {"format": "pt"}},
    "a model of no document": {"a": _tensor(0, 64), "__metadata__": {"format": "srseg-model"}},
    "a document nested 100,000 deep": {
        "a": _tensor(0, 64), "__metadata__": {"format": "srseg-model", "srseg": "[" * 100_000},
    },
    "a document of 5,000 digits": {
        "a": _tensor(0, 64), "__metadata__": {"format": "srseg-model", "srseg": "9" * 5000},
    },
}.items():  # fmt: skip
    MODEL.add(_name, partial(_header, _document))
MODEL.add("empty", partial(_bytes, b""))
MODEL.add("random bytes", partial(_bytes, random.Random(0).randbytes(5000)))
MODEL.add("a header of 2⁶³ bytes", partial(_bytes, struct.pack("<Q", 1 << 63) + bytes(100)))
MODEL.add("a pickle", partial(_bytes, b"\x80\x04cposix\nsystem\n(S'true'\ntR."))


@MODEL("a header of 300 MB")
def _(folder: Path) -> Path:
    path = _bytes(struct.pack("<Q", 300 << 20) + b"{", folder)
    with path.open("r+b") as file:
        file.truncate((300 << 20) + 8)
    return path


@MODEL("a changed byte in its weights")
def _(folder: Path) -> Path:
    path = changed(lambda *_: None, folder)
    content = bytearray(path.read_bytes())
    content[-5] ^= 4
    return _bytes(content, folder)


@MODEL("cut off")
def _(folder: Path) -> Path:
    return _bytes(changed(lambda *_: None, folder).read_bytes()[:-7], folder)


@MODEL("a link to /dev/zero")
def _(folder: Path) -> Path:
    (folder / "m.srseg").symlink_to("/dev/zero")
    return folder / "m.srseg"


MODEL.add("of a plugin that is not installed", partial(changed, _no_segmenter))


def read_checkpoint(path: Path) -> str:
    """Read what is kept of a training."""
    from srseg.training import Checkpoint

    found = Checkpoint(path, {}).read()
    return "read: nothing" if found is None else "read: a training"


CHECKPOINT = Cases("checkpoint", read_checkpoint, CASES)


def checkpoint(identity: dict[str, Any], folder: Path) -> Path:
    """Write one."""
    import torch

    from srseg.training import Checkpoint

    Checkpoint(folder / "c.ckpt", identity).write({"step": 1}, {"a": torch.zeros(4)})
    return folder / "c.ckpt"


CHECKPOINT.add("of another training", partial(checkpoint, {"seed": 2}))
CHECKPOINT.add("a model", partial(changed, lambda *_: None))
CHECKPOINT.add("a pickle", partial(_bytes, b"\x80\x04cposix\nsystem\n(S'true'\ntR."))


@CHECKPOINT("a changed byte")
def _(folder: Path) -> Path:
    path = checkpoint({}, folder)
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    return path
