# The image in which steps of a pipeline run: `make training-image`. Its build context is made by training_image.py:
#   installer.txt      what installs and builds
#   requirements.txt   the libraries that a training needs
#   constraints.txt    their locked versions, and those of what they bring along
#   certificates.pem   certificates that the package index needs; empty where the system's are enough
#   project/           the project
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS installer
# In stages that are thrown away, so that neither an index with a password nor a certificate reaches the image.
ARG PIP_INDEX_URL=
COPY certificates.pem installer.txt constraints.txt /build/
RUN set -eu; \
    if [ -s /build/certificates.pem ]; then export PIP_CERT=/build/certificates.pem; fi; \
    if [ -z "${PIP_INDEX_URL}" ]; then unset PIP_INDEX_URL; fi; \
    python3 -m venv /build/installer; \
    /build/installer/bin/pip --disable-pip-version-check install --no-cache-dir --progress-bar off \
      --only-binary :all: --requirement /build/installer.txt --constraint /build/constraints.txt

FROM installer AS packages
ARG PIP_INDEX_URL=
COPY requirements.txt /build/
# `--only-binary`: what has no wheel would need a compiler. A step can write no byte code; without it, every start
# would compile all libraries.
RUN set -eu; \
    if [ -s /build/certificates.pem ]; then export SSL_CERT_FILE=/build/certificates.pem; fi; \
    if [ -n "${PIP_INDEX_URL}" ]; then export UV_DEFAULT_INDEX="${PIP_INDEX_URL}"; fi; \
    python3 -m venv --without-pip /opt/venv; \
    /build/installer/bin/uv pip install --quiet --no-cache --python /opt/venv/bin/python3 --compile-bytecode \
      --only-binary :all: --requirement /build/requirements.txt --constraint /build/constraints.txt

FROM installer AS project
COPY project /build/project
RUN set -eu; \
    cd /build/project; \
    /build/installer/bin/hatchling build --target wheel; \
    /build/installer/bin/uv pip install --quiet --no-cache --offline --no-deps --compile-bytecode \
      --python /build/installer/bin/python3 --target /opt/quality-gate dist/*.whl; \
    cp zenml.yaml /opt/quality-gate/; \
    rm -r /opt/quality-gate/bin

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Visual Quality Gate, training" org.opencontainers.image.licenses="Apache-2.0"
# Owned by root: a step cannot change its own code.
COPY --from=packages /opt/venv /opt/venv
# BentoML does not build without it.
COPY --from=installer /build/installer/bin/uv /usr/local/bin/uv
COPY --from=project /opt/quality-gate /opt/quality-gate
# Whoever the container runs as may have no name and no folder here.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONPATH=/opt/quality-gate \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp \
    USER=quality-gate \
    QUALITY_GATE_HOME=/var/lib/quality-gate \
    ZENML_CONFIG_PATH=/tmp/zenml \
    ZENML_ENABLE_REPO_INIT_WARNINGS=false \
    ZENML_ANALYTICS_OPT_IN=false \
    BENTOML_DO_NOT_TRACK=true \
    ORT_DISABLE_TELEMETRY=1 \
    GX_ANALYTICS_ENABLED=false \
    OMP_WAIT_POLICY=PASSIVE
RUN install -d -o 10001 -g 10001 -m 0750 /var/lib/quality-gate
WORKDIR /tmp
# A number, so that Kubernetes can see that it is not root; local_docker runs it as whoever started the pipeline.
USER 10001:10001
