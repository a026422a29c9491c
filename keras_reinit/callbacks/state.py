"""What a callback has to remember, written into and read from the model's own weights files."""

import json

import keras
import numpy as np


class StateInWeights(keras.layers.Layer):
    """Carries a callback's state through whatever saves and loads a model's weights.

    Hung on a model past Keras's tracking, it is in no list of layers or weights, but the saver,
    which walks over attributes, finds it. Beside the state it keeps the positions of the model's
    seed generators, which weights files leave out and an exact resume needs.

    Args:
        write: function of nothing that returns (a dict for JSON, a list of arrays).
        read: function of these two, called when a file with a state is loaded.
    """

    def __init__(self, write, read):
        super().__init__()
        self._write = write
        self._read = read
        self._model_generators = ()
        self.listening = True

    def attach(self, model, attribute):
        """Hang this on a model, in place of what an earlier training may have left there."""
        states = [v for v in model.variables if v.name == "seed_generator_state"]
        object.__setattr__(self, "_model_generators", states)  # untracked: not its own weights
        object.__setattr__(model, attribute, self)

    def detach(self, model, attribute):
        if getattr(model, attribute, None) is self:
            object.__delattr__(model, attribute)

    def save_own_variables(self, store):
        meta, arrays = self._write()
        store["meta"] = np.frombuffer(json.dumps(meta).encode(), "uint8")
        for i, array in enumerate(arrays):
            store[f"array{i}"] = array
        for i, state in enumerate(self._model_generators):
            store[f"generator{i}"] = keras.ops.convert_to_numpy(state.value)

    def load_own_variables(self, store):
        if not self.listening or "meta" not in store.keys():  # noqa: SIM118 (not a dict)
            return
        meta = json.loads(np.asarray(store["meta"]).tobytes().decode())
        count = sum(key.startswith("array") for key in store.keys())  # noqa: SIM118
        self._read(meta, [np.asarray(store[f"array{i}"]) for i in range(count)])
        for i, state in enumerate(self._model_generators):
            state.assign(np.asarray(store[f"generator{i}"]))
