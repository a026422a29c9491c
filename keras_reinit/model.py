"""A network that knows its blocks, their normalisations, and its norms at initialisation."""

from dataclasses import dataclass

import keras
import numpy as np

from keras_reinit import core
from keras_reinit.core import resolve_seed
from keras_reinit.layers import FrozenNormalization
from keras_reinit.structure import blocks as cuts
from keras_reinit.structure.graph import rebuild, trace
from keras_reinit.weights.norms import assign_rescaled, frobenius_norms
from keras_reinit.weights.redraw import reinitialize, reinitialize_weights
from keras_reinit.weights.select import list_weights, select_weights
from keras_reinit.weights.snapshot import restored_on_error
from keras_reinit.weights.statistics import recalibrate, with_statistics

_BATCH = 64  # examples of a sample that are measured at once


@dataclass(frozen=True)
class Block:
    """One block of a `ReinitModel`.

    Attributes:
        name: "block1" for the block next to the input, and so on.
        layers: the layers that belong to it, a tuple.
        normalization: the `FrozenNormalization` of its output.
    """

    name: str
    layers: tuple
    normalization: FrozenNormalization


@keras.saving.register_keras_serializable(package="keras_reinit")
class ReinitModel(keras.Model):
    """A Functional model cut into blocks, as layerwise re-initialisation needs it.

    `output of block k -> (output - mean_k) / stddev_k`, the identity until `calibrate` sets the two
    numbers. The layers are those of the backbone, shared and under their names; nested and
    Sequential models are inlined. The norm of every weight at wrapping is kept, so wrap a new
    network, before training.

    Blocks, norms and statistics are part of the model: they survive `save`, weights files,
    `export`, and `set_weights(get_weights())`; a clone has the blocks, and norms of its own new
    weights.

    Args:
        backbone: a built Functional or Sequential `keras.Model`.
        blocks: "auto", or a list, one entry a block from input to output, each a regular expression
            over layer names or a list of layer names. "auto" cuts after layers named
            `block<k>_out` where there are any; else after every convolutional unit (convolution,
            normalisation, activation; depthwise + pointwise; a residual block whole), or without
            convolutions after every hidden layer with weights. It never includes the head.
        axis: None for one mean and stddev a block (Algorithm 1), -1 for one pair a channel.
        *args: for Keras, which revives a model from its inputs and outputs.
        **kwargs: as `keras.Model`: `name`, `trainable`.

    Raises:
        ValueError: if the backbone has no graph of layers or is wrapped already, no block is found,
            a block matches nothing, blocks overlap, or a cut leaves more than one open tensor.

    Example:
        >>> model = ReinitModel(keras.applications.VGG16(weights=None), blocks="auto")
        >>> len(model.blocks)
        13

    Reference:
        Alabdulmohsin et al. 2021, Algorithm 1 and Figure 1.
    """

    def __init__(self, backbone=None, blocks="auto", *args, axis=None, **kwargs):
        if isinstance(backbone, keras.Model):
            inputs, outputs = _with_normalizations(backbone, blocks, axis)
            # PyTorch takes no full stop in the name of a parameter.
            kwargs.setdefault("name", f"reinit_{backbone.name}".replace(".", "_"))
        elif backbone is None and "inputs" in kwargs:  # revived from a config
            inputs, outputs = kwargs.pop("inputs"), kwargs.pop("outputs")
        elif _is_symbolic(backbone):  # cloned
            inputs, outputs = backbone, blocks
        else:
            raise TypeError(
                f"A ReinitModel wraps a keras.Model. Received: backbone={backbone!r} "
                f"({type(backbone)})"
            )
        super().__init__(*args, inputs=inputs, outputs=outputs, **kwargs)
        self._norms = self.add_weight(
            name="init_norms",
            shape=(len(self._weights()),),
            dtype="float32",
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )
        self._record_norms()

    def _record_norms(self):
        norms = frobenius_norms(self._weights())
        self._norms.assign(np.asarray(list(norms.values()), "float32"))

    def _weights(self):
        return [weight for weight in list_weights(self) if not weight.statistic]

    @property
    def blocks(self):
        """The blocks from input to output, a tuple of `Block`, indexed from 0."""
        layers = {layer.name: layer for layer in self.layers}
        return tuple(
            Block(layer.block[0], tuple(layers[name] for name in layer.block[1]), layer)
            for layer in layers.values()
            if isinstance(layer, FrozenNormalization) and layer.block
        )

    @property
    def init_norms(self):
        """The Frobenius norm of each weight at wrapping: {layer name/variable name: float}."""
        values = keras.ops.convert_to_numpy(self._norms.value)
        return {weight.name: float(n) for weight, n in zip(self._weights(), values, strict=True)}

    def block_index(self, block):
        """The index of a block given by index or name.

        Args:
            block: int in [0, len(blocks)), or a block's name.

        Returns:
            An int.

        Raises:
            ValueError: if there is no such block.
        """
        names = [each.name for each in self.blocks]
        if block in names:
            return names.index(block)
        if isinstance(block, int) and not isinstance(block, bool) and 0 <= block < len(names):
            return block
        raise ValueError(
            f"Model '{self.name}' has no such block. Received: block={block!r}. "
            f"Expected: an index from 0 to {len(names) - 1}, or one of {names}"
        )

    def weights_upto(self, block, where=None):
        """The trainable weights and statistics of all blocks up to and with one."""
        names = self._layer_names_upto(block)
        return [weight for weight in self._chosen(where) if weight.name.split("/")[0] in names]

    def weights_above(self, block, where=None):
        """The trainable weights and statistics of everything above a block."""
        names = self._layer_names_upto(block)
        return [weight for weight in self._chosen(where) if weight.name.split("/")[0] not in names]

    def _layer_names_upto(self, block):
        upto = self.blocks[: self.block_index(block) + 1]
        return {layer.name for each in upto for layer in each.layers}

    def _chosen(self, where):
        return with_statistics(self, select_weights(self, where))

    def rescale(self, upto, unit="variables", where=None):
        """Scale the blocks up to and with one back to their norms at wrapping.

        `w = w * ||w_init|| / ||w||`; a weight that was initialised to zero goes back to zero.

        Args:
            upto: index or name of the last block to scale.
            unit: "variables": each to its own norm; "kernels": the same, but biases, scales and
                offsets stay; "layers": one factor for all variables of a layer.
            where: None for all trainable variables, or a pattern or list of patterns over names.

        Raises:
            ValueError: if the block or unit is unknown, or a weight is not finite or all zero.
                Nothing is assigned then.

        Example:
            >>> model.rescale(upto="block2")
        """
        weights = [weight for weight in self.weights_upto(upto, where) if not weight.statistic]
        assign_rescaled(weights, self.init_norms, unit)

    def calibrate(self, block, sample):
        """Set a block's normalisation to the mean and stddev of its output on a sample.

        `mean_k = mean(Z)`, `stddev_k = stddev(Z)` with `Z` the block's raw output, the
        normalisations of the blocks below active, in inference mode. The statistics of any
        BatchNormalization up to this block are re-estimated on the sample first.

        Args:
            block: index or name.
            sample: inputs as `predict` takes them: an array, a structure of arrays, or a
                `tf.data.Dataset` of batches.

        Raises:
            ValueError: if the block is unknown, the sample is empty, without end or not finite, or
                the block's output is constant or not finite. Nothing is assigned then.

        Example:
            >>> model.calibrate(0, x_train[:256])
        """
        index = self.block_index(block)
        _check_sample(sample)
        layers = [layer for each in self.blocks[: index + 1] for layer in each.layers]
        statistics = [weight.variable for weight in list_weights(self) if weight.statistic]
        with restored_on_error(statistics):
            recalibrate(self, sample, layers)
            moments = self._moments(sample)
            self.blocks[index].normalization.freeze(
                *core.pooled(moments[2 * index], moments[2 * index + 1])
            )

    def _moments(self, sample):
        """Means and variances of each block's raw output, example by example."""
        if not hasattr(self, "_predict_moments"):
            outputs = []

            def call(_, operation, args, kwargs):
                if isinstance(operation, FrozenNormalization) and operation.block:
                    outputs.extend(core.per_example(args[0], operation.axis))
                return operation(*args, **kwargs)

            inputs, _ = rebuild(self, call)
            probe = keras.Model(inputs, outputs)
            # A closure and not the model: a model would be tracked, and saved, as a layer.
            object.__setattr__(self, "_predict_moments", lambda data: _predict(probe, data))
        return self._predict_moments(sample)

    def reinitialize(self, above=None, seed=None, where=None):
        """Draw everything above a block afresh: kernels, biases, scales, offsets, statistics.

        The normalisations above it are the identity again. With `above=None` the whole network is
        as new, its norms at initialisation included: one compiled model serves many seeds.

        Args:
            above: index or name of the last block that is kept; None for the whole network.
            seed: int, or None to draw one.
            where: None for all trainable variables, or a pattern or list of patterns over names.

        Returns:
            The number of entries drawn.

        Raises:
            ValueError: if the block is unknown or a layer cannot give a fresh draw. Nothing is
                assigned then.

        Example:
            >>> model.reinitialize(above=0, seed=7)
        """
        weights = self._chosen(where) if above is None else self.weights_above(above, where)
        entries = reinitialize_weights(weights, resolve_seed(seed))
        for block in self.blocks[0 if above is None else self.block_index(above) + 1 :]:
            block.normalization.freeze(0.0, 1.0)
        if above is None:
            self._record_norms()
        return entries


