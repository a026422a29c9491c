"""How deep an MLP can be trained, from the data-dependent and from the proposed initialisation.

Paper: Arpit et al. 2019 (poster), MLP depth.
Command: `python -m experiments run init_depth --size smoke`
Cost: smoke, 144 runs of 540 steps: 31 minutes of a CPU core. Paper, 720 runs of some
84,000 steps: accelerators.

MNIST; 2 to 200 hidden layers; directions orthogonal or Gaussian ("He"). The poster gives no units,
learning rates or epochs: these are ours. The learning rate of each arm and depth is the one that
validation prefers. Published as a picture only: from the proposed initialisation deeper networks
can be trained.
"""

from experiments.papers.arpit2019.common import DepthSettings, depth_experiment

EXPERIMENT = depth_experiment(
    network="mlp",
    item="MLP depth",
    title="accuracy of weight-normalised MLPs of 2 to 200 hidden layers",
    key="init_depth",
    sizes={
        "smoke": DepthSettings(
            dataset=("mnist",),
            width=100.0,
            train_size=5000,
            test_size=2000,
            batch_size=50,
            epochs=6,
            learning_rates=(0.001, 0.003),
        ),
        "paper": DepthSettings(dataset=("mnist",), width=500.0, seeds=5),
    },
    cost={
        "smoke": "144 runs, 31 minutes of a CPU core",
        "paper": "720 runs of 84,000 steps: accelerators",
    },
)
