"""STL files of any kind."""

from __future__ import annotations

import random
import struct
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from cases import Cases

if TYPE_CHECKING:
    from pathlib import Path


def read_mesh(path: Path) -> str:
    """Measure the implant on a mesh."""
    from srseg.quantification import implant_from_mesh

    return f"read: {implant_from_mesh(path).volume_mm3:g} mm³"


STL = Cases("STL", read_mesh)
CASES = STL.found
CORNERS = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
FACES = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]


def stl(
    folder: Path, *, n: int = 4, scale: float = 1.0, count: int | None = None, cut: int = 0
) -> Path:
    """Write a tetrahedron, some of its faces, or what says to be more."""
    content = bytes(80) + struct.pack("<I", n if count is None else count)
    for face in FACES[:n]:
        corners = (CORNERS[list(face)] * np.float32(scale)).astype("<f4")
        content += bytes(12) + corners.tobytes() + bytes(2)
    (folder / "a.stl").write_bytes(content[: len(content) - cut])
    return folder / "a.stl"


def warm_up(folder: Path) -> None:
    """Read a good one."""
    assert "0.166667" in read_mesh(stl(folder))


def _text(text: str | bytes, folder: Path) -> Path:
    (folder / "a.stl").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder / "a.stl"


STL.add("4,294,967,295 triangles declared", partial(stl, count=0xFFFFFFFF))
STL.add("no triangles", partial(stl, n=0))
STL.add("a mesh with a hole", partial(stl, n=3))
STL.add("cut off", partial(stl, cut=30))
STL.add("corners of NaN", partial(stl, scale=float("nan")))
STL.add("infinite corners", partial(stl, scale=3e38))
STL.add("an implant of 10³⁰ mm", partial(stl, scale=1e30))
STL.add("empty", partial(_text, b""))
STL.add("random bytes", partial(_text, random.Random(0).randbytes(3000)))
STL.add("a text that is none", partial(_text, "solid a\n" + "facet normal 1 2\n" * 1000))
STL.add(
    "a text with numbers of 5,000 digits",
    partial(_text, f"solid a\nfacet normal 0 0 1\nouter loop\nvertex {'9' * 5000} 0 0\n"),
)
STL.add("NUL", partial(_text, bytes(5000)))


@STL("300 MB")
def _(folder: Path) -> Path:
    path = stl(folder)
    with path.open("r+b") as file:
        file.truncate(300 << 20)
    return path
