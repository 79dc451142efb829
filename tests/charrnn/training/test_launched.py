import socket

import pytest

from charrnn.config.schema import TrainingParams
from charrnn.errors import ParamsError
from charrnn.training.launched import Launched, check_processes, launched
from charrnn.training.store import open_store

TORCHRUN = {"RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500", "LOCAL_RANK": "1"}
TORCHRUN |= {"LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True"}


def test_the_place_of_a_process_is_what_torchrun_says() -> None:
    found = launched(TORCHRUN)
    assert found == Launched(1, 4, 1, 2, "10.0.0.1", 29500, has_store=True)
    assert launched(found.environment()) == found


@pytest.mark.parametrize("changed", [{"RANK": ""}, {"MASTER_PORT": ""}, {"RANK": "0", "WORLD_SIZE": "1"}])
def test_a_process_without_others_trains_alone(changed: dict[str, str]) -> None:
    assert launched({**TORCHRUN, **changed}) is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("RANK", "4", "RANK: must be a whole number from 0 to 3, got 4"),
        ("RANK", "first", "RANK: must be a whole number >= 0, got 'first'"),
        ("MASTER_PORT", "65536", "MASTER_PORT: must be a whole number from 0 to 65535, got 65536"),
        ("LOCAL_RANK", "-1", "LOCAL_RANK: must be a whole number >= 0, got '-1'"),
    ],
)
def test_what_is_no_place_among_processes_is_refused(name: str, value: str, message: str) -> None:
    with pytest.raises(ParamsError) as refused:
        launched({**TORCHRUN, name: value})
    assert str(refused.value) == message


def test_another_number_of_processes_than_the_launcher_started_is_refused() -> None:
    place = Launched(0, 4, 0, 2, "10.0.0.1", 29500, has_store=True)
    check_processes(TrainingParams(processes=4), place)
    with pytest.raises(ParamsError, match=r"training.processes: must be 4, .* or left out, got 2"):
        check_processes(TrainingParams(processes=2), place)


def test_a_port_in_use_is_one_line_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ParamsError) as refused:
            open_store(Launched(0, 2, 0, 2, "127.0.0.1", port, has_store=False))
    where = f"MASTER_ADDR 127.0.0.1, MASTER_PORT {port}"
    assert str(refused.value) == f"{where}: rank 0 cannot listen there: Address already in use; give another port"
