"""What `reset_optimizer` puts back at the start of a round, and what it leaves bit for bit."""

import keras
import numpy as np
import pytest

import keras_reinit as kr
from tests.settings import EAGER, network

OPTIMIZERS = {
    "Adam": lambda: keras.optimizers.Adam(0.01, amsgrad=True),
    "SGD": lambda: keras.optimizers.SGD(0.01, momentum=0.9),
    "Adagrad": lambda: keras.optimizers.Adagrad(0.01),
    "Nadam": lambda: keras.optimizers.Nadam(0.01),
    "averages": lambda: keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5),
    "accumulation": lambda: keras.optimizers.SGD(0.01, momentum=0.9, gradient_accumulation_steps=4),
    "loss scale": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01)),
}


class Look(keras.callbacks.Callback):
    """State of the optimizer and the weights before and after a round begins."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            self.before = self.state()

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            self.after = self.state()

    def state(self):
        return {name: np.array(variable) for name, variable in named(self.model).items()}


def slots(model):
    """The variables of the optimizer, by names that two optimizers of a kind share."""
    return {variable.path.split("/", 1)[-1]: variable for variable in model.optimizer.variables}


def named(model):
    return slots(model) | {variable.path: variable for variable in model.trainable_variables}


def look(blobs, optimizer, reset, method=None):
    """(look, names of the weights, masks of the entries drawn) of the second of two rounds."""
    keras.utils.set_random_seed(0)
    model = network()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(OPTIMIZERS[optimizer](), loss, run_eagerly=EAGER)
    method = method or kr.methods.RandomSubset(0.3)
    reinit = kr.callbacks.Reinit(
        method, kr.rounds.Fixed(2), rounds=2, seed=0, reset_optimizer=reset
    )
    seen = Look()
    model.fit(*blobs, batch_size=48, epochs=3, callbacks=[reinit, seen], verbose=0)
    masks = {v.path: seen.before[v.path] != seen.after[v.path] for v in model.trainable_variables}
    return seen, model, masks


def of_weight(path, masks):
    """The weight that a slot belongs to; None where it has none of its own."""
    name = path.rsplit("/", 1)[-1]
    own = [weight for weight in masks if name.startswith(weight.replace("/", "_"))]
    return max(own, key=len, default=None)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_drawn_puts_back_the_slots_of_the_entries_drawn_and_no_others(optimizer, blobs):
    seen, model, masks = look(blobs, optimizer, "drawn")
    as_new, _, _ = look(blobs, optimizer, True)
    assert any(mask.any() and not mask.all() for mask in masks.values())
    checked = 0
    for path in slots(model):
        weight = of_weight(path, masks)
        before, after = seen.before[path], seen.after[path]
        if weight is None or before.shape != masks[weight].shape:
            np.testing.assert_array_equal(before, after, err_msg=path)  # steps, rates, scales
            continue
        mask = masks[weight]
        np.testing.assert_array_equal(before[~mask], after[~mask], err_msg=path)
        fresh = seen.after[weight] if "average" in path else as_new.after[path]
        np.testing.assert_array_equal(fresh[mask], after[mask], err_msg=path)
        checked += mask.sum()
    assert checked >= 0.3 * 8 * 8


@pytest.mark.parametrize("optimizer", ["Adam", "Nadam", "SGD"])
def test_steps_puts_back_the_count_alone(optimizer, blobs):
    seen, model, masks = look(blobs, optimizer, "steps")
    assert (int(seen.before["iteration"]), int(seen.after["iteration"])) == (4, 0)
    for path in slots(model):
        if of_weight(path, masks):
            np.testing.assert_array_equal(seen.before[path], seen.after[path], err_msg=path)


def test_false_leaves_all_alone(blobs):
    seen, model, _ = look(blobs, "Adam", False)
    for path in slots(model):
        np.testing.assert_array_equal(seen.before[path], seen.after[path])


def test_drawn_of_all_weights_is_as_new_but_for_the_steps(blobs):
    method = kr.methods.ShrinkPerturb(0.5, 0.5)
    (partial, model, _), (whole, _, _) = (
        look(blobs, "Adam", reset, method) for reset in ("drawn", True)
    )
    for path in set(slots(model)) - {"iteration"}:
        np.testing.assert_array_equal(partial.after[path], whole.after[path])
    assert (int(partial.after["iteration"]), int(whole.after["iteration"])) == (4, 0)


def test_nothing_drawn_nothing_put_back(blobs):
    seen, model, _ = look(blobs, "Adam", "drawn", kr.methods.Continue())
    for path in slots(model):
        np.testing.assert_array_equal(seen.before[path], seen.after[path])


@pytest.mark.parametrize("reset", ["all", 1, None, "Drawn"])
def test_another_word_is_refused(reset):
    with pytest.raises(
        ValueError, match="`reset_optimizer` is one of .*'drawn', 'steps'.*Received"
    ):
        kr.callbacks.Reinit(
            kr.methods.FullReset(), kr.rounds.Fixed(1), rounds=2, reset_optimizer=reset
        )


class Two(keras.Model):
    """A model with a second optimizer, as adversarial networks have."""

    def __init__(self):
        super().__init__()
        self.network = network()
        self.built = True

    def compile(self, first, second):
        super().compile(first)
        self.others = {"second": second}

    def train_step(self, data):
        weights = self.network.trainable_variables
        for optimizer in (self.optimizer, self.others["second"]):
            optimizer.apply([keras.ops.ones(w.shape) for w in weights], weights)
        return {"loss": 0.0}


@pytest.mark.backends("tensorflow", reason="a train_step of its own")
def test_every_optimizer_of_a_model_is_reset(blobs):
    model = Two()
    model.compile(keras.optimizers.Adam(0.01), keras.optimizers.SGD(0.5, momentum=0.9))
    reinit = kr.callbacks.Reinit(kr.methods.FullReset(), kr.rounds.Fixed(1), rounds=3, seed=0)
    counts = []
    look = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda *_: counts.append(
            [int(o.iterations) for o in (model.optimizer, model.others["second"])]
        )
    )
    model.fit(*blobs, batch_size=48, epochs=3, callbacks=[reinit, look], verbose=0)
    assert counts == [[0, 0]] * 3
    assert float(model.others["second"].learning_rate) == 0.5
