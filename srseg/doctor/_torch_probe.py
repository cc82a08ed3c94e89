"""What torch says of itself; run in a process of its own."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any


def _gpu(torch: Any, index: int) -> dict[str, Any]:
    found: dict[str, Any] = {"name": torch.cuda.get_device_name(index)}
    try:
        free, total = torch.cuda.mem_get_info(index)
        found |= {"free_bytes": free, "total_bytes": total}
        # what was not built for this GPU can be seen only by trying
        ones = torch.ones((64, 64), device=f"cuda:{index}")
        found["works"] = float((ones @ ones).sum().item()) == 64.0**3
        with torch.cuda.device(index):
            found["bf16"] = torch.cuda.is_bf16_supported(including_emulation=False)
    except Exception as error:
        found |= {"works": False, "error": str(error)}
    return found


def main() -> None:
    """Write what is found as one line of JSON."""
    import warnings

    import torch

    from srseg.inference import choose_precision

    found: dict[str, Any] = {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "hip": torch.version.hip,
        "threads": torch.get_num_threads(),
        "gpus": [],
    }
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        there = torch.cuda.is_available()
    found["cuda_says"] = str(said[0].message) if said else ""
    if there:
        found["gpus"] = [_gpu(torch, i) for i in range(torch.cuda.device_count())]
    found["cpu_precision"] = choose_precision("auto", torch.device("cpu"))
    with suppress(Exception):
        found["cpu"] = torch.backends.cpu.get_cpu_capability()
    print(json.dumps(found))  # noqa: T201 - how a probe answers


if __name__ == "__main__":
    main()
