"""Each method in `fit`, step by step against its plain NumPy reference."""

import functools
import itertools

import numpy as np
import pytest

import keras_reinit as kr
from tests import reference
from tests.callbacks.recorded import (
    DATA,
    EPOCHS_A_ROUND,
    ROUNDS,
    SAMPLE,
    Steps,
    assert_equal,
    convolutional_network,
    data_of,
    fixed,
    kernels,
    layer,
    new,
    perceptron,
    run,
)
from tests.conftest import BACKEND

# -- WELSR, WELS, DSD ----------------------------------------------------------------------------

SUBSETS = {
    "WELSR": kr.callbacks.RandomSubsetReinit,
    "WELS": kr.callbacks.FixedSubsetReinit,
    "DSD": kr.callbacks.MagnitudeReinit,
}
over_subsets = pytest.mark.parametrize("method", SUBSETS.values(), ids=SUBSETS)


@over_subsets
@pytest.mark.parametrize("fraction", [0.2, 0.55])
def test_subset_is_the_equation_with_an_exact_mask(method, fraction):
    fresh = [after for _, after in run(method, fraction=1.0).actions()]
    steps = run(method, fraction=fraction)
    assert len(fresh) == ROUNDS - 1
    for (before, after), drawn in zip(steps.actions(), fresh, strict=True):
        for name in kernels(before):
            mask = before[name] != after[name]
            assert mask.sum() == round(fraction * mask.size)
            expected = reference.subset_reinit(before[name], drawn[name], mask)
            np.testing.assert_array_equal(after[name], expected)
        assert_equal(before, after, set(before) - set(kernels(before)))  # biases stay


@pytest.mark.parametrize("biases", [False, True])
def test_magnitude_takes_the_smallest(biases):
    for before, after in run(SUBSETS["DSD"], biases=biases).actions():
        for name in before if biases else kernels(before):
            mask = reference.smallest(before[name], 0.2)
            np.testing.assert_array_equal(after[name][~mask], before[name][~mask])
            if name.endswith("bias"):
                np.testing.assert_array_equal(after[name][mask], 0.0)
            else:
                assert (after[name][mask] != before[name][mask]).all()


@over_subsets
def test_subset_counted_over_all_kernels_together(method):
    for before, after in run(method, scope="global").actions():
        masks = [before[name] != after[name] for name in kernels(before)]
        size = sum(mask.size for mask in masks)
        assert sum(mask.sum() for mask in masks) == round(0.2 * size)
        if method is SUBSETS["DSD"]:
            expected = reference.smallest_of_all([before[n] for n in kernels(before)], 0.2)
            for a, b in zip(masks, expected, strict=True):
                np.testing.assert_array_equal(a, b)


def test_the_fixed_subset_is_fixed_and_the_random_one_is_not():
    for method, same in (("WELS", True), ("WELSR", False)):
        first, second = (
            {name: before[name] != after[name] for name in kernels(before)}
            for before, after in run(SUBSETS[method]).actions()
        )
        for name in first:
            assert (first[name] == second[name]).all() == same
        if not same:  # independent subsets of a fifth share a twenty-fifth
            both = np.concatenate([(first[n] & second[n]).ravel() for n in first])
            assert 0.0 < both.mean() < 0.12


@over_subsets
def test_entries_are_counted_in_the_logs(method):
    steps = run(method)
    changed = [
        sum(int((before[name] != after[name]).sum()) for name in before)
        for before, after in zip(steps.before, steps.after, strict=True)
    ]
    assert steps.entries == changed
    assert steps.rounds == [0, 0, 1, 1, 2, 2]


