# The image of the team's MLflow server, Prefect server and worker: this project and its locked dependencies.
FROM python:3.12.11-slim-bookworm AS build
WORKDIR /charrnn
RUN python -m venv /venv
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY charrnn charrnn
COPY tasks tasks
COPY flows flows
# The CPU build of torch: a tenth of the size. For GPUs, leave out --index-url and its companion.
RUN /venv/bin/pip install --no-cache-dir --constraint constraints.txt \
      --index-url https://download.pytorch.org/whl/cpu --extra-index-url https://pypi.org/simple '.[team]'

FROM python:3.12.11-slim-bookworm
RUN useradd --create-home --uid 10001 charrnn
COPY --from=build /venv /venv
WORKDIR /charrnn
COPY --chown=charrnn . .
RUN mkdir -p data && chown charrnn data
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1
USER charrnn
CMD ["prefect", "worker", "start", "--pool", "charrnn", "--type", "process", "--limit", "1"]
