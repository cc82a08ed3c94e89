"""Models in parts that a fuzzer can change, and the file that is made of them, sealed."""

from __future__ import annotations

import json
import math

import torch

_KINDS = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "I64": torch.int64, "I32": torch.int32, "I16": torch.int16, "I8": torch.int8,
    "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
_NAMES = {kind: name for name, kind in _KINDS.items()}
_MOST = 1 << 20
FILE = "model.srseg"


def parts(path):
    """Give the parts of a model file: its document, the shapes of its tensors, their bytes."""
    from safetensors import safe_open

    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
        document = file.metadata()["srseg"]
    shapes = {name: [_NAMES[t.dtype], *t.shape] for name, t in tensors.items()}
    flat = [t.contiguous().flatten().view(torch.uint8).numpy() for t in tensors.values()]
    return {
        "document.json": document.encode(),
        "tensors.json": json.dumps(shapes).encode(),
        "numbers": b"".join(one.tobytes() for one in flat),
    }


def seal(folder):
    """Write the file that the parts in a folder make, with a checksum that fits; and its path."""
    from safetensors.torch import save_file

    from srseg.training import digest

    path = folder / FILE
    tensors = {}
    try:
        text = (folder / "document.json").read_text("utf-8", "replace")
        shapes = json.loads((folder / "tensors.json").read_bytes())
        content = (folder / "numbers").read_bytes()
        at = 0
        for name, (kind, *shape) in shapes.items():
            if not all(type(n) is int and 0 <= n <= _MOST for n in shape):
                continue
            size = math.prod(shape) * _KINDS[kind].itemsize
            if size > _MOST:
                continue
            piece = bytearray(content[at : at + size].ljust(size, b"\0"))
            at += size
            empty = torch.zeros(shape, dtype=_KINDS[kind])
            tensors[name] = (
                torch.frombuffer(piece, dtype=_KINDS[kind]).reshape(shape) if size else empty
            )
        header = {"format": "srseg-model", "srseg": text, "sha256": digest(text, tensors)}
        save_file(tensors, path, header)
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        path.write_bytes(b"")  # the fuzzer has changed the words between the parts
    return path
