"""Operations on a model: what changes, what does not, and what is refused with nothing changed."""

import math

import keras
import numpy as np
import pytest
from keras import layers

import keras_reinit as kr

NAN, INF = math.nan, math.inf


def network(**options):
    """Convolution, normalisation, dense layers; weights as if trained."""
    model = keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, name="conv", **options),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(name="flatten"),
            layers.Dense(10, "relu", name="dense"),
            layers.Dense(3, name="head"),
        ],
        name="net",
    )
    rng = np.random.default_rng(0)
    for variable in model.weights:
        variable.assign(rng.uniform(0.5, 2.0, variable.shape))
    return model


def values(model):
    return {f"{w.path.removeprefix('net/')}": w.numpy() for w in model.weights}


def predict(model, x):
    return keras.ops.convert_to_numpy(model(x))


def changed(before, after):
    return {name for name in before if not np.array_equal(before[name], after[name])}


EVERYTHING = {
    "conv/kernel",
    "conv/bias",
    "norm/gamma",
    "norm/beta",
    "norm/moving_mean",
    "norm/moving_variance",
    "dense/kernel",
    "dense/bias",
    "head/kernel",
    "head/bias",
}
KERNELS = {"conv/kernel", "dense/kernel", "head/kernel"}


# -- reinitialize ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (None, EVERYTHING),
        ("head", {"head/kernel", "head/bias"}),
        (["dense/kernel", "head/bias"], {"dense/kernel", "head/bias"}),
        ("norm", {name for name in EVERYTHING if name.startswith("norm")}),
        ("norm/gamma", {"norm/gamma", "norm/moving_mean", "norm/moving_variance"}),
        (".*/kernel", KERNELS | {"norm/moving_mean", "norm/moving_variance"}),  # of what feeds it
        ("conv/bias", {"conv/bias", "norm/moving_mean", "norm/moving_variance"}),
    ],
)
def test_exactly_what_was_chosen_is_drawn(where, expected):
    model = network()
    before = values(model)
    kr.reinitialize(model, where, seed=0)
    after = values(model)
    assert changed(before, after) == expected
    fresh = {"bias": 0, "beta": 0, "moving_mean": 0, "gamma": 1, "moving_variance": 1}
    for name in expected - KERNELS:
        np.testing.assert_array_equal(after[name], fresh[name.split("/")[1]])


def test_statistics_of_a_normalisation_without_scale_and_offset_are_new_too():
    model = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(4, name="dense"),
            layers.BatchNormalization(center=False, scale=False, name="norm"),
        ]
    )
    for act in (
        lambda: kr.reinitialize(model, seed=0),
        lambda: kr.shrink_perturb(model, 0.5, 0.5, seed=0),
    ):
        model.layers[1].moving_mean.assign(np.full(4, 5.0))
        model.layers[1].moving_variance.assign(np.full(4, 5.0))
        act()
        np.testing.assert_array_equal(model.layers[1].moving_mean.numpy(), 0)
        np.testing.assert_array_equal(model.layers[1].moving_variance.numpy(), 1)


def test_frozen_layers_keep_their_values():
    model = network()
    model.get_layer("dense").trainable = False
    model.get_layer("norm").trainable = False
    before = values(model)
    kr.reinitialize(model, seed=0)
    assert changed(before, values(model)) == {
        name for name in EVERYTHING if not name.startswith(("dense", "norm"))
    }
    kr.shrink_perturb(model, 0.5, 0.5, seed=0)
    kr.reinitialize_subset(model, 0.5, seed=0)
    after = values(model)
    for name in EVERYTHING:
        if name.startswith(("dense", "norm")):
            np.testing.assert_array_equal(after[name], before[name])


def test_the_round_trip_of_one_seed():
    model = network()
    draws = []
    for seed in (1, 2, 1):
        kr.reinitialize(model, seed=seed)
        draws.append(values(model))
    assert not changed(draws[0], draws[2])
    assert changed(draws[0], draws[1]) == KERNELS


