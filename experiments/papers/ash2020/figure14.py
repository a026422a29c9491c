"""A stream of 1000 examples a stage: only the last layer is shrunk and perturbed.

Paper: Ash & Adams 2020, Figure 14.
Command: `python -m experiments run warm_figure14 --size smoke`
Cost: smoke, 12 runs of an MLP, half of them those of warm_figure2: about 5 minutes on two CPU cores
(estimated). Paper, 25 runs of 34 stages: accelerators.

Published as a picture only: no better than a warm start. The paper does not say how strong the
perturbation was: 0.01, as in Figure 7.
"""

from experiments.papers.ash2020.streams import StreamSettings, stream_experiment

EXPERIMENT = stream_experiment(
    "warm_figure14",
    item="Figure 14",
    title="a stream of examples: shrink and perturb the last layer alone",
    sizes={
        "smoke": StreamSettings(
            dataset=("fashion_mnist",),
            network=("mlp_relu",),
            shrink=(0.6, 0.4),
            perturb=(0.01,),
            seeds=3,
            train_size=9000,
            patience=20,
        ),
        "paper": StreamSettings(shrink=(0.8, 0.6, 0.4), perturb=(0.01,)),
    },
    cost={
        "smoke": "12 runs, 6 of them those of Figure 2: 5 minutes on two CPU cores (estimated)",
        "paper": "25 runs of 34 stages: accelerators",
    },
    last_layer=True,
)
