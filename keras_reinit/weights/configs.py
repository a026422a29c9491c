"""Configs of Keras objects, without TensorFlow where Keras runs on another backend.

Private parts of Keras touched here, watched by tests/backends: `module_utils.tensorflow`.
"""

import contextlib
import sys

from keras.src.utils import module_utils


@contextlib.contextmanager
def without_tensorflow():
    """Keep Keras from importing TensorFlow only to learn that an object is none of its types.

    `keras.saving.serialize_keras_object` asks so for every dtype in a config, on every backend,
    which would cost seconds and hundreds of megabytes. Where TensorFlow is in use already, nothing
    changes.
    """
    tensorflow = module_utils.tensorflow
    if "tensorflow" in sys.modules or tensorflow._available is not None:
        yield
        return
    tensorflow._available = False
    try:
        yield
    finally:
        tensorflow._available = None
