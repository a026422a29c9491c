"""Streams, gradient norms and shrinking of Ash & Adams 2020: their runs, numbers and pictures."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from experiments import data
from experiments.engine import catalogue
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.papers.ash2020 import (
    gradient_norms_run,
    networks,
    published,
    shrinking_run,
    streams,
)

RUNS = {
    "warm_figure2": (21, 560),
    "warm_figure5": (3, 5),
    "warm_figure6": (9, 15),
    "warm_figure12": (12, 20),
    "warm_figure13": (9, 25),
    "warm_figure14": (12, 25),
}
NORMS = gradient_norms_run.GradientNormsRun(
    "digits", "mlp_relu", train_size=120, shrink=(0.5, 0.1), learning_rate=0.01,
    first_learning_rate=0.1, batch_size=16, epochs=2, goal=0.9, max_epochs=30,
)  # fmt: skip
SHRINKING = shrinking_run.ShrinkingRun(
    "digits", "mlp_relu", train_size=240, shrink=(0.01, 0.5, 1.0), learning_rate=0.01, max_epochs=5
)


def execute(run, **context):
    spec = json.loads(json.dumps(run.spec))
    result = catalogue.run(spec).execute(Context(**context))
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    return result


@pytest.mark.parametrize("size", [0, 1])
@pytest.mark.parametrize("name", RUNS)
def test_the_runs_of_an_experiment(name, size):
    found = catalogue.find(name)
    specs = found.runs(found.sizes[("smoke", "paper")[size]])
    assert len({json.dumps(spec, sort_keys=True) for spec in specs}) == len(specs)
    assert len(specs) == RUNS[name][size]


def test_the_cells_of_the_paper_are_those_it_has_numbers_for():
    found = catalogue.find("warm_figure2")
    specs = found.runs(found.sizes["paper"])
    assert {streams.cell_of(spec) for spec in specs} == set(published.stream("cifar10", "resnet18"))
    printed = published.stream("svhn_cropped", "mlp_relu")
    assert (printed[0.2, 0.1], printed[1.0, 0.0]) == ((0.829, 211), (0.79, 37.6))
    assert published.stream("cifar10", "resnet18")[0.6, 0.01] == (0.77, 57.7)


def test_the_last_layer_changes_nothing_of_the_ends():
    ends = [
        [spec for spec in each.runs(each.sizes["smoke"]) if spec["strategy"] in streams.ENDS]
        for each in map(catalogue.find, ("warm_figure2", "warm_figure14"))
    ]
    assert len(ends[1]) == 6
    assert all(spec in ends[0] for spec in ends[1])


GAINS = {"random": 0.0, "warm": -0.1}


def recorded(spec):
    """A record whose numbers follow from the spec, so that a table can be checked by hand."""
    gain = GAINS.get(spec["strategy"], spec["perturb"])
    last = 0.5 + gain + 0.01 * spec["seed"]
    stuck = spec["shrink"] == 0.2
    stages = spec["rounds"] if spec["scheme"] == "repeat" else 3
    return spec | {
        "samples": [1000 * (place + 1) for place in range(stages)],
        "converged": [True] * (stages - 1) + [not stuck],
        "steps": [10 if spec["strategy"] == "warm" else 40] * stages,
        "train_seconds": [1.0 if spec["strategy"] == "warm" else 2.0] * stages,
        "train_accuracy": [1.0] * (stages - 1) + [0.1 if stuck else 1.0],
        "accuracy": [0.4] * (stages - 1) + [last],
    }


def made(name, record):
    found = catalogue.find(name)
    records = list(map(record, found.runs(found.sizes["smoke"])))
    summary = found.summarize(records)
    rows = summary.to_dict("records")
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    figures = {key: draw() for key, (_, draw) in found.figures(records).items()}
    return rows, found.tables(summary), figures


def test_a_stream_is_compared_with_random_starts_in_accuracy_and_time():
    _, (table,), figures = made("warm_figure2", recorded)
    assert table.title == "Figures 2, 7, 8, 15 to 22: mlp_relu on fashion_mnist, adam"
    lines = {row[0]: row for row in table.rows}
    assert [getattr(cell, "text", cell) for cell in lines["warm"]] == [
        "warm", "41.0 ± 1.0", "-10.0 ± 0.0", "3.0 ± 0.0", "50%", "25%", "0 of 9",
    ]  # fmt: skip
    assert lines["random"][1].text == "51.0 ± 1.0"
    assert [start for start, line in lines.items() if line[1].best] == ["0.6 / 0.1", "0.4 / 0.1"]
    # What is not to be trained is blank.
    assert [getattr(cell, "text", cell) for cell in lines["0.2 / 0.1"]] == [
        "0.2 / 0.1", "", "", "", "", "", "3 of 9",
    ]  # fmt: skip
    assert "not to be trained" in table.notes[1]
    assert len(figures) == 2
    accuracy, _ = figures["warm_figure2_fashion_mnist_mlp_relu_grid"].axes
    assert {text.get_text() for text in accuracy.texts} == {"41.0", "51.0", "52.0", "61.0"}
    panels = figures["warm_figure2_fashion_mnist_mlp_relu_stages"].axes
    assert [axes.get_title(loc="left") for axes in panels] == [
        "perturb 0.01",
        "",
        "perturb 0.1",
        "",
    ]


def test_published_numbers_stand_beside_those_of_their_own_setting_alone():
    found = catalogue.find("warm_figure2")
    records = [
        recorded(spec)
        for spec in found.runs(found.sizes["paper"])
        if (spec["dataset"], spec["network"], spec["seed"]) == ("cifar10", "resnet18", 0)
    ]
    (table,) = found.tables(found.summarize(records))
    warm = next(row for row in table.rows if row[0] == "warm")
    assert (warm[1].published, warm[4].published) == ("63.7", "17%")
    decayed = [record | {"weight_decay": 0.001} for record in records]
    (table,) = found.tables(found.summarize(decayed))
    assert not any(row[1].published for row in table.rows)
    assert table.title.endswith("weight decay 0.001")


@pytest.mark.parametrize("name", ["warm_figure13", "warm_figure14"])
def test_other_streams_have_the_same_table(name):
    _, (table,), figures = made(name, recorded)
    assert table.header[:2] == ("start", "accuracy [%]")
    assert len(figures) == 2


def test_rounds_on_one_data_set_are_compared_with_the_first():
    _, (table,), figures = made("warm_figure12", recorded)
    assert [getattr(cell, "text", cell) for cell in table.rows[0]] == [
        "0.8", "40.0 ± 0.0", "52.0 ± 1.0", "+12.0 ± 1.0", "0 of 24",
    ]  # fmt: skip
    assert list(figures) == ["warm_figure12"]


def test_figure5_compares_the_norms_before_the_first_step():
    def record(spec):
        starts = ["warm", *(f"shrink {factor:g}" for factor in spec["shrink"])]
        return spec | {
            "starts": starts,
            "old": [[1.0, 2.0]] * len(starts),
            "new": [[3.0 + spec["seed"], 2.0]] * len(starts),
            "train_accuracy": [0.9] * len(starts),
            "first_accuracy": 1.0,
        }

    _, (table,), figures = made("warm_figure5", record)
    assert table.rows[0] == ("warm", "1", "4", "4.00 ± 1.00", "90.0")
    (figure,) = figures.values()
    assert len(figure.axes) == len(table.rows) == 5


def test_figure6_has_a_column_for_each_network():
    def record(spec):
        accuracy = [0.5 * factor for factor in spec["shrink"]]
        return spec | {"accuracy": accuracy, "train_accuracy": 0.99, "epochs": 7}

    _, (table,), figures = made("warm_figure6", record)
    assert table.header == ("shrink", "resnet18", "mlp_relu", "mlp_relu_no_bias")
    assert table.rows[0][:2] == ("1", "50.0 ± 0.0")
    assert len(figures["warm_figure6"].axes) == 1


def test_gradient_norms_are_those_of_whole_batches_before_and_after_every_epoch(monkeypatch):
    seen = []
    plain = gradient_norms_run.kr.reset_optimizer
    monkeypatch.setattr(
        gradient_norms_run.kr,
        "reset_optimizer",
        lambda optimizer, rate: (seen.append(rate), plain(optimizer, rate)),
    )
    result = execute(NORMS)
    assert result["starts"] == ["warm", "shrink 0.5", "shrink 0.1"]
    assert np.shape(result["old"]) == np.shape(result["new"]) == (3, 3)
    assert seen[-3:] == [0.01] * 3
    # A solution pulls less on the examples that it was found on.
    assert result["old"][0][0] < result["new"][0][0]


def test_gradient_norms_against_a_plain_gradient(rng):
    model = networks.compiled("mlp_relu", (4,), 3, None, 1.0, None, "sgd", 0.0, "none", 0.0)
    x, y = rng.normal(size=(50, 4)).astype("float32"), rng.integers(3, size=50)
    norms = gradient_norms_run.GradientNorms({"all": (x, y)}, batch_size=16)
    norms.set_model(model)
    norms.on_epoch_begin(0)
    squares = []
    for start in (0, 16, 32):
        with tf.GradientTape() as tape:
            logits = model(x[start : start + 16])
            chosen = tf.gather(tf.nn.log_softmax(logits), y[start : start + 16], batch_dims=1)
            value = -tf.reduce_mean(chosen)
        gradients = tape.gradient(value, model.trainable_variables)
        squares.append(sum(float(tf.reduce_sum(g**2)) for g in gradients))
    assert norms.values["all"] == pytest.approx([np.mean(np.sqrt(squares))], rel=1e-4)


def test_gradient_norms_leave_the_statistics_alone(rng):
    inputs = keras.Input((4,))
    hidden = keras.layers.BatchNormalization()(keras.layers.Dense(5)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(3)(hidden))
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    norms = gradient_norms_run.GradientNorms(
        {"all": (rng.normal(size=(8, 4)).astype("float32"), np.arange(8) % 3)}, batch_size=4
    )
    norms.set_model(model)
    before = model.get_weights()
    norms.on_epoch_end(0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_run_on_too_few_examples_is_refused():
    few = gradient_norms_run.GradientNormsRun("digits", "mlp_relu", train_size=30, batch_size=16)
    with pytest.raises(UsageError, match="batch_size=16, 10 old and 10 new examples"):
        few.check(Context())


def test_a_run_is_the_same_after_another_and_with_a_backup(tmp_path):
    expected = execute(NORMS)
    execute(SHRINKING)
    assert execute(NORMS, backups=tmp_path) == expected
    assert list(tmp_path.iterdir()) == []


def test_shrinking_changes_decisions_only_where_there_are_biases():
    result = execute(SHRINKING)
    assert result["accuracy"][0] < result["accuracy"][2] - 0.2
    result = execute(dataclasses.replace(SHRINKING, network="mlp_relu_no_bias"))
    assert len(set(result["accuracy"])) == 1


@pytest.mark.parametrize("run", [NORMS, SHRINKING])
def test_a_run_can_be_planned(run):
    trained = data.trained(run.train_size, run.held_out)
    batches = -(-trained // run.batch_size)
    first = -(-trained // 2 // run.batch_size) * run.max_epochs
    expected = {"gradient_norms": first + 3 * batches * 2, "shrinking": batches * run.max_epochs}
    assert run.total_steps == pytest.approx(expected[run.task], rel=0.2)
    assert "mlp_relu" in run.step_key
