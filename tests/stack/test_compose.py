"""compose.yaml, checked without a daemon: that it is whole, safe by default, and of versions that stay the same."""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml

from charrnn.config.loading import PROJECT

COMPOSE: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
LASTING = [name for name in SERVICES if name != "bucket"]
OWN = {name: service for name, service in SERVICES.items() if "build" in service}
"""The services of this project's image."""


@pytest.mark.parametrize("name", SERVICES)
def test_every_image_has_a_version(name: str) -> None:
    _, _, version = SERVICES[name]["image"].rpartition(":")
    assert re.search(r"\d", version), version
    assert "latest" not in version


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_limits(name: str) -> None:
    assert SERVICES[name]["mem_limit"]
    assert SERVICES[name]["cpus"]


@pytest.mark.parametrize("name", LASTING)
def test_every_service_that_lasts_is_watched_and_started_again(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_what_a_service_waits_for_is_there_and_can_come_about() -> None:
    for service in SERVICES.values():
        for other, wanted in service.get("depends_on", {}).items():
            condition = wanted["condition"]
            assert condition == ("service_healthy" if other in LASTING else "service_completed_successfully")


def test_volumes_that_are_named_are_declared_and_files_are_there() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (PROJECT / source).exists() if source.startswith("./") else source in COMPOSE["volumes"]


def test_leases_of_the_prefect_server_outlive_its_container() -> None:
    service = SERVICES["prefect"]
    assert service["environment"]["PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE"].endswith(".filesystem")
    mounted = [volume.partition(":")[2] for volume in service["volumes"]]
    assert service["environment"]["PREFECT_HOME"] in mounted


def test_ports_are_open_on_this_machine_only() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_every_secret_comes_from_the_environment_file() -> None:
    wanted = set(re.findall(r"\$\{(\w+)", (PROJECT / "compose.yaml").read_text()))
    given = dict(line.split("=") for line in (PROJECT / ".env.example").read_text().splitlines() if "=" in line)
    assert wanted == set(given)
    assert "/.env" in (PROJECT / ".gitignore").read_text().splitlines()
    assert ".env" in (PROJECT / ".dockerignore").read_text().splitlines()


def test_the_image_is_built_from_fixed_versions_and_does_not_run_as_root() -> None:
    lines = (PROJECT / "Dockerfile").read_text().splitlines()
    (base,) = (line.removeprefix("ARG BASE=") for line in lines if line.startswith("ARG BASE="))
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", base)
    assert {line.split()[1] for line in lines if line.startswith("FROM")} == {"${BASE}"}
    assert [line for line in lines if line.startswith("USER")] == ["USER charrnn"]
    assert "--constraint constraints.txt" in (PROJECT / "Dockerfile").read_text()


def test_what_the_image_runs_are_commands_that_take_these_options() -> None:
    commands = [shlex.split(service["command"]) for service in OWN.values()]
    (last,) = (line for line in (PROJECT / "Dockerfile").read_text().splitlines() if line.startswith("CMD"))
    for program, *words in [*commands, json.loads(last.removeprefix("CMD"))]:
        subcommands = itertools.takewhile(str.isalpha, words)
        # Wide, so that the help shortens no option.
        done = subprocess.run(
            [Path(sys.executable).with_name(program), *subcommands, "--help"],
            capture_output=True,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert [word for word in words if word.startswith("--") and word not in done.stdout] == []


def test_a_worker_is_there_for_the_pool_of_every_deployment() -> None:
    deployments = yaml.safe_load((PROJECT / "prefect.yaml").read_text())["deployments"]
    pools = {pool for service in OWN.values() for pool in re.findall(r"--pool (\S+)", service["command"])}
    assert pools == {deployment["work_pool"]["name"] for deployment in deployments}


@pytest.mark.parametrize("name", OWN)
def test_what_a_read_only_container_writes_is_outside_its_image(name: str) -> None:
    service = OWN[name]
    assert service["read_only"]
    writable = [*service["tmpfs"], *(volume.split(":")[1] for volume in service.get("volumes", []))]
    # The homes of Prefect and of caches; temporary files; Prefect's pages, by default in its package.
    written = ["/home/charrnn", "/tmp"]
    if "prefect server" in service["command"]:
        written.append(service["environment"]["PREFECT_UI_STATIC_DIRECTORY"])
    # Where a flow of this project works: the folder that the Dockerfile names.
    if "prefect worker" in service["command"]:
        written.append("/charrnn/data")
    for path in written:
        assert any(PurePosixPath(path).is_relative_to(place) for place in writable), path
