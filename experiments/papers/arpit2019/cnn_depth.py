"""How deep a plain CNN can be trained, from the data-dependent and the proposed initialisation.

Paper: Arpit et al. 2019 (poster), CNN depth.
Command: `python -m experiments run init_cnn --size smoke`
Cost: smoke, 64 runs of 270 steps: 19 minutes of a busy CPU core. Paper, 360 runs of 70,000 steps:
accelerators.

CIFAR-10; a convolutional network without shortcuts of 5, 25 and 100 layers; directions orthogonal
or Gaussian ("He"). The poster gives no filters, learning rates or epochs: these are ours. The
learning rate of each arm and depth is the one that validation prefers. Published as a picture only:
from the proposed initialisation deeper networks can be trained.

The proposed gains keep the norm of maps that are large and have many channels. Narrow ones with
many borders lose it: with half of the filters, 8x8 pixels and 25 layers the small size starts from
features of less than a thousandth of the input's norm, which is to be read with its numbers.
"""

from experiments.papers.arpit2019.common import DepthSettings, depth_experiment

EXPERIMENT = depth_experiment(
    network="plain_cnn",
    item="CNN depth",
    title="accuracy of weight-normalised plain CNNs of 5 to 100 layers",
    key="init_cnn",
    sizes={
        "smoke": DepthSettings(
            dataset=("fashion_mnist",),
            depth=(5, 10, 25, 100),
            seeds=2,
            width=0.5,
            image_size=8,
            train_size=3000,
            test_size=2000,
            batch_size=50,
            epochs=5,
            learning_rates=(0.003, 0.03),
        ),
        "paper": DepthSettings(depth=(5, 25, 100), seeds=5),
    },
    cost={
        "smoke": "64 runs, 19 minutes of a CPU core",
        "paper": "360 runs of 70,000 steps: accelerators",
    },
)
