"""Six methods on twelve image sets, without augmentation.

Paper: Alabdulmohsin et al. 2021, Table 6.
Command: `python -m experiments run table6 --size smoke`
Cost: smoke, 120 runs: 4 hours on two CPU cores, scnn alone 50 minutes. Paper, 288 runs of up to
1.6 million steps at 224x224 pixels: accelerators; how long they take, tells
`python -m experiments plan table6 --size paper --devices 8`.

Four networks, twelve data sets, nothing tuned: N = 1, every method as many rounds as LW, the
baseline as many steps as all rounds together. Images as they are.
Published test accuracy: `published/table6.csv`.
"""

from experiments.papers.alabdulmohsin2021.common import PLAIN, accuracy_experiment

EXPERIMENT = accuracy_experiment(
    "Table 6",
    "six methods on image sets, without augmentation",
    PLAIN,
    {
        "smoke": "120 runs, 4 hours on two CPU cores (scnn: 50 minutes)",
        "paper": "288 runs of up to 1.6 million steps: accelerators",
    },
)