# -- S&P -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("shrink", "perturb"), [(0.4, 0.1), (0.9, 0.5), (0.0, 1.0)])
@pytest.mark.parametrize("noise", ["fresh", "gaussian"])
def test_shrink_perturb_is_the_equation(shrink, perturb, noise):
    method = kr.callbacks.ShrinkPerturb
    drawn = run(method, shrink=0, perturb=1, noise=noise)
    steps = run(method, shrink=shrink, perturb=perturb, noise=noise)
    for (before, after), (_, fresh) in zip(steps.actions(), drawn.actions(), strict=True):
        for name in before:  # all of them, biases included
            expected = reference.shrink_perturb(before[name], fresh[name], shrink, perturb)
            np.testing.assert_allclose(after[name], expected, rtol=1e-5, atol=1e-7)
        assert all((before[name] != after[name]).any() for name in before)


def test_shrink_perturb_of_scales_offsets_and_statistics():
    steps = run(kr.callbacks.ShrinkPerturb, convolutional_network, shrink=0.4, perturb=0.1)
    for before, after in steps.actions():
        new = {"gamma": 1.0, "beta": 0.0}
        for name, fresh in new.items():
            w, w_before = (arrays[f"norm1/{name}"] for arrays in (after, before))
            expected = reference.shrink_perturb(w_before, fresh, 0.4, 0.1)
            np.testing.assert_allclose(w, expected, rtol=1e-5, atol=1e-7)
        np.testing.assert_array_equal(after["norm1/moving_mean"], 0.0)
        np.testing.assert_array_equal(after["norm1/moving_variance"], 1.0)


def test_shrink_perturb_before_the_first_round():
    steps = run(kr.callbacks.ShrinkPerturb, before_first=True)
    assert len(list(steps.actions(first_too=True))) == ROUNDS
    assert (steps.before[0]["head/kernel"] != steps.after[0]["head/kernel"]).all()


def test_gaussian_noise_has_unit_deviation():
    network = functools.partial(perceptron, units=(80, 80))
    steps = run(kr.callbacks.ShrinkPerturb, network, shrink=0.0, perturb=1.0, noise="gaussian")
    for _, after in steps.actions():
        assert after["block2_dense/kernel"].std() == pytest.approx(1.0, rel=0.05)


# -- FC ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("network", "last", "expected"),
    [
        (perceptron, None, {"block2_dense", "head"}),
        (perceptron, 1, {"head"}),
        (convolutional_network, None, {"dense", "head"}),
        (convolutional_network, 1, {"head"}),
    ],
)
def test_fully_connected_renews_these_layers_and_no_others(network, last, expected):
    steps = run(kr.callbacks.FullyConnectedReinit, network, last=last)
    names = [each.name for each in network().layers]
    dense = {i for i, name in enumerate(names) if name in expected}
    actions = list(steps.actions())
    assert len(actions) == ROUNDS - 1
    for before, after in actions:
        layers, fresh = ([layer(arrays, name) for name in names] for arrays in (before, after))
        for renewed, wanted in zip(
            fresh, reference.fully_connected_reinit(layers, fresh, dense), strict=True
        ):
            assert_equal(wanted, renewed)
        for name in expected:
            assert (before[f"{name}/kernel"] != after[f"{name}/kernel"]).all()
            np.testing.assert_array_equal(after[f"{name}/bias"], 0.0)


# -- LW ------------------------------------------------------------------------------------------

PERCEPTRON = (
    ["block1_dense", "block1_out", "block2_dense", "block2_out", "head"],
    [reference.dense, reference.relu, reference.dense, reference.relu, reference.dense],
)
CONVOLUTIONAL = (
    ["conv1", "norm1", "relu1", "pool1", "conv2", "relu2", "flatten", "dense", "head"],
    [
        reference.convolution, reference.batch_normalization, reference.relu,
        reference.max_pooling, reference.convolution, reference.relu, reference.flatten,
        lambda w, z: reference.relu(w, reference.dense(w, z)), reference.dense,
    ],
)  # fmt: skip


@functools.cache
def layerwise(network=perceptron, blocks="auto", iterations=1, **arguments):
    """The same for the layerwise method."""
    x, y = data_of(network)
    method = kr.callbacks.LayerwiseReinit(
        sample=x[:SAMPLE], iterations=iterations, until=fixed(), seed=3, **arguments
    )
    return Steps(new(network, blocks), method, x, y)