def renew(model, seed):
    """Draw all of a network afresh; of a `ReinitModel` its normalisations and norms, too.

    Args:
        model: a built `keras.Model`.
        seed: int; the same seed gives the same network.
    """
    if isinstance(model, ReinitModel):
        model.reinitialize(seed=seed)
    else:
        reinitialize(model, seed=seed)


def _predict(model, data):
    """As `model.predict`, without what it costs to make an iterator over an array."""
    arrays = keras.tree.flatten(data)
    if not all(hasattr(array, "shape") for array in arrays):
        return model.predict(data, verbose=0)
    batches = [
        model.predict_on_batch(
            keras.tree.map_structure(lambda array, start=start: array[start : start + _BATCH], data)
        )
        for start in range(0, len(arrays[0]), _BATCH)
    ]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def _is_symbolic(tensors):
    flat = keras.tree.flatten(tensors)
    return bool(flat) and all(isinstance(tensor, keras.KerasTensor) for tensor in flat)


def _check_sample(sample):
    """Refuse a sample that is empty, without end, or not finite."""
    if hasattr(sample, "cardinality"):
        if int(sample.cardinality()) in (0, -1):  # -1: tf.data.INFINITE_CARDINALITY
            raise ValueError(
                "A sample has some examples and an end. Received: a data set that is empty or "
                "repeats for ever. Expected e.g. sample=data.take(4)"
            )
        return
    if hasattr(sample, "__next__"):
        raise ValueError(
            "A sample is gone through more than once. Received: a generator. Expected an array, a "
            "structure of arrays, or a data set"
        )
    for array in keras.tree.flatten(sample):
        if hasattr(array, "shape"):
            values = keras.ops.convert_to_numpy(array)
            is_float = np.issubdtype(values.dtype, np.floating)
            if not values.size or (is_float and not np.isfinite(values).all()):
                raise ValueError(
                    "A sample has some examples, and finite ones. Received: an array of shape "
                    f"{values.shape}" + (" with values that are not finite" if values.size else "")
                )


def _with_normalizations(backbone, blocks, axis):
    graph = trace(backbone)
    if any(isinstance(call.operation, FrozenNormalization) for call in graph.calls):
        raise ValueError(f"Model '{backbone.name}' has its normalisations already")
    after = {
        cut.call: FrozenNormalization(
            axis=axis, block=(cut.name, cut.layers), name=f"{cut.name}_normalization"
        )
        for cut in cuts.find(graph, blocks)
    }

    def call(index, operation, args, kwargs):
        outputs = operation(*args, **kwargs)
        return after[index](outputs) if index in after else outputs

    return rebuild(backbone, call)