def test_numpy_seeds_are_seeds():
    model, other = network(), network()
    kr.reinitialize(model, seed=np.int64(7))
    kr.reinitialize(other, seed=7)
    assert not changed(values(model), values(other))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision(policy):
    model = network(dtype=policy)
    before = values(model)
    kr.reinitialize(model, seed=0)
    kr.shrink_perturb(model, 0.5, 0.1, seed=1)
    kr.reinitialize_subset(model, 0.5, seed=0)
    kr.rescale(model, {name: norm / 2 for name, norm in kr.init_norms(model).items()})
    assert {w.dtype for w in model.weights} == {"float32"}
    assert np.isfinite(np.concatenate([w.ravel() for w in values(model).values()])).all()
    assert changed(before, values(model)) == EVERYTHING


# -- reinitialize_subset --------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["random", "magnitude"])
@pytest.mark.parametrize("fraction", [0, 0.2, 1 / 3, 0.999, 1])
@pytest.mark.parametrize("biases", [False, True])
def test_exact_counts_in_each_layer(by, fraction, biases):
    model = network()
    before = values(model)
    masks = kr.reinitialize_subset(model, fraction, by=by, seed=0, biases=biases)
    after = values(model)
    names = KERNELS | {name for name in EVERYTHING if biases and name.endswith("bias")}
    assert set(masks) == names
    for name in EVERYTHING:
        different = before[name] != after[name]
        mask = np.array(masks[name]) if name in names else np.zeros(before[name].shape, bool)
        np.testing.assert_array_equal(different, mask, err_msg=name)
        if name in names:
            assert mask.sum() == round(fraction * mask.size)


@pytest.mark.parametrize("by", ["random", "magnitude"])
@pytest.mark.parametrize("where", [None, "dense"])
def test_an_exact_count_over_all_kernels(by, where):
    model = network()
    before = values(model)
    masks = kr.reinitialize_subset(model, 0.3, by=by, scope="global", where=where, seed=0)
    after = values(model)
    flat = np.concatenate([before[name].ravel() for name in masks])
    chosen = np.concatenate([np.array(mask).ravel() for mask in masks.values()])
    assert chosen.sum() == round(0.3 * flat.size)
    for name, mask in masks.items():
        np.testing.assert_array_equal(before[name] != after[name], np.array(mask))
    if by == "magnitude":
        assert flat[chosen].max() <= flat[~chosen].min()


def test_the_smallest_are_those_of_smallest_absolute_value():
    model = network()
    kernel = model.get_layer("head").kernel
    w = np.linspace(-3, 1, 30, dtype="float32").reshape(10, 3)
    kernel.assign(w)
    mask = kr.reinitialize_subset(model, 0.2, by="magnitude", where="head", seed=0)["head/kernel"]
    assert set(np.argsort(abs(w).ravel())[:6]) == set(np.flatnonzero(np.array(mask)))


def test_seeds_decide_subsets():
    masks = [
        np.array(kr.reinitialize_subset(network(), 0.5, seed=seed)["dense/kernel"])
        for seed in (0, 0, 1)
    ]
    np.testing.assert_array_equal(masks[0], masks[1])
    assert np.any(masks[0] != masks[2])


def test_layers_of_one_shape_have_masks_and_values_of_their_own():
    model = keras.Sequential([keras.Input((9,)), layers.Dense(9), layers.Dense(9)])
    masks = [np.array(m) for m in kr.reinitialize_subset(model, 0.5, seed=0).values()]
    assert np.any(masks[0] != masks[1])
    a, b = (layer.kernel.numpy() for layer in model.layers)
    assert not np.any(a[masks[0] & masks[1]] == b[masks[0] & masks[1]])


# -- shrink_perturb -------------------------------------------------------------------------------


def test_shrink_one_perturb_zero_changes_nothing():
    model = network()
    before = values(model)
    kr.shrink_perturb(model, 1, 0, seed=0)
    assert not changed(before, values(model))


