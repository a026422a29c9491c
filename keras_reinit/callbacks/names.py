"""The callbacks of the first methods: `Reinit` under a name, with the method's own arguments."""

import inspect

import keras

from keras_reinit import methods
from keras_reinit.callbacks.reinit import Reinit


class Named(Reinit):
    """A `Reinit` whose config is flat: the arguments of its own constructor.

    The fields of the method can be read from it, too: `callback.fraction`.
    """

    def get_config(self):
        values = {**super().get_config(), **self.method.get_config()}
        names = inspect.signature(type(self)).parameters
        return {name: values[name] for name in names if name in values}

    def __getattr__(self, name):
        if name != "method" and name in self.method.get_config():
            return getattr(self.method, name)
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")


@keras.saving.register_keras_serializable(package="keras_reinit")
class LayerwiseReinit(Named):
    """Layerwise re-initialisation (LW).

    At the start of round `(k, n)`, for blocks `k = 1..K` from the input up and `n = 1..iterations`:

    1. blocks `1..k` are rescaled to their norms at initialisation, `w = w * ||w_init|| / ||w||`;
    2. `mean, stddev` of the output of block `k` on the sample go into the normalisation after it;
    3. every layer above block `k` is drawn afresh.

    Then everything is trained: `K * iterations` rounds. The first acts before any training.

    Args:
        sample: inputs that blocks are calibrated on: an array, a structure of arrays, or a
            `tf.data.Dataset` of batches; 256 examples are the paper's size elsewhere. Kept by
            reference, not part of the config, and asked for again on revival.
        until: a rule of `keras_reinit.rounds`: when a round ends.
        iterations: rounds for each block, at least 1.
        rescale: "variables" (each to its own norm), "layers" (one factor for all variables of a
            layer), "kernels" (biases, scales and offsets stay), or None to leave norms alone.
        normalize: set the normalisation after block `k`; False for the ablation.
        reinitialize: draw the layers above afresh; False for the ablation.
        where: None for all trainable variables, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them, of those that are rescaled or drawn.
        seed: int, or None to draw one.
        reset_optimizer: as `Reinit` takes it.

    Raises:
        ValueError: if an argument is out of its range. In `fit`: if the model is no `ReinitModel`,
            the sample is missing, or a block is dead (its output constant on the sample); the
            weights are then those before the round.

    Example:
        >>> model = ReinitModel(backbone)
        >>> lw = LayerwiseReinit(sample=x[:256], until=rounds.Fixed(epochs=20), seed=0)
        >>> model.fit(x, y, epochs=lw.max_epochs(model), callbacks=[lw])

    Reference:
        Alabdulmohsin et al. 2021, Algorithm 1.
    """

    data_name = "sample"

    def __init__(
        self,
        sample=None,
        iterations=1,
        *,
        until,
        rescale="variables",
        normalize=True,
        reinitialize=True,
        where=None,
        seed=None,
        reset_optimizer=True,
    ):
        method = methods.Layerwise(iterations, rescale, normalize, reinitialize, where=where)
        super().__init__(method, until, data=sample, seed=seed, reset_optimizer=reset_optimizer)

    @property
    def sample(self):
        """The inputs that blocks are calibrated on."""
        return self.data


@keras.saving.register_keras_serializable(package="keras_reinit")
class FullyConnectedReinit(Named):
    """Re-initialisation of the fully-connected layers (FC).

    Between rounds, `w ~ the initializer of w` for the dense layers after the last convolution and
    everything above the first of them; in a network without convolutions, for all but the first
    layer. It is LW with one block, without rescaling and normalisation.

    Args:
        until: a rule of `keras_reinit.rounds`: when a round ends.
        rounds: int, at least 1; None for as many as a `ReinitModel` has blocks.
        last: None for the rule above; an int for that many last dense layers: 1 is the head only.
        seed: int, or None to draw one.
        reset_optimizer: as `Reinit` takes it.
        where: None for all of these, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them, of those that are drawn.

    Raises:
        ValueError: if an argument is out of its range. In `fit`: if there is no such layer.

    Example:
        >>> fc = FullyConnectedReinit(until=rounds.Fixed(epochs=20), rounds=4, seed=0)
        >>> model.fit(x, y, epochs=80, callbacks=[fc])

    Reference:
        Li et al. 2020; Zhao et al. 2018 (head only); Alabdulmohsin et al. 2021, Section 1.
    """

    def __init__(self, until, rounds=None, last=None, seed=None, reset_optimizer=True, where=None):
        method = methods.FullyConnected(last, where)
        super().__init__(method, until, rounds, seed=seed, reset_optimizer=reset_optimizer)


class _Subset(Named):
    """WELSR, WELS and DSD: an exact share of the entries of the kernels."""

    kind: type

    def __init__(
        self,
        fraction=0.2,
        *,
        until,
        rounds=None,
        scope="layer",
        biases=False,
        where=None,
        seed=None,
        reset_optimizer=True,
    ):
        method = self.kind(fraction, scope, biases, where)
        super().__init__(method, until, rounds, seed=seed, reset_optimizer=reset_optimizer)


