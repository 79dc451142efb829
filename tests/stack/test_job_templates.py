"""The job templates for containers, through the workers that use them, as far as that goes without a daemon."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from docker.models.containers import _create_container_args
from prefect import flow
from prefect.client.orchestration import get_client
from prefect.workers.base import BaseJobConfiguration
from prefect_docker.worker import DockerWorkerJobConfiguration
from prefect_kubernetes.worker import KubernetesWorkerJobConfiguration
from torch.distributed.run import get_args_parser

from charrnn.config.loading import PROJECT

DOCKER, KUBERNETES = (PROJECT / "deploy" / f"{kind}-job-template.json" for kind in ("docker", "kubernetes"))


@flow
def nothing() -> None:
    """Somebody's flow."""


async def job(kind: type[BaseJobConfiguration], template: Path, values: dict[str, Any]) -> Any:
    """What a worker of `kind` makes of a flow run, with the pool's template and a deployment's job variables."""
    async with get_client() as client:
        made: BaseJobConfiguration = await kind.from_template_and_values(
            json.loads(template.read_text()), values, client=client
        )
        made.prepare_for_flow_run(await client.create_flow_run(nothing, name="keen fox"))
    return made


@pytest.mark.parametrize(("kind", "template"), [("docker", DOCKER), ("kubernetes", KUBERNETES)])
def test_a_work_pool_can_be_made_with_the_template(kind: str, template: Path, api_url: str) -> None:
    command = ["work-pool", "create", f"pool-{kind}", "--type", kind, "--base-job-template", str(template)]
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *command],
        env={**os.environ, "PREFECT_API_URL": api_url},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    with get_client(sync_client=True) as client:
        assert client.read_work_pool(f"pool-{kind}").base_job_template == json.loads(template.read_text())


async def _container(**values: object) -> dict[str, Any]:
    made = await job(DockerWorkerJobConfiguration, DOCKER, values)
    settings = {"image": made.image, "command": made.command, "environment": made.env, "mem_limit": made.mem_limit}
    # docker-py's own reading of what it is given, just before it would speak to its daemon.
    return dict(_create_container_args({**settings, **(made.container_create_kwargs or {}), "version": "1.44"}))


@pytest.mark.usefixtures("api_url")
def test_a_container_asks_for_a_gpu_and_knows_where_the_servers_are() -> None:
    arguments = asyncio.run(_container())
    assert arguments["image"] == "charrnn:0.2.0"
    # Not at the worker's address of Prefect, which is of the machine that the container runs on.
    assert arguments["environment"]["PREFECT_API_URL"] == "http://prefect:4200/api"
    assert arguments["environment"]["MLFLOW_TRACKING_URI"] == "http://mlflow:5000"
    (request,) = arguments["host_config"]["DeviceRequests"]
    assert (request["Driver"], request["Count"], request["Capabilities"]) == ("nvidia", 1, [["gpu"]])


@pytest.mark.usefixtures("api_url")
def test_a_container_without_a_gpu_is_one_job_variable_away() -> None:
    arguments = asyncio.run(_container(container_create_kwargs={}))
    assert not arguments["host_config"].get("DeviceRequests")


@pytest.mark.usefixtures("api_url")
def test_a_job_of_kubernetes_is_one_that_its_own_schema_allows_and_asks_for_a_gpu() -> None:
    made = asyncio.run(job(KubernetesWorkerJobConfiguration, KUBERNETES, {}))
    kubernetes_validate.validate(yaml.safe_load(yaml.safe_dump(made.job_manifest)), "1.33", strict=True)
    (container,) = made.job_manifest["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"memory": "8Gi", "nvidia.com/gpu": "1"}
    assert {"name": "MLFLOW_TRACKING_URI", "value": "http://mlflow:5000"} in container["env"]
    assert container["args"] == ["prefect", "flow-run", "execute"]


def test_the_job_on_several_machines_is_one_that_its_own_schema_allows_and_its_pods_find_each_other() -> None:
    service, made = yaml.safe_load_all((PROJECT / "deploy" / "kubernetes-several-machines.yaml").read_text())
    for document in (service, made):
        kubernetes_validate.validate(document, "1.33", strict=True)
    spec = made["spec"]
    pod = spec["template"]["spec"]
    assert service["spec"]["selector"] == {"job-name": made["metadata"]["name"]}
    assert pod["subdomain"] == service["metadata"]["name"]
    ((script,),) = [container["args"] for container in pod["containers"]]
    host, machines = f"{made['metadata']['name']}-0.{pod['subdomain']}", spec["completions"]
    assert spec["parallelism"] == machines
    # What the shell makes of it, with torchrun and the name of the second pod as they are there.
    stubs = 'torchrun() { printf "%s\\n" "$@"; }; hostname() { echo pod; }; '
    done = subprocess.run(
        ["sh", "-c", stubs + script.removeprefix("exec ")],
        env={**os.environ, "JOB_COMPLETION_INDEX": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    arguments, _, command = done.stdout.partition("-m\n")
    options = get_args_parser().parse_args([*arguments.split(), "flows.pipeline"])
    assert options.nnodes == str(machines)
    assert (options.rdzv_endpoint, options.rdzv_conf, options.local_addr) == (
        f"{host}:29400",
        "is_host=false",
        f"pod.{pod['subdomain']}",
    )
    assert command.splitlines() == ["flows.pipeline", "--params", "params/best.yaml"]


def test_the_template_and_the_containers_of_compose_have_the_same_names() -> None:
    compose = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    docker = {
        name: value.get("default") for name, value in json.loads(DOCKER.read_text())["variables"]["properties"].items()
    }
    assert docker["image"] == compose["services"]["worker"]["image"]
    assert docker["networks"] == [f"{compose['name']}_default"]
    assert docker["volumes"] == [f"{compose['name']}_{volume}" for volume in compose["services"]["worker"]["volumes"]]
    assert docker["env"]["MLFLOW_TRACKING_URI"] == compose["services"]["worker"]["environment"]["MLFLOW_TRACKING_URI"]
