import numpy as np
import pytest
import torch

from srseg.backbones import create_backbone
from srseg.errors import ParameterError
from srseg.inference import SlicePredictor, choose_device, choose_precision

CPU = torch.device("cpu")


def predictor(network, precision="fp32", runtime="torch"):
    return SlicePredictor(network, n_classes=4, device=CPU, precision=precision, runtime=runtime)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(1)
    return create_backbone("unet", n_classes=4, width=4, depth=2)


@pytest.fixture(scope="module")
def slices():
    return np.random.default_rng(0).random((5, 16, 24), dtype=np.float32)


def test_a_predictor_gives_the_networks_softmax(network, slices):
    found = predictor(network.train()).predict_array(slices)
    assert network.training
    with torch.inference_mode():
        logits = network.eval()(torch.from_numpy(slices)[:, None]).double()
    expected = (logits.exp() / logits.exp().sum(1, keepdim=True)).numpy()
    assert found.shape == (5, 4, 16, 24)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_bfloat16_is_close(network, slices):
    exact = predictor(network).predict_array(slices)
    rough = predictor(network, "bf16").predict_array(slices)
    assert rough.dtype == np.float32
    assert 0 < abs(rough - exact).max() < 0.03
    np.testing.assert_allclose(rough.sum(1), 1, atol=1e-5)


def test_the_batch_size_does_not_change_labels(network, slices):
    predict = predictor(network).predict_array
    together = predict(slices)
    alone = np.concatenate([predict(one[None]) for one in slices])
    np.testing.assert_allclose(together, alone, atol=1e-6)
    np.testing.assert_array_equal(together.argmax(1), alone.argmax(1))


def test_slices_may_be_read_only_strided_or_of_another_type(network, slices):
    predict = predictor(network).predict_array
    expected = predict(slices)
    fixed = slices.copy()
    fixed.flags.writeable = False
    wide = np.repeat(slices, 2, axis=2)[:, :, ::2]
    for given in (fixed, wide, slices.astype(np.float64)):
        np.testing.assert_array_equal(predict(given), expected)


def test_devices_are_chosen():
    assert choose_device("cpu") == CPU
    automatic = choose_device()
    assert automatic.type == ("cuda" if torch.cuda.is_available() else "cpu")
    for name in ("cuda:63", "gpu", ""):
        with pytest.raises(ParameterError, match=r"cannot be used here .*; use 'auto' or 'cpu'"):
            choose_device(name)


def test_precisions_are_chosen(monkeypatch):
    assert choose_precision("fp32", CPU) == "fp32"
    assert choose_precision("bf16", CPU) == "bf16"
    with pytest.raises(ParameterError, match="'half'"):
        choose_precision("half", CPU)
    for native in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda n=native: {"avx512_bf16": n})
        assert choose_precision("auto", CPU) == ("bf16" if native else "fp32")
