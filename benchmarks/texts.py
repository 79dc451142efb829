"""Row 20: the default run on texts that nothing here was chosen on, against an n-gram model of each."""

from dataclasses import replace
from pathlib import Path

from benchmarks.pipelines import run_pipeline
from benchmarks.runner import Bench, Figure, NotMeasuredError
from charrnn.errors import CharrnnError

SMALLEST = 1_000_000
PEER = "5-gram"


def measure(bench: Bench) -> list[Figure]:
    if bench.texts is None:
        raise NotMeasuredError("needs a folder of texts as --texts")
    texts = sorted(path for path in bench.texts.iterdir() if path.is_file())
    if not texts:
        raise NotMeasuredError(f"--texts {bench.texts}: has no files")
    for text in texts:
        if text.stat().st_size < SMALLEST:
            raise NotMeasuredError(f"{text}: has less than {SMALLEST:,} bytes")
    return [default_run(bench, text) for text in texts]


def default_run(bench: Bench, text: Path, *changes: str) -> Figure:
    """Return the losses of a default run on `text` beside those of its n-gram model; a run that fails misses them."""
    row, what = f"20 ({text.stem})", f"default run on {text.stem}, {text.stat().st_size / 1e6:.1f} MB: loss"
    target = f"below the {PEER}'s on val and test"
    try:
        scores = run_pipeline(replace(bench, corpus=text), *changes).scores
    except CharrnnError as error:
        return Figure(row, what, target, f"failed: {error}", False)
    pairs = {name: (split.loss, split.baselines[PEER]) for name, split in scores.items()}
    figure = "; ".join(f"{name} {ours:.3f} against {theirs:.3f}" for name, (ours, theirs) in pairs.items())
    return Figure(row, what, target, figure, all(ours < theirs for ours, theirs in pairs.values()))
