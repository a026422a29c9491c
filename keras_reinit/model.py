"""A network that knows its blocks, their normalisations, and its norms at initialisation."""

import functools
import json
from collections import Counter
from dataclasses import dataclass

import keras
import numpy as np

from keras_reinit import core
from keras_reinit.core import resolve_seed
from keras_reinit.keras_private import (
    all_layers,
    overridden,
    own_trainable_variables,
)
from keras_reinit.layers import FrozenNormalization, Recomputed
from keras_reinit.structure import blocks as cuts
from keras_reinit.structure.graph import check_graph, rebuild, trace
from keras_reinit.weights.norms import assign_rescaled, frobenius_norms
from keras_reinit.weights.redraw import reinitialize, reinitialize_weights
from keras_reinit.weights.sample import check_sample, fixed_batch, predict
from keras_reinit.weights.select import list_weights, select_weights
from keras_reinit.weights.snapshot import restored_on_error, unchanged
from keras_reinit.weights.statistics import recalibrate, with_statistics

# What a graph of layers does not hold: the class of a model would lose it.
_OWN = (
    *("call", "train_step", "test_step", "predict_step", "compute_loss", "compute_metrics"),
    *("fit", "evaluate", "predict"),
)
_OF_LORA = "lora_"
_KEPT = "_keras_reinit_moments"  # the function that measures a model's blocks


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


class _NormedModel(keras.Model):
    """A model that keeps the norms that its weights had when it was made, by their names."""

    def _begin_norms(self, given):
        names = tuple(weight.name for weight in self._weights())
        object.__setattr__(self, "_norm_names", names)  # untracked, as they are no state
        self._norms = self.add_weight(
            name="init_norms",
            shape=(len(names),),
            dtype="float32",
            initializer="zeros",
            trainable=False,
            autocast=False,
            aggregation="only_first_replica",
        )
        self._record_norms(given)

    def _record_norms(self, given=None):
        """Record the norms as they are, but for those that are given by name."""
        norms = frobenius_norms(self._weights()) | dict(given or {})
        self._assign_norms(norms)

    def _assign_norms(self, norms):
        own = self.init_norms
        values = [norms.get(name, own[name]) for name in self._norm_names]
        self._norms.assign(np.asarray(values, "float32"))

    def _weights(self):
        """The weights that have a norm: not what LoRA adds to a layer."""
        return [
            weight
            for weight in list_weights(self)
            if not (weight.statistic or weight.variable.name.startswith(_OF_LORA))
        ]

    def save_own_variables(self, store):
        super().save_own_variables(store)
        names = json.dumps(self._norm_names).encode()
        store["norm_names"] = np.frombuffer(names, "uint8")

    def load_own_variables(self, store):
        if "norm_names" not in store.keys():  # noqa: SIM118 (not a dict); a file of before
            super().load_own_variables(store)
            return
        names = json.loads(np.asarray(store["norm_names"]).tobytes().decode())
        self._assign_norms(dict(zip(names, np.asarray(store["0"]).tolist(), strict=True)))

    @property
    def init_norms(self):
        """The Frobenius norm of each weight at wrapping: {layer name/variable name: float}."""
        values = keras.ops.convert_to_numpy(self._norms.value)
        return dict(zip(self._norm_names, map(float, values), strict=True))


