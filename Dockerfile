FROM python:3.12-slim AS build
WORKDIR /source
COPY . .
# docker build --build-arg EXTRAS=semantic: with offline embeddings for the semantic cache (some 100 MB).
ARG EXTRAS=""
RUN python -m venv /opt/omniroute && /opt/omniroute/bin/pip install --no-cache-dir ".${EXTRAS:+[$EXTRAS]}"

FROM python:3.12-slim
RUN useradd --system --uid 10001 --home-dir /data --no-create-home omniroute \
 && install -d -o omniroute -g omniroute -m 0700 /data
COPY --from=build /opt/omniroute /opt/omniroute
ENV PATH=/opt/omniroute/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DATA_DIR=/data \
    HOST=0.0.0.0 \
    PORT=20128
USER omniroute
VOLUME /data
EXPOSE 20128
# Running requests get 30 seconds to end after SIGTERM; give the container a little more (docker stop --time 40).
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/readyz', timeout=4)"]
CMD ["omniroute", "serve", "--no-open"]
