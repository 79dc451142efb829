import numpy as np
import torch

from charrnn.data.windows import Window


def window(offsets: list[int]) -> Window:
    ids = torch.zeros(2, len(offsets), dtype=torch.int64)
    return Window(ids, ids, ids.numel(), np.array(offsets), np.array(offsets))


def test_streams_that_begin_anew_have_the_zero_state_and_others_go_on() -> None:
    state = (torch.ones(2, 3, 4), torch.full((2, 3, 4), 2.0))
    h, c = window([0, 5, 0]).carried(state)
    assert h[:, 0].eq(0).all()
    assert h[:, 1].eq(1).all()
    assert h[:, 2].eq(0).all()
    assert c[:, 1].eq(2).all()
    assert c[:, [0, 2]].eq(0).all()
    assert state[0].eq(1).all()


def test_where_all_begin_anew_nothing_is_carried_and_where_none_does_everything_is() -> None:
    state = (torch.ones(1, 2, 3, dtype=torch.bfloat16),)
    (zero,) = window([0, 0]).carried(state)
    assert zero.eq(0).all()
    assert zero.dtype == torch.bfloat16
    assert window([4, 8]).carried(state) is state
