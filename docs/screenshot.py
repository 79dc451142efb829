"""Makes docs/compare_runs.png: MLflow's own page comparing the runs of an experiment, in a real browser.

Needs `pip install playwright` and Chromium; see `python docs/screenshot.py --help`.
"""

import argparse
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from playwright.sync_api import sync_playwright

SIZE = {"width": 1500, "height": 1080}
# The page of an experiment in its view for trained models, with the charts of all its runs.
CHARTS = "/#/experiments/{experiment}/runs?workflowType=machine_learning&compareRunsMode=CHART"
# What is typed into the search box over the charts: the curves, not the figures that a run has once.
SHOWN = "^(train|val)/(loss|bits)"
# First-visit panels that would cover the charts.
QUIET = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true');"
QUIET += "localStorage.setItem('mlflow.assistant.panelOpen_v1', 'false');"


@contextmanager
def mlflow_ui(store: str) -> Iterator[str]:
    """Serve `store` on a free port of 127.0.0.1 while the block runs; yield the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "mlflow", "ui", "--host", "127.0.0.1", "--port", port, "--workers", "1"]
    server = subprocess.Popen([*command, "--backend-store-uri", store])
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"{address}/health", timeout=2)
                break
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


def main() -> None:
    """Take the picture that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default="sqlite:///mlruns/mlflow.db", help="MLflow tracking URI with the runs")
    parser.add_argument("--experiment", default="charrnn", help="name of the experiment to show")
    parser.add_argument("--browser", default="/usr/bin/chromium", help="path of Chromium or Chrome")
    parser.add_argument("--output", type=Path, default=Path(__file__).with_name("compare_runs.png"))
    arguments = parser.parse_args()
    experiment = MlflowClient(tracking_uri=arguments.store).get_experiment_by_name(arguments.experiment)
    if experiment is None:
        parser.error(f"--experiment: there is no {arguments.experiment} in {arguments.store}")
    with mlflow_ui(arguments.store) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=arguments.browser, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport=SIZE)
        page.add_init_script(QUIET)
        page.goto(address + CHARTS.format(experiment=experiment.experiment_id))
        page.get_by_placeholder("Search metric charts").fill(SHOWN, timeout=60_000)
        page.wait_for_timeout(15_000)  # the charts draw themselves one after the other
        page.screenshot(path=str(arguments.output))
        browser.close()


if __name__ == "__main__":
    main()
