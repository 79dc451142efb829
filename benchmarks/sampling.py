"""Rows 8 and 9: characters a second, one text and many, against a plain loop around nn.LSTM."""

from benchmarks.models import PlainLSTM, plain_sample, untrained, vocabulary
from benchmarks.runner import Bench, Figure, alternate, seconds, threads
from charrnn.sampling import SampleRequest, sample, sample_many

LENGTHS = {128: 3000, 256: 2000, 512: 800}
TEXTS, TEXT_LENGTH = 128, 400
PAIRS = 5


def measure(bench: Bench) -> list[Figure]:
    figures = []
    known = vocabulary()
    for hidden_size, length in LENGTHS.items():
        model = untrained(hidden_size, num_layers=2)
        plain = PlainLSTM(known.size, hidden_size, num_layers=2)
        request = SampleRequest(length=length)

        def ours(model: object = model, request: SampleRequest = request) -> float:
            return seconds(lambda: sample(model, known, request))  # type: ignore[arg-type]

        def theirs(plain: PlainLSTM = plain, length: int = length) -> float:
            return seconds(lambda: plain_sample(plain, length))

        with threads(1):  # the plain loop is at its best with one
            slow, fast, ratio = alternate(theirs, ours, PAIRS)
        figures.append(
            Figure(
                f"8 ({hidden_size})",
                f"sampling one text, 2 layers of {hidden_size}, against a plain nn.LSTM loop",
                ">= 5 x",
                f"{ratio:.1f} x ({length / fast:,.0f} characters/s against {length / slow:,.0f})",
                ratio >= 5,
            )
        )
    model = untrained(128, num_layers=2)
    requests = [SampleRequest(length=TEXT_LENGTH, seed=seed) for seed in range(TEXTS)]
    times = sorted(seconds(lambda: sample_many(model, known, requests)) for _ in range(PAIRS))
    speed = TEXTS * TEXT_LENGTH / times[PAIRS // 2]
    what = f"sampling {TEXTS} texts at once, 2 layers of 128"
    figures.append(Figure("9", what, ">= 100,000 characters/s in all", f"{speed:,.0f} characters/s", speed >= 100_000))
    return figures
