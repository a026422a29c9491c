"""One compiled model for many runs: build it once, make it a new network before each."""

import keras

import keras_reinit as kr


def compile_for(model, optimizer, steps):
    """Compile a classifier so that one epoch is one call of the compiled step.

    Args:
        model: `keras.Model` that returns logits.
        optimizer: Keras optimizer.
        steps: optimizer steps of one epoch.
    """
    model.compile(
        optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        steps_per_execution=steps,
        jit_compile=False,
    )


def restart(model, seed):
    """Make a compiled `ReinitModel` what it would be had it just been built, with no retrace.

    Weights are drawn afresh, normalisations are the identity, the norms at initialisation are those
    of the new weights, and the optimizer has taken no step.

    Args:
        model: compiled `ReinitModel`, with a constant learning rate.
        seed: int; the same seed gives the same network.
    """
    kr.reinitialize(model, seed=seed)
    for block in model.blocks:
        block.normalization.freeze(mean=0.0, stddev=1.0)
    norms = model.init_norms | kr.init_norms(model)
    next(each for each in model.weights if each.name == "init_norms").assign(list(norms.values()))
    if model.optimizer.built:
        kr.reset_optimizer(model.optimizer)


def fit(model, stream, epochs, steps, callbacks, **options):
    """`model.fit` on an endless stream of batches, silently.

    Args:
        model: compiled `keras.Model`.
        stream: `tf.data.Dataset`, as `experiments.data` makes them.
        epochs: int.
        steps: batches of an epoch.
        callbacks: list of Keras callbacks.
        **options: as `fit`, such as `validation_data`.

    Returns:
        The `keras.callbacks.History`.
    """
    return model.fit(
        stream,
        epochs=epochs,
        steps_per_epoch=steps,
        callbacks=callbacks,
        shuffle=False,
        verbose=0,
        **options,
    )


def accuracy(model, x, y):
    """Share of examples whose largest logit is that of their label; all in one batch."""
    return float((model.predict_on_batch(x).argmax(axis=-1) == y).mean())
