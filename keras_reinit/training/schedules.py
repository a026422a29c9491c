"""Learning rates that begin small."""

import keras
from keras import ops

from keras_reinit.core import check_int, check_number


@keras.saving.register_keras_serializable(package="keras_reinit")
class QuadraticWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """Begin with a small learning rate that grows with the square of the step.

    `rate(i) = initial + min(i / steps, 1)^2 * (learning_rate(i) - initial)`

    It counts optimizer steps, and so begins anew where an optimizer is reset, as every round of a
    re-initialisation method does.

    Args:
        learning_rate: the rate after the warm-up, above 0; or a schedule, which counts the steps of
            the warm-up too.
        steps: length of the warm-up in optimizer steps, at least 1.
        initial: rate of the first step, at least 0. The paper gives none.
        name: name of the schedule.

    Raises:
        ValueError: if a number is out of its range.

    Example:
        >>> rate = QuadraticWarmup(0.1, steps=10 * len(batches))
        >>> optimizer = keras.optimizers.SGD(rate, momentum=0.9)

    Reference:
        Arpit et al. 2019.
    """

    def __init__(self, learning_rate, steps, initial=0.0, name="quadratic_warmup"):
        super().__init__()
        if not isinstance(learning_rate, keras.optimizers.schedules.LearningRateSchedule):
            learning_rate = check_number("learning_rate", learning_rate, above=0)
        self.learning_rate = learning_rate
        self.steps = check_int("steps", steps)
        self.initial = check_number("initial", initial)
        self.name = name

    def __call__(self, step):
        rate = self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate
        progress = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        return self.initial + ops.square(progress) * (rate - self.initial)

    def get_config(self):
        rate = self.learning_rate
        return {
            "learning_rate": keras.saving.serialize_keras_object(rate),
            "steps": self.steps,
            "initial": self.initial,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config):
        rate = keras.saving.deserialize_keras_object(config["learning_rate"])
        return cls(**{**config, "learning_rate": rate})
