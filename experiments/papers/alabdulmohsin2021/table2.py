"""Six methods on twelve image sets, with augmentation.

Paper: Alabdulmohsin et al. 2021, Table 2.
Command: `python -m experiments run table2 --size smoke`
Cost: smoke, 120 runs: 4 hours on two CPU cores, scnn alone 50 minutes. Paper, 288 runs of up to
1.6 million steps at 224x224 pixels: accelerators; how long they take, tells
`python -m experiments plan table2 --size paper --devices 8`.

Four networks, twelve data sets, nothing tuned: N = 1, every method as many rounds as LW, the
baseline as many steps as all rounds together. Mirrored and cropped training images.
Published test accuracy: `published/table2.csv`.
"""

from experiments.papers.alabdulmohsin2021.common import AUGMENTED, accuracy_experiment

EXPERIMENT = accuracy_experiment(
    "Table 2",
    "six methods on image sets, with augmentation",
    AUGMENTED,
    {
        "smoke": "120 runs, 4 hours on two CPU cores (scnn: 50 minutes)",
        "paper": "288 runs of up to 1.6 million steps: accelerators",
    },
)