def test_shrink_zero_perturb_one_is_a_new_network():
    model, other = network(), network()
    kr.shrink_perturb(model, 0, 1, seed=3)
    kr.reinitialize(other, seed=3)
    assert not changed(values(model), values(other))


def test_the_equation_and_fresh_statistics():
    model, other = network(), network()
    before = values(model)
    kr.shrink_perturb(model, 0.4, 0.1, seed=3)
    kr.reinitialize(other, seed=3)
    after, fresh = values(model), values(other)
    for name in EVERYTHING:
        expected = 0.4 * before[name] + 0.1 * fresh[name]
        expected = fresh[name] if "moving" in name else expected
        np.testing.assert_allclose(after[name], expected, rtol=1e-6, err_msg=name)


def test_gaussian_noise_has_the_given_deviation_on_every_variable():
    model = keras.Sequential([keras.Input((50,)), layers.Dense(80, name="dense")])
    before = model.layers[0].kernel.numpy()
    kr.shrink_perturb(model, 0.5, 0.01, noise="gaussian", seed=0)
    kernel, bias = (w.numpy() for w in model.layers[0].weights)
    assert (kernel - 0.5 * before).std() == pytest.approx(0.01, rel=0.05)
    assert bias.std() == pytest.approx(0.01, rel=0.25)


def test_shrinking_keeps_the_decisions_of_a_relu_network_without_biases():
    """Proposition 1 of Ash & Adams: the logits scale by shrink^L."""
    options = {"use_bias": False, "kernel_initializer": "he_normal"}
    model = keras.Sequential(
        [keras.Input((7,))]
        + [layers.Dense(12, "relu", **options) for _ in range(3)]
        + [layers.Dense(5, **options)]
    )
    x = np.random.default_rng(0).normal(size=(64, 7)).astype("float32")
    before = predict(model, x)
    kr.shrink_perturb(model, 0.7, 0, seed=0)
    after = predict(model, x)
    np.testing.assert_array_equal(before.argmax(1), after.argmax(1))
    np.testing.assert_allclose(after, 0.7**4 * before, rtol=1e-4, atol=1e-6)


def test_a_shrunk_network_with_normalisations_decides_as_before_once_recalibrated():
    x = np.random.default_rng(0).normal(size=(64, 6, 6, 2)).astype("float32")
    model = network()
    kr.reinitialize(model, seed=0)
    kr.recalibrate(model, x)
    hidden = keras.Model(model.inputs[0], model.get_layer("norm").output)
    before = predict(hidden, x)
    kr.shrink_perturb(model, 0.5, 0, where="conv", seed=0)
    assert not np.allclose(predict(hidden, x), before, atol=0.1)
    kr.recalibrate(model, x)
    np.testing.assert_allclose(predict(hidden, x), before, atol=0.05)


# -- rescale --------------------------------------------------------------------------------------


def test_norms_come_back_exactly_and_directions_stay():
    model = network()
    norms = kr.init_norms(model)
    assert set(norms) == {name for name in EVERYTHING if "moving" not in name}
    before = values(model)
    for i, variable in enumerate(model.trainable_variables):
        variable.assign(variable.value * (i + 2))
    kr.rescale(model, norms)
    for name, norm in norms.items():
        w = values(model)[name]
        np.testing.assert_allclose(np.linalg.norm(w), norm, rtol=1e-6)
        np.testing.assert_allclose(w, before[name], rtol=1e-5)


def test_a_recorded_norm_of_zero_goes_back_to_zero():
    model = network()
    kr.rescale(model, {"head/bias": 0.0})
    np.testing.assert_array_equal(model.get_layer("head").bias.numpy(), 0)
    kr.rescale(model, {"head/bias": 0.0})  # zero stays zero


def test_where_limits_what_is_scaled():
    model = network()
    norms = {name: 2 * norm for name, norm in kr.init_norms(model).items()}
    before = values(model)
    kr.rescale(model, norms, where="conv")
    assert changed(before, values(model)) == {"conv/kernel", "conv/bias"}


