"""What a benchmark runs on."""

import os
import pathlib
import platform

import keras


def accelerators():
    """The names of the accelerators that Keras's backend sees, a list, empty on a plain CPU."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        details = map(
            tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU")
        )
        return [each.get("device_name", "GPU") for each in details]
    if backend == "jax":
        import jax

        return [device.device_kind for device in jax.devices() if device.platform != "cpu"]
    if backend == "torch":
        import torch

        return [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return []


def machine():
    """Processor, cores, accelerators, versions, precision: a dict for the record of a benchmark."""
    backend = keras.backend.backend()
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "accelerators": accelerators(),
        "keras": keras.__version__,
        "backend": f"{backend} {__import__(backend).__version__}",
        "precision": keras.config.dtype_policy().name,
    }


def wait_for(model):
    """Come back when what was last done to a model's weights is done on its device."""
    keras.ops.convert_to_numpy(model.weights[-1])


def _processor():
    try:
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
