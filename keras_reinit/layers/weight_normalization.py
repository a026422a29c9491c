"""Weight normalisation: the length and the direction of each unit's weights, apart."""

import contextlib
import functools

import keras
from keras import ops

from keras_reinit.core import frobenius_norm
from keras_reinit.layers.kernels import kernels


@keras.saving.register_keras_serializable(package="keras_reinit")
class WeightNormalization(keras.layers.Wrapper):
    """Give every output unit of a layer a length and a direction of its own.

    `kernel = g * v / ||v||`, one `g` and one norm for each output unit.

    `v` is the kernel of the wrapped layer, in its place and under its name; `g` is a vector with
    one entry for each unit, a weight of this layer. Both are trained. A layer with several kernels
    has a `g` for each: `depthwise_g` and `pointwise_g`, or `g` and `recurrent_g`. Everything else
    is the wrapped layer's: bias, activation, precision. The norm is taken in float32 or wider.

    With `gain_initializer=None` a new layer computes what the wrapped one would. A fresh draw (see
    `keras_reinit.reinitialize`) draws `v` and the bias from the wrapped layer's initializers and
    `g` from `gain_initializer`; with None, `g` is the norm of the `v` that is drawn along with it,
    or of the `v` that stays. Methods that choose entries of kernels choose entries of `v`.

    A regularizer or constraint of the kernel acts on `v`. In a recurrent network wrap the layer
    and not its cell, where there is a choice: its kernels are normalised once a call, not once a
    step.

    Args:
        layer: a layer with kernels (weights whose names end with "kernel"): `Dense`, `EinsumDense`,
            any convolution, a recurrent layer or a cell without dropout.
        gain_initializer: None, or an initializer for every `g`.
        name: name of the layer; that of the wrapped layer by default.
        **kwargs: as `keras.layers.Layer`, without `dtype`, which is the wrapped layer's.

    Raises:
        ValueError: if `layer` is a cell with dropout or quantised, or `dtype` is given. When built:
            if it has no kernel, or a unit's `v` is all zero and has no direction.

    Example:
        >>> layer = WeightNormalization(keras.layers.Dense(3, name="dense"))
        >>> layer.build((None, 5))
        >>> [weight.path for weight in layer.trainable_weights]
        ['dense/g', 'dense/dense/kernel', 'dense/dense/bias']

    Reference:
        Salimans & Kingma 2016, Equation 2; Arpit et al. 2019.
    """

    def __init__(self, layer, gain_initializer=None, name=None, **kwargs):
        if "dtype" in kwargs:
            raise ValueError(
                "WeightNormalization computes in the precision of the layer it wraps. "
                f"Received: dtype={kwargs['dtype']!r}. Expected: dtype of the wrapped layer"
            )
        if isinstance(layer, keras.layers.Layer):  # else Keras says what is wrong
            name = name or layer.name
            # Its own precision is that of the weights, so that `v` comes as it is stored.
            kwargs |= {"dtype": layer.variable_dtype, "autocast": False}
        super().__init__(layer, name=name, **kwargs)
        if hasattr(layer, "get_dropout_mask") and (layer.dropout or layer.recurrent_dropout):
            raise ValueError(
                f"Layer '{layer.name}' is a recurrent cell with dropout, whose masks only a "
                f"recurrent layer that knows it can renew. Received: dropout={layer.dropout}, "
                f"recurrent_dropout={layer.recurrent_dropout}. Wrap the recurrent layer instead"
            )
        self._undirected = None  # the name of a kernel with a unit that began as all zero
        self._check_layer()
        self.gain_initializer = keras.initializers.get(gain_initializer)
        self.supports_masking = layer.supports_masking

    def build(self, input_shape=None):
        # Weights made in a stateless scope get their values when it ends, first `v` and then `g`,
        # and outside of any graph. The states of a stateful layer cannot wait.
        is_stateful = getattr(self.layer, "stateful", False)
        with contextlib.nullcontext() if is_stateful else keras.StatelessScope():
            super().build(input_shape)
            self.gains = [
                self.add_weight(
                    name=kernel.variable.name.replace("kernel", "g"),
                    shape=(kernel.units,),
                    initializer=functools.partial(self._initial_gain, kernel),
                )
                for kernel in self._kernels()
            ]
        self._check_layer()

    def _kernels(self):
        own_kernels = kernels(self.layer)
        if not own_kernels:
            raise ValueError(
                f"Layer '{self.layer.name}' has no kernel to normalise. Received: layer of "
                f"{type(self.layer)}. Expected a layer with a weight of its own whose name ends "
                "with 'kernel'; layers inside of it are wrapped one by one"
            )
        return own_kernels

    def _initial_gain(self, kernel, shape, dtype=None):
        norms = unit_norms(kernel.variable.value, kernel)
        if not ops.convert_to_numpy(norms).all():
            # Keras forgets no pending weight when an initializer raises: `build` raises instead.
            self._undirected = kernel.variable.name
        if self.gain_initializer is None:
            return ops.cast(ops.reshape(norms, shape), dtype)
        return self.gain_initializer(shape, dtype=dtype)

    def call(self, inputs, *args, **kwargs):
        return self._normalized()(inputs, *args, **kwargs)

    def without_activation(self, inputs):
        """What the layer gives to its activation: `g * v / ||v||` applied, and the bias added.

        Args:
            inputs: as for the layer.

        Returns:
            A tensor of the shape of the outputs.
        """
        layer = self._normalized()
        vars(layer)["activation"] = None
        return layer(inputs)

    def _normalized(self):
        """The wrapped layer with `g * v / ||v||` in the place of each kernel.

        A copy that shares everything else, so that nothing is changed, in no thread.
        """
        self._check_layer()
        values = {}
        for kernel, g in zip(self._kernels(), self.gains, strict=True):
            norms = unit_norms(kernel.variable.value, kernel)
            scale = ops.reshape(ops.cast(g, norms.dtype), norms.shape) / norms
            value = ops.cast(kernel.variable.value, norms.dtype) * scale
            values[id(kernel.variable)] = ops.cast(value, self.layer.compute_dtype)
        return _with_values(self.layer, values)

    def _check_layer(self):
        if self._undirected is not None:
            raise ValueError(
                f"Layer '{self.layer.name}' cannot be normalised: a unit of '{self._undirected}' "
                "is all zero and has no direction. Expected an initializer that is not zero"
            )
        if self.layer.quantization_mode is not None:
            raise ValueError(
                f"Layer '{self.layer.name}' is quantised, and its integers cannot be normalised. "
                f"Received: quantization_mode={self.layer.quantization_mode!r}. Expected None"
            )

    def compute_output_spec(self, *args, **kwargs):
        return self.layer.compute_output_spec(*args, **kwargs)

    def compute_output_shape(self, *args, **kwargs):
        return self.layer.compute_output_shape(*args, **kwargs)

    def compute_mask(self, inputs, previous_mask):
        return self.layer.compute_mask(inputs, previous_mask)

    @property
    def state_size(self):
        """As the wrapped recurrent cell's."""
        return self.layer.state_size

    @property
    def output_size(self):
        """As the wrapped recurrent cell's."""
        return self.layer.output_size

    @property
    def get_initial_state(self):
        """As the wrapped recurrent cell's."""
        return self.layer.get_initial_state

    def get_config(self):
        config = super().get_config()
        del config["dtype"]
        gain = self.gain_initializer
        return {**config, "gain_initializer": gain and keras.initializers.serialize(gain)}


def unit_norms(v, kernel):
    """The norm of each output unit's weights, with axes of length 1 where they are summed over.

    `norm_i = sqrt(sum_j v_ij^2)`, in float32 or wider.

    Args:
        v: array of the shape of the kernel.
        kernel: a `Kernel`.

    Returns:
        An array that broadcasts against `v`.
    """
    return frobenius_norm(v, kernel.summed_axes)


def _with_values(layer, values):
    """A copy of a layer, and of its cell, with tensors in the place of some variables."""
    copy = object.__new__(type(layer))
    vars(copy).update({key: values.get(id(part), part) for key, part in vars(layer).items()})
    if isinstance(getattr(layer, "cell", None), keras.layers.Layer):
        vars(copy)["cell"] = _with_values(layer.cell, values)
    return copy