def normalizations(arrays):
    return [
        (float(arrays[name].mean()), float(arrays[name.replace("mean", "stddev")].mean()))
        for name in arrays
        if name.endswith("_normalization/mean")
    ]


def check_layerwise(steps, architecture, ends, x, iterations=1, unit="variables"):
    names, forward = architecture
    initial = [layer(steps.initial, name) for name in names]
    actions = list(steps.actions(first_too=True))
    assert len(actions) == len(ends) * iterations
    for phase, (before, after) in enumerate(actions):
        k = phase // iterations
        trained, made = ([trainable(layer(a, name)) for name in names] for a in (before, after))
        expected, statistics = reference.layerwise_reinit(
            trained, initial, made, forward, ends, k, normalizations(before), x, unit
        )
        for name, wanted, got in zip(names, expected, made, strict=True):
            for key in wanted:
                np.testing.assert_allclose(
                    got[key], wanted[key], rtol=2e-5, atol=1e-7, err_msg=f"{name}/{key}"
                )
        np.testing.assert_allclose(normalizations(after), statistics, rtol=1e-4, atol=1e-5)
        assert statistics[k + 1 :] == [(0.0, 1.0)] * (len(ends) - k - 1)
        check_all_new(names[ends[k] + 1 :], before, after)


def trainable(arrays):
    return {name: w for name, w in arrays.items() if not name.startswith("moving")}


def check_all_new(names, before, after):
    """Every layer above the block: fresh kernels, and all else as in a new layer."""
    start = {"bias": 0.0, "beta": 0.0, "gamma": 1.0, "moving_mean": 0.0, "moving_variance": 1.0}
    for name in names:
        for key, w in layer(after, name).items():
            if key == "kernel":
                assert (w != before[f"{name}/{key}"]).all()
            else:
                np.testing.assert_array_equal(w, start[key], err_msg=f"{name}/{key}")


@pytest.mark.parametrize("unit", ["variables", "kernels", "layers", None])
@pytest.mark.parametrize("iterations", [1, 2])
def test_layerwise_of_a_perceptron(unit, iterations):
    steps = layerwise(iterations=iterations, rescale=unit)
    check_layerwise(steps, PERCEPTRON, [1, 3], DATA[perceptron][0][:SAMPLE], iterations, unit)


def test_layerwise_with_the_head_as_a_block():
    blocks = ("block1.*", "block2.*", "head")
    steps = layerwise(blocks=blocks)
    check_layerwise(steps, PERCEPTRON, [1, 3, 4], DATA[perceptron][0][:SAMPLE])


@pytest.mark.parametrize("unit", ["variables", "kernels"])
def test_layerwise_of_a_convolutional_network(unit):
    steps = layerwise(convolutional_network, iterations=2, rescale=unit)
    check_layerwise(steps, CONVOLUTIONAL, [2, 5], DATA[convolutional_network][0][:SAMPLE], 2, unit)


def test_norms_are_those_at_initialisation():
    steps = layerwise()
    for k, (before, after) in enumerate(steps.actions(first_too=True)):
        for name in [f"block{i + 1}_dense" for i in range(k + 1)]:
            kernel, bias = f"{name}/kernel", f"{name}/bias"
            np.testing.assert_allclose(
                reference.norm(after[kernel]), reference.norm(steps.initial[kernel]), rtol=1e-6
            )
            np.testing.assert_array_equal(after[bias], 0.0)
            if k:
                assert reference.norm(before[kernel]) != reference.norm(after[kernel])


def test_layerwise_ablations():
    kept = layerwise(reinitialize=False)
    for before, after in kept.actions(first_too=True):
        assert_equal(before, after, ["head/kernel", "head/bias"])
    raw = layerwise(normalize=False)
    for _, after in raw.actions(first_too=True):
        assert normalizations(after) == [(0.0, 1.0)] * 2
        assert all(w.std() > 0 for name, w in after.items() if name.endswith("kernel"))


