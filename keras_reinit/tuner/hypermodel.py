"""The search space of methods and their parameters, and how a trial is trained and scored."""

import math
import numbers

import keras
import keras_tuner
import numpy as np
from keras_tuner.errors import FatalTypeError, FatalValueError
from keras_tuner.src.engine.tuner_utils import SaveBestEpoch

from keras_reinit.callbacks import LayerwiseReinit, ShrinkPerturb, get
from keras_reinit.callbacks.base import ReinitCallback
from keras_reinit.core import fold_in
from keras_reinit.model import ReinitModel, renew
from keras_reinit.rounds import Fixed, Progress
from keras_reinit.weights.apply import resolve_seed
from keras_reinit.weights.optimizer import set_learning_rate, set_weight_decay

METHODS = ("BL", "FC", "WELSR", "WELS", "DSD", "LW", "S&P")
_SAMPLE = 256  # training examples on which LW measures the output of a block
# Which methods have a parameter; the other parameters are those of every training.
OF_METHODS = {
    "rounds": ("FC", "WELSR", "WELS", "DSD", "S&P"),
    "iterations": ("LW",),
    "shrink": ("S&P",),
    "perturb": ("S&P",),
    "fraction": ("WELSR", "WELS", "DSD"),
}
OF_ALL = ("learning_rate", "weight_decay")
_INTS = ("rounds", "iterations")
_LOG = ("perturb", "learning_rate", "weight_decay")


