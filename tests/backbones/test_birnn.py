"""The bidirectional recurrent network skips padding, knows its blocks, and can start again."""

import functools

import keras
import numpy as np
import pytest

import keras_reinit as kr
from tests.settings import all_methods

WORDS, LENGTH = 20, 4
small = functools.partial(kr.backbones.birnn, vocabulary=WORDS, embedding=5, units=4)
all_cells = pytest.mark.parametrize("cell", ["lstm", "gru", "simple_rnn"])


@pytest.fixture
def texts(rng):
    """Numbers (16, 4) of texts of one word to four, padded with 0 at the end, and labels (16,)."""
    x = rng.integers(1, WORDS, (16, LENGTH)).astype("int32")
    x[np.arange(LENGTH) > np.arange(16)[:, None] % LENGTH] = 0
    return x, np.arange(16) % 2


def weights(model):
    return {name: np.array(variable.value) for name, variable in kr.select(model).items()}


def tanh_layer(h, w, backward):
    """A layer of one direction on one text: its states in the order of the words."""
    state, states = np.zeros(len(w["bias"])), []
    for vector in h[::-1] if backward else h:
        state = np.tanh(vector @ w["kernel"] + state @ w["recurrent_kernel"] + w["bias"])
        states.append(state)
    return np.array(states[::-1] if backward else states)


def reference(w, text):
    """The logits of one text without its padding, in plain NumPy."""
    h = w["embedding/embeddings"][text]
    for k in (1, 2):
        both = []
        for direction in ("forward", "backward"):
            path = f"block{k}_out/{direction}_simple_rnn/simple_rnn_cell/"
            own = {n.removeprefix(path): v for n, v in w.items() if n.startswith(path)}
            both.append(tanh_layer(h, own, direction == "backward"))
        last = np.concatenate([both[0][-1], both[1][0]])
        h = np.concatenate(both, axis=1)
    return last @ w["head/kernel"] + w["head/bias"]


def test_the_equation(texts):
    model = small((LENGTH,), classes=3, cell="simple_rnn")
    expected = [reference(weights(model), text[text > 0]) for text in texts[0]]
    np.testing.assert_allclose(model.predict_on_batch(texts[0]), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("cell", "gates", "biases"), [("lstm", 4, 1), ("gru", 3, 2)])
def test_parameters_of_the_cells(cell, gates, biases):
    model = small((LENGTH,), classes=3, cell=cell)
    layers = [2 * gates * 4 * (features + 4 + biases) for features in (5, 8)]
    assert model.count_params() == WORDS * 5 + sum(layers) + (8 + 1) * 3


@all_cells
def test_padding_changes_nothing(cell, texts):
    model = small((None,), classes=3, cell=cell)
    longer = np.pad(texts[0], ((0, 0), (0, 4)))
    np.testing.assert_allclose(
        model.predict_on_batch(longer), model.predict_on_batch(texts[0]), rtol=1e-5, atol=1e-6
    )


def test_layers_and_blocks():
    model = kr.ReinitModel(small((LENGTH,), classes=3, layers=3))
    assert [[layer.name for layer in block.layers] for block in model.blocks] == [
        ["embedding", "block1_out"],
        ["block2_out"],
        ["block3_out"],
    ]


def test_names_of_weights_do_not_depend_on_the_models_before():
    first, second = (list(kr.select(small((LENGTH,), classes=3))) for _ in range(2))
    assert first == second
    assert "block2_out/backward_lstm/lstm_cell/recurrent_kernel" in first


@all_cells
def test_reinitialised_and_shrunk(cell):
    model, other = (small((LENGTH,), classes=3, cell=cell) for _ in range(2))
    other.set_weights(model.get_weights())
    before = weights(model)
    kr.reinitialize(other, seed=3)
    kr.shrink_perturb(model, shrink=0.4, perturb=0.1, seed=3)
    fresh, after = weights(other), weights(model)
    for name in before:
        np.testing.assert_allclose(
            after[name], 0.4 * before[name] + 0.1 * fresh[name], rtol=1e-5, atol=1e-7
        )
        if "bias" not in name:
            assert not np.allclose(before[name], fresh[name], atol=1e-3)
    directions = [f"block1_out/{way}_{cell}/{cell}_cell/kernel" for way in ("forward", "backward")]
    assert not np.allclose(*(fresh[name] for name in directions), atol=1e-3)


def test_blocks_are_normalised_rescaled_and_drawn_afresh(texts):
    x, _ = texts
    plain = small((LENGTH,), classes=3)
    model = kr.ReinitModel(plain)
    np.testing.assert_allclose(model.predict_on_batch(x), plain.predict_on_batch(x), rtol=1e-6)
    before = weights(model)
    kr.shrink_perturb(model, shrink=0.5, perturb=0, seed=0)
    model.rescale("block1")
    model.calibrate("block1", x)
    model.reinitialize(above="block1", seed=1)
    for name, value in weights(model).items():
        kept = name.startswith(("embedding", "block1_out")) or "bias" in name
        assert np.allclose(value, before[name], rtol=1e-5) == kept
    z = keras.Model(plain.input, plain.get_layer("block1_out").output).predict_on_batch(x)
    normalization = model.blocks[0].normalization
    assert float(normalization.mean) == pytest.approx(z.mean(), abs=1e-6)
    assert float(normalization.stddev) == pytest.approx(z.std(), rel=1e-4)


def test_saved_with_its_blocks(tmp_path, texts):
    x, _ = texts
    model = kr.ReinitModel(small((LENGTH,), classes=3))
    model.calibrate(0, x)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.init_norms == model.init_norms
    assert len(again.blocks) == 2
    np.testing.assert_allclose(again.predict_on_batch(x), model.predict_on_batch(x), rtol=1e-6)


@all_methods
def test_every_method_has_its_rounds(setting, texts):
    x, y = texts
    model = kr.ReinitModel(small((LENGTH,), classes=2, cell="simple_rnn"))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, run_eagerly=True)
    method = setting.callback(**{"sample": x} if "sample" in setting.arguments else {})
    history = model.fit(x, y, epochs=2, verbose=0, callbacks=[method]).history
    assert history["reinit_round"] == [0, 1]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_shape": (4, 2)}, r"Received: input_shape=\(4, 2\). Expected \(length,\)"),
        ({"layers": 0}, "at least 1. Received: layers=0"),
        ({"cell": "transformer"}, "one of .*Received: cell='transformer'"),
    ],
)
def test_what_cannot_be_made_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**{"input_shape": (LENGTH,), "classes": 2} | arguments)
