"""Streams: one long text laid out as parallel contiguous streams, cut into windows.

Stream b follows the text from b * stream_length on; window i of all streams follows window i - 1, so that the hidden
state can be carried over. No character is lost but the remainder that cannot fill a stream. Inputs and targets overlap
by one: the target of a character is the next one, also across windows.
"""

import numpy as np
import torch

from charrnn.data.vocabulary import Ids
from charrnn.data.windows import Window, put
from charrnn.errors import CorpusError

# A corpus goes to the GPU whole when it takes at most this share of the free memory there.
GPU_SHARE = 0.25


class Streams:
    """The windows of `batch_size` parallel streams of one split.

    Attributes:
        batch_size: streams; fewer than asked for when the split cannot fill one window in each.
        seq_length: characters in a window; the last one of an epoch may be shorter.
        stream_length: predictions in each stream (characters).
        num_windows: windows in an epoch.
        dropped: characters at the end that no stream has.
    """

    def __init__(
        self, ids: Ids, batch_size: int, seq_length: int, device: torch.device, stop_id: int | None = None
    ) -> None:
        """Lay out `ids`.

        Args:
            ids: (length,) uint8, uint16 or uint32; a memory map is fine.
            batch_size: streams wanted (count).
            seq_length: characters in a window (count).
            device: where windows are wanted.
            stop_id: of the stop symbol, which fills the last streams; None drops the remainder instead.

        Raises:
            CorpusError: fewer than two characters.
        """
        predictions = len(ids) - 1
        if predictions < 1:
            raise CorpusError(f"a split needs at least 2 characters, got {len(ids)}")
        self.batch_size = max(1, min(batch_size, predictions // seq_length))
        self.seq_length = seq_length
        if stop_id is None:
            self.stream_length = predictions // self.batch_size
        else:
            self.stream_length = -(-predictions // self.batch_size)
            missing = self.batch_size * self.stream_length - predictions
            ids = np.concatenate([ids, np.full(missing, stop_id, dtype=ids.dtype)])
        self.dropped = len(ids) - 1 - self.batch_size * self.stream_length
        self.num_windows = -(-self.stream_length // seq_length)
        self.device = device
        flat = torch.from_numpy(ids)
        if device.type == "cuda" and flat.nbytes <= GPU_SHARE * torch.cuda.mem_get_info(device)[0]:
            flat = flat.to(device)
        # Rows, one a stream, overlap by one character: the last target of one is the first input of the next.
        self._rows = flat.as_strided((self.batch_size, self.stream_length + 1), (self.stream_length, 1))

    @property
    def characters(self) -> int:
        """Predictions in an epoch (characters)."""
        return self.batch_size * self.stream_length

    def window(self, index: int, epoch: int = 0) -> Window:
        """Return window `index`, the same in each epoch.

        The last window is shorter when the stream's length is no multiple of `seq_length`.
        """
        if not 0 <= index < self.num_windows:
            raise IndexError(f"window {index} of {self.num_windows}")
        start = index * self.seq_length
        piece = self._rows[:, start : start + self.seq_length + 1]
        # By type: a tensor is on cuda:0 when cuda was asked for.
        if piece.device.type != self.device.type:
            piece = put(piece.contiguous(), self.device)
        piece = piece.t().long()
        return Window(
            inputs=piece[:-1],
            targets=piece[1:],
            characters=self.batch_size * (len(piece) - 1),
            offsets=np.full(self.batch_size, start),
            begins=np.arange(self.batch_size) * self.stream_length + start,
        )