@keras.saving.register_keras_serializable(package="keras_reinit")
class RandomSubsetReinit(_Subset):
    """Re-initialisation of a random subset of the weights, a new one each round (WELSR).

    Between rounds, `w = (1 - s) * w_old + s * w_fresh`, where `s` has
    `round(fraction * size)` ones at random, drawn anew each time.

    Args:
        fraction: share of the entries, in [0, 1].
        until: a rule of `keras_reinit.rounds`: when a round ends.
        rounds: int, at least 1; None for as many as a `ReinitModel` has blocks.
        scope: "layer" counts in each kernel, "global" over all kernels together.
        biases: also take entries of the biases.
        where: None for all trainable kernels, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them.
        seed: int, or None to draw one.
        reset_optimizer: as `Reinit` takes it.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> welsr = RandomSubsetReinit(0.2, until=rounds.Fixed(epochs=20), rounds=4, seed=0)
        >>> model.fit(x, y, epochs=80, callbacks=[welsr])

    Reference:
        Taha et al. 2021; Alabdulmohsin et al. 2021, Section 1.
    """

    kind = methods.RandomSubset


@keras.saving.register_keras_serializable(package="keras_reinit")
class FixedSubsetReinit(_Subset):
    """Re-initialisation of a fixed random subset of the weights (WELS).

    Between rounds, `w = (1 - s) * w_old + s * w_fresh`, where `s` has
    `round(fraction * size)` ones at random, the same in every round; `w_fresh` is new.

    Args:
        fraction: share of the entries, in [0, 1].
        until: a rule of `keras_reinit.rounds`: when a round ends.
        rounds: int, at least 1; None for as many as a `ReinitModel` has blocks.
        scope: "layer" counts in each kernel, "global" over all kernels together.
        biases: also take entries of the biases.
        where: None for all trainable kernels, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them.
        seed: int, or None to draw one.
        reset_optimizer: as `Reinit` takes it.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> wels = FixedSubsetReinit(0.2, until=rounds.Fixed(epochs=20), rounds=4, seed=0)
        >>> model.fit(x, y, epochs=80, callbacks=[wels])

    Reference:
        Taha et al. 2021; Alabdulmohsin et al. 2021, Section 1.
    """

    kind = methods.FixedSubset


@keras.saving.register_keras_serializable(package="keras_reinit")
class MagnitudeReinit(_Subset):
    """Re-initialisation of the smallest weights (DSD, as the LW paper generalises it).

    Between rounds, `w = (1 - s) * w_old + s * w_fresh`, where `s` marks the
    `round(fraction * size)` entries of smallest `|w|`. Nothing is trained sparse in between, as
    the original dense-sparse-dense training does.

    Args:
        fraction: share of the entries, in [0, 1].
        until: a rule of `keras_reinit.rounds`: when a round ends.
        rounds: int, at least 1; None for as many as a `ReinitModel` has blocks.
        scope: "layer" counts in each kernel, "global" over all kernels together.
        biases: also take entries of the biases.
        where: None for all trainable kernels, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them.
        seed: int, or None to draw one.
        reset_optimizer: as `Reinit` takes it.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> dsd = MagnitudeReinit(0.2, until=rounds.Fixed(epochs=20), rounds=4, seed=0)
        >>> model.fit(x, y, epochs=80, callbacks=[dsd])

    Reference:
        Han et al. 2017; Alabdulmohsin et al. 2021, Section 1.
    """

    kind = methods.Magnitude


@keras.saving.register_keras_serializable(package="keras_reinit")
class ShrinkPerturb(Named):
    """Shrink and perturb between rounds (S&P).

    `w = shrink * w + perturb * w_fresh`, for every trainable variable, norm scales and biases
    included, `w_fresh` drawn anew each time.

    Args:
        shrink: factor on the weights, finite, at least 0.
        perturb: factor on the fresh draw, finite, at least 0.
        until: a rule of `keras_reinit.rounds`: when a round ends.
        rounds: int, at least 1; None for as many as a `ReinitModel` has blocks.
        noise: "fresh" draws from each layer's own initializer, "gaussian" from N(0, 1).
        before_first: also act before the first round, as the public code does.
        where: None for all trainable variables, or a pattern or list of patterns over names, as
            `keras_reinit.select` takes them.
        seed: int, or None to draw one.
        reset_optimizer: as `Reinit` takes it.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> sp = ShrinkPerturb(shrink=0.4, perturb=0.1, until=rounds.Fixed(epochs=10), rounds=9)
        >>> model.fit(x, y, epochs=90, callbacks=[sp])

    Reference:
        Ash & Adams 2020, Section 4; Zaidi et al. 2022.
    """

    def __init__(
        self,
        shrink=0.4,
        perturb=0.1,
        *,
        until,
        rounds=None,
        noise="fresh",
        before_first=False,
        where=None,
        seed=None,
        reset_optimizer=True,
    ):
        super().__init__(
            methods.ShrinkPerturb(shrink, perturb, noise, where),
            until,
            rounds,
            seed=seed,
            reset_optimizer=reset_optimizer,
            before_first=before_first,
        )
