"""Every method on networks of every kind: what it changes, and that it changes nothing else."""

import os

import keras
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import keras_reinit as kr
from keras_reinit.structure.flow import batch_normalizations
from keras_reinit.weights.select import list_weights
from tests.property.architectures import KINDS, PARTS, WITH_GRAPH, build, data, refusal

EXAMPLES = int(os.environ.get("KERAS_REINIT_EXAMPLES", "20"))
LETTERS = tuple(kr.methods.METHODS)


def values(model):
    return {id(v): keras.ops.convert_to_numpy(v.value) for v in model.variables}


def changed(model, before):
    after = values(model)
    return {key for key in before if not np.array_equal(before[key], after[key])}


def statistics(model):
    return {
        id(variable)
        for layer in batch_normalizations(model)
        if layer.trainable
        for variable in layer.non_trainable_variables
    }


def weights_of(model):
    return [weight for weight in list_weights(model) if weight.variable.trainable]


# What each method says it does: functions of the weights in order, before and after.


def check_nothing(weights, before, after):
    assert all(np.array_equal(before[w.name], after[w.name]) for w in weights)


def check_everything(weights, before, after):
    assert all(np.any(before[w.name] != after[w.name]) for w in weights)


def check_shrunk(weights, before, after):
    for weight in weights:
        added = after[weight.name] - np.float32(0.4) * before[weight.name]
        assert np.any(before[weight.name] != after[weight.name])
        assert abs(added).max() < 0.5  # a tenth of a fresh draw
    assert any(after[w.name].std() for w in weights)


def check_the_end(weights, before, after):
    """A method that draws all from one layer on."""
    same = [np.array_equal(before[w.name], after[w.name]) for w in weights]
    first = same.index(False)
    assert not any(same[first:])


def check_a_fifth(weights, before, after):
    for weight in weights:
        count = int(np.count_nonzero(before[weight.name] != after[weight.name]))
        size = before[weight.name].size
        assert count == (round(0.2 * size) if weight.is_kernel else 0), weight.name


CHECKS = {
    "BL": check_nothing,
    "S&P": check_shrunk,
    "reset": check_everything,
    "FC": check_the_end,
    "LLF": check_the_end,
    "WELSR": check_a_fifth,
    "WELS": check_a_fifth,
    "DSD": check_a_fifth,
}


def apply(model, letters):
    method = kr.methods.get(letters)
    x, y = data()
    given_data = ((x, y) if method.needs_targets else x) if method.needs_data else None
    return kr.apply(model, method, data=given_data, seed=3)


def check_method(model, kind, letters):
    if letters == "LW" and kind in WITH_GRAPH:
        model = kr.ReinitModel(model)
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    before, weights = values(model), weights_of(model)
    pattern = refusal(kind, letters)
    if pattern is not None:
        with pytest.raises(ValueError, match=pattern):
            apply(model, letters)
        assert not changed(model, before)
        return
    apply(model, letters)
    after = values(model)
    may_change = {id(weight.variable) for weight in weights} | statistics(model)
    if letters == "LW":
        may_change |= {id(v) for block in model.blocks for v in block.normalization.weights}
        check_layerwise(model, before, after)
    assert changed(model, before) <= may_change
    if letters in CHECKS:
        named = ({w.name: each[id(w.variable)] for w in weights} for each in (before, after))
        CHECKS[letters](weights, *named)


def check_layerwise(model, before, after):
    """The first block at its norms, the rest drawn, the normalisation that of the sample."""
    above = {id(weight.variable) for weight in model.weights_above(0)}
    for weight in weights_of(model):
        key = id(weight.variable)
        if key in above:
            assert np.any(before[key] != after[key]), weight.name
        else:
            norm = np.linalg.norm(after[key].astype("float64"))
            assert norm == pytest.approx(model.init_norms[weight.name], rel=1e-5)
    assert float(after[id(model.blocks[0].normalization.stddev)]) != 1


def check_outputs(model):
    """A wrapped network gives bit for bit what the network gives."""
    x, _ = data()
    expected = keras.ops.convert_to_numpy(model(x))
    wrapped = kr.ReinitModel(model)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(wrapped(x)), expected)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_every_part(kind, part):
    for letters in LETTERS:
        check_method(build(kind, [part]), kind, letters)
    if kind in WITH_GRAPH:
        check_outputs(build(kind, [part]))


networks = st.tuples(
    st.sampled_from(list(KINDS)),
    st.lists(st.sampled_from(list(PARTS)), min_size=1, max_size=4),
    st.sets(st.integers(1, 3), max_size=2),
    st.lists(st.sampled_from(LETTERS), min_size=3, max_size=3, unique=True),
)


def check_any(network):
    kind, names, frozen, letters = network
    keras.utils.clear_session()
    for each in letters:
        check_method(build(kind, names, frozen), kind, each)
    if kind in WITH_GRAPH:
        check_outputs(build(kind, names, frozen))


def options(examples):
    health = [HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(
        max_examples=examples, deadline=None, derandomize=True, suppress_health_check=health
    )


@given(networks)
@options(EXAMPLES)
def test_random_networks(network):
    check_any(network)


@pytest.mark.slow
@given(networks)
@options(max(EXAMPLES, 300))
def test_many_random_networks(network):
    check_any(network)