# -- What is refused, with nothing changed --------------------------------------------------------


def spoil(name, value):
    def act(model):
        layer, variable = name.split("/")
        kernel = getattr(model.get_layer(layer), variable)
        kernel.assign(kernel.value * value)

    return act


ALIVE = spoil("conv/kernel", 1.0)


@pytest.mark.parametrize(
    ("prepare", "act", "error", "message"),
    [
        (ALIVE, lambda m: kr.reinitialize(m, "nothing"), ValueError, "'nothing'.*head/kernel"),
        (ALIVE, lambda m: kr.reinitialize(m, seed=1.5), TypeError, "Received: seed=1.5"),
        (ALIVE, lambda m: kr.reinitialize(m, seed="0"), TypeError, "Received: seed='0'"),
        (ALIVE, lambda m: kr.reinitialize(m, seed=True), TypeError, "Received: seed=True"),
        *(
            (ALIVE, lambda m, f=f: kr.reinitialize_subset(m, f), ValueError, r"at most 1.*Received")
            for f in (-0.1, 1.01, NAN, INF)
        ),
        (ALIVE, lambda m: kr.reinitialize_subset(m, 0.5, by="size"), ValueError, "by='size'"),
        (ALIVE, lambda m: kr.reinitialize_subset(m, 0.5, scope="all"), ValueError, "scope='all'"),
        (ALIVE, lambda m: kr.reinitialize_subset(m, 0.5, where="norm"), ValueError, "'norm'"),
        (
            ALIVE,
            lambda m: kr.reinitialize_subset(m, 0.5, where=".*bias"),
            ValueError,
            "no trai.*bias",
        ),
        *(
            (ALIVE, lambda m, a=a: kr.shrink_perturb(m, *a), ValueError, "finite number.*Received")
            for a in ((NAN, 0.1), (0.1, NAN), (INF, 0), (0.5, -0.1), (-0.1, 0.5))
        ),
        (ALIVE, lambda m: kr.shrink_perturb(m, 1, 1, noise="pink"), ValueError, "noise='pink'"),
        (ALIVE, lambda m: kr.shrink_perturb(m, 1, 1, where="x"), ValueError, "pattern='x'"),
        (ALIVE, lambda m: kr.rescale(m, {"x/kernel": 1.0}), ValueError, "x/kernel"),
        (ALIVE, lambda m: kr.rescale(m, {"head/bias": 1.0}, "dense"), ValueError, "dense/kernel"),
        *(
            (
                ALIVE,
                lambda m, n=n: kr.rescale(m, {"conv/kernel": 1.0, "head/bias": n}),
                ValueError,
                "norms.'head/bias'.=",
            )
            for n in (-1.0, NAN, INF)
        ),
        (
            spoil("head/bias", 0.0),
            lambda m: kr.rescale(m, dict.fromkeys(kr.init_norms(m), 1.0)),
            ValueError,
            "'head/bias' is all zero",
        ),
        *(
            (spoil("dense/kernel", NAN), act, ValueError, "'dense/kernel' holds.*not finite")
            for act in (
                lambda m: kr.shrink_perturb(m, 0.5, 0.5),
                lambda m: kr.reinitialize_subset(m, 0.5),
                lambda m: kr.rescale(m, dict.fromkeys(kr.init_norms(m), 1.0)),
            )
        ),
    ],
)
def test_bad_input_is_named_and_nothing_changes(prepare, act, error, message):
    model = network()
    prepare(model)
    before = [v.numpy() for v in model.variables]
    with pytest.raises(error, match=f"(?s){message}"):
        act(model)
    for variable, old in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), old)


def test_a_diverged_network_can_be_made_new():
    model = network()
    spoil("dense/kernel", NAN)(model)
    kr.reinitialize(model, seed=0)
    assert all(np.isfinite(w).all() for w in values(model).values())
