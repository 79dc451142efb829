# The image of the team's MLflow server, Prefect server and worker: this project and its locked dependencies.

# Any other image of a Debian with Python 3.11 to 3.13 as `python` does, too.
ARG BASE=python:3.12.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /charrnn
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY charrnn charrnn
COPY tasks tasks
COPY flows flows
# Where pip looks. The CPU build of torch is a tenth of the size: for GPUs, https://pypi.org/simple in place of the first.
ARG PIP_INDEX_URL=https://download.pytorch.org/whl/cpu
ARG PIP_EXTRA_INDEX_URL=https://pypi.org/simple
# Editable, so that the commands and the flows of the deployments are one copy, which reads params.yaml beside it.
RUN /venv/bin/pip install --no-cache-dir --constraint constraints.txt --editable '.[team]'

FROM ${BASE}
RUN useradd --create-home --uid 10001 charrnn
COPY --from=build /venv /venv
WORKDIR /charrnn
COPY --chown=charrnn . .
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
# Compiled here, since a read-only container compiles anew in each process.
RUN python -m compileall -q charrnn tasks flows && mkdir -p data && chown charrnn data
USER charrnn
CMD ["prefect", "worker", "start", "--pool", "charrnn", "--type", "process", "--limit", "1"]
