"""Pictures of runs that stay readable in greyscale; each function returns a matplotlib figure.

Methods differ by colour, line style, marker and hatch. Accuracies are given in [0, 1] and drawn in
per cent. Titles and names are drawn as they stand: a dollar sign begins no formula.
`figure.savefig(file)` writes a picture; there is nothing to close.

Example:
    >>> from keras_reinit.analysis import plots
    >>> plots.weight_sizes({"LW": [0.98, 1.03], "FC": [1.4, 1.7]}).savefig("sizes.png")
"""

try:
    from keras_reinit.analysis.plots.accuracy import (
        bars,
        budgets,
        gains,
        learning_curves,
        per_round,
        scatter,
        training_speed,
    )
    from keras_reinit.analysis.plots.networks import margins, sharpness, weight_sizes
    from keras_reinit.analysis.plots.search import parallel_coordinates
    from keras_reinit.analysis.plots.stages import gradient_norms, heat_maps, shrinking, stages
    from keras_reinit.analysis.plots.tree import decision_tree
    from keras_reinit.analysis.plots.two_phase import clouds, lines
except ModuleNotFoundError as error:
    raise ImportError(
        "Pictures need matplotlib. Install it with: pip install keras-reinit[analysis]"
    ) from error

__all__ = [
    "bars",
    "budgets",
    "clouds",
    "decision_tree",
    "gains",
    "gradient_norms",
    "heat_maps",
    "learning_curves",
    "lines",
    "margins",
    "parallel_coordinates",
    "per_round",
    "scatter",
    "sharpness",
    "shrinking",
    "stages",
    "training_speed",
    "weight_sizes",
]
