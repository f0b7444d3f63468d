# The fake provider in a container: docs/deploy.md. The second stage has what the first one installed, and no compiler,
# no pip cache and no sources.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY pyproject.toml hatch_build.py constraints.txt README.md LICENSE ./
COPY src src
COPY fake_provider fake_provider
COPY harness harness
COPY conformance conformance
RUN python -m venv /opt/tokentape \
    && /opt/tokentape/bin/pip install --no-cache-dir --constraint constraints.txt '.[harness,http2,metrics,store]' \
    && /opt/tokentape/bin/pip uninstall --yes pip

FROM python:${PYTHON}-slim
ENV PATH=/opt/tokentape/bin:$PATH \
    PYTHONUNBUFFERED=1
# Nobody owns the installed files but root: what a request makes the server do can't change them.
RUN useradd --uid 10001 --no-create-home tokentape \
    && mkdir /rules \
    && echo 'rules: []  # a folder that is mounted here replaces this file' > /rules/tokentape.yaml
COPY --from=build /opt/tokentape /opt/tokentape
USER 10001
WORKDIR /rules
EXPOSE 8089
HEALTHCHECK --interval=5s --timeout=5s --start-period=20s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8089/ready')"]
ENTRYPOINT ["tokentape"]
# 0.0.0.0 is the container's own network. Without a token (TOKENTAPE_TOKEN) the control API is off there.
CMD ["serve", "--host", "0.0.0.0", "--port", "8089", "/rules"]
