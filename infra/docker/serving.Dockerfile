# The image of a built Bento: `make serving-image NAME=my_gate`. Its build context is made by serving_image.py:
#   bento/             the Bento
#   constraints.txt    versions of what the Bento's own requirements bring along
#   certificates.pem   certificates that the package index needs; empty where the system's are enough
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE} AS packages
# In this stage only, so that neither an index with a password nor a certificate reaches the image.
ARG PIP_INDEX_URL=
COPY certificates.pem constraints.txt bento/env/python/requirements.txt /build/
# `--only-binary`: what has no wheel would need a compiler. The installer stays in a stage that is thrown away.
RUN set -eu; \
    if [ -s /build/certificates.pem ]; then export PIP_CERT=/build/certificates.pem; fi; \
    if [ -z "${PIP_INDEX_URL}" ]; then unset PIP_INDEX_URL; fi; \
    python3 -m venv /build/installer; \
    python3 -m venv --without-pip /opt/venv; \
    /build/installer/bin/pip --disable-pip-version-check --python /opt/venv/bin/python3 install --no-cache-dir \
      --progress-bar off \
      --only-binary :all: --requirement /build/requirements.txt --constraint /build/constraints.txt
COPY bento /opt/bento
# The running service can write no byte code; started without it, it would compile all of it every time.
RUN /opt/venv/bin/python3 -m compileall -q /opt/bento/src

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="Visual Quality Gate" org.opencontainers.image.licenses="Apache-2.0"
# Owned by root: the service cannot change its own code.
COPY --from=packages /opt/venv /opt/venv
COPY --from=packages /opt/bento /opt/bento
RUN install -d -o 10001 -g 10001 -m 0750 /var/lib/quality-gate
# The root file system may be read-only: what must outlast the container lies in the volume, the rest in /tmp.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    QUALITY_GATE_HOME=/var/lib/quality-gate \
    BENTOML_HOME=/tmp/bentoml \
    BENTOML_DO_NOT_TRACK=true \
    ORT_DISABLE_TELEMETRY=1 \
    OMP_WAIT_POLICY=PASSIVE
VOLUME /var/lib/quality-gate
WORKDIR /tmp
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python3", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:3000/readyz', timeout=4).close()"]
CMD ["bentoml", "serve", "/opt/bento", "--host", "0.0.0.0", "--port", "3000"]