def test_layerwise_counts_rounds_and_entries():
    steps = layerwise(iterations=2)
    assert steps.rounds == [0, 0, 1, 1, 2, 2, 3, 3]
    above_first, head = 16 * 12 + 12 + 12 * 3 + 3, 12 * 3 + 3
    assert steps.entries == [above_first, 0, above_first, 0, head, 0, head, 0]


# -- Fresh values --------------------------------------------------------------------------------

WIDE = {
    initializer: functools.partial(perceptron, initializer, units=(60, 80))
    for initializer in ("glorot_uniform", "he_normal")
}
FRESH = {
    "LW": (kr.callbacks.LayerwiseReinit, {}),
    "FC": (kr.callbacks.FullyConnectedReinit, {}),
    "WELSR": (kr.callbacks.RandomSubsetReinit, {"fraction": 0.4}),
    "WELS": (kr.callbacks.FixedSubsetReinit, {"fraction": 0.4}),
    "DSD": (kr.callbacks.MagnitudeReinit, {"fraction": 0.4}),
    "S&P": (kr.callbacks.ShrinkPerturb, {"shrink": 0.0, "perturb": 1.0}),
}


def law(initializer, shape):
    """Standard deviation and greatest magnitude of an initializer."""
    fan_in, fan_out = shape
    if initializer == "glorot_uniform":
        return np.sqrt(2 / (fan_in + fan_out)), np.sqrt(6 / (fan_in + fan_out))
    deviation = np.sqrt(2 / fan_in)  # of the normal distribution after its tails are cut at 2
    return deviation, 2 * deviation / 0.87962566103423978


@pytest.mark.parametrize("initializer", WIDE)
@pytest.mark.parametrize("letters", FRESH)
def test_fresh_values_follow_the_layers_own_initializer(letters, initializer):
    """From the right distribution, never the original values, never the same twice."""
    method, arguments = FRESH[letters]

    if letters == "LW":
        steps = layerwise(WIDE[initializer], iterations=4)
        actions = list(steps.actions(first_too=True))[:4]  # those above the first block
    else:
        steps = run(method, WIDE[initializer], **{**arguments, "rounds": 5})
        actions = list(steps.actions())
    deviation, bound = law(initializer, (60, 80))
    name = "block2_dense/kernel"
    drawn = [np.where(a[name] != b[name], a[name], np.nan) for b, a in actions]
    assert len(drawn) == 4
    values = np.concatenate([d[~np.isnan(d)] for d in drawn])
    assert abs(values.mean()) < 4 * deviation / np.sqrt(values.size)
    assert values.std() == pytest.approx(deviation, rel=0.03)
    sizes = np.abs(values)
    outside = sizes > bound * (1 + 1e-6)
    # Keras on PyTorch draws what lies in the tails again three times, and no oftener.
    assert outside.sum() <= (3 if BACKEND == "torch" else 0)
    assert sizes[~outside].max() > 0.98 * bound
    if initializer == "glorot_uniform":  # and evenly over its range
        shares = np.histogram(values, bins=8, range=(-bound, bound))[0] / values.size
        np.testing.assert_allclose(shares, 1 / 8, rtol=0.12)
    for a, b in itertools.combinations([steps.initial[name], *drawn], 2):
        assert (a == b).mean() < 1e-3


# -- Every method --------------------------------------------------------------------------------


@pytest.mark.parametrize("letters", FRESH)
def test_the_optimizer_is_new_in_every_round(letters):
    method, arguments = FRESH[letters]
    steps = layerwise() if letters == "LW" else run(method, **arguments)
    for epoch, (iterations, rate, *momenta) in enumerate(steps.optimizer):
        assert iterations == epoch % EPOCHS_A_ROUND * 2  # two steps an epoch
        assert rate == np.float32(0.1)
        assert all(not m.any() for m in momenta) == (epoch % EPOCHS_A_ROUND == 0)
