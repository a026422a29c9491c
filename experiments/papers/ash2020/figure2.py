"""A stream of 1000 examples a stage: from scratch, warm, or shrunk and perturbed.

Paper: Ash & Adams 2020, Figures 2, 7, 8, 15 to 22; also 23 to 26 with `--weight-decay 0.001
--network resnet18`, and 32 with `--optimizer sgd --learning-rate 0.1 --decay-epochs N`, whose
schedule the paper does not give.
Command: `python -m experiments run warm_figure2 --size smoke`
Cost: smoke, 21 runs of an MLP: 15 minutes on two CPU cores. Paper, 560 runs of up to 48 stages:
accelerators.

Published, CIFAR-10 and ResNet-18: from scratch 76.0 % in 94 minutes, warm 63.7 % in 16, shrink 0.6
and perturb 0.01 77.0 % in 58. The captions of Figures 16 to 26 swap shrink 0 and 1.
"""

from experiments.papers.ash2020.streams import StreamSettings, stream_experiment

EXPERIMENT = stream_experiment(
    "warm_figure2",
    item="Figures 2, 7, 8, 15 to 22",
    title="a stream of examples: accuracy and training time",
    sizes={
        "smoke": StreamSettings(
            dataset=("fashion_mnist",),
            network=("mlp_relu",),
            shrink=(0.6, 0.4, 0.2),
            perturb=(0.1, 0.01),
            seeds=3,
            train_size=9000,
            patience=20,
        ),
        "paper": StreamSettings(
            dataset=("cifar10", "svhn_cropped"), network=("resnet18", "mlp_relu")
        ),
    },
    cost={
        "smoke": "21 runs, 15 minutes on two CPU cores",
        "paper": "560 runs of up to 48 stages: accelerators",
    },
)
