"""A network whose margins, sharpness and weight size are known in closed form."""

import keras
import numpy as np


def linear(kernel, bias=None, activation=None):
    """A classifier with one layer and the given weights."""
    kernel = np.asarray(kernel, "float32")
    model = keras.Sequential(
        [
            keras.Input((len(kernel),)),
            keras.layers.Dense(
                kernel.shape[1], activation=activation, use_bias=bias is not None, name="head"
            ),
        ]
    )
    model.set_weights([kernel] if bias is None else [kernel, np.asarray(bias, "float32")])
    return model
