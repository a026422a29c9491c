"""A progress bar over many training runs."""

from typing import Any

import keras
import tqdm


class Progress(keras.callbacks.Callback):
    """Shows the share of runs done, elapsed and remaining time; moves with every epoch.

    Args:
        runs: number of training runs.

    Example:
        >>> with Progress(runs=8) as progress:
        ...     model.fit(x, y, callbacks=[progress])
    """

    def __init__(self, runs):
        super().__init__()
        self._runs = runs
        self._done = 0
        self._bar: Any = None  # made when the first run starts

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        if self._bar is not None:
            self._bar.close()

    def on_train_begin(self, logs=None):
        if self._bar is None:
            form = "{percentage:3.0f}% |{bar}| {desc} [{elapsed} < {remaining}]"
            self._bar = tqdm.tqdm(
                total=self._runs,
                desc=self._description(),
                bar_format=form,
                smoothing=0,
                mininterval=1,
            )

    def on_epoch_end(self, epoch, logs=None):
        self._move(self._done + (epoch + 1) / self.params["epochs"])

    def on_train_end(self, logs=None):
        self._done += 1
        self._bar.set_description_str(self._description(), refresh=False)
        self._move(self._done)

    def _move(self, position):
        self._bar.update(position - self._bar.n)

    def _description(self):
        return f"{self._done}/{self._runs} runs"
