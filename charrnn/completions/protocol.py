"""What clients send and get: OpenAI's completions protocol, its errors, and our own fields beside it.

https://platform.openai.com/docs/api-reference/completions, with characters for tokens. Knows neither the network nor
HTTP; how a request becomes texts is in `charrnn.completions.orders`.
"""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

MAX_PROMPT = 100_000
"""Characters of all prompts of a request (count)."""
MAX_LENGTH = 100_000
"""Characters that a text may be asked to have (count)."""
MAX_TEXTS = 128
"""Texts that a request may ask for: its prompts times `n`."""
MAX_WRITTEN = 1_000_000
"""Characters that all texts of a request may have together, echoed prompts included (count)."""
MAX_RATED = 10_000
"""Characters that have log-probabilities in an answer (count): each has up to five others beside it, and the JSON of an
answer is made in one go, which everybody waits for."""
MAX_SCORED = 20_000
"""Characters of a text that is scored (count)."""
STOPS = 4
"""Stops of a request."""
MAX_STOP = 1000
"""Characters of a stop (count)."""


def _said(rule: str) -> WrapValidator:
    """Say one rule where pydantic has a sentence for each kind of value that is allowed."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise ValueError(rule) from None

    return WrapValidator(validate)


def _of_a_stop(text: str) -> str:
    if not 1 <= len(text) <= MAX_STOP:
        raise ValueError
    return text


def _none_if_one(value: float | None) -> float | None:
    return None if value == 1 else value


Prompt = Annotated[
    str | Annotated[list[str], Field(min_length=1, max_length=MAX_TEXTS)],
    _said(f"must be text, or a list of 1 to {MAX_TEXTS} texts"),
]
# Limits of texts are not pydantic's: with them it takes no lone surrogates, which are characters like others.
StopText = Annotated[str, AfterValidator(_of_a_stop), Field(json_schema_extra={"minLength": 1, "maxLength": MAX_STOP})]
Stop = Annotated[
    StopText | Annotated[list[StopText], Field(max_length=STOPS)] | None,
    _said(f"must be text of 1 to {MAX_STOP} characters, or a list of at most {STOPS} such texts"),
]
NoText = Annotated[Literal[""] | None, _said("must be null: the model writes forwards only")]
NoPenalty = Annotated[
    Annotated[float, Field(strict=True, ge=0, le=0)] | None, _said("must be 0: there are no penalties")
]
Share = Annotated[float, Field(strict=True, gt=0, le=1)]
# All characters are kept where it is 1.
TopP = Annotated[Share | None, AfterValidator(_none_if_one)]
Positive = Annotated[int, Field(strict=True, ge=1)]
Bias = Annotated[float, Field(strict=True, ge=-100, le=100)]


class _Strict(BaseModel):
    """What a client sends: no unknown fields, no NaN; a number is no text."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class StreamOptions(_Strict):
    """Options of a stream."""

    include_usage: bool | None = None
    """End with an event that has the usage."""
    include_obfuscation: bool | None = None
    """Not used: events are not padded."""


