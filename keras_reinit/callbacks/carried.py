"""What a callback has to remember, written into and read from the model's own weights files."""

import json

import keras
import numpy as np

METHOD = "_keras_reinit_method"  # the attributes of a model in `fit` that hold such a state
BACKUP = "_keras_reinit_backup"


class StateInWeights(keras.layers.Layer):
    """Carries a callback's state through whatever saves and loads a model's weights.

    Hung on a model past Keras's tracking, it is in no list of layers or weights, but the saver,
    which walks over attributes, finds it. Beside the state it keeps the positions of the model's
    seed generators, which weights files leave out and an exact resume needs, and of PyTorch's own
    generators, which Keras's `Dropout` without a seed draws from there.

    Args:
        write: function of nothing that returns (a dict for JSON, a list of arrays).
        read: function of these two, called when a file with a state is loaded.

    Attributes:
        listening: whether a state that is loaded is read.
        new_rates: learning rates that a resumed training goes on with in place of those in the
            file; None for those.
    """

    def __init__(self, write, read):
        super().__init__()
        self._write = write
        self._read = read
        self._model_generators = ()
        self.listening = True
        self.new_rates: list | None = None

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
        for i, state in enumerate(torch_states()):
            store[f"torch{i}"] = state

    def load_own_variables(self, store):
        if not self.listening or "meta" not in store.keys():  # noqa: SIM118 (not a dict)
            return
        try:
            meta = json.loads(np.asarray(store["meta"]).tobytes().decode())
        except ValueError as error:
            raise ValueError(
                f"The state of a training in this backup is damaged ({error}). Remove the backup "
                "and start again"
            ) from error
        self._read(meta, _numbered(store, "array"))
        set_torch_states(_numbered(store, "torch"))
        for i, state in enumerate(self._model_generators):
            state.assign(np.asarray(store[f"generator{i}"]))


def _numbered(store, name):
    """The arrays `name0`, `name1` and so on of a file."""
    count = sum(key.startswith(name) for key in store.keys())  # noqa: SIM118
    return [np.asarray(store[f"{name}{i}"]) for i in range(count)]


def torch_states():
    """The states of PyTorch's generators, of the CPU and of every device; none elsewhere."""
    if keras.backend.backend() != "torch":
        return []
    import torch

    return [state.numpy() for state in (torch.get_rng_state(), *torch.cuda.get_rng_state_all())]


def set_torch_states(states):
    """Put PyTorch's generators back to states that `torch_states` gave."""
    if not states or keras.backend.backend() != "torch":
        return
    import torch

    cpu, *devices = map(torch.from_numpy, states)
    torch.set_rng_state(cpu)
    if len(devices) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(devices)
