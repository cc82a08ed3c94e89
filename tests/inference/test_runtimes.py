"""Whatever runs a network gives its answers, the same bits each time, or says why it cannot."""

import copy
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from torch import nn

from srseg.backbones import create_backbone, describe_backbone
from srseg.errors import ParameterError
from srseg.inference import SlicePredictor, _choices, choose_runtime
from srseg.inference._repeatable import repeatable
from srseg.inference._runtime_openvino import _without_kept_primitives
from srseg.machine import usable_cores

CPU = torch.device("cpu")
openvino_is_here = pytest.mark.skipif(not find_spec("openvino"), reason="openvino is not installed")
RUNTIMES = ["torch", pytest.param("openvino", marks=openvino_is_here)]
SIZES = [(1, 16, 16), (2, 16, 24), (3, 40, 8), (1, 104, 72)]


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    network = create_backbone("unet", n_classes=4, width=4, depth=3)
    with torch.no_grad():
        network.train()(torch.randn(4, 1, 64, 64))
    return network.eval()


def predictor(network, runtime, precision="fp32", n_classes=4):
    return SlicePredictor(
        network, n_classes=n_classes, device=CPU, precision=precision, runtime=runtime
    )


def slices(size, seed=0):
    return torch.rand(size, generator=torch.Generator().manual_seed(seed))


def exact(network, x):
    with torch.no_grad():
        return copy.deepcopy(network).double().eval()(x[:, None].double()).softmax(1)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_float32_is_the_network_up_to_rounding(network, runtime):
    predict = predictor(network, runtime)
    assert (predict.runtime, predict.precision, predict.notes) == (runtime, "fp32", [])
    for size in SIZES:
        x = slices(size)
        found = predict(x)
        assert found.dtype == torch.float32
        assert found.is_contiguous()
        assert found.device == CPU
        torch.testing.assert_close(found.double(), exact(network, x), rtol=0, atol=2e-6)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_bfloat16_is_close(network, runtime):
    predict = predictor(network, runtime, "bf16")
    assert (predict.runtime, predict.precision, predict.notes) == (runtime, "bf16", [])
    x = slices((2, 64, 96))
    found = predict(x)
    assert found.dtype == torch.float32
    off = (found.double() - exact(network, x)).abs()
    assert 1e-5 < off.max() < 0.05
    assert off.mean() < 0.005
    torch.testing.assert_close(found.sum(1), torch.ones(2, 64, 96))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_same_slices_give_the_same_bits(network, runtime, precision):
    x = slices((2, 104, 72))
    first = predictor(network, runtime, precision)
    expected = first(x)
    kept = expected.clone()
    first(slices((2, 104, 72), seed=1))
    first(slices((1, 16, 24)))
    assert torch.equal(expected, kept)  # what was given is not written to again
    assert torch.equal(first(x), kept)
    assert torch.equal(predictor(network, runtime, precision)(x), kept)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_threads_may_share_a_predictor(network, runtime):
    predict = predictor(network, runtime)
    given = [slices((1, 32 + 8 * i, 24), seed=i) for i in range(12)]
    expected = [predict(x) for x in given]
    with ThreadPoolExecutor(4) as pool:
        for found, wanted in zip(pool.map(predict, given), expected, strict=True):
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_slices_may_be_part_of_a_larger_tensor(network, runtime):
    predict = predictor(network, runtime)
    large = slices((4, 40, 60))
    part = large[1::2, 4:36, 8:32]
    torch.testing.assert_close(predict(part), predict(part.clone()), rtol=0, atol=0)


@pytest.mark.parametrize("runtime", RUNTIMES)
@pytest.mark.parametrize("backbone", ["smp:unet/resnet18", "smp:segformer/mit_b0"])
def test_networks_of_others_run_too(backbone, runtime):
    torch.manual_seed(1)
    network = create_backbone(backbone, n_classes=3).eval()
    predict = predictor(network, runtime, n_classes=3)
    assert (predict.runtime, predict.notes) == (runtime, [])
    for size in [(2, 64, 96), (1, 128, 64)]:
        x = slices(size)
        torch.testing.assert_close(predict(x).double(), exact(network, x), rtol=0, atol=1e-4)


