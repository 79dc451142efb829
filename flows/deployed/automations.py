"""Makes the automations of `deploy/automations.yaml` on the Prefect server, as often as it is asked for.

    python -m flows.deployed.automations

One that is there and is the same stays, since it counts the time of what goes on now. One of the same name that differs
is replaced, with its doubles.
"""

import sys
from pathlib import Path

import tasks  # noqa: F401  the project's settings, before prefect reads its environment

# isort: split
import yaml
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_API_URL

from charrnn.config.loading import PROJECT
from charrnn.errors import ServerError
from flows.servers.named_server import check_named

FILE = PROJECT / "deploy" / "automations.yaml"


def make_automations(path: Path = FILE) -> dict[str, str]:
    """Make the automations of the file `path`; return what was done about each: made, replaced or there."""
    wanted = [AutomationCore.model_validate(one) for one in yaml.safe_load(path.read_text("utf-8"))["automations"]]
    done = {}
    with get_client(sync_client=True) as client:
        for one in wanted:
            there = client.read_automations_by_name(one.name)
            same = [other for other in there if _content(other) == _content(one)]
            done[one.name] = "there" if same else "replaced" if there else "made"
            if not same:
                client.create_automation(one)
            for other in there:
                if other not in same[:1]:
                    client.delete_automation(other.id)
    return done


def _content(automation: AutomationCore) -> dict[str, object]:
    """Return what an automation is, without what the server adds."""
    return automation.model_dump(include=set(AutomationCore.model_fields))


def main() -> int:
    """Make those of the project; return the exit code."""
    if not (url := PREFECT_API_URL.value()):
        print("error: PREFECT_API_URL is not set; it names the server that gets the automations", file=sys.stderr)
        return 2
    try:
        check_named(url)
        done = make_automations()
    except ServerError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name, what in done.items():
        print(f"automation {name}: {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
