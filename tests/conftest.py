"""Settings and fixtures that every test shares.

One process, one import of the backend: its CPU is split into logical devices before anything else
runs, so that the tests of replicas need no second process. Where Keras runs on another backend
TensorFlow is as good as not installed, and the tests marked with other backends are skipped.
"""

import gc
import os
import socket
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # quick to compile
os.environ.setdefault("XLA_FLAGS", "--xla_force_host_platform_device_count=4")
os.environ.setdefault("MPLBACKEND", "Agg")

import keras
import numpy as np
import pytest

LOGICAL_CPUS = 4
BACKEND = keras.backend.backend()

if BACKEND == "tensorflow":
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * LOGICAL_CPUS,
    )
else:
    assert "tensorflow" not in sys.modules, "Keras has imported TensorFlow"
    sys.modules["tensorflow"] = None  # any import of it raises ModuleNotFoundError


def pytest_collection_finish():
    """Spare the collector TensorFlow's million objects, whenever Keras or KerasTuner calls it."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items):
    """Skip what the backend cannot do: `@pytest.mark.backends("tensorflow", reason="tf.data")`."""
    for item in items:
        for marker in item.iter_markers("backends"):
            if BACKEND not in marker.args:
                reason = f"{marker.kwargs['reason']}: not on {BACKEND}"
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _reproducible():
    """Start from the same random state; leave no dtype policy behind."""
    keras.utils.set_random_seed(0)
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(policy)


@pytest.fixture(autouse=True, scope="module")
def _forget_models():
    """Drop Keras's global state after each file, and never look again at what outlives that.

    What compiled models leave behind would make each collection take seconds late in a session.
    """
    yield
    keras.utils.clear_session()
    gc.freeze()


@pytest.fixture(autouse=True, scope="session")
def _no_network():
    """Refuse connections to other machines: a download fails at once, not after minutes."""
    connect = socket.socket.connect

    def connect_here(self, address):
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"Tests must not use the network. Received: address={address}")
        return connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_here)
        yield


@pytest.fixture(scope="session")
def strategy():
    """Two replicas on two logical CPUs. The only one: a second in the process would break it."""
    if BACKEND != "tensorflow":
        pytest.skip("tf.distribute needs the TensorFlow backend")
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


@pytest.fixture
def rng():
    """A NumPy generator with a fixed seed."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def blobs():
    """Arrays x (96, 6) float32 and y (96,) int32: three Gaussian classes, easy to learn."""
    rng = np.random.default_rng(0)
    y = np.arange(96, dtype="int32") % 3
    x = rng.normal(size=(96, 6)).astype("float32")
    x[:, :3] += 2 * np.eye(3, dtype="float32")[y]
    x.flags.writeable = y.flags.writeable = False
    return x, y
