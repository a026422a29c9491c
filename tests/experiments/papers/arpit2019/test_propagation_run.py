"""Norms through a network as initialised: the task, against NumPy, and its experiment."""

import json
import math

import keras
import numpy as np
import pytest

from experiments.engine import catalogue
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.papers.arpit2019 import propagation, propagation_run
from experiments.papers.arpit2019.propagation_run import PropagationRun
from tests.analysis import drawn

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow's gradient tapes"
)
TINY = {"depth": 4, "width": 8, "spread": 2, "inputs": 12, "samples": 30}


def found(**arguments):
    return PropagationRun(**TINY | arguments).execute(Context())


def layers(run):
    """Kernel and bias of each layer of the network that was initialised last, in float64."""
    model, _ = propagation_run._network(run.network, run.inputs, propagation_run._units(run))
    for layer in sorted(model._flatten_layers(), key=lambda layer: layer.name):
        if isinstance(layer, propagation_run.WeightNormalization):
            v, g = (np.array(w, "float64") for w in (layer.layer.kernel, layer.gains[0]))
            yield g * v / np.linalg.norm(v, axis=0), np.array(layer.layer.bias, "float64")


def examples(run, outputs):
    seed = propagation_run.fold_in(run.seed, "examples")
    rng = np.random.default_rng(seed)
    return rng.normal(size=(run.samples, run.inputs)), rng.normal(size=(run.samples, outputs))


def norms(rows):
    return np.linalg.norm(rows, axis=1)


@pytest.mark.parametrize("scheme", ["arpit", "pytorch", "data_dependent"])
def test_an_mlp_against_numpy(scheme):
    result = found(network="mlp", scheme=scheme)
    run = PropagationRun("mlp", **TINY, scheme=scheme)
    weights = list(layers(run))
    x, slope = examples(run, outputs=len(weights[-1][1]))
    h, before, forward = x, [], []
    for kernel, bias in weights:
        before.append(h @ kernel + bias)
        h = np.maximum(before[-1], 0)
        forward.append(np.mean(norms(h) / norms(x)))
    length, backward = norms(slope), [1.0]
    for (kernel, _), a in zip(weights[:0:-1], before[-2::-1], strict=True):
        slope = (slope @ kernel.T) * (a > 0)
        backward.append(np.mean(norms(slope) / length))
    assert result["forward"] == pytest.approx(forward, rel=1e-4)
    assert result["backward"] == pytest.approx(backward[::-1], rel=1e-4)


@pytest.mark.parametrize("scheme", ["hanin", "data_dependent"])
def test_a_residual_network_against_numpy(scheme, monkeypatch):
    monkeypatch.setattr(propagation_run, "PART", 3)
    propagation_run._network.cache_clear()
    result = found(network="residual", scheme=scheme)
    run = PropagationRun("residual", **TINY, scheme=scheme)
    weights = list(layers(run))
    x, slope = examples(run, outputs=run.inputs)
    h, masks, forward = x, [], []
    for (one, b1), (two, b2) in zip(weights[::2], weights[1::2], strict=True):
        masks.append(h @ one + b1 > 0)
        h = h + np.maximum(h @ one + b1, 0) @ two + b2
        forward.append(np.mean(norms(h) / norms(x)))
    length, backward = norms(slope), [1.0]
    for block in (3, 2, 1):
        one, two = weights[2 * block][0], weights[2 * block + 1][0]
        slope = slope + ((slope @ two.T) * masks[block]) @ one.T
        backward.append(np.mean(norms(slope) / length))
    assert result["forward"] == pytest.approx(forward, rel=1e-4)
    assert result["backward"] == pytest.approx(backward[::-1], rel=1e-4)
    propagation_run._network.cache_clear()


def test_norms_beyond_the_range_of_float32():
    x = np.array([[3.0, 4.0]], "float32")
    for factor in (1e-20, 1e20):
        steps = [lambda state, factor=factor: factor * state] * 5
        states, ratios = propagation_run.follow(steps, lambda state: state, x, homogeneous=True)
        assert ratios.ravel() == pytest.approx([factor**k for k in range(1, 6)])
        assert {state.dtype for state in states} == {np.dtype("float32")}
        back = propagation_run.follow_back(steps[1:], states[:-1], x)
        assert back.ravel() == pytest.approx([factor**k for k in range(4, -1, -1)])