@keras.saving.register_keras_serializable(package="keras_reinit")
class ReinitModel(_NormedModel):
    """A Functional model cut into blocks, as layerwise re-initialisation needs it.

    `output of block k -> (output - mean_k) / stddev_k`, the identity until `calibrate` sets the two
    numbers. The layers are those of the backbone, shared and under their names; nested and
    Sequential models are inlined. The norm of every weight at wrapping is kept, so wrap a new
    network, before training.

    Blocks, norms and statistics are part of the model: they survive `save`, weights files,
    `export`, and `set_weights(get_weights())`; a clone has the blocks, and norms of its own new
    weights. Norms go by name: weights that a layer gets later (LoRA, a quantisation) have none.

    A model with a `train_step` or a `call` of its own is refused, because a graph of layers does
    not hold it: give these methods to a subclass of `ReinitModel`. A new head on the features of a
    `ReinitModel` is wrapped with the norms of the old one, and has its blocks.

    Args:
        backbone: a built Functional or Sequential `keras.Model`.
        blocks: "auto", or a list, one entry a block from input to output, each a regular expression
            over layer names or a list of layer names. "auto" cuts after layers named
            `block<k>_out` where there are any; else after every convolutional unit (convolution,
            normalisation, activation; depthwise + pointwise; a residual block whole), or without
            convolutions after every hidden layer with weights. It never includes the head.
        axis: None for one mean and stddev a block (Algorithm 1), -1 for one pair a channel,
            wherever the layers keep their channels.
        norms: None for those of the weights as they are; or, for a backbone that is made of the
            layers of another `ReinitModel`, its `init_norms`.
        *args: for Keras, which revives a model from its inputs and outputs.
        **kwargs: as `keras.Model`: `name`, `trainable`.

    Raises:
        ValueError: if the backbone has no graph of layers or more than that, is wrapped already,
            or has two layers of one name; or if no block is found, a block matches nothing, blocks
            overlap, or a cut leaves more than one open tensor.

    Example:
        >>> model = ReinitModel(keras.applications.VGG16(weights=None), blocks="auto")
        >>> len(model.blocks)
        13

    Reference:
        Alabdulmohsin et al. 2021, Algorithm 1 and Figure 1.
    """

    def __init__(self, backbone=None, blocks="auto", *args, axis=None, norms=None, **kwargs):
        if isinstance(backbone, keras.Model):
            _check_all_in_graph(backbone)
            inputs, outputs = _with_normalizations(backbone, blocks, axis, norms)
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
        self._begin_norms(norms)

    @property
    def blocks(self):
        """The blocks from input to output, a tuple of `Block`, indexed from 0."""
        layers = {layer.name: layer for layer in self.layers}
        return tuple(
            Block(layer.block[0], tuple(layers[name] for name in layer.block[1]), layer)
            for layer in layers.values()
            if isinstance(layer, FrozenNormalization) and layer.block
        )

    def block_index(self, block):
        """The index of a block given by index or name.

        Args:
            block: int in [0, len(blocks)), or a block's name.

        Returns:
            An int.

        Raises:
            ValueError: if there is no such block.
        """
        names = [own.name for own in self.blocks]
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
        return {layer.name for kept in upto for layer in kept.layers}

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
            ValueError: if the block or unit is unknown, a weight is not finite or all zero, or has
                no norm because it was not there at wrapping. Nothing is assigned then.

        Example:
            >>> model.rescale(upto="block2")
        """
        weights = [weight for weight in self.weights_upto(upto, where) if not weight.statistic]
        norms = self.init_norms
        late = [weight.name for weight in weights if weight.name not in norms]
        if late:
            raise ValueError(
                f"Variables of model '{self.name}' were not there at wrapping and have no norm to "
                f"go back to (LoRA, a quantisation). Received: {late}. Leave them out with `where`"
            )
        assign_rescaled(weights, norms, unit)

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
        check_sample(self, sample)
        layers = [layer for kept in self.blocks[: index + 1] for layer in kept.layers]
        statistics = [weight.variable for weight in list_weights(self) if weight.statistic]
        with restored_on_error(statistics):
            recalibrate(self, sample, layers)
            with unchanged(_recurrent_states(self)):
                moments = _moments(self, sample)
            self.blocks[index].normalization.freeze(
                *core.pooled(moments[2 * index], moments[2 * index + 1])
            )

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


def _recurrent_states(model):
    """What a stateful recurrent layer remembers of the batch before."""
    states = [keras.tree.flatten(getattr(layer, "states", ())) for layer in all_layers(model)]
    return [s for of_layer in states for s in of_layer if isinstance(s, keras.Variable)]


def _moments(model, sample):
    """Means and variances of each block's raw output, example by example."""
    if not hasattr(model, _KEPT):
        outputs = []

        def call(_, operation, args, kwargs):
            if isinstance(operation, FrozenNormalization) and operation.block:
                outputs.extend(core.per_example(*operation.channels_last(args[0])))
            return operation(*args, **kwargs)

        inputs, _ = rebuild(model, call)
        probe, batch = keras.Model(inputs, outputs), fixed_batch(model)
        # A function and not the model: a model would be tracked, and saved, as a layer.
        run = functools.partial(predict, probe, batch=batch)
        object.__setattr__(model, _KEPT, run)
    return getattr(model, _KEPT)(sample)


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


