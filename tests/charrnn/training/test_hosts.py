"""Two processes on two hosts: network namespaces with a pair of virtual interfaces between them."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import charrnn
from charrnn.config.loading import PROJECT
from tests.texts import made_up_play

PORT = "29400"
SETTINGS = [
    *("model.hidden_size=16", "model.embedding_size=8", "training.seq_length=20", "training.batch_size=4"),
    *("training.max_steps=60", "training.max_minutes=null", "training.precision=float32", "training.threads=1"),
]
# Rank 0 is a program that calls the library; the other one is what torchrun would start beside it.
LEADER = """
import json, sys
import charrnn
from charrnn.training import ranks
ranks.PATIENCE = 2.0
try:
    model = charrnn.fit(sys.argv[1], overrides=json.loads(sys.argv[2]), progress=False)
except charrnn.CharrnnError as error:
    sys.exit(f"error: {error}")
print(model.score(open(sys.argv[1]).read()[:500]))
"""
FOLLOWER = """
from charrnn.training import follower, launched, ranks
ranks.PATIENCE = 2.0
follower.follow(launched.launched())
"""


@dataclass
class Hosts:
    """Two hosts: for each a process that keeps its network namespace, and what runs a command there."""

    keepers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    def command(self, host: int, *command: str) -> list[str]:
        keeper = str(self.keepers[host].pid)
        return ["nsenter", "--target", keeper, "--user", "--net", "--preserve-credentials", *command]

    def run(self, host: int, *command: str) -> None:
        subprocess.run(self.command(host, *command), check=True, capture_output=True)

    def start(self, rank: int, script: str, *arguments: str) -> subprocess.Popen[str]:
        # They have no resolver, for which PyTorch would wait to show names.
        place = {
            "RES_OPTIONS": "timeout:1 attempts:1",
            "RANK": str(rank),
            "WORLD_SIZE": "2",
            "MASTER_ADDR": "10.99.0.1",
            "MASTER_PORT": PORT,
        }
        process = subprocess.Popen(
            self.command(rank, sys.executable, "-P", "-c", script, *arguments),
            env={**os.environ, **place, "PYTHONPATH": str(PROJECT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process


@pytest.fixture(scope="module")
def hosts() -> Iterator[Hosts]:
    if not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        pytest.skip("needs unshare, nsenter and ip")
    made = Hosts()
    try:
        keep(made, ["unshare", "--user", "--map-root-user", "--net"])
        keep(made, made.command(0, "unshare", "--net"))
        pair = ["link", "add", "name", "left", "type", "veth", "peer", "name", "right", "netns"]
        made.run(0, "ip", *pair, str(made.keepers[1].pid))
        for host, name in enumerate(("left", "right")):
            made.run(host, "ip", "address", "add", f"10.99.0.{host + 1}/24", "dev", name)
            for up in (name, "lo"):
                made.run(host, "ip", "link", "set", up, "up")
        yield made
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this machine makes no network namespaces: {error.stderr.decode().strip()}")
    finally:
        for process in made.started:
            process.kill()
            process.communicate()
        for keeper in made.keepers:
            keeper.kill()
            keeper.communicate()


def keep(hosts: Hosts, command: list[str]) -> None:
    """Start a process that keeps the namespaces that `command` makes, and wait until it has them."""
    shell = [*command, "sh", "-c", "echo ready; exec sleep 600"]
    keeper = subprocess.Popen(shell, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    hosts.keepers.append(keeper)
    assert keeper.stdout is not None
    if (line := keeper.stdout.readline()) != b"ready\n":
        raise subprocess.CalledProcessError(1, command, stderr=line)


def settings(folder: Path, *overrides: str) -> list[str]:
    return [*SETTINGS, f"data.directory={folder / 'data'}", *overrides]


def test_two_hosts_train_the_model_that_one_does(hosts: Hosts, tmp_path: Path) -> None:
    text = tmp_path / "play.txt"
    text.write_text(made_up_play(8_000), encoding="utf-8")
    leader = hosts.start(0, LEADER, str(text), json.dumps(settings(tmp_path, "training.processes=2")))
    follower = hosts.start(1, FOLLOWER)
    told, problems = leader.communicate(timeout=60)
    assert (leader.returncode, follower.wait(20)) == (0, 0), problems + follower.communicate()[1]
    alone = charrnn.fit(text, overrides=settings(tmp_path), progress=False)
    assert float(told) == pytest.approx(alone.score(text.read_text(encoding="utf-8")[:500]), abs=1e-4)


def test_a_lost_link_ends_both_sides(hosts: Hosts, tmp_path: Path) -> None:
    text = tmp_path / "play.txt"
    text.write_text(made_up_play(8_000), encoding="utf-8")
    endless = settings(tmp_path, "training.processes=2", "training.max_steps=1000000")
    leader, follower = hosts.start(0, LEADER, str(text), json.dumps(endless)), hosts.start(1, FOLLOWER)
    while not connections(hosts):
        assert leader.poll() is None, leader.communicate()
        time.sleep(0.1)
    time.sleep(1)  # in the middle of the steps
    hosts.run(1, "ip", "link", "set", "right", "down")
    lost = "another process of this training has ended or is out of reach: Timed out waiting"
    ends = [process.communicate(timeout=60)[1].splitlines()[-1] for process in (leader, follower)]
    assert ends[0].startswith(f"error: {lost}")
    assert re.match(rf"error: rank 1 on \S+: {lost}", ends[1])
    assert (leader.returncode, follower.returncode) == (1, 1)


def connections(hosts: Hosts) -> int:
    """How many connections there are beside those to the store."""
    table = Path(f"/proc/{hosts.keepers[1].pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    established = [line.split()[2] for line in table if line.split()[3] == "01"]
    return len([address for address in established if int(address.partition(":")[2], 16) != int(PORT)])
