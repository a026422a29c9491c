"""The curvature at initialisation: the task, and its experiment."""

import json
import math

import keras
import numpy as np
import pytest

import keras_reinit as kr
from experiments import data
from experiments.engine import catalogue
from experiments.engine.errors import UsageError
from experiments.engine.experiment import Context
from experiments.papers.arpit2019 import curvature, curvature_run, networks
from experiments.papers.arpit2019.curvature_run import CurvatureRun
from tests.analysis import drawn

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="needs TensorFlow's gradient tapes"
)
TINY = {"network": "mlp", "depth": 2, "width": 6, "images": 30, "batch_size": 20, "iterations": 3}


def found(**arguments):
    return CurvatureRun("digits", **TINY | arguments).execute(Context())


def test_the_norm_is_that_of_the_network_as_initialised():
    result = found(scheme="data_dependent", seed=3)
    part = data.subset(data.load("digits"), 30, seed=3)
    x = (part.x_train - part.x_train.mean()) / part.x_train.std()
    model = kr.backbones.mlp((8, 8, 1), 10, hidden=(6, 6), norm="weight")
    kr.initialize(model, "data_dependent", "orthogonal", data=x[:20], seed=3)
    expected = kr.analysis.hessian_spectral_norm(model, x, part.y_train, 3, seed=3)
    assert result["log"] == pytest.approx(expected.log, rel=1e-4)
    assert result["history"] == pytest.approx(expected.history, rel=1e-4)


def test_runs_of_one_network_share_it():
    curvature_run._network.cache_clear()
    first, again, other = found(), found(), found(scheme="pytorch", v="uniform")
    assert first == again != other
    assert curvature_run._network.cache_info().misses == 1


def test_images_are_resized():
    result = found(network="cifar_resnet", depth=8, width=0.25, image_size=10, iterations=2)
    assert np.isfinite(result["log"])
    hits = curvature_run._network.cache_info().hits
    curvature_run._network("cifar_resnet", (10, 10, 1), 10, 8, 0.25)  # the one that was measured
    assert curvature_run._network.cache_info().hits == hits + 1


def test_a_step_is_one_product():
    run = CurvatureRun("digits", **TINY)
    assert run.total_steps == 3
    assert CurvatureRun("cifar10").total_steps == 40 * 20
    assert run.seconds_per_step() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "mpl"}, "Did you mean 'mlp'"),
        ({"network": "cifar_resnet", "depth": 9}, "Received: depth=9"),
        ({"images": 2000}, "train_size=2000"),
    ],
)
def test_what_cannot_start(arguments, message):
    with pytest.raises(UsageError, match=message):
        found(**arguments)


# The experiment.


def recorded(spec):
    """A record whose numbers follow from the spec."""
    place = list(networks.ARMS).index(networks.arm_of({"norm": "weight", **spec}))
    norm = math.exp(place + 1 + spec["seed"])
    history = [norm / 2, norm / 1.1, norm]
    return spec | {"log": math.log(norm), "history": history}


def made(size):
    found = catalogue.find("init_curvature")
    records = list(map(recorded, found.runs(found.sizes[size])))
    summary = found.summarize(records)
    rows = summary.to_dict("records")
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    return found.tables(summary), found.figures(records)


def test_the_runs_are_distinct():
    sizes = curvature.EXPERIMENT.sizes
    for size, count in (("smoke", 6 * 3), ("paper", 2 * 4 * 3)):
        specs = curvature.runs(sizes[size])
        assert len({json.dumps(spec, sort_keys=True) for spec in specs}) == len(specs) == count
    assert CurvatureRun("cifar10").spec in curvature.runs(sizes["paper"])


def test_published_numbers_stand_beside_in_the_paper_s_setting():
    (wide, deep), figures = made("paper")
    assert [row[1].published for row in wide.rows] == [
        "4.68 ± 0.60",
        "3.01 ± 0.02",
        "7.14 ± 0.72",
        "1.31 ± 0.12",
    ]
    assert [row[1].best for row in wide.rows] == [False, False, False, True]
    assert wide.rows[3][1].text == "2.00 ± 1.00"
    assert wide.rows[3][2] == "+10.0"
    assert deep.title.endswith("ResNet-164 on cifar100")
    assert deep.rows[2][1].published == ""
    assert len(wide.notes) == 1
    ((_, draw),) = figures.values()
    assert [axes.get_title(loc="left") for axes in draw().axes] == [
        "WRN-40-10, cifar10",
        "ResNet-164, cifar100",
    ]


def test_another_setting_is_named():
    (table,), figures = made("smoke")
    assert [row[0] for row in table.rows] == [*curvature.ARMS, *curvature.OURS]
    assert table.rows[0][1].published == "4.68 ± 0.60"
    assert table.rows[-1][1].published == ""
    notes = " ".join(table.notes)
    assert "200 training images" in notes
    assert "Printed beside: WRN-40-10 on CIFAR-10." in notes
    assert "0.5 of the filters (1), images of 16x16 pixels (32x32)" in notes
    ((_, draw),) = figures.values()
    picture = draw()
    assert drawn.lines(picture.axes[0])["proposed"][-1] == pytest.approx(2)
    drawn.draw(picture)


def test_some_of_the_runs_can_be_shown():
    found = catalogue.find("init_curvature")
    assert found.tables(found.summarize([])) == []
    assert found.figures([]) == {}
