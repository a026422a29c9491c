"""Where each experiment and each task is.

The names are those of the command line and of stored runs: they stay where modules move.
"""

import importlib

from experiments.engine.errors import UsageError, unknown

EXPERIMENTS = {
    "appendix_f": "experiments.papers.alabdulmohsin2021.appendix_f",
    "figure2": "experiments.papers.alabdulmohsin2021.figure2",
    "figure3": "experiments.papers.alabdulmohsin2021.figure3",
    "figure4": "experiments.papers.alabdulmohsin2021.figure4",
    "figure5": "experiments.papers.alabdulmohsin2021.figure5",
    "figure6": "experiments.papers.alabdulmohsin2021.figure6",
    "figure7": "experiments.papers.alabdulmohsin2021.figure7",
    "figure8": "experiments.papers.alabdulmohsin2021.figure8",
    "synthetic_table1": "experiments.papers.alabdulmohsin2021.table1",
    "synthetic_table4": "experiments.papers.alabdulmohsin2021.table4",
    "table2": "experiments.papers.alabdulmohsin2021.table2",
    "table3": "experiments.papers.alabdulmohsin2021.table3",
    "table6": "experiments.papers.alabdulmohsin2021.table6",
    "table7": "experiments.papers.alabdulmohsin2021.table7",
    "warm_figure1": "experiments.papers.ash2020.figure1",
    "warm_figure2": "experiments.papers.ash2020.figure2",
    "warm_figure3": "experiments.papers.ash2020.figure3",
    "warm_figure4": "experiments.papers.ash2020.figure4",
    "warm_figure5": "experiments.papers.ash2020.figure5",
    "warm_figure6": "experiments.papers.ash2020.figure6",
    "warm_figure9": "experiments.papers.ash2020.figure9",
    "warm_figure10": "experiments.papers.ash2020.figure10",
    "warm_figure12": "experiments.papers.ash2020.figure12",
    "warm_figure13": "experiments.papers.ash2020.figure13",
    "warm_figure14": "experiments.papers.ash2020.figure14",
    "warm_table1": "experiments.papers.ash2020.table1",
    "warm_table3": "experiments.papers.ash2020.table3",
    "warm_table4": "experiments.papers.ash2020.table4",
    "warm_table5": "experiments.papers.ash2020.table5",
    "init_cnn": "experiments.papers.arpit2019.cnn_depth",
    "init_curvature": "experiments.papers.arpit2019.curvature",
    "init_depth": "experiments.papers.arpit2019.mlp_depth",
    "init_pong": "experiments.papers.arpit2019.pong",
    "init_propagation": "experiments.papers.arpit2019.propagation",
    "init_resnet_depth": "experiments.papers.arpit2019.resnet_depth",
    "init_robustness": "experiments.papers.arpit2019.robustness",
    "init_seeds": "experiments.papers.arpit2019.seeds",
    "init_table": "experiments.papers.arpit2019.cifar_table",
    "reinit_label_noise": "experiments.papers.zaidi2022.label_noise",
    "reinit_ladder": "experiments.papers.zaidi2022.ladder",
    "reinit_sensitivity": "experiments.papers.zaidi2022.sensitivity",
}
TASKS = {
    "actor_critic": "experiments.papers.arpit2019.actor_critic_run.ActorCriticRun",
    "comparison": "experiments.commands.comparison_run.ComparisonRun",
    "curvature": "experiments.papers.arpit2019.curvature_run.CurvatureRun",
    "gradient_norms": "experiments.papers.ash2020.gradient_norms_run.GradientNormsRun",
    "images": "experiments.papers.alabdulmohsin2021.image_run.ImageRun",
    "initialized": "experiments.papers.arpit2019.training_run.InitializedRun",
    "propagation": "experiments.papers.arpit2019.propagation_run.PropagationRun",
    "regularized": "experiments.papers.zaidi2022.regularized_run.RegularizedRun",
    "shrinking": "experiments.papers.ash2020.shrinking_run.ShrinkingRun",
    "synthetic": "experiments.papers.alabdulmohsin2021.synthetic_run.SyntheticRun",
    "warm_start": "experiments.papers.ash2020.warm_start_run.WarmStartRun",
}


def names():
    """The names of all experiments."""
    return sorted(EXPERIMENTS)


def find(name):
    """The experiment of a name.

    Raises:
        UsageError: if there is none; the message names the nearest.
    """
    if name not in EXPERIMENTS:
        raise UsageError(unknown("experiment", name, names()))
    return importlib.import_module(EXPERIMENTS[name]).EXPERIMENT


def run(spec):
    """The `Run` of a spec."""
    module, _, name = TASKS[spec["task"]].rpartition(".")
    return getattr(importlib.import_module(module), name).from_spec(spec)
