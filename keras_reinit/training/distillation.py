"""Self-distillation: the network as it was before a re-initialisation teaches the one after it."""

import inspect

import keras
from keras import ops

from keras_reinit.core import check_bool, check_number


class SelfDistillation(keras.Model):
    """A network in training, taught from the second round on by what it was before.

    `loss = compiled loss + weight * temperature**2 * KL(softmax(teacher / temperature) ||
    softmax(student / temperature))`, the mean over the batch.

    The teacher is a frozen copy of the network as it was before the last re-initialisation (the
    best weights of the round, where its rule restores them), in inference mode on the same batch.
    In the first round there is none, and its forward pass is skipped; evaluation has none either,
    so `val_loss` is the compiled loss alone. An example's sample weight counts in both terms.

    Compile and fit this model in the network's place, with any method of `keras_reinit.callbacks`:
    methods act on `student`. `save` and `export` write the student alone. `save_weights` writes the
    teacher too, which a training needs to be resumed.

    Args:
        model: a built `keras.Model` with one output, scores of classes on the last axis; for LW a
            `ReinitModel`.
        weight: of the distillation, finite, at least 0. The default is ours.
        temperature: finite, above 0. The default is ours.
        from_logits: whether the outputs are logits or probabilities; None to do as the compiled
            loss does. Needed where the loss is none of Keras's categorical ones.

    Attributes:
        student: the model that was given; compiled along with this one.
        reinitialized_model: the same, as the callbacks of methods ask for it.

    Raises:
        ValueError: if an argument is out of its range or the model is not built. In `compile`: if
            the loss does not tell what the outputs are, or contradicts `from_logits`. In `fit`: if
            there are several outputs, or fewer than two classes.

    Example:
        >>> model = SelfDistillation(model, weight=1.0, temperature=2.0)
        >>> model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        >>> model.fit(x, y, epochs=90, callbacks=[method])
        >>> model.student.predict(x_test)

    Reference:
        Zaidi et al. 2022; Furlanello et al. 2018; Hinton et al. 2015 (the temperature).
    """

    def __init__(self, model, weight=1.0, temperature=1.0, from_logits=None):
        if not (isinstance(model, keras.Model) and model.built):
            raise ValueError(
                f"Self-distillation needs a built keras.Model. Received: model={model!r}"
            )
        weight = check_number("weight", weight)
        temperature = check_number("temperature", temperature, above=0)
        if from_logits is not None:
            from_logits = check_bool("from_logits", from_logits)
        name = f"distilled_{model.name}".replace(".", "_")  # as PyTorch wants it
        super().__init__(name=name, dtype=model.dtype_policy, autocast=False)
        self.student = model
        self.weight = weight
        self.temperature = temperature
        self.from_logits = from_logits
        self._teacher = [
            self.add_weight(
                name=f"teacher{i}",
                shape=variable.shape,
                dtype=variable.dtype,
                initializer="zeros",
                trainable=False,
                autocast=False,
            )
            for i, variable in enumerate(model.weights)
        ]
        self._taught = self.add_weight(
            name="taught", shape=(), dtype="bool", initializer="zeros", trainable=False
        )
        self.built = True

    @property
    def reinitialized_model(self):
        """The network that methods act on."""
        return self.student

    def before_round(self, index):
        """Make the network, as it is, the teacher; methods call this before they change weights.

        Args:
            index: of the round that begins, from 0, which has no teacher.
        """
        if index:
            for copy, variable in zip(self._teacher, self.student.weights, strict=True):
                copy.assign(ops.copy(variable.value))
        self._taught.assign(index > 0)

    def compile(self, optimizer="rmsprop", loss=None, **options):
        """As `keras.Model.compile`."""
        told = _takes_logits(loss)
        if told is None and self.from_logits is None:
            raise ValueError(
                "Whether the outputs are logits or probabilities cannot be told from this loss. "
                f"Received: loss={loss!r}. Expected one of Keras's categorical losses, or "
                "SelfDistillation(..., from_logits=True) or False"
            )
        if told is not None and self.from_logits not in (None, told):
            raise ValueError(
                f"The loss takes {_kind(told)}. Received: from_logits={self.from_logits} in "
                f"SelfDistillation, loss={loss!r}"
            )
        from_logits = told if self.from_logits is None else self.from_logits
        self._divergence = _Divergence(self.temperature, from_logits)
        super().compile(optimizer, loss, **options)
        self.student.compile(self.optimizer, loss, **options)

    def call(self, inputs, training=None):
        return self.student(inputs, training=training)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        if not training:
            return loss
        if not hasattr(y_pred, "shape") or y_pred.shape[-1] < 2:
            raise ValueError(
                "Self-distillation compares one output's scores of at least two classes. "
                f"Received: model '{self.student.name}' with the output {y_pred}"
            )

        def divergence():
            with keras.StatelessScope(zip(self.student.weights, self._teacher, strict=True)):
                taught = self.student(x, training=False)
            return self._divergence(ops.stop_gradient(taught), y_pred, sample_weight)

        kl = ops.cond(self._taught.value, divergence, lambda: ops.zeros((), "float32"))
        return loss + self.weight * ops.cast(kl, loss.dtype)

    def get_config(self):
        raise NotImplementedError(
            "A SelfDistillation is not written or copied, lest its teacher be. Save, export or "
            "clone its `student`"
        )

    def save(self, *args, **kwargs):
        """Save the student, as `keras.Model.save`."""
        return self.student.save(*args, **kwargs)

    def export(self, *args, **kwargs):
        """Export the student, as `keras.Model.export`."""
        return self.student.export(*args, **kwargs)


class _Divergence(keras.losses.Loss):
    """`temperature**2 * KL(softmax(teacher / temperature) || softmax(student / temperature))`."""

    def __init__(self, temperature, from_logits):
        super().__init__(name="self_distillation", dtype="float32")
        self.temperature = temperature
        self.from_logits = from_logits

    def call(self, teacher, student):
        teacher, student = self._log_softmax(teacher), self._log_softmax(student)
        return self.temperature**2 * ops.sum(ops.exp(teacher) * (teacher - student), axis=-1)

    def _log_softmax(self, outputs):
        if not self.from_logits:
            outputs = ops.log(ops.clip(outputs, keras.config.epsilon(), 1.0))
        return ops.log_softmax(outputs / self.temperature, axis=-1)


def _takes_logits(loss):
    """Whether a categorical loss takes logits; None for any other."""
    if isinstance(loss, str):
        loss = keras.losses.get(loss)
    if isinstance(loss, keras.losses.Loss):
        name, options = type(loss).__name__, loss.get_config()
    elif inspect.isfunction(loss):
        parameters = inspect.signature(loss).parameters
        name, options = loss.__name__, {key: p.default for key, p in parameters.items()}
    else:
        return None
    return options.get("from_logits") if "categorical" in name.lower() else None


def _kind(logits):
    return "logits" if logits else "probabilities"
