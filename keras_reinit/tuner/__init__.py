"""Search for a method and its parameters with KerasTuner.

Imported on the first use of `keras_reinit.tuner`; needs `pip install keras-reinit[tuner]`.
"""

try:
    import tensorboard  # noqa: F401  KerasTuner imports it in every trial, and fails it in silence

    from keras_reinit.tuner.hypermodel import ReinitHyperModel
    from keras_reinit.tuner.summary import table, trials
except ModuleNotFoundError as error:
    raise ImportError(
        f"A search needs KerasTuner and TensorBoard ({error}). Install them with: "
        "pip install keras-reinit[tuner]"
    ) from error

__all__ = ["ReinitHyperModel", "table", "trials"]
