"""What is measured: one function per row, from the mock's address to a System that is ready to be started."""

import os
import pwd
import secrets
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STREAM_MODEL = "bench-stream-200x20ms"
KEEP = ("PATH", "HOME", "LANG", "VIRTUAL_ENV")  # of our environment; no proxies, no databases, no secrets


class Missing(Exception):
    """The row cannot be measured here; says why."""


@dataclass(frozen=True)
class Place:
    """What a row is built from."""

    folder: Path  # its own, empty, removed at the end
    upstream: str  # base URL of the mock, with /v1
    port: int  # where it shall listen
    python: str
    command: str = ""  # of a row given on the command line


@dataclass(frozen=True)
class System:
    """How to start it and how to ask it. No command: nothing to start."""

    url: str
    command: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    model: str = "bench-small"
    stream_model: str = STREAM_MODEL
    cwd: Path = ROOT


def direct(place: Place) -> System:
    return System(place.upstream + "/chat/completions")


def nginx(place: Place) -> System:
    """proxy_pass with kept-alive upstream connections, one worker, no log, all files in the row's folder."""
    binary = _found("nginx", "/usr/sbin/nginx")
    user = f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else ""
    temporary = " ".join(
        f"{kind}_temp_path {place.folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = place.folder / "nginx.conf"
    config.write_text(f"""
{user} worker_processes 1; daemon off; pid {place.folder}/pid; error_log {place.folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; client_max_body_size 50m; client_body_buffer_size 256k;
  {temporary}
  upstream mock {{ server {place.upstream.split("/")[2]}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{place.port};
    location / {{
      proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
    }}
  }}
}}
""")
    command = (binary, "-p", str(place.folder), "-e", str(place.folder / "error.log"), "-c", str(config))
    return System(_url(place), command)


# Limits that never refuse and a hard budget that never ends: what they cost is what is measured.
LIMITED = """
limits:
  - {scope: key, name: bench, requests_per_minute: 100000000, tokens_per_minute: 2000000000, parallel: 100000}
budgets:
  - {scope: key, name: bench, period: monthly, limit_usd: 1000000}
  - {scope: global, period: monthly, limit_usd: 1000000}
policies:
  - {kind: guard, settings: {mode: warn}}
"""


def gateway(place: Place, format: str = "openai_chat", *, limited: bool = False, workers: int = 1) -> System:
    """OmniRoute itself: embedded parts, a provider `bench`, a priced model, a client key.

    ``limited``: limits, hard budgets and the guard apply to every request. Several workers need Redis, at
    BENCH_REDIS_URL.
    """
    program = Path(place.python).parent / "omniroute"
    inline = "import sys; from omniroute.cli import main; sys.exit(main())"
    omniroute = (str(program),) if program.exists() else (place.python, "-c", inline)
    key = "sk-omni-" + secrets.token_urlsafe(32)
    env = {"DATA_DIR": str(place.folder / "data"), "BENCH_KEY": key}
    if workers > 1:
        if not os.environ.get("BENCH_REDIS_URL"):
            raise Missing("BENCH_REDIS_URL is not set")
        env["REDIS_URL"] = os.environ["BENCH_REDIS_URL"]
    declared = place.folder / "bench.yaml"
    declared.write_text(f"""
version: 1
providers:
  - id: bench
    name: Bench
    alias: bench
    format: {format}
    base_url: {place.upstream}
    allow_private_network: true
    models:
      - {{id: bench-small, input_price: 0.10, output_price: 0.40}}
      - {{id: {STREAM_MODEL}, input_price: 0.10, output_price: 0.40}}
connections:
  - {{provider: bench, name: main, api_key: bench-upstream-key}}
api_keys:
  - {{name: bench, key: "${{BENCH_KEY}}", models: ["*"]}}
{LIMITED if limited else ""}""")
    _run((*omniroute, "apply", str(declared)), env)
    return System(
        _url(place),
        (*omniroute, "serve", "--port", str(place.port), "--workers", str(workers), "--no-open"),
        {"authorization": f"Bearer {key}"},
        env,
        "bench/bench-small",
        f"bench/{STREAM_MODEL}",
    )


def litellm(place: Place) -> System:
    """LiteLLM's proxy, one worker, no database; its price list is the one in the package."""
    binary = _found("litellm", str(Path(place.python).parent / "litellm"))
    served = "\n".join(
        f"  - model_name: {name}\n    litellm_params: {{model: openai/{name}, api_base: {place.upstream}, api_key: x}}"
        for name in ("bench-small", STREAM_MODEL)
    )
    config = place.folder / "litellm.yaml"
    config.write_text(f"model_list:\n{served}\ngeneral_settings: {{master_key: sk-bench}}\n")
    command = (
        binary,
        "--config",
        str(config),
        "--host",
        "127.0.0.1",
        "--port",
        str(place.port),
        "--num_workers",
        "1",
    )
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    return System(_url(place), (*command, "--telemetry", "False"), {"authorization": "Bearer sk-bench"}, env)


def portkey(place: Place) -> System:
    """Portkey's open-source gateway; the executable, or `PORTKEY_GATEWAY="node …/build/start-server.js"`."""
    given = os.environ.get("PORTKEY_GATEWAY")
    command = shlex.split(given) if given else [_found("portkey-gateway")]
    headers = {
        "authorization": "Bearer x",
        "x-portkey-provider": "openai",
        "x-portkey-custom-host": place.upstream,
    }
    env = {"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost", "NODE_ENV": "production"}
    return System(_url(place), (*command, f"--port={place.port}", "--headless"), headers, env)


def given(place: Place) -> System:
    """Any other proxy: a command line with {port} and {upstream} in it."""
    words = shlex.split(place.command)
    filled = tuple(word.format(port=place.port, upstream=place.upstream) for word in words)
    return System(_url(place), filled)


ROWS: dict[str, Callable[[Place], System]] = {
    "direct": direct,
    "nginx": nginx,
    "gateway": gateway,
    "translated": partial(gateway, format="anthropic"),  # OpenAI's clients, a provider of Anthropic's format
    "limited": partial(gateway, limited=True),
    "translated-limited": partial(gateway, format="anthropic", limited=True),
    "redis": partial(gateway, limited=True, workers=2),
    "litellm": litellm,
    "portkey": portkey,
}


def environment(system_env: Mapping[str, str]) -> dict[str, str]:
    return {name: os.environ[name] for name in KEEP if name in os.environ} | dict(system_env)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _url(place: Place) -> str:
    return f"http://127.0.0.1:{place.port}/v1/chat/completions"


def _found(*names: str) -> str:
    for name in names:
        if path := shutil.which(name):
            return path
    raise Missing(f"{names[0]} is not installed")


def _run(command: tuple[str, ...], env: Mapping[str, str]) -> None:
    done = subprocess.run(
        command,
        env=environment(env),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        raise Missing(f"`{Path(command[0]).name} … {' '.join(command[-2:-1])}` ended with {done.returncode}")