def test_a_compiled_network_takes_slices_of_any_size():
    torch.manual_seed(1)
    network = create_backbone("unet", n_classes=3, width=4, depth=1).eval()
    predict = predictor(network, "compile", n_classes=3)
    if predict.notes:
        pytest.skip(predict.notes[0])
    assert predict.runtime == "compile"
    from torch._dynamo.utils import counters

    predict.prepare([(2, 16, 16), (1, 256, 256)])
    compiled = counters["stats"]["unique_graphs"]
    for size in [(2, 16, 16), (2, 64, 16), (3, 40, 8), (1, 256, 256)]:
        x = slices(size)
        found = predict(x)
        torch.testing.assert_close(found.double(), exact(network, x), rtol=0, atol=2e-6)
        assert torch.equal(predict(x), found)
    assert counters["stats"]["unique_graphs"] == compiled


def test_without_a_compiler_torch_takes_over_and_says_so(tmp_path):
    code = """if True:
        import torch
        from srseg.backbones import create_backbone
        from srseg.inference import SlicePredictor
        network = create_backbone("unet", n_classes=2, width=2, depth=1)
        predict = SlicePredictor(network, n_classes=2, device="cpu", runtime="compile")
        assert predict(torch.zeros(1, 8, 8)).shape == (1, 2, 8, 8)
        print(predict.runtime, *predict.notes, sep="|")
    """
    found = _python(code, PATH="", CXX="no-such-compiler", TORCHINDUCTOR_CACHE_DIR=str(tmp_path))
    runtime, note = found.split("|")
    assert runtime == "torch"
    assert note.startswith("torch.compile cannot run this network here (")
    assert "ompiler" in note


class _Turned(nn.Module):
    """Does something else for slices of another size, which a tracer does not see."""

    stride, reach = 8, 1

    def __init__(self):
        super().__init__()
        self.head = nn.Conv2d(1, 2, 1)

    def forward(self, x):
        return self.head(x if x.shape[-2] == x.shape[-1] else 1 - x)


@openvino_is_here
def test_what_openvino_would_get_wrong_runs_with_torch():
    torch.manual_seed(1)
    network = _Turned().eval()
    predict = predictor(network, "openvino", n_classes=2)
    assert predict.runtime == "torch"
    (note,) = predict.notes
    assert note.startswith("OpenVINO cannot run this network here (")
    assert "differ by" in note
    x = slices((1, 16, 24))
    torch.testing.assert_close(predict(x).double(), exact(network, x), rtol=0, atol=1e-6)


