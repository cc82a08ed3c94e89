"""Plans come from files, and files from anyone: only numbers of sane size are taken from them."""

from copy import deepcopy

import pytest
from srseg_nnunet._network import Design


def changed(plans, path, value):
    plans = deepcopy(plans)
    *outer, last = path
    place = plans
    for key in outer:
        place = place[key]
    place[last] = value
    return plans


NETWORK = ("configurations", "2d", "architecture")
ARGUMENTS = (*NETWORK, "arch_kwargs")


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ((*NETWORK, "network_class_name"), "os.system", "os.system"),
        ((*ARGUMENTS, "conv_op"), "os.system", "another conv_op"),
        ((*ARGUMENTS, "nonlin"), "builtins.exec", "another nonlin"),
        ((*ARGUMENTS, "norm_op_kwargs"), {"eps": 1.0}, "another norm_op_kwargs"),
        ((*ARGUMENTS, "deep_supervision"), True, "deep_supervision"),
        ((*ARGUMENTS, "n_stages"), 10**9, "n_stages"),
        ((*ARGUMENTS, "n_stages"), True, "n_stages"),
        ((*ARGUMENTS, "features_per_stage"), [1, 2], "features_per_stage"),
        ((*ARGUMENTS, "n_conv_per_stage"), [10**9, 2, 2], "n_conv_per_stage"),
        ((*ARGUMENTS, "strides"), "none", "strides"),
        ((*ARGUMENTS, "kernel_sizes"), [[3, 3], [3, 3], [3, -1]], "kernel_sizes"),
        (("configurations", "2d", "patch_size"), [17, 16], "17 px cannot be halved"),
        (("configurations", "2d", "patch_size"), [1 << 40, 16], "patch_size"),
        (("configurations", "2d", "patch_size"), [4096, 4096], "no integer of 1 to 2048"),
        (("configurations", "2d", "normalization_schemes"), ["Foreign"], "Foreign"),
        (("foreground_intensity_properties_per_channel", "0", "mean"), float("nan"), "mean"),
        (("configurations",), {}, "no plans"),
    ],
)
def test_other_plans_are_refused(fitted, path, value, message):
    Design(fitted.plans_)
    with pytest.raises(ValueError, match=message):
        Design(changed(fitted.plans_, path, value))


@pytest.mark.parametrize(
    ("arrays", "facts", "message"),
    [
        (lambda a: a, lambda f: {}, "plans and losses"),
        (lambda a: {**a, "more": a["losses"]}, lambda f: f, "do not fit the plans: more"),
        (
            lambda a: {**a, **dict.fromkeys(list(a)[:1], a["losses"].astype("float64"))},
            lambda f: f,
            "float64",
        ),
    ],
)
def test_other_weights_are_refused(fitted, arrays, facts, message):
    state, plans = fitted.state()
    state = {name: value if name == "losses" else value.numpy() for name, value in state.items()}
    fresh = type(fitted)()
    fresh.label_table_ = fitted.label_table_
    fresh.restore(state, plans)
    with pytest.raises(ValueError, match=message):
        fresh.restore(arrays(state), facts(plans))