def test_a_signal_that_dies_is_zero():
    x = np.ones((2, 3), "float32")
    steps = [lambda state: 0 * state] * 3
    states, ratios = propagation_run.follow(steps, lambda state: state, x, homogeneous=True)
    assert not ratios.any()
    assert propagation_run.follow_back(steps[1:], states[:-1], x).tolist() == [
        [0, 0],
        [0, 0],
        [1, 1],
    ]


def test_the_units_are_those_of_the_seed():
    units = [propagation_run._units(PropagationRun("mlp", 50, seed=seed)) for seed in (0, 0, 1)]
    assert units[0] == units[1] != units[2]
    assert 150 <= min(units[0]) < 170
    assert 230 < max(units[0]) <= 250


def test_a_step_is_one_layer_or_block():
    run = PropagationRun("mlp", **TINY)
    assert run.total_steps == 4
    assert run.seconds_per_step() > 0


def test_the_proposed_scheme_keeps_the_norm():
    sizes = {"width": 100, "spread": 20, "inputs": 100, "samples": 50}
    ends = found(network="mlp", depth=20, **sizes)["forward"][-1]
    assert 0.5 < ends < 2
    vanished = found(network="mlp", depth=20, **sizes, scheme="he", v="gaussian")
    assert vanished["forward"][-1] < 0.01
    stage = found(network="residual", depth=8, **sizes)
    for norm in (stage["forward"][-1], stage["backward"][0]):
        assert math.sqrt(2) < norm < math.sqrt(math.e)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "mpl"}, "Received: 'mpl'. Did you mean 'mlp'?"),
        ({"network": "mlp", "spread": 8}, "Received: width=8, spread=8"),
        ({"network": "mlp", "scheme": "hanin"}, "is for residual blocks"),
    ],
)
def test_what_cannot_start(arguments, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?")):
        found(**arguments)


# The experiment.


def recorded(spec):
    """A record whose numbers follow from the spec: norms shrink by a tenth a layer, but for 0."""
    factor = {"arpit": 1.0, "he": 0.0}.get(spec["scheme"], 0.9)
    depth = spec["depth"]
    forward = [factor**layer + 0.1 * spec["seed"] * (factor > 0) for layer in range(1, depth + 1)]
    return spec | {
        "forward": forward,
        "backward": [0.8 ** (depth - k) for k in range(1, depth + 1)],
    }


def test_the_runs_are_distinct():
    sizes = propagation.EXPERIMENT.sizes
    for size, count in (("smoke", 3 * 3 * 6 + 6), ("paper", 2 * 2 * 5 * 6)):
        specs = propagation.runs(sizes[size])
        assert len({json.dumps(spec, sort_keys=True) for spec in specs}) == len(specs) == count
        for spec in specs:
            catalogue.run(spec).check(Context())
    assert PropagationRun("mlp").spec in propagation.runs(sizes["paper"])


def test_the_table_has_the_ends_and_the_growth():
    made = catalogue.find("init_propagation")
    settings = propagation.Settings(blocks=(10,), layers=(2,), width=(8,), seeds=2)
    records = list(map(recorded, made.runs(settings)))
    summary = made.summarize(records)
    rows = summary.to_dict("records")
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    mlp, residual = made.tables(summary)
    assert [row[0] for row in mlp.rows] == list(propagation.ARMS["mlp"])
    assert (mlp.rows[0][1].text, mlp.rows[0][1].published) == ("1.05 ± 0.071", "1")
    assert mlp.rows[-1][3].published == "1"  # the backward form
    assert mlp.rows[-1][4] == "0.8000"
    assert residual.rows[0][1].published == "1.41 to 1.65"
    assert residual.rows[-2][1:3] == (propagation.Cell("0 ± 0"), "0.0000")  # "He, g = 1"
    _, draw = made.figures(records)["init_propagation_residual_10_8"]
    picture = draw()
    lines = drawn.lines(picture.axes[1])
    assert lines["Hanin"] == pytest.approx([(10 - k) * math.log10(0.8) for k in range(1, 11)])
    assert drawn.lines(picture.axes[0])["He, g = 1"] == []  # there is no logarithm of 0
    drawn.draw(picture)


def test_some_of_the_runs_can_be_shown():
    made = catalogue.find("init_propagation")
    assert made.tables(made.summarize([])) == []
    assert made.figures([]) == {}
    record = recorded(made.runs(made.sizes["smoke"])[1])
    (table,) = made.tables(made.summarize([record]))
    assert [row[0] for row in table.rows] == ["proposed, He"]
    assert "1 seed," in table.notes[0]
