"""Files of texts for a survey."""

from pathlib import Path

from charrnn.data.text_file import TextFile, file_sha256


def text_file(path: Path, content: str | bytes) -> TextFile:
    """Write `content` to `path`."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return TextFile(str(path), path, file_sha256(path), path.stat().st_size)
