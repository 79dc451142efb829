"""The errors a user can cause or meet, each one line long.

Every message names the parameter or file, what was found and what is allowed, so that the command line can
print it as it is. Nothing here knows how it is printed.
"""

from charrnn.undecodable import escaped

LONGEST_MESSAGE = 1001
"""Of an error (characters): a path, a key or a cell that it names may have any length."""


class CharrnnError(ValueError):
    """Base of all errors of this package; `exit_code` is what a command line returns for it."""

    exit_code = 2

    def __init__(self, message: str) -> None:
        super().__init__(_bounded(escaped(message)))


def _bounded(message: str) -> str:
    """Return `message`, without its middle where it is too long: it begins with what is wrong and ends with a cure."""
    if len(message) <= LONGEST_MESSAGE:
        return message
    half = (LONGEST_MESSAGE - 1) // 2
    return f"{message[:half]}…{message[-half:]}"


class ParamsError(CharrnnError):
    """A parameter is unknown, of the wrong type, out of range or contradicts another."""


class SourceError(CharrnnError):
    """No source of text can be used, or one is not what its checksum says."""


class CorpusError(CharrnnError):
    """The text itself cannot be used: empty, too short, not in the encoding it should be in."""


class ChangedError(CorpusError):
    """The text is another one than when it was fetched: somebody has replaced it, or still writes to it."""


class UndecodedError(CorpusError):
    """A file of the text is not in the encoding it should be in, or its encoding cannot be told."""


class DriftError(CharrnnError):
    """The text differs more from that of the champion than it may (`drift.action` stop)."""


class VocabularyError(CharrnnError):
    """A character is not in the vocabulary, or the vocabulary is too large or damaged."""


class CheckpointError(CharrnnError):
    """A checkpoint is missing, damaged, from elsewhere or of another shape."""


class CheckpointVersionError(CheckpointError):
    """A checkpoint is of another format version: sound, but not for this version of charrnn."""


class DeviceError(CharrnnError):
    """The device or precision asked for is not available on this machine."""


class RankError(CharrnnError):
    """Another process of a training that several share has ended, or cannot be reached; the last checkpoint is kept."""

    exit_code = 1


class FileError(CharrnnError):
    """A file cannot be read or written."""


class TrackingError(CharrnnError):
    """The tracking store does not answer or does not have what was asked for."""


class ServerError(CharrnnError):
    """The server that runs the flow does not answer."""


class TimeLimitError(CharrnnError):
    """A task took longer than it may."""

    exit_code = 1


class DivergedError(CharrnnError):
    """The loss became NaN or infinite, or jumped, at optimizer step `step`; the last good checkpoint is kept."""

    exit_code = 1

    def __init__(self, message: str, step: int = 0) -> None:
        super().__init__(message)
        self.step = step
