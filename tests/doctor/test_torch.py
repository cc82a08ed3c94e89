"""What is said of torch, processors and GPUs, from made-up answers."""

from __future__ import annotations

from typing import Any

import pytest

from srseg.doctor._torch import judged

GB = 10**9
CPU_ONLY: dict[str, Any] = {
    "version": "2.13.0+cpu", "cuda": None, "hip": None, "threads": 2, "gpus": [], "cuda_says": "",
    "cpu_precision": "fp32", "cpu": "AVX2",
}  # fmt: skip
GPU = {
    "name": "NVIDIA H100", "free_bytes": 80 * GB, "total_bytes": 85 * GB, "works": True,
    "bf16": True,
}  # fmt: skip


def test_a_cpu(monkeypatch: pytest.MonkeyPatch, by_topic: Any) -> None:
    monkeypatch.setattr("srseg.doctor._torch._has_nvidia", lambda: False)
    monkeypatch.setattr("srseg.doctor._torch.find_spec", lambda _: None)
    found = by_topic(judged(CPU_ONLY, 2))
    assert found["torch"].state == found["GPU"].state == "ok"
    assert found["CPU"].remedy == "pip install 'srseg[openvino]'"
    assert judged(CPU_ONLY, 1)[0].remedy == "export OMP_NUM_THREADS=1"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({}, "this torch was built for the CPU only"),
        ({"cuda": "12.8", "cuda_says": "The NVIDIA driver\nis too old"}, "driver is too old"),
        ({"cuda": "12.8"}, "hidden by CUDA_VISIBLE_DEVICES"),
    ],
)
def test_a_gpu_that_torch_does_not_use(
    monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any], says: str, by_topic: Any
) -> None:
    monkeypatch.setattr("srseg.doctor._torch._has_nvidia", lambda: True)
    finding = by_topic(judged({**CPU_ONLY, **answer}, 2))["GPU"]
    assert finding.state == "better"
    assert says in finding.text
    assert finding.remedy


@pytest.mark.parametrize(
    ("gpu", "state", "says"),
    [
        ({}, "ok", "80 GB of 85 GB free, bfloat16"),
        ({"bf16": False}, "ok", "float32 only"),
        ({"free_bytes": GB}, "better", "other programs use it"),
        ({"works": False, "error": "no kernel image"}, "broken", "does not compute: no kernel"),
    ],
)
def test_gpus(gpu: dict[str, Any], state: str, says: str, by_topic: Any) -> None:
    answer = {**CPU_ONLY, "cuda": "12.8", "gpus": [GPU, {**GPU, **gpu}]}
    found = by_topic(judged(answer, 2))
    assert set(found) == {"torch", "GPU 0", "GPU 1"}
    assert found["GPU 0"].state == "ok"
    assert found["GPU 1"].state == state
    assert says in found["GPU 1"].text
