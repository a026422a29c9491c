"""Bidirectional recurrent network for texts."""

import keras

from keras_reinit.core import check_choice, check_int

_CELLS = {
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
    "simple_rnn": keras.layers.SimpleRNN,
}


def birnn(
    input_shape,
    classes,
    vocabulary=10_000,
    embedding=64,
    units=64,
    layers=2,
    cell="lstm",
    name="birnn",
):
    """Bidirectional recurrent network over words, which are given as numbers.

    `h_k(t) = [forward_k(h_(k-1)(1 .. t)), backward_k(h_(k-1)(T .. t))]` with `h_0` the embedding of
    the words 1 .. T, and `logits = W [forward_K(.. T), backward_K(T .. 1)] + b`

    Number 0 is padding, which every layer skips. It comes after the words (cuDNN, on a GPU, takes
    no other order, and no text without a word). The head returns logits: use a loss with
    `from_logits=True`.

    Args:
        input_shape: (length,), the number of words of a text with its padding; `(None,)` for texts
            of any length.
        classes: number of logits, at least 1.
        vocabulary: words are numbers in [0, vocabulary).
        embedding: size of a word's vector.
        units: units of each layer in each direction; a layer gives twice as many features. The
            papers name no sizes: all defaults but `layers` are ours.
        layers: number of recurrent layers, at least 1.
        cell: `"lstm"`, `"gru"` or `"simple_rnn"`.
        name: name of the model.

    Returns:
        A `keras.Model` of int32 numbers. Layers: `embedding`, part of block 1; `block<k>_out` for
        k = 1 .. `layers`, a `Bidirectional` that holds `forward_<cell>` and `backward_<cell>`;
        `head`.

    Raises:
        ValueError: if `input_shape` is not one number, there is no layer, or `cell` is unknown.

    Example:
        >>> model = keras_reinit.backbones.birnn((256,), classes=2, vocabulary=5_000)

    Reference:
        Schuster & Paliwal 1997; Ash & Adams 2020, Figure 13 (two layers, IMDB).
    """
    sizes = {"classes": classes, "vocabulary": vocabulary, "embedding": embedding}
    for key, size in {**sizes, "units": units, "layers": layers}.items():
        check_int(key, size)
    check_choice("cell", cell, _CELLS)
    if not isinstance(input_shape, list | tuple) or len(input_shape) != 1:
        raise ValueError(
            "birnn needs texts, as rows of numbers. "
            f"Received: input_shape={input_shape}. Expected (length,) or (None,)."
        )
    inputs = keras.Input(input_shape, dtype="int32", name="input")
    x = keras.layers.Embedding(vocabulary, embedding, mask_zero=True, name="embedding")(inputs)
    for k in range(1, layers + 1):
        one_direction = _CELLS[cell](units, return_sequences=k < layers, name=cell)
        x = keras.layers.Bidirectional(one_direction, name=f"block{k}_out")(x)
    outputs = keras.layers.Dense(classes, name="head")(x)
    return keras.Model(inputs, outputs, name=name)
