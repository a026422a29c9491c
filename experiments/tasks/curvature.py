"""Curvature of the training loss of a weight-normalised network as initialised.

The spectral norm is that of the Hessian in `g` and `v`, the variables that are trained, on images
that are not augmented and are standardized channel by channel. A run takes the network of the one
before, where only the initialisation differs: a deep one takes longer to trace than to measure.
"""

import dataclasses
import functools
import time

import keras
import numpy as np

import keras_reinit as kr
from experiments import data, initializing
from experiments.tasks import initialized

BATCH = 250  # images of one product with the Hessian; does not change the result


@dataclasses.dataclass(frozen=True)
class CurvatureRun:
    """One initialisation of one network; the defaults are the paper's, for WRN-40-10.

    Args:
        dataset: as `experiments.data.load` names it.
        network: of `experiments.initializing.NETWORKS`.
        depth: of it, as `experiments.initializing.network` counts.
        width: of it, likewise.
        scheme: of `keras_reinit.initialize`.
        v: how it draws directions.
        seed: of weights, of the first vector and of which images are taken.
        image_size: side that images are resized to, or None to leave them as they are.
        images: images of the training split: a tenth of those of CIFAR-10 in the paper.
        batch_size: how many of them are the batch of the data-dependent scheme.
        iterations: of power iteration.
    """

    dataset: str
    network: str = "wide_resnet"
    depth: int = 40
    width: float = 10.0
    scheme: str = "arpit"
    v: str = "orthogonal"
    seed: int = 0
    image_size: int | None = None
    images: int = 5000
    batch_size: int = 128
    iterations: int = 40

    @property
    def spec(self):
        """The run as the store knows it."""
        return {"task": "curvature", **dataclasses.asdict(self)}

    @property
    def training(self):
        """A training that begins with the same network on the same images, to check."""
        known = {field.name for field in dataclasses.fields(initialized.InitializedRun)}
        values = {name: value for name, value in dataclasses.asdict(self).items() if name in known}
        return initialized.InitializedRun(**values, train_size=self.images, validation=0.0)


def check(spec, context):
    """Raise `UsageError` if a run cannot start; reads no image and takes no time."""
    initialized.check(_run(spec).training.spec, context)


def execute(spec, context):
    """Initialise once and measure.

    Returns:
        A dict: "log", the natural logarithm of the spectral norm; "history", the norm after each
        iteration.

    Raises:
        UsageError: as `check`.
    """
    check(spec, context)
    run = _run(spec)
    whole = data.load(run.dataset, context.data_dir, context.download, run.image_size)
    part = data.subset(whole, run.images, run.seed)
    (x,) = data.standardized(np.asarray(data.floats(part.x_train, run.image_size)))
    model = _network(run.network, x.shape[1:], part.classes, run.depth, run.width)
    return _measured(run, model, x, part.y_train)


def steps(spec):
    """The products of a batch's Hessian with a vector."""
    run = _run(spec)
    return run.iterations * -(-run.images // BATCH)


def step_key(spec):
    """Runs with the same key take the same time for a step."""
    run = _run(spec)
    return f"{run.network}-{run.depth} x{run.width:g}", run.image_size


def seconds_per_step(spec):
    """The time of a product, measured on a batch of random images; it is traced before."""
    run = dataclasses.replace(_run(spec), iterations=1, images=BATCH)
    shape, classes = initialized.planned(run.dataset, run.image_size)
    model = _network(run.network, shape, classes, run.depth, run.width)
    x = np.random.default_rng(0).normal(size=(BATCH, *shape)).astype("float32")
    y = np.arange(BATCH) % classes
    _measured(run, model, x, y)
    start = time.perf_counter()
    _measured(run, model, x, y)
    return time.perf_counter() - start


def _run(spec):
    return CurvatureRun(**{name: value for name, value in spec.items() if name != "task"})


@functools.lru_cache(maxsize=1)
def _network(name, shape, classes, depth, width):
    keras.utils.clear_session()
    return initializing.network(name, shape, classes, depth, width)


def _measured(run, model, x, y):
    arm = {"norm": "weight", "scheme": run.scheme, "v": run.v}
    initializing.initialize(model, arm, run.network, run.seed, x[: run.batch_size])
    found = kr.analysis.hessian_spectral_norm(model, x, y, run.iterations, BATCH, run.seed)
    return {"log": found.log, "history": [float(f"{norm:.5g}") for norm in found.history]}
