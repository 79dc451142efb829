"""Settings of the test session: nothing outside it is read or written, Prefect's log stays quiet, one CPU thread."""

import atexit
import importlib
import os
import shutil
import tempfile

from hypothesis import settings

# Whatever makes a temporary file, here or in a process of a test that is killed: it goes when the session ends. The
# folders of pytest's own, which tell what a test that failed left, stay where pytest has them.
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
TEMPORARY = tempfile.mkdtemp(prefix="charrnn-tests-")
# Registered first, so that it is the last: others still hold folders of theirs in it.
atexit.register(shutil.rmtree, TEMPORARY, ignore_errors=True)
os.chmod(TEMPORARY, 0o711)  # others may pass: PostgreSQL does not run as root
os.environ["TMPDIR"] = tempfile.tempdir = TEMPORARY

# Read when prefect and mlflow are imported, so before any test module is.
os.environ["PREFECT_HOME"] = f"{TEMPORARY}/prefect"
os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] = "CRITICAL"
# The models of the tests are so small that threads only wait for each other. Read when torch is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")
for name in ("MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
    os.environ.pop(name, None)

# The project's own settings, before prefect reads its environment.
importlib.import_module("tasks")

pytest_plugins = ["tests.pipeline_fixtures", "tests.source_fixtures"]

# A busy machine is no failure. What lands a change is given the same examples each time; `make faults` draws new ones.
settings.register_profile("charrnn", deadline=None, derandomize="CHARRNN_FAULTS" not in os.environ)
settings.load_profile("charrnn")
