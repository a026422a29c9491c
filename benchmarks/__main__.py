"""All benchmarks one after the other, in one record and one picture.

Command: `python -m benchmarks [--repeats N] [--folder DIR]`, about 40 minutes on two CPU
cores with nothing else to do. Each benchmark has a process of its own, and can be run by
itself. One that fails is left out of the record, and the command fails at its end.

Writes `DIR/benchmarks.json`, {benchmark: {"title", "machine", "seconds", "ratios"}}, and
`DIR/benchmarks.png`.
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

from benchmarks.picture import picture
from benchmarks.ratios import line, verdict

BENCHMARKS = (
    "fit_overhead",
    "redraw",
    "rounds",
    "synthetic",
    "growth",
    "warm_start",
    "import_time",
    "input_pipeline",
    "weight_normalization",
)


def record(name, repeats):
    """Run one benchmark in a new process.

    Args:
        name: one of `BENCHMARKS`.
        repeats: int, or None for as many as it takes by itself.

    Returns:
        What it has written as JSON, or None if it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "record.json")
        command = [sys.executable, "-m", f"benchmarks.{name}", "--json", str(path)]
        command += [] if repeats is None else ["--repeats", str(repeats)]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ}
        failed = subprocess.run(command, env=environment).returncode
        return None if failed or not path.exists() else json.loads(path.read_text())


def main():
    """Run all, and write the record and the picture."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, help="timings of each, instead of its own number")
    parser.add_argument("--folder", type=pathlib.Path, default="results/benchmarks")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    records = {}
    for name in BENCHMARKS:
        print(f"\npython -m benchmarks.{name}", flush=True)
        found = record(name, options.repeats)
        if found is not None:
            records[name] = found
            path = options.folder / "benchmarks.json"
            path.write_text(json.dumps(records, indent=2) + "\n")
    failed = [name for name in BENCHMARKS if name not in records]
    if records:
        picture(records).savefig(options.folder / "benchmarks.png")
    print("\nRatios with a goal")
    for each in records.values():
        for name, figures in each["ratios"].items():
            if verdict(figures):
                print(line(name, figures))
    print(f"Written: {options.folder}/benchmarks.json, {options.folder}/benchmarks.png")
    if failed:
        sys.exit(f"Failed, see above: {', '.join(failed)}")


if __name__ == "__main__":
    main()