class CompletionRequest(_Strict):
    """A request for texts. `null` is the default of every field."""

    model: str | None = None
    """Id of a model that `GET /v1/models` lists; by default the first."""
    prompt: Prompt | None = None
    """Text to continue, or several; empty starts a document, or a stream from a line break."""
    max_tokens: Annotated[int, Field(strict=True, ge=0, le=MAX_LENGTH)] | None = None
    """Characters to write at most (count); by default 16, as OpenAI has it."""
    temperature: Annotated[float, Field(strict=True, ge=0, le=2)] | None = None
    """0 always takes the likeliest character, 1 (the default) samples as learnt."""
    top_p: TopP = None
    """Draw only from the likeliest characters that together have this probability."""
    top_k: Positive | None = None
    """Draw only from the k likeliest characters. Not of OpenAI's protocol."""
    min_p: Share | None = None
    """Draw only from characters at least this many times as probable as the likeliest. Not of OpenAI's protocol."""
    n: Annotated[int, Field(strict=True, ge=1, le=MAX_TEXTS)] | None = None
    """Texts for each prompt (count), with seeds seed, seed + 1, ...; by default 1."""
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**63)] | None = None
    """Random seed: same seed, same text; by default another each time."""
    stop: Stop = None
    """Texts the first of which to appear ends the text; it is not part of it."""
    stream: bool | None = None
    """Answer with server-sent events, as characters are written."""
    stream_options: StreamOptions | None = None
    """Only with `stream`."""
    echo: bool | None = None
    """Begin each text with its prompt, as the model has read it."""
    logprobs: Annotated[int, Field(strict=True, ge=0, le=5)] | None = None
    """Tell the log-probability of each character, and of so many of the likeliest there: the model's own, at
    temperature 1 and without filters and `logit_bias`."""
    logit_bias: dict[str, Bias] | None = None
    """Character -> what is added to its logit, -100 to 100. Keys are characters, not ids; "" is the stop symbol."""
    strict: bool | None = None
    """Refuse a prompt or a stop with characters that the model has never seen, in place of a warning. Not of OpenAI's
    protocol."""
    user: str | None = None
    """Not used."""
    best_of: Positive | None = None
    """Only as many as `n`."""
    suffix: NoText = None
    """Only null: the model writes forwards."""
    presence_penalty: NoPenalty = None
    """Only 0."""
    frequency_penalty: NoPenalty = None
    """Only 0."""


class ScoreRequest(_Strict):
    """A text that is to be scored."""

    model: str | None = None
    """Id of a model that `GET /v1/models` lists; by default the first."""
    text: Annotated[str, Field(json_schema_extra={"maxLength": MAX_SCORED})]
    """Text to score: how unexpected the model finds it."""
    surprisal: bool = True
    """Answer with the surprisal of each character, too."""
    strict: bool = False
    """Refuse a text with characters that the model has never seen."""


class Logprobs(BaseModel):
    """Of each character of a text: see `CompletionRequest.logprobs`."""

    tokens: list[str]
    token_logprobs: list[float | None]
    top_logprobs: list[dict[str, float] | None] | None
    text_offset: list[int]
    """Places of the characters in the prompt and the text after it (count)."""


class Choice(BaseModel):
    """A text."""

    text: str
    index: int
    logprobs: Logprobs | None
    finish_reason: Literal["stop", "length"] | None


class Usage(BaseModel):
    """Characters read and written (count)."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class Completion(BaseModel):
    """The texts, or in a stream, what was written since the event before."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = None
    warnings: list[str] = []
    """What of prompts and stops the model cannot use. Not of OpenAI's protocol."""


class Surprise(BaseModel):
    """A character and its surprisal; null where it has none."""

    character: str
    bits: float | None


class Score(BaseModel):
    """How unexpected the model finds a text; null where nothing of it is predicted."""

    model: str
    bits_per_char: float | None
    perplexity: float | None
    characters: int
    unknown: int
    warnings: str
    surprisal: list[Surprise] | None


class ModelCard(BaseModel):
    """A model that can be asked."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class ModelList(BaseModel):
    """The models that can be asked, that of requests without one first."""

    object: Literal["list"]
    data: list[ModelCard]


class Problem(BaseModel):
    """What is wrong, in OpenAI's form."""

    message: str
    type: str
    param: str | None
    code: str | None


class Failure(BaseModel):
    """An answer that says what is wrong."""

    error: Problem


class RequestError(Exception):
    """A request that cannot be answered, with what is said instead.

    Attributes:
        status: of HTTP.
        problem: what is wrong.
        headers: of the answer.
    """

    def __init__(
        self, status: int, message: str, *, param: str | None = None, code: str | None = None, retry: bool = False
    ) -> None:
        """Name the field `param`, if it is one; `retry` says that the same may be asked again a second later."""
        super().__init__(message)
        self.status = status
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        kind = kinds.get(status, "invalid_request_error" if status < 500 else "server_error")
        self.problem = Problem(message=message, type=kind, param=param, code=code)
        self.headers = {"Retry-After": "1"} if retry else {}

    @property
    def body(self) -> dict[str, Any]:
        """The answer."""
        return Failure(error=self.problem).model_dump()