def _is_symbolic(tensors):
    flat = keras.tree.flatten(tensors)
    return bool(flat) and all(isinstance(tensor, keras.KerasTensor) for tensor in flat)


def _check_all_in_graph(backbone):
    """Refuse a model of which its graph of layers is not all."""
    check_graph(backbone)
    if isinstance(backbone, ReinitModel):
        raise ValueError(
            f"Model '{backbone.name}' is a ReinitModel and has its normalisations already. "
            "Expected a model without them"
        )
    own = [] if isinstance(backbone, Recomputed) else overridden(backbone, _OWN)
    if own:
        raise ValueError(
            f"Model '{backbone.name}' is more than its graph of layers, and would lose its own "
            f"methods. Received: {type(backbone)} with {own}. Expected a plain model, or these "
            "methods in a subclass of ReinitModel, which is then made of "
            "keras.Model(model.inputs, model.outputs)"
        )
    in_graph = {id(variable) for layer in backbone.layers for variable in layer.variables}
    owners = [backbone, *all_layers(backbone)]
    beside = [
        v.path for each in owners for v in own_trainable_variables(each) if id(v) not in in_graph
    ]
    if beside:
        raise ValueError(
            f"Model '{backbone.name}' is more than its graph of layers, and would lose weights "
            f"beside it. Received: {list(dict.fromkeys(beside))}. Expected them in the graph, or "
            "these layers as attributes of a subclass of ReinitModel"
        )


def _with_normalizations(backbone, blocks, axis, norms):
    graph = trace(backbone)
    _check_names(backbone, graph)
    if any(isinstance(call.operation, FrozenNormalization) for call in graph.calls):
        if norms is None or blocks != "auto":
            raise ValueError(
                f"Model '{backbone.name}' has its normalisations already: it is made of the layers "
                f"of a ReinitModel. Received: {blocks=}, {norms=}. Expected "
                "ReinitModel(model, norms=old.init_norms), of which the blocks are those it has"
            )
        return rebuild(backbone, lambda _, operation, args, kwargs: operation(*args, **kwargs))
    ends = {cut.call: cut for cut in cuts.find(graph, blocks)}

    def call(index, operation, args, kwargs):
        outputs = operation(*args, **kwargs)
        if index not in ends:
            return outputs
        cut = ends[index]
        normalization = FrozenNormalization(
            axis=cuts.channel_axis(graph, cut, len(outputs.shape)) if axis == -1 else axis,
            block=(cut.name, cut.layers),
            name=f"{cut.name}_normalization",
            dtype=outputs.dtype,  # whatever the layers around compute in
        )
        return normalization(outputs)

    return rebuild(backbone, call)


def _check_names(backbone, graph):
    """Refuse two layers of one name, which only nested models can have."""
    operations = {id(call.operation): call.operation for call in graph.calls}
    counts = Counter(operation.name for operation in operations.values())
    equal = [name for name, count in counts.items() if count > 1]
    if equal:
        raise ValueError(
            f"Nested models of '{backbone.name}' have layers of one name, and a ReinitModel, which "
            f"lays them open, knows layers by name. Received: {equal}, more than once each. "
            "Expected another name in one of them: build it again with `name=...` of its own, or "
            "rename it in the config, as with keras.models.clone_model"
        )
