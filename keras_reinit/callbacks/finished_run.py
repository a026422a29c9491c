"""A training that is started again after its last round: Keras runs a batch all the same."""

from keras_reinit.weights.snapshot import Snapshot


class FinishedRun:
    """Holds a model as it is, until the batch that Keras runs is undone.

    Args:
        model: the model in `fit`, which is told to stop.
    """

    def __init__(self, model):
        model.stop_training = True
        optimizer = model.optimizer
        # To ask for the model gives variables their values on JAX, even within an epoch.
        variables = [*model.variables, *(optimizer.variables if optimizer else ())]
        self._before: Snapshot | None = Snapshot(variables)

    def undo(self):
        """Put everything back, the first time."""
        if self._before is not None:
            self._before.restore()
            self._before = None