def test_openvino_that_is_missing_is_named(network, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    wanted = predictor(network, "openvino")
    assert wanted.runtime == "torch"
    assert "it is not installed; pip install 'srseg[openvino]'" in wanted.notes[0]
    monkeypatch.setattr(_choices, "find_spec", lambda name: None)
    assert choose_runtime(CPU) == "torch"
    automatic = predictor(network, "auto")
    assert automatic.runtime == "torch"
    assert automatic.notes == [
        "OpenVINO would be faster, but is not installed; pip install 'srseg[openvino]'"
    ]
    assert predictor(network, "torch").notes == []


@openvino_is_here
def test_openvino_is_chosen_where_it_is_installed(network):
    assert choose_runtime(CPU) == "openvino"
    assert choose_runtime(torch.device("cuda")) == "torch"
    assert predictor(network, "auto").runtime == "openvino"


def test_unknown_runtimes_are_refused(network):
    with pytest.raises(ParameterError, match=r"'torch', 'compile', 'openvino', found 'onnx'"):
        predictor(network, "onnx")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_slices_that_do_not_fit_are_refused(network, runtime):
    with pytest.raises(ParameterError, match="20x16 px do not fit a network of stride 8"):
        predictor(network, runtime)(torch.zeros(1, 20, 16))


def test_operations_are_counted(network):
    predict = predictor(network, "torch")
    expected = describe_backbone("unet", n_classes=4, width=4, depth=3, input_size=64).flops
    assert predict.flops(1, 64, 64) == expected
    assert predict.flops(2, 64, 128) == 4 * expected

    class Looks(_Turned):
        def forward(self, x):
            return super().forward(-x if float(x.max()) > 5 else x)

    assert predictor(Looks(), "torch", n_classes=2).flops(1, 64, 64) is None


def test_batches_hold_about_the_same_number_of_pixels(network):
    predict = predictor(network, "torch")
    found = [predict.batch_size(edge, edge) for edge in (8, 256, 512, 1200, 4000)]
    assert found == sorted(found, reverse=True)
    assert found == [2, 1, 1, 1, 1]


@openvino_is_here
def test_openvino_takes_no_more_threads_than_torch_was_given(network):
    before = torch.get_num_threads()
    try:
        for threads in {1, min(2, usable_cores())}:
            torch.set_num_threads(threads)
            model = predictor(network, "openvino")._run._request.get_compiled_model()
            assert model.get_property("INFERENCE_NUM_THREADS") == threads
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_importing_inference_loads_no_compiler_and_tells_nobody():
    code = """if True:
        import sys
        import srseg
        assert "torch" not in sys.modules
        import srseg.inference
        for name in ("openvino", "torch._inductor", "torch._dynamo"):
            assert name not in sys.modules, name
        from srseg.backbones import create_backbone
        network = create_backbone("unet", n_classes=2, width=2, depth=1)
        srseg.inference.SlicePredictor(network, n_classes=2, device="cpu")
        print(sys.modules.get("openvino_telemetry"))
    """
    assert _python(code) == "None"


def _python(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_gpu_repeats_itself_while_anyone_predicts():
    cudnn = torch.backends.cudnn

    def settings():
        return cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32

    before = settings()
    with repeatable(CPU):
        assert settings() == before
    first, second = (repeatable(torch.device("cuda", i)) for i in range(2))
    with first:
        with second:
            assert settings() == (True, False, True, False)
        assert settings() == (True, False, True, False)
    assert settings() == before
    with pytest.raises(KeyError), first:
        raise KeyError
    assert settings() == before


def test_arrays_are_predicted_batch_by_batch(network):
    predict = predictor(network, "torch")
    given = slices((9, 16, 24)).numpy()
    found = predict.predict_array(given)
    assert found.shape == (9, 4, 16, 24)
    expected = exact(network, torch.from_numpy(given)).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6)


@openvino_is_here
def test_sizes_that_are_done_leave_nothing_in_memory():
    """Some megabytes a size were kept, and a scan has up to a hundred sizes."""
    code = """
import torch
from srseg.backbones import create_backbone
from srseg.inference import SlicePredictor
from srseg.machine import resident_memory
network = create_backbone("unet", n_classes=4, width=16, depth=3).eval()
predictor = SlicePredictor(network, n_classes=4, device="cpu", precision="fp32", runtime="openvino")
assert predictor.runtime == "openvino", predictor.notes
sizes = [(1, 64, 64 + 8 * i) for i in range(24)]
predictor(torch.rand(sizes[-1])), predictor(torch.rand(sizes[0]))
before = resident_memory()
for size in sizes:
    predictor(torch.rand(size))
print((resident_memory() - before) / len(sizes))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert float(done.stdout) < 1e6


def test_two_that_compile_at_once_leave_the_environment_as_it_was(monkeypatch):
    name = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"
    monkeypatch.delenv(name, raising=False)
    entered, left = threading.Event(), threading.Event()

    def other():
        with _without_kept_primitives():
            entered.set()
            left.wait(10)

    thread = threading.Thread(target=other)
    with _without_kept_primitives():
        thread.start()
        assert not entered.wait(0.2)
        assert os.environ[name] == "0"
    left.set()
    thread.join()
    assert name not in os.environ
