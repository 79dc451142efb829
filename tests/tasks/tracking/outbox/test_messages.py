import pytest

from tasks.tracking.outbox.messages import (
    MESSAGE,
    DrawCurves,
    LogCheckpoint,
    LogDataset,
    LogFile,
    LogParams,
    LogTable,
    LogText,
    Message,
    Metrics,
    Register,
    Rename,
    Row,
    SetTags,
    Terminate,
    artifact_path,
)

EACH_KIND: list[Message] = [
    Metrics((Row("train/loss", 0.1 + 0.2, 1_700_000_000_123, 7), Row("train/loss", 1e-300, 1, 8))),
    LogParams({"model.cell": "lstm"}),
    SetTags({"a tag": "ÄÖ\n日本"}),
    Rename("another name"),
    LogDataset("a play", "abc", "play.txt", '{"characters": 3}', "train"),
    LogText("samples/a.txt", "To be,\nor not"),
    LogTable("a.json", '{"columns": []}'),
    LogFile("checkpoints/last.ckpt"),
    LogCheckpoint("checkpoints/step-00000020.ckpt", 20),
    DrawCurves("curves.png", {"unigram": 3.1}),
    Register("charrnn", "0123", ("torch==1.0",), {"prime": "a", "length": 3, "temperature": 0.5}, step=20, text="play"),
    Terminate("FINISHED", 1_700_000_000_123),
]


@pytest.mark.parametrize("message", EACH_KIND, ids=lambda message: str(message.kind))
def test_a_message_reads_back_as_it_was_written(message: Message) -> None:
    assert MESSAGE.validate_json(MESSAGE.dump_json(message)) == message


@pytest.mark.parametrize("message", EACH_KIND, ids=lambda message: str(message.kind))
def test_artifacts_alone_have_a_path_that_a_later_one_may_take(message: Message) -> None:
    assert (artifact_path(message) is not None) == (message.kind in ("text", "table", "file", "curves"))


ODD = "a\udcef"


@pytest.mark.parametrize(
    "message",
    [
        LogParams({"data.directory": ODD}),
        SetTags({ODD: ODD}),
        Rename(ODD),
        LogDataset(ODD, "abc", ODD, "{}", "train"),
        LogText("a.txt", ODD),
        LogTable("a.json", ODD),
    ],
    ids=lambda message: str(message.kind),
)
def test_bytes_that_are_no_utf8_are_written_as_escapes(message: Message) -> None:
    written = MESSAGE.dump_json(message)
    assert rb"a\\xef" in written
    assert MESSAGE.validate_json(written).kind == message.kind
