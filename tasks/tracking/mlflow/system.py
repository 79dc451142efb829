"""System metrics: what the machine does while a run trains."""

import threading
from collections.abc import Iterator

from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

from tasks.tracking.runs import RunRef


def system_figures(run: RunRef, stop: threading.Event) -> Iterator[dict[str, float]]:
    """Yield name -> value of CPU, memory, disk, network and GPU use, every 10 s until `stop` is set.

    MLflow's own monitor stops for good when the store does not answer once; only its measurements are used here.
    """
    monitor = SystemMetricsMonitor(run.run_id, sampling_interval=10, tracking_uri=run.uri)
    prefix = f"system/{monitor.node_id}/" if monitor.node_id else "system/"
    while True:
        for _ in range(monitor.samples_before_logging):
            monitor.collect_metrics()
            if stop.wait(monitor.sampling_interval):
                return
        yield {prefix + name: value for name, value in monitor.aggregate_metrics().items()}
        for part in monitor.monitors:
            part.clear_metrics()