class ReinitHyperModel(keras_tuner.HyperModel):
    """A search space of re-initialisation methods around a model-building function.

    `search(..., epochs=E)` gives every trial the same budget: R rounds of `E // R` epochs, where LW
    has `blocks * iterations` rounds, and "BL", plain training, has one. The score is that of the
    network that training ends with, the last round's, and not the best epoch of all; the checkpoint
    of a trial, and so `get_best_models`, is that network.

    Each range is (low, high), a number that is not tuned, or, for the last two, None to leave the
    compiled optimizer alone. They are the hyperparameters "method", "rounds", "iterations",
    "shrink", "perturb", "fraction", "learning_rate" and "weight_decay"; those that a method does
    not have are inactive. `build` may tune more, under other names.

    `Hyperband` gives promising trials a larger budget. A larger budget has longer rounds, so such
    a trial starts over; and where a budget is smaller than the rounds, it ends within them.

    Args:
        build: function from `keras_tuner.HyperParameters` to a built and compiled `keras.Model`, or
            a `keras_tuner.HyperModel`. Where "LW" is among the methods, each model is wrapped into
            a `ReinitModel` and keeps what it was compiled with; a `train_step` of its own is not
            kept, so return a `ReinitModel` then.
        methods: letters of the papers, or "BL".
        rounds: ints, at least 1, for FC, WELSR, WELS, DSD and S&P.
        iterations: ints, at least 1, for LW.
        shrink: factor on the weights, for S&P.
        perturb: factor on the fresh draw, above 0 (a logarithmic scale), for S&P.
        fraction: share of the entries, in [0, 1], for WELSR, WELS and DSD.
        learning_rate: above 0 (a logarithmic scale); where the optimizer follows a schedule, None.
        weight_decay: above 0 (a logarithmic scale), as the optimizer's argument of that name.
        until: from the epochs of a round to a rule of `keras_reinit.rounds` that ends it.
        blocks: as `ReinitModel` takes them.
        sample: inputs that LW measures the output of a block on; None for the first 256 training
            examples.
        seed: int: execution i of every trial draws its first weights and all else that a method
            draws from `(seed, i)`. None: the first weights are those that `build` returns.

    Raises:
        ValueError: if a method or a range is none. When a tuner is made or searches, as a
            `keras_tuner.errors.FatalError` that ends the search: if `build` returns no such model,
            `epochs` is missing or too small for the rounds, the validation is not that of every
            epoch, or the search in the same directory had other methods.

    Example:
        >>> hypermodel = ReinitHyperModel(build, methods=("BL", "S&P"), rounds=(2, 5), seed=0)
        >>> tuner = keras_tuner.RandomSearch(
        ...     hypermodel, keras_tuner.Objective("val_accuracy", "max"), max_trials=20
        ... )
        >>> tuner.search(x, y, epochs=50, validation_data=validation)
        >>> print(table(tuner))

    Reference:
        Ours.
    """

    def __init__(
        self,
        build,
        methods=METHODS,
        *,
        rounds=(2, 10),
        iterations=(1, 3),
        shrink=(0.1, 0.9),
        perturb=(0.01, 0.5),
        fraction=(0.05, 0.5),
        learning_rate=(1e-4, 1e-1),
        weight_decay=(1e-5, 1e-1),
        until=Fixed,
        blocks="auto",
        sample=None,
        seed=None,
    ):
        super().__init__()
        for letters in methods:
            if letters != "BL":
                get(letters)  # names the nearest where there is none
        self.network = build
        self.methods = tuple(methods)
        self.ranges = {
            "rounds": rounds,
            "iterations": iterations,
            "shrink": shrink,
            "perturb": perturb,
            "fraction": fraction,
            "learning_rate": learning_rate,
            "weight_decay": weight_decay,
        }
        for name, value in self.ranges.items():
            _check_range(name, value)
        self.tuned = {
            name: [method for method in self.methods if method in OF_METHODS.get(name, METHODS)]
            for name, value in self.ranges.items()
            if isinstance(value, tuple | list)
        }
        self.until = until
        self.blocks = blocks
        self.sample = sample
        self.seed = seed if seed is None else resolve_seed(seed)
        self._values = None  # of the trial under way
        self._execution = 0
        self._untrained = None

    def declare_hyperparameters(self, hp):
        hp.Choice("method", list(self.methods))
        for name, having in self.tuned.items():
            if name in OF_ALL:
                self._declare(hp, name)
            elif having:
                with hp.conditional_scope("method", having):
                    self._declare(hp, name)

    def build(self, hp):
        declared = {each.name for each in hp.space}
        if not {"method", *(name for name, having in self.tuned.items() if having)} <= declared:
            self.declare_hyperparameters(
                hp
            )  # not again: KerasTuner would build for every condition
        if hp.get("method") not in self.methods:
            raise FatalValueError(
                "The search that is in the directory already was another one. Received: "
                f"method='{hp.get('method')}' of a trial, methods={self.methods}. Expected "
                "another directory or project name, or overwrite=True"
            )
        model = self._network(hp)
        self._set_optimizer(hp, model)
        self._untrained = None
        if "tuner/trial_id" in hp.values:  # Hyperband is about to load a trained network
            self._untrained = [np.array(variable) for variable in _variables(model)]
        return model

    def fit(self, hp, model, *args, **kwargs):
        if "tuner/epochs" in hp.values:
            del kwargs["initial_epoch"]
        given = kwargs.pop("callbacks", None) or []
        callbacks = [each for each in given if not isinstance(each, SaveBestEpoch)]
        if any(isinstance(each, ReinitCallback) for each in callbacks):
            raise FatalValueError(
                "The search chooses the method. Received: callbacks with a re-initialisation "
                "method. Expected none"
            )
        seed = self._begin_execution(hp, model)
        inputs = args[0] if args else kwargs.get("x")
        method = self._method(hp, model, kwargs.get("epochs"), inputs, seed)
        kwargs["callbacks"] = [method, *callbacks]
        if isinstance(self.network, keras_tuner.HyperModel):
            history = self.network.fit(hp, model, *args, **kwargs)
        else:
            history = model.fit(*args, **kwargs)
        if not isinstance(history, keras.callbacks.History):
            raise FatalTypeError(
                "The `fit` of the wrapped HyperModel returns what `model.fit` returns. Received: "
                f"{history!r}. Expected a keras.callbacks.History"
            )
        scores = _scores(history.history, method.until)
        for checkpoint in given:
            if isinstance(checkpoint, SaveBestEpoch):  # of the executions, the best
                checkpoint.set_model(model)
                checkpoint.on_epoch_end(len(history.epoch) - 1, scores)
        return scores

    # The search space.

    def _declare(self, hp, name):
        low, high = self.ranges[name]
        if name in _INTS:
            hp.Int(name, low, high)
        else:
            hp.Float(name, low, high, sampling="log" if name in _LOG else "linear")

    def _value(self, hp, name):
        return hp.get(name) if name in self.tuned else self.ranges[name]

    # The network.

    def _network(self, hp):
        by_user = self.network
        build = by_user.build if isinstance(by_user, keras_tuner.HyperModel) else by_user
        model = build(hp)
        if not (
            isinstance(model, keras.Model) and model.built and getattr(model, "optimizer", None)
        ):
            raise FatalTypeError(
                "`build` returns a keras.Model that has weights and is compiled. Received: "
                f"{model!r}. Expected a model with an Input and a call of `compile`"
            )
        if "LW" not in self.methods or isinstance(model, ReinitModel):
            return model
        try:
            wrapped = ReinitModel(model, self.blocks)
        except ValueError as error:
            raise FatalValueError(
                f"LW needs a network that can be cut into blocks. Received: {error}. Expected "
                "`blocks=...`, or `methods` without 'LW'"
            ) from error
        wrapped.compile(**model._compile_config.config)
        return wrapped

    def _set_optimizer(self, hp, model):
        rate, decay = (self._value(hp, name) for name in OF_ALL)
        if rate is not None:
            set_learning_rate(model.optimizer, rate)
        if decay is not None:
            set_weight_decay(model.optimizer, decay)
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)

    # A training.

    def _begin_execution(self, hp, model):
        """Make the network untrained; returns the seed of the method."""
        self._execution = self._execution + 1 if hp.values == self._values else 0
        self._values = dict(hp.values)
        if self._untrained is not None:
            for variable, value in zip(_variables(model), self._untrained, strict=True):
                variable.assign(value)
        self._set_optimizer(hp, model)  # again: the tuner may have compiled the model anew
        if self.seed is None:
            return None
        seed = fold_in(self.seed, "execution", self._execution)
        renew(model, seed)
        return seed

    def _method(self, hp, model, epochs, inputs, seed):
        letters = hp.get("method")
        if letters == "LW":
            rounds = len(model.blocks) * self._value(hp, "iterations")
        else:  # one round of any method is plain training
            rounds = 1 if letters == "BL" else self._value(hp, "rounds")
        hyperband = "tuner/epochs" in hp.values
        if epochs is None or (epochs < rounds and not hyperband):
            raise FatalValueError(
                "`epochs` is the budget that the rounds of a trial share. Received: "
                f"search(epochs={epochs}) for {rounds} rounds of {letters}. Expected at least as "
                "many, or fewer rounds or iterations"
            )
        until = self.until(max(1, epochs // rounds))
        if letters == "LW":
            sample = _sample(inputs) if self.sample is None else self.sample
            return LayerwiseReinit(sample, self._value(hp, "iterations"), until=until, seed=seed)
        arguments = {
            name: self._value(hp, name)
            for name in ("shrink", "perturb", "fraction")
            if letters in OF_METHODS[name]
        }
        method = ShrinkPerturb if letters == "BL" else get(letters)
        return method(**arguments, until=until, rounds=rounds, seed=seed)


def _check_range(name, value):
    bounds = list(value) if isinstance(value, tuple | list) else [value]
    if value is None and name in OF_ALL:
        return
    kind = numbers.Integral if name in _INTS else numbers.Real
    valid = all(isinstance(b, kind) and not isinstance(b, bool) for b in bounds) and (
        len(bounds) == 1 or (len(bounds) == 2 and bounds[0] < bounds[1])
    )
    least = 1 if name in _INTS else 0
    most = 1 if name == "fraction" else math.inf
    if valid and name in _LOG and len(bounds) == 2:
        valid = bounds[0] > 0
    if not (valid and all(least <= b <= most and math.isfinite(b) for b in bounds)):
        raise ValueError(
            f"`{name}` is a range. Received: {name}={value!r}. Expected (low, high) or a number, "
            f"{'ints' if name in _INTS else 'finite'}, at least {least}"
            + f", at most {most}" * (name == "fraction")
            + ", low above 0" * (name in _LOG)
        )


def _variables(model):
    return [*model.weights, *model.optimizer.variables]


def _scores(history, until):
    """The metrics of the network that training ended with."""
    rounds = history["reinit_round"]
    sparse = [name for name, values in history.items() if len(values) != len(rounds)]
    if sparse:
        raise FatalValueError(
            "The last round is scored by what was measured after each of its epochs. Received: "
            f"{sparse}, which some epochs lack. Expected validation_freq=1"
        )
    counted, progress = len(rounds) - 1, Progress()
    if until.restore_best:
        for epoch in range(rounds.index(rounds[-1]), len(rounds)):
            progress = until.update(progress, history[until.monitor][epoch])
            counted = epoch if progress.wait == 0 else counted
    return {
        name: float(values[counted])
        for name, values in history.items()
        if not name.startswith("reinit_")
    }


def _sample(data):
    """The first training inputs: of arrays, or of a data set of batches."""
    if all(hasattr(array, "shape") for array in keras.tree.flatten(data)):
        return keras.tree.map_structure(lambda array: array[:_SAMPLE], data)
    if isinstance(data, keras.utils.PyDataset):
        batches = (data[index] for index in range(len(data)))
    elif hasattr(data, "__iter__") and not hasattr(data, "__next__"):
        batches = iter(data)
    else:
        raise FatalValueError(
            "LW measures blocks on training examples, and a generator gives them only once. "
            f"Received: x of {type(data)}. Expected `sample=...`, or arrays or a data set"
        )
    taken, count = [], 0
    for batch in batches:
        inputs, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        taken.append(keras.tree.map_structure(np.asarray, inputs))
        count += len(keras.tree.flatten(inputs)[0])
        if count >= _SAMPLE:
            break
    return keras.tree.map_structure(lambda *parts: np.concatenate(parts)[:_SAMPLE], *taken)
