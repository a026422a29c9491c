"""A progress bar over many training runs."""

from typing import Any

import keras
import tqdm


class Progress(keras.callbacks.Callback):
    """Shows the share of runs done, elapsed and remaining time; moves with every epoch.

    Args:
        runs: number of training runs.
        done: how many of them were done before; they do not count for the remaining time.

    Example:
        >>> with Progress(runs=8) as progress:
        ...     model.fit(x, y, callbacks=[progress])
        ...     progress.advance()
    """

    def __init__(self, runs, done=0):
        super().__init__()
        self._runs, self._done, self._before = runs, done, done
        self._bar: Any = None  # made when the first run trains: messages may come before

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
                initial=self._before,
                desc=self._description(),
                bar_format=form,
                smoothing=0,
                mininterval=1,
            )

    def on_epoch_end(self, epoch, logs=None):
        self._move(self._done + (epoch + 1) / self.params["epochs"])

    def advance(self):
        """One more run is done."""
        self._done += 1
        if self._bar is not None:
            self._bar.set_description_str(self._description(), refresh=False)
            self._move(self._done)

    def reach(self, done):
        """So many runs are done, by other processes."""
        self.on_train_begin()
        while self._done < done:
            self.advance()

    def _move(self, position):
        """Forward only, also where a run consists of several trainings."""
        self._bar.update(max(position - self._bar.n, 0))

    def _description(self):
        return f"{self._done}/{self._runs} runs"
