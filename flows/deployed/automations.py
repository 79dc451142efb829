"""Makes the automations of `deploy/automations.yaml` on the Prefect server, as often as it is asked for.

    python -m flows.deployed.automations

One that is there and is the same stays, since it counts the time of what goes on now. One of the same name that differs
is replaced, with its doubles.
"""

import sys
from collections import Counter
from pathlib import Path

import tasks  # noqa: F401  the project's settings, before prefect reads its environment

# isort: split
import yaml
from prefect.client.orchestration import get_client
from prefect.events.schemas.automations import AutomationCore
from prefect.settings import PREFECT_API_URL
from pydantic import ValidationError

from charrnn.config.loading import PROJECT
from charrnn.config.redaction import one_line
from charrnn.errors import CharrnnError, ParamsError
from flows.servers.named_server import check_named

FILE = PROJECT / "deploy" / "automations.yaml"


def make_automations(path: Path = FILE) -> dict[str, str]:
    """Make the automations of the file `path`; return what was done about each: made, replaced or there.

    Raises:
        ParamsError: the file cannot be read, or has something else in it.
        httpx.HTTPError: the server does not answer.
    """
    wanted, done = _read(path), {}
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


def _read(path: Path) -> list[AutomationCore]:
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeError, yaml.YAMLError) as error:
        raise ParamsError(f"{path}: cannot be read: {one_line(str(error))}") from None
    listed = content.get("automations") if isinstance(content, dict) else None
    if not isinstance(listed, list) or not listed:
        raise ParamsError(f"{path}: automations: must be a list of automations")
    try:
        found = [AutomationCore.model_validate(one) for one in listed]
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "each"
        raise ParamsError(f"{path}: automations: {where}: {one_line(first['msg'])}") from None
    for name, times in Counter(one.name for one in found).items():
        if times > 1:
            raise ParamsError(f"{path}: automations: {name} is there {times} times")
    return found


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
    except CharrnnError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for name, what in done.items():
        print(f"automation {name}: {what}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
