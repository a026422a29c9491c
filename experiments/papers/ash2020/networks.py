"""The networks of Ash & Adams 2020, compiled, with the penalties of Table 3."""

import functools

import keras
from keras import ops

import keras_reinit as kr
from experiments.engine.run import keep_network
from experiments.training import protocol

HIDDEN = (100, 100)  # units of the MLP, "three layers" with its head
UNITS = 64  # of the recurrent layers in each direction, and of the words (ours)
NETWORKS = (
    "resnet18",
    "mlp_tanh",
    "mlp_relu",
    "mlp_relu_no_bias",
    "logistic_regression",
    "birnn",
)
OPTIMIZERS = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
WHOLE_EPOCH = 100_000  # steps of a call, more than an epoch ever has
PENALTIES = ("none", "adversarial", "confidence")


def network(name, shape, classes, norm="batch", width=1.0, vocabulary=None):
    """A network as built by `keras_reinit.backbones`.

    Args:
        name: of `NETWORKS`.
        shape: of one example.
        classes: number of logits.
        norm: normalisation of "resnet18", "batch", "group" or None; the others have none.
        width: multiplier of the filters of "resnet18" and the units of "birnn".
        vocabulary: how many numbers the words of "birnn" have.

    Returns:
        A `keras.Model` that returns logits.
    """
    if name == "resnet18":
        return kr.backbones.resnet18(shape, classes, norm, weight_decay=0.0, width=width)
    if name == "birnn":
        units = round(UNITS * width)
        return kr.backbones.birnn(shape, classes, vocabulary, embedding=units, units=units)
    hidden = () if name == "logistic_regression" else HIDDEN
    activation = "tanh" if name == "mlp_tanh" else "relu"
    biased = name != "mlp_relu_no_bias"
    return kr.backbones.mlp(shape, classes, hidden, activation, use_bias=biased)


@keep_network
def compiled(
    name, shape, classes, norm, width, vocabulary, optimizer, weight_decay, penalty, strength
):
    """A network to be trained; the same object for the same arguments, one after the other.

    An epoch of any length is one call of the compiled step.

    Args:
        name: as `network`, and so are `shape`, `classes`, `norm`, `width` and `vocabulary`.
        shape: see there.
        classes: see there.
        norm: see there.
        width: see there.
        vocabulary: see there.
        optimizer: of `OPTIMIZERS`.
        weight_decay: `gradient = dL/dw + weight_decay * w` for all trainable variables, as the
            optimizers of PyTorch have it: a penalty `weight_decay / 2 * w^2`.
        penalty: of `PENALTIES`.
        strength: of the penalty.

    Returns:
        A compiled `keras.Model`.
    """
    model = network(name, shape, classes, norm, width, vocabulary)
    if penalty == "adversarial":
        model = Adversarial(model.input, model.output, strength)
    if weight_decay:
        for variable in model.trainable_variables:
            variable.regularizer = keras.regularizers.L2(weight_decay / 2)
    loss = ConfidencePenalty(strength) if penalty == "confidence" else None
    protocol.compile_for(model, OPTIMIZERS[optimizer](), WHOLE_EPOCH, loss)
    return model


@functools.lru_cache(maxsize=1)
def body_and_head(model, optimizer):
    """All layers of a network but its head, and the head as a compiled model of its own."""
    layer = model.get_layer("head")
    head = keras.Model(layer.input, layer.output)
    protocol.compile_for(head, OPTIMIZERS[optimizer](), WHOLE_EPOCH)
    return keras.Model(model.input, layer.input), head


class ConfidencePenalty(keras.losses.Loss):
    """Cross-entropy that also rewards an uncertain prediction.

    `loss = -log p[y] - strength * H(p)` with `p = softmax(logits)` and `H(p) = -sum(p log p)`.

    Args:
        strength: factor on the entropy, at least 0.

    Example:
        >>> model.compile("sgd", loss=ConfidencePenalty(0.1))

    Reference:
        Pereyra et al. 2017; Ash & Adams 2020, Table 3.
    """

    def __init__(self, strength):
        super().__init__()
        self.strength = strength

    def call(self, y_true, y_pred):
        entropy = -ops.sum(ops.softmax(y_pred) * ops.log_softmax(y_pred), axis=-1)
        likely = keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        return likely - self.strength * entropy


class Adversarial(keras.Model):
    """A network that learns from its examples and, as much, from examples made to mislead it.

    `loss = (L(x) + L(x + strength * sign(dL(x)/dx))) / 2`. Metrics are those of the examples as
    they are; the inputs that mislead may leave the range of the others, and moving statistics see
    them, too. For TensorFlow.

    Args:
        inputs: of a functional model.
        outputs: of it.
        strength: how far every input is moved.

    Reference:
        Goodfellow et al. 2015 (the paper cites Szegedy et al. 2014 and does not say which form it
        takes: this one is ours).
    """

    def __init__(self, inputs, outputs, strength):
        super().__init__(inputs=inputs, outputs=outputs)
        self.strength = strength

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            with tf.GradientTape(watch_accessed_variables=False) as to_input:
                to_input.watch(x)
                y_pred = self(x, training=True)
                loss = self.compute_loss(x, y, y_pred)
            with tape.stop_recording():
                misleading = x + self.strength * tf.sign(to_input.gradient(loss, x))
            misled = self(misleading, training=True)
            loss = (loss + self.compute_loss(misleading, y, misled)) / 2
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        self._loss_tracker.update_state(loss, sample_weight=tf.shape(x)[0])
        return self.compute_metrics(x, y, y_pred)
