"""The generated task: the schedule of Appendix A, the penalty, and the tables."""

import dataclasses

import numpy as np
import pytest

import keras_reinit as kr
from experiments.engine import catalogue
from experiments.engine.experiment import Context
from experiments.papers.alabdulmohsin2021 import stacked, synthetic_run, table1, table4
from experiments.papers.alabdulmohsin2021.stacked import Stack
from experiments.papers.alabdulmohsin2021.synthetic_run import SyntheticRun
from experiments.training import protocol
from keras_reinit.weights.select import list_weights


@pytest.fixture
def model():
    model = synthetic_run._model(steps=2, l2=0.0)
    protocol.restart(model, seed=0)
    return model


def layers(model):
    return [
        np.array(model.get_layer(name).kernel) for name in ("block1_dense", "block2_dense", "head")
    ]


@pytest.mark.parametrize("method", ["rescaling", "LW in phases"])
def test_phases(model, method):
    norms = [np.linalg.norm(kernel) for kernel in layers(model)]
    phases = synthetic_run.Phases(reinitialize=method != "rescaling")
    for index, kept in enumerate([1, 1, 2, 2, 2]):
        for layer in ("block1_dense", "block2_dense", "head"):
            model.get_layer(layer).kernel.assign(3 * model.get_layer(layer).kernel)
            model.get_layer(layer).bias.assign(model.get_layer(layer).bias + 1)
        before = layers(model)
        phases.apply(model, kr.methods.Context(seed=10 + index, round=index))
        after = layers(model)
        for number, (old, new, norm) in enumerate(zip(before, after, norms, strict=True)):
            if method == "rescaling" or number < kept:
                np.testing.assert_allclose(new, old * norm / np.linalg.norm(old), rtol=1e-5)
            else:
                assert abs(np.corrcoef(old.ravel(), new.ravel())[0, 1]) < 0.3
        assert not np.any(model.get_layer("head").bias)


def test_the_penalty_is_on_the_kernels():
    plain, penalized = synthetic_run._model(steps=2, l2=0.0), synthetic_run._model(steps=2, l2=0.5)
    protocol.restart(penalized, seed=0)
    penalized.get_layer("head").bias.assign([1.0] * 8)
    expected = 0.5 * sum(np.sum(kernel**2) for kernel in layers(penalized))
    assert float(sum(penalized.losses)) == pytest.approx(expected, rel=1e-5)
    assert plain.losses == []


@pytest.mark.parametrize("method", ["BL", "LW", "WELSR", *synthetic_run.PHASES])
def test_a_run_does_not_depend_on_the_runs_before(method):
    rounds = 5 if method in synthetic_run.PHASES else 3
    run = SyntheticRun(method, 1.0, seed=1, rounds=rounds, steps=2)
    first = run.execute(Context())
    dataclasses.replace(run, seed=2).execute(Context())
    assert run.execute(Context()) == first


@pytest.mark.parametrize("l2", [0.0, 0.02])
@pytest.mark.parametrize("method", [*table1.METHODS, *synthetic_run.PHASES])
def test_together_is_as_alone_up_to_the_order_of_sums(method, l2, monkeypatch):
    monkeypatch.setattr(stacked, "TOGETHER", 2)  # two parts, the last one smaller
    rounds = 5 if method in synthetic_run.PHASES else 6
    runs = [SyntheticRun(method, 1.0, seed, rounds, 6, l2) for seed in (3, 4, 9)]
    alone = [run.execute(Context()) for run in runs]
    together = SyntheticRun.execute_together(runs, Context())
    for one, other in zip(alone, together, strict=True):
        assert other["test_accuracy"] == pytest.approx(one["test_accuracy"], abs=4 / 8192)
        assert other["train_accuracy"] == pytest.approx(one["train_accuracy"], abs=1 / 256)


def test_runs_that_differ_in_their_seed_alone_go_together():
    run = SyntheticRun("LW", 1.0, seed=1, rounds=3, steps=2)
    assert run.batch_key == dataclasses.replace(run, seed=2).batch_key
    for name, value in {"method": "BL", "alpha": 2.0, "rounds": 6, "steps": 3, "l2": 0.1}.items():
        assert run.batch_key != dataclasses.replace(run, **{name: value}).batch_key


def test_a_stack_holds_the_networks_of_its_seeds(model):
    stack = Stack(model, [7, 0, 5])
    for run, seed in enumerate(stack.seeds):
        protocol.restart(model, seed)
        for slot in list_weights(model):
            np.testing.assert_array_equal(stack.weights[slot.name][run], slot.variable)


@pytest.mark.parametrize("what", ["dead", "diverged"])
def test_a_stack_that_cannot_go_on(model, what):
    stack = Stack(model, [0, 1])
    x, y = np.ones((2, 128, 4), "float32"), np.ones((2, 8, 4), "float32")
    if what == "dead":
        with pytest.raises(ValueError, match="block is dead.*Received: block=0"):
            stack.calibrate(0, x * np.array([0, 1], "float32")[:, None, None])
    else:
        with pytest.raises(ValueError, match="diverged"):
            stack.train(x * np.inf, y, learning_rate=0.05, l2=0.0, steps=2)


def test_steps_and_time():
    run = SyntheticRun("LW", 1.0, seed=1, rounds=9, steps=2)
    assert run.total_steps == 18
    assert run.step_key == dataclasses.replace(run, method="BL", seed=3).step_key
    assert run.step_key != dataclasses.replace(run, l2=0.1).step_key
    assert run.seconds_per_step() > 0


@pytest.mark.parametrize(
    ("experiment", "count"),
    [(table1.EXPERIMENT, 3 * 8 * 100), (table4.EXPERIMENT, 6 * 3 * 100)],
)
def test_runs_of_the_paper(experiment, count):
    specs = experiment.runs(experiment.sizes["paper"])
    assert len(specs) == count
    assert len({tuple(spec.items()) for spec in specs}) == count
    assert {catalogue.run(spec).total_steps for spec in specs} == {1800}


def test_table4():
    runs = table4.runs(table4.Settings(seeds=2, l2=(0.0, 0.03)))
    scores = {"BL": 0.2, "rescaling": 0.3, "LW in phases": 0.25}
    records = [
        {**run, "test_accuracy": scores[run["method"]] + run["seed"] / 10, "train_accuracy": 1.0}
        for run in runs
    ]
    rows = table4.summarize(records)
    assert rows["mean"].tolist()[:3] == pytest.approx([0.25, 0.35, 0.3])
    (table,) = table4.tables(rows)
    first, second = table.rows
    assert first[0] == "0"
    assert [cell.published for cell in first[1:4]] == ["19", "21", "25"]
    assert [cell.best for cell in first[1:4]] == [False, True, False]
    assert [cell.published for cell in second[1:4]] == ["", "", ""]
