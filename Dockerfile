# syntax=docker/dockerfile:1

# LeadFuel without the embedded services: one image for the API, the worker and every command.

FROM ghcr.io/astral-sh/uv:0.13.9 AS uv

FROM python:3.13.14-slim-trixie AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/leadfuel \
    UV_PYTHON=/usr/local/bin/python3 \
    UV_PYTHON_DOWNLOADS=never
WORKDIR /build
# The dependencies first: they change less often than the code, and their layer is kept.
COPY pyproject.toml uv.lock ./
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --no-install-project
COPY README.md LICENSE ./
COPY core/ core/
COPY db/ db/
COPY search/ search/
COPY indexer/ indexer/
COPY domain/ domain/
COPY api/ api/
COPY workers/ workers/
COPY cli/ cli/
COPY embedded/ embedded/
RUN --mount=type=cache,target=/root/.cache/uv \
    uv sync --frozen --no-dev --no-editable

FROM python:3.13.14-slim-trixie
LABEL org.opencontainers.image.title="LeadFuel" \
      org.opencontainers.image.description="Self-hosted B2B lead discovery: API, worker and commands" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 leadfuel \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin leadfuel \
 # A volume that is mounted here takes over its owner.
 && install --directory --owner leadfuel --group leadfuel --mode 0700 /var/lib/leadfuel/exports
COPY --from=build /opt/leadfuel /opt/leadfuel
# Nothing is written but to /tmp, so the container may run with a read-only file system.
ENV PATH=/opt/leadfuel/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LEADFUEL_HOME=/tmp/leadfuel \
    LEADFUEL_HOST=0.0.0.0
WORKDIR /tmp
USER 10001:10001
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ.get('PORT', '8080') + '/health/live', timeout=4)"]
ENTRYPOINT ["leadfuel"]
CMD ["serve"]
