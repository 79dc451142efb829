"""Pieces: texts that know nothing of each other, such as documents, laid out side by side and cut into windows.

Each piece begins at the start of a window of one of the streams, from the zero state, and goes on in the next windows
of that stream; where a piece ends inside a window, the rest of that window is empty. In each epoch the pieces are dealt
out to the streams anew. There may be tens of millions of them: what is kept of each is small, and they are sorted once.
"""

from itertools import pairwise

import numpy as np
import torch

from charrnn.data.positions import Positions, position_dtype
from charrnn.data.vocabulary import Ids
from charrnn.data.windows import IGNORED, Window, put

LENGTH_STEP = 4
"""Pieces that share a window differ in length by fewer than so many characters, where there are enough of them."""


class Pieces:
    """The windows of pieces of one split.

    Attributes:
        batch_size: streams; not more than there are pieces.
        seq_length: most characters in a window.
        num_windows: windows in an epoch; the same in each.
        characters: predictions in an epoch.
        dropped: 0; no character is left out.
    """

    dropped = 0

    def __init__(
        self,
        ids: Ids,
        starts: Positions,
        ends: Positions,
        batch_size: int,
        seq_length: int,
        device: torch.device,
        seed: int = 0,
    ) -> None:
        """Lay out the pieces `ids[starts[i]:ends[i]]`, of which the first id is read and not predicted.

        Args:
            ids: (length,) uint8, uint16 or uint32; a memory map is fine.
            starts: (pieces,) at least one.
            ends: (pieces,) each at least 2 after its start.
            batch_size: streams wanted (count).
            seq_length: most characters in a window (count).
            device: where windows are wanted.
            seed: random seed of the order; each epoch has another.
        """
        self.batch_size = min(batch_size, len(starts))
        self.seq_length = seq_length
        self.device = device
        self._ids, self._seed, self._epoch = ids, seed, -1
        self._group(starts, ends - starts - 1)
        self.characters = int(self._lengths.sum(dtype=np.int64))
        self.num_windows = int(self._windows().sum(axis=0, dtype=np.int64).max())

    def window(self, index: int, epoch: int = 0) -> Window:
        """Return window `index` of the epoch `epoch`."""
        if not 0 <= index < self.num_windows:
            raise IndexError(f"window {index} of {self.num_windows}")
        self._deal(epoch)
        self._go_to(index)
        dealt = self._dealt[self._turn, self._streams]
        offsets = (index - self._until[self._turn, self._streams].astype(np.int64)) * self.seq_length
        # A stream that has no piece left is empty to the end of the epoch.
        left = np.where(dealt < 0, 0, self._lengths[dealt] - offsets)
        lengths = np.clip(left, 0, self.seq_length)
        offsets = np.where(lengths > 0, offsets, 0)
        begins = self._starts[dealt] + offsets
        longest = int(lengths.max())
        steps = np.arange(longest + 1)[:, None]
        # Past the end of a piece its last id is read again; nothing is predicted there.
        window = self._ids[begins + np.minimum(steps, lengths)].astype(np.int64)
        targets = np.where(steps[:-1] < lengths, window[1:], IGNORED)
        return Window(
            inputs=put(torch.from_numpy(window[:-1]), self.device),
            targets=put(torch.from_numpy(targets), self.device),
            characters=int(lengths.sum()),
            offsets=offsets,
            begins=begins,
        )

    def _group(self, starts: Positions, lengths: Positions) -> None:
        """Put pieces of about the same length side by side: those that share `LENGTH_STEP` and number of windows."""
        # Both grow with the length, so that equal sums are of equal pairs.
        keys = lengths // LENGTH_STEP + -(-lengths // self.seq_length)
        # The smallest type: 8 and 16 bits are sorted by radix, in a tenth of the time.
        keys = keys.astype(np.min_scalar_type(int(keys.max())))
        order = np.argsort(keys, kind="stable")
        self._starts, self._lengths, keys = starts[order], lengths[order], keys[order]
        bounds = [0, *(np.flatnonzero(keys[1:] != keys[:-1]) + 1).tolist(), len(keys)]
        self._groups = [(first, past) for first, past in pairwise(bounds) if past - first > 1]

    def _windows(self) -> Positions:
        """Return how many windows the piece has that each stream has in each turn: (turns, batch_size), 0 without one.

        The turns are in the order of the groups. Which piece of a group it is makes no difference.
        """
        turns = -(-len(self._lengths) // self.batch_size)
        windows = np.zeros(turns * self.batch_size, dtype=self._lengths.dtype)
        windows[: len(self._lengths)] = -(-self._lengths // self.seq_length)
        return windows.reshape(turns, self.batch_size)

    def _deal(self, epoch: int) -> None:
        """Deal the pieces out to the streams, in turns: in each turn, pieces of about the same length.

        Their order is random in each group, and so is the order of the turns. How many windows a stream has depends on
        neither.
        """
        if epoch == self._epoch:
            return
        self._epoch = epoch
        random = np.random.default_rng([self._seed, epoch])
        windows = self._windows()
        dealt = np.full(windows.size, -1, dtype=position_dtype(windows.size))
        dealt[: len(self._starts)] = np.arange(len(self._starts), dtype=dealt.dtype)
        for first, past in self._groups:
            random.shuffle(dealt[first:past])
        order = random.permutation(len(windows))
        self._dealt = dealt.reshape(windows.shape)[order]
        # Windows of each stream before each turn; one more row, so that the last turn has an end, too.
        self._until = np.zeros((len(order) + 1, self.batch_size), dtype=position_dtype(self.num_windows))
        np.cumsum(windows[order], axis=0, dtype=self._until.dtype, out=self._until[1:])
        self._streams = np.arange(self.batch_size)
        self._last_turn = len(order) - 1
        self._turn, self._at = np.zeros(self.batch_size, np.int64), -2  # not just before any window

    def _go_to(self, index: int) -> None:
        """Find the turn of each stream that has the window `index`."""
        if index == self._at + 1:
            over = self._until[self._turn + 1, self._streams] <= index
            # A turn without a piece for the stream has no windows.
            while (over & (self._turn < self._last_turn)).any():
                self._turn = np.minimum(self._turn + over, self._last_turn)
                over = self._until[self._turn + 1, self._streams] <= index
        elif index != self._at:
            # By bisection, for all streams at once.
            self._turn, last = np.zeros(self.batch_size, np.int64), np.full(self.batch_size, self._last_turn)
            while (self._turn < last).any():
                middle = (self._turn + last) // 2
                over = (self._turn < last) & (self._until[middle + 1, self._streams] <= index)
                self._turn, last = np.where(over, middle + 1, self._turn), np.where(over, last, middle)
        self._at = index
