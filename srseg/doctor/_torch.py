"""Torch, GPUs, precision."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from srseg.doctor._finding import BUSY, REINSTALL, Finding, one_line, size
from srseg.doctor._probe import ask
from srseg.machine import usable_cores

_GET_TORCH = "install the build of torch for your GPU first (pytorch.org gives the command)"
_BUSY = 0.5  # of a GPU's memory, used by others


def torch_findings() -> list[Finding]:
    """Tell whether torch works, what GPUs it sees, and how networks will run."""
    answer = ask("_torch_probe")
    if not answer.lines:
        text = f"cannot be loaded: {one_line(answer.trouble)}"
        if answer.late:
            return [Finding("torch", "better", text, BUSY)]
        return [Finding("torch", "broken", text, REINSTALL)]
    return judged(answer.lines[0], usable_cores())


def judged(found: dict[str, Any], n_cores: int) -> list[Finding]:
    """Judge what torch said of itself."""
    findings = [_version(found, n_cores), *_gpus(found)]
    if not found["gpus"]:
        findings.append(_cpu(found))
    return findings


def _version(found: dict[str, Any], n_cores: int) -> Finding:
    build = f"CUDA {found['cuda']}" if found["cuda"] else "CPU only"
    if found["hip"]:
        build = f"ROCm {found['hip']}"
    text = f"{found['version']} ({build})"
    threads = found["threads"]
    if threads > n_cores:
        text += f", which takes {threads} threads where {n_cores} cores may be used"
        return Finding("torch", "better", text, f"export OMP_NUM_THREADS={n_cores}", found)
    return Finding("torch", "ok", text, facts=found)


def _gpus(found: dict[str, Any]) -> list[Finding]:
    if found["gpus"]:
        return [_gpu(i, gpu) for i, gpu in enumerate(found["gpus"])]
    if not _has_nvidia():
        return [Finding("GPU", "ok", "none; networks run on the CPU, where training takes hours")]
    if not found["cuda"]:
        text = "there is an NVIDIA GPU, but this torch was built for the CPU only"
        return [Finding("GPU", "better", text, _GET_TORCH)]
    why = one_line(found["cuda_says"]) or "hidden by CUDA_VISIBLE_DEVICES, or without a driver"
    text = f"there is an NVIDIA GPU, but torch cannot use it ({why})"
    remedy = "update the NVIDIA driver, or look at CUDA_VISIBLE_DEVICES; nvidia-smi must work"
    return [Finding("GPU", "better", text, remedy)]


def _gpu(index: int, gpu: dict[str, Any]) -> Finding:
    topic = f"GPU {index}"
    if not gpu["works"]:
        why = one_line(gpu.get("error", "wrong results"))
        text = f"{gpu['name']} does not compute: {why}"
        remedy = f"{_GET_TORCH}, or give --device cpu"
        return Finding(topic, "broken", text, remedy, gpu)
    precision = "bfloat16" if gpu["bf16"] else "float32 only"
    text = f"{gpu['name']}, {size(gpu['free_bytes'])} of {size(gpu['total_bytes'])} free"
    if gpu["free_bytes"] < (1 - _BUSY) * gpu["total_bytes"]:
        text += ": other programs use it"
        remedy = "nvidia-smi shows which; wait, or choose another with CUDA_VISIBLE_DEVICES"
        return Finding(topic, "better", text, remedy, gpu)
    return Finding(topic, "ok", f"{text}, {precision}", facts=gpu)


def _cpu(found: dict[str, Any]) -> Finding:
    precision = found["cpu_precision"]
    text = (
        "bfloat16, which this processor multiplies natively"
        if precision == "bf16"
        else "float32; this processor does not multiply bfloat16 natively"
    )
    facts = {"precision": precision, "capability": found.get("cpu")}
    if find_spec("openvino") is None:
        text += "; OpenVINO would predict faster"
        return Finding("CPU", "better", text, "pip install 'srseg[openvino]'", facts)
    return Finding("CPU", "ok", f"{text}; predicts with OpenVINO", facts=facts)


def _has_nvidia() -> bool:
    return bool(shutil.which("nvidia-smi")) or Path("/proc/driver/nvidia").is_dir()
