"""Curvature of the training loss of a weight-normalised network as initialised.

The spectral norm is that of the Hessian in `g` and `v`, the variables that are trained, on images
that are not augmented and are standardized channel by channel. A run takes the network of the one
before, where only the initialisation differs: a deep one takes longer to trace than to measure.
"""

import dataclasses
import time

import numpy as np

import keras_reinit as kr
from experiments import data
from experiments.engine.run import Run, keep_network
from experiments.papers.arpit2019 import networks, training_run

BATCH = 250  # images of one product with the Hessian; does not change the result


@dataclasses.dataclass(frozen=True)
class CurvatureRun(Run):
    """One initialisation of one network; the defaults are the paper's, for WRN-40-10.

    Args:
        dataset: as `experiments.data.load` names it.
        network: of `networks.NETWORKS`.
        depth: of it, as `networks.network` counts.
        width: of it, likewise.
        scheme: of `keras_reinit.initialize`.
        v: how it draws directions.
        seed: of weights, of the first vector and of which images are taken.
        image_size: side that images are resized to, or None to leave them as they are.
        images: images of the training split: a tenth of those of CIFAR-10 in the paper.
        batch_size: how many of them are the batch of the data-dependent scheme.
        iterations: of power iteration.
    """

    task = "curvature"

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
    def training(self):
        """A training that begins with the same network on the same images, to check."""
        known = {field.name for field in dataclasses.fields(training_run.InitializedRun)}
        values = {name: value for name, value in dataclasses.asdict(self).items() if name in known}
        return training_run.InitializedRun(**values, train_size=self.images, validation=0.0)

    def check(self, context):
        self.training.check(context)

    def result(self, context, folder):
        """Initialise once and measure.

        Returns:
            A dict: "log", the natural logarithm of the spectral norm; "history", the norm after
            each iteration.
        """
        whole = data.load(self.dataset, context.data_dir, context.download, self.image_size)
        part = data.subset(whole, self.images, self.seed)
        (x,) = data.standardized(np.asarray(data.floats(part.x_train, self.image_size)))
        model = _network(self.network, x.shape[1:], part.classes, self.depth, self.width)
        return _measured(self, model, x, part.y_train)

    @property
    def total_steps(self):
        """The products of a batch's Hessian with a vector."""
        return self.iterations * -(-self.images // BATCH)

    @property
    def step_key(self):
        return f"{self.network}-{self.depth} x{self.width:g}", self.image_size

    def seconds_per_step(self):
        """The time of a product, measured on a batch of random images; it is traced before."""
        run = dataclasses.replace(self, iterations=1, images=BATCH)
        _, shape, classes = data.known(self.dataset, self.image_size)
        model = _network(self.network, shape, classes, self.depth, self.width)
        x = np.random.default_rng(0).normal(size=(BATCH, *shape)).astype("float32")
        y = np.arange(BATCH) % classes
        _measured(run, model, x, y)
        start = time.perf_counter()
        _measured(run, model, x, y)
        return time.perf_counter() - start


@keep_network
def _network(name, shape, classes, depth, width):
    return networks.network(name, shape, classes, depth, width)


def _measured(run, model, x, y):
    arm = {"norm": "weight", "scheme": run.scheme, "v": run.v}
    networks.initialize(model, arm, run.network, run.seed, x[: run.batch_size])
    found = kr.analysis.hessian_spectral_norm(model, x, y, run.iterations, BATCH, run.seed)
    return {"log": found.log, "history": [float(f"{norm:.5g}") for norm in found.history]}
