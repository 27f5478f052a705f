# syntax=docker/dockerfile:1.7
# Two images from one file:
#   airflow   everything but speech (requirements-core.txt): API server, scheduler, DAG processor, triggerer, default worker
#   gpu       with WhisperX and torch (requirements.txt): the worker of the queue `gpu`

FROM python:3.11-slim-bookworm AS base
# Audio decoding (libavcodec-extra brings libopencore-amr: ffmpeg's own AMR decoder loses audio), pango for
# WeasyPrint, a Korean font for the reports, curl for the health checks.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        curl ffmpeg fonts-nanum libavcodec-extra libharfbuzz-subset0 libpango-1.0-0 libpangoft2-1.0-0 \
    && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir uv==0.13.9
RUN useradd --uid 50000 --create-home --home-dir /home/voiceman --shell /usr/sbin/nologin voiceman \
    && install --directory --owner=voiceman --group=voiceman \
        /opt/voiceman /opt/voiceman/airflow /opt/voiceman/logs /opt/voiceman/.voiceman /keys /models
WORKDIR /opt/voiceman
ENV VIRTUAL_ENV=/opt/voiceman/.venv \
    PATH=/opt/voiceman/.venv/bin:$PATH \
    PYTHONPATH=/opt/voiceman \
    PYTHONUNBUFFERED=1 \
    UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy
# The commit that the images are made of, for the attestations: docker compose build --build-arg VOICEMAN_COMMIT=$(git rev-parse HEAD)
ARG VOICEMAN_COMMIT=
ENV VOICEMAN_COMMIT=$VOICEMAN_COMMIT
RUN uv venv "$VIRTUAL_ENV"

FROM base AS airflow
COPY requirements-core.txt ./
RUN --mount=type=cache,target=/root/.cache/uv uv pip install --require-hashes --requirements requirements-core.txt
COPY voiceman airflow.cfg pools.json ./
COPY dags ./dags
COPY plugins ./plugins
COPY include ./include
USER voiceman
CMD ["airflow", "version"]

FROM base AS gpu
COPY requirements.txt ./
RUN --mount=type=cache,target=/root/.cache/uv uv pip install --require-hashes --requirements requirements.txt
COPY voiceman airflow.cfg pools.json ./
COPY dags ./dags
COPY plugins ./plugins
COPY include ./include
USER voiceman
CMD ["airflow", "version"]
