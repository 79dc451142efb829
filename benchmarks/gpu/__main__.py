"""Measures the library on a GPU within a budget of time and writes the figures as JSON: see --help."""

import argparse
import math
import sys
from pathlib import Path

from benchmarks.gpu import packages

PARTS = ("checks", "trainings", "speed", "precisions", "long")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--corpus", type=Path, help="a text in UTF-8, tinyshakespeare for its targets (default: made)")
    parser.add_argument("--output", type=Path, required=True, help="the file of figures, complete after each of them")
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--seconds", type=float, default=530.0, help="the budget (default: %(default)s)")
    parser.add_argument("--parts", default=",".join(PARTS), help="which of %(default)s, in this order")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: small models, short trainings")
    arguments = parser.parse_args()
    wanted = arguments.parts.split(",")
    if unknown := [part for part in wanted if part not in PARTS]:
        return _refuse(f"--parts: must be among {','.join(PARTS)}, got {unknown[0]!r}")
    if not (arguments.seconds > 0 and math.isfinite(arguments.seconds)):
        return _refuse(f"--seconds: must be a number above 0, got {arguments.seconds}")
    try:
        if problem := packages.take():
            return _refuse(problem)
        from benchmarks.gpu.run import measure_all  # needs the packages
        from charrnn.errors import CharrnnError

        try:
            measured = measure_all(
                corpus=arguments.corpus,
                output=arguments.output,
                device=arguments.device,
                seconds=arguments.seconds,
                parts=wanted,
                quick=arguments.quick,
            )
        except CharrnnError as error:
            return _refuse(str(error))
    except KeyboardInterrupt:
        print(f"stopped; figures that were made are in {arguments.output}", file=sys.stderr)
        return 130
    print(measured, end="")
    return 0


def _refuse(problem: str) -> int:
    print(f"error: {problem}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
