# syntax=docker/dockerfile:1
ARG PYTHON_IMAGE=python:3.13-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
RUN ["python", "-m", "venv", "/opt/millpond/venv"]
COPY requirements.lock /opt/millpond/
RUN ["/opt/millpond/venv/bin/python", "-m", "pip", "install", "--no-cache-dir", "--only-binary", ":all:", "--require-hashes", "-r", "/opt/millpond/requirements.lock"]
COPY deploy/put_on_path.py /opt/millpond/app/deploy/
COPY proxy /opt/millpond/app/proxy
RUN ["/opt/millpond/venv/bin/python", "/opt/millpond/app/deploy/put_on_path.py"]
# Nothing can write bytecode later: the root file system may be read-only, and the user owns nothing here.
RUN ["/opt/millpond/venv/bin/python", "-m", "compileall", "-q", "/opt/millpond"]
RUN ["install", "-d", "-m", "0700", "/var/lib/millpond"]

FROM ${PYTHON_IMAGE}
COPY --from=build /opt/millpond /opt/millpond
COPY --from=build --chown=65532:65532 /var/lib/millpond /var/lib/millpond
ENV PATH=/opt/millpond/venv/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    MILLPOND_SERVER_LISTEN=0.0.0.0:8690 \
    MILLPOND_SERVER_DATA_DIR=/var/lib/millpond
USER 65532:65532
VOLUME /var/lib/millpond
EXPOSE 8690 8691
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=10s --start-period=30s --retries=3 CMD ["millpond", "healthcheck"]
ENTRYPOINT ["millpond"]
CMD ["serve"]
