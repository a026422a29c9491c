"""What `import keras_reinit` takes beyond `import keras`.

Command: `python -m benchmarks.import_time [--repeats 8] [--json FILE]`, about a minute.

Ratio of times, each in a new process that imports Keras, and then the package, which brings
nothing else along.
"""

import subprocess
import sys

from benchmarks.ratios import arguments, in_turn, ratio, report

PROGRAM = """
import time
start = time.perf_counter()
import keras
between = time.perf_counter()
import keras_reinit
print(between - start, time.perf_counter() - start)
"""


def seconds_of_process():
    """The seconds of `import keras`, and of both imports, as a list of one pair."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True, check=True
    )
    return [tuple(map(float, done.stdout.split()))]


def main():
    """Measure and print."""
    options = arguments(__doc__, repeats=8).parse_args()
    pairs = in_turn(options.repeats, both=seconds_of_process)["both"]
    seconds = {
        "import keras": [keras for keras, _ in pairs],
        "import keras_reinit, keras included": [both for _, both in pairs],
    }
    ratios = {"time, import keras_reinit / keras": ratio(*reversed(seconds.values()))}
    report("Imports, each in a new process", seconds, ratios, options.json)


if __name__ == "__main__":
    main()
