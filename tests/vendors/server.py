"""One HTTP server that is every vendor: the path begins with the host that is played."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from tests.vendors import upstreams
from tests.vendors.people import Accounts, Family, jwt

Answer = tuple[int, Any]
TOKEN_PLACES = (
    "platform.claude.com/v1/oauth/token",
    "auth.openai.com/oauth/token",
    "oauth2.googleapis.com/token",
    "github.com/login/oauth/access_token",
    "auth.kimi.com/api/oauth/token",
    "chat.qwen.ai/api/v1/oauth2/token",
    "iflow.cn/oauth/token",
)
DEVICE_PLACES = (
    "github.com/login/device/code",
    "auth.kimi.com/api/oauth/device_authorization",
    "chat.qwen.ai/api/v1/oauth2/device/code",
)
CODEX_CLAIM = "https://api.openai.com/auth"


def challenge_of(verifier: str) -> str:
    """RFC 7636, S256."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # more than ask at once: who finds the queue full tries again a second later, or three


class Vendors:
    """``calls`` is every request: method, path, headers, what it said. Devices are agreed to with :meth:`agree`, or
    refused with :meth:`deny`; ``slow_down`` answers that to so many polls first."""

    def __init__(self, port: int = 0) -> None:
        self.accounts = Accounts()
        self.calls: list[tuple[str, str, dict[str, str], dict[str, Any]]] = []
        self.codes: dict[str, dict[str, Any]] = {}
        self.devices: dict[str, dict[str, Any]] = {}
        self.copilot: dict[str, Family] = {}  # tokens that GitHub tokens were exchanged for
        self.busy: dict[str, int] = {}  # host/path → the status it answers with
        self.slow_down = 0
        self.no_copilot = False  # the GitHub account has no licence
        self.github_expires = False  # GitHub's tokens run out and can be renewed
        self.interval = 1
        self.device_lasts = 600
        self.server = Server(("127.0.0.1", port), self._handler())
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def said(self, end: str) -> list[dict[str, Any]]:
        """What was said to paths that end so."""
        return [body for _, path, _, body in self.calls if path.endswith(end)]

    # -- people at the vendors' pages ---------------------------------------------------------------------------------
    def agree(self, user_code: str, status: str = "agreed") -> None:
        next(d for d in self.devices.values() if d["user_code"] == user_code)["status"] = status

    def deny(self, user_code: str) -> None:
        self.agree(user_code, "denied")

    def authorize(self, query: dict[str, str]) -> Answer:
        """The consent page: a link for yes, one for no; the browser goes back to the redirect address."""
        back = query.get("redirect_uri") or query.get("callback_url") or query["redirect"]
        code = secrets.token_urlsafe(12)
        self.codes[code] = {**query, "redirect_uri": back}
        joint = "&" if "?" in back else "?"
        state = {"state": query["state"]} if "state" in query else {}
        yes = back + joint + urlencode({"code": code, **state})
        no = back + joint + urlencode({"error": "access_denied", **state})
        links = "".join(
            f'<p><a id="{id}" href="{html.escape(url)}">{id}</a></p>' for id, url in (("yes", yes), ("no", no))
        )
        return 200, f"<!doctype html><title>Vendor</title><h1>Allow OmniRoute?</h1>{links}<p id=code>{code}</p>"

    def device_page(self, query: dict[str, str]) -> Answer:
        code = html.escape(query.get("user_code", ""))
        if query.get("user_code"):
            self.agree(query["user_code"])
            return 200, f"<!doctype html><title>Vendor</title><h1 id=done>Agreed to {code}</h1>"
        return 200, "<!doctype html><title>Vendor</title><form><input name=user_code><button>Allow</button></form>"

    # -- tokens -----------------------------------------------------------------------------------
    def tokens(self, family: Family) -> dict[str, Any]:
        who = family.account
        claims = {
            "email": who["email"],
            CODEX_CLAIM: {"chatgpt_account_id": who["id"], "chatgpt_plan_type": who["plan"]},
        }
        return {
            "access_token": family.access,
            "refresh_token": family.refresh,
            "id_token": jwt(**claims),
            "expires_in": self.accounts.lasts,
            "token_type": "Bearer",
            "account": {"uuid": who["id"], "email_address": who["email"]},
            "organization": {"uuid": "org-" + who["id"]},
        }

    def token(self, said: dict[str, Any]) -> Answer:
        """RFC 6749, 7636 and 8628 in one."""
        match said.get("grant_type"):
            case "authorization_code":
                asked = self.codes.pop(said.get("code", ""), None)
                if asked is None or asked["redirect_uri"] != said.get("redirect_uri"):
                    return 400, {"error": "invalid_grant", "error_description": "Unknown code or redirect."}
                if asked.get("code_challenge", challenge := challenge_of(said.get("code_verifier", ""))) != challenge:
                    return 400, {"error": "invalid_grant", "error_description": "Wrong verifier."}
                return 200, self.tokens(self.accounts.log_in())
            case "refresh_token":
                status, found = self.accounts.renew(said.get("refresh_token", ""))
                return status, self.tokens(found) if isinstance(found, Family) else found
            case "urn:ietf:params:oauth:grant-type:device_code":
                return self._device(said, lambda family: (200, self.tokens(family)))
        return 400, {"error": "unsupported_grant_type"}

    def _device(self, said: dict[str, Any], give: Callable[[Family], Answer]) -> Answer:
        device_code = said.get("device_code", "")
        device = self.devices.get(device_code)
        if device is None or device["until"] < time.monotonic():
            return 400, {"error": "expired_token"}
        if device["challenge"] and device["challenge"] != challenge_of(said.get("code_verifier", "")):
            return 400, {"error": "invalid_grant", "error_description": "Wrong verifier."}
        if self.slow_down:
            self.slow_down -= 1
            return 400, {"error": "slow_down"}
        if device["status"] == "denied":
            return 400, {"error": "access_denied"}
        if device["status"] == "waiting":
            return 400, {"error": "authorization_pending"}
        del self.devices[device_code]
        return give(self.accounts.log_in())

    def new_device(self, challenge: str = "") -> tuple[str, str]:
        device_code, user_code = secrets.token_urlsafe(16), f"{secrets.token_hex(2)}-{secrets.token_hex(2)}".upper()
        until = time.monotonic() + self.device_lasts
        waiting = {"user_code": user_code, "status": "waiting", "until": until, "challenge": challenge}
        self.devices[device_code] = waiting
        return device_code, user_code

    def rfc_device(self, page: str, said: dict[str, Any]) -> Answer:
        device_code, user_code = self.new_device(said.get("code_challenge", ""))
        uri = f"{self.url}/{page}"
        told = {
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": uri,
            "expires_in": self.device_lasts,
        }
        return 200, {**told, "interval": self.interval}

    # -- the table -----------------------------------------------------------------------------------
    def answer(
        self, method: str, path: str, query: dict[str, str], said: dict[str, Any], headers: dict[str, str]
    ) -> Answer:
        host, _, rest = path.lstrip("/").partition("/")
        bearer = headers.get("authorization", "").rpartition(" ")[2]
        family = self.accounts.opens(bearer.removeprefix("workos:"))
        match method, host, rest:
            case "GET", "claude.ai", "oauth/authorize":
                return self.authorize(query)
            case "GET", "auth.openai.com", "oauth/authorize":
                return self.authorize(query)
            case "GET", "accounts.google.com", "o/oauth2/v2/auth":
                return self.authorize(query)
            case "GET", "api.cline.bot", "api/v1/auth/authorize":
                return self.authorize(query)
            case "GET", "prod.us-east-1.auth.desktop.kiro.dev", "login":
                return self.authorize(query)
            case "GET", "iflow.cn", "oauth":
                return self.authorize(query)
            case "GET", "favicon.ico", _:
                return 200, ""
            case "GET", "device", _:
                return self.device_page(query)
            case "POST", _, _ if f"{host}/{rest}" in TOKEN_PLACES:
                status, told = self.token(said)
                if host == "github.com":  # it answers 200 to errors, and most of its tokens have no end
                    left_out = () if self.github_expires else ("refresh_token", "expires_in")
                    return 200, {name: value for name, value in told.items() if name not in left_out}
                return status, told
            case "POST", _, _ if f"{host}/{rest}" in DEVICE_PLACES:
                return self.rfc_device("device", said)
            case "POST", "auth.openai.com", "api/accounts/deviceauth/usercode":
                device_code, user_code = self.new_device()
                return 200, {"device_auth_id": device_code, "user_code": user_code, "interval": str(self.interval)}
            case "POST", "auth.openai.com", "api/accounts/deviceauth/token":
                return self._codex_poll(said)
            case "POST", "oidc.us-east-1.amazonaws.com" | "oidc.eu-central-1.amazonaws.com", _:
                return self._aws(rest, said)
            case "POST", "prod.us-east-1.auth.desktop.kiro.dev", _:
                return self._kiro(rest, said)
            case _, "api.kilo.ai", _ if rest.startswith("api/device-auth/"):
                return self._kilo(rest.rpartition("/")[2], method)
            case "POST", "api.cline.bot", "api/v1/auth/token" | "api/v1/auth/refresh":
                return self._cline(rest, said)
            case _, "api.githubcopilot.com", _:
                family = self.copilot.get(bearer)
        if family is None:
            return 401, {"error": {"type": "authentication_error", "message": "OAuth token has expired."}}
        if status := self.busy.get(f"{host}/{rest}"):
            return status, {"error": {"code": status, "message": "Too much to do."}}
        if told := upstreams.answer(f"{host}/{rest}".rstrip("/"), said, headers, family):
            return told
        return self.opened(host, rest, family, said)

    def opened(self, host: str, rest: str, family: Family, said: dict[str, Any]) -> Answer:
        """What an access token opens, beside what upstreams.py has."""
        who = family.account
        match host, rest:
            case "api.anthropic.com", "api/oauth/profile":
                return 200, {"organization": {"organization_type": f"claude_{who['plan']}"}}
            case "www.googleapis.com", _:
                return 200, {"email": who["email"]}
            case _, "v1internal:loadCodeAssist":
                return 200, {"allowedTiers": [{"id": "free-tier", "name": "Free", "isDefault": True}]}
            case _, "v1internal:onboardUser":
                return 200, {"done": True, "response": {"cloudaicompanionProject": {"id": "project-7"}}}
            case "api.github.com", "user":
                return 200, {"id": 77, "login": "ada", "email": None}
            case "api.github.com", "copilot_internal/v2/token" if self.no_copilot:
                return 403, {"message": "Resource not accessible by integration"}
            case "api.github.com", "copilot_internal/v2/token":
                token = f"tid={len(self.copilot)}"
                self.copilot[token] = family
                api = {"api": f"{self.url}/api.githubcopilot.com"}
                return 200, {"token": token, "expires_at": int(time.time()) + 1500, "endpoints": api}
            case "api.kimi.com", "coding/v1/me":
                return 200, {"user_level_name": "Allegretto"}
            case "api.kilo.ai", "api/profile":
                return 200, {"organizations": [{"id": "org-9"}]}
            case "upstream", "v1/models":
                return 200, {"data": [{"id": "large"}]}
        return 404, {"error": {"message": "no such place"}}

    def _codex_poll(self, said: dict[str, Any]) -> Answer:
        device = self.devices.get(said.get("device_auth_id", ""))
        if device is None or device["user_code"] != said.get("user_code"):
            return 400, {"error": {"code": "expired_token"}}
        if device["status"] != "agreed":
            return 403, {"error": {"code": "authorization_pending"}}
        verifier, code = secrets.token_urlsafe(40), secrets.token_urlsafe(12)
        challenge = challenge_of(verifier)
        self.codes[code] = {"redirect_uri": "https://auth.openai.com/deviceauth/callback", "code_challenge": challenge}
        return 200, {"authorization_code": code, "code_verifier": verifier, "code_challenge": challenge}

    def _aws(self, rest: str, said: dict[str, Any]) -> Answer:
        match rest:
            case "client/register":
                return 200, {"clientId": "made-client", "clientSecret": "made-secret", "clientSecretExpiresAt": 9}
            case "device_authorization":
                device_code, user_code = self.new_device()
                told = {"deviceCode": device_code, "userCode": user_code, "verificationUri": f"{self.url}/device"}
                return 200, {**told, "expiresIn": 600, "interval": self.interval}
        if (said.get("clientId"), said.get("clientSecret")) != ("made-client", "made-secret"):
            return 401, {"error": "invalid_client"}
        if said.get("grantType") == "refresh_token":
            return self._camel(*self.accounts.renew(said.get("refreshToken", "")))
        said = {"device_code": said.get("deviceCode", "")}
        return self._device(said, lambda family: self._camel(200, family))

    def _kiro(self, rest: str, said: dict[str, Any]) -> Answer:
        if rest == "refreshToken":
            return self._camel(*self.accounts.renew(said.get("refreshToken", "")))
        status, told = self.token({**said, "grant_type": "authorization_code"})
        return (200, self._named(self.accounts.families[-1])) if status == 200 else (status, told)

    def _cline(self, rest: str, said: dict[str, Any]) -> Answer:
        status, told = self.token(
            {
                **said,
                "grant_type": "refresh_token" if rest.endswith("refresh") else said["grant_type"],
                "refresh_token": said.get("refreshToken", ""),
            }
        )
        if status != 200:
            return status, told
        family = self.accounts.families[-1]
        return 200, {"data": {**self._named(family), "userInfo": {"email": family.account["email"]}}}

    def _kilo(self, code: str, method: str) -> Answer:
        if method == "POST":
            device_code, user_code = self.new_device()
            self.devices[user_code] = self.devices.pop(device_code)
            return 200, {"code": user_code, "verificationUrl": f"{self.url}/device", "expiresIn": 300}
        status, told = self._device(
            {"device_code": code},
            lambda f: (200, {"status": "approved", "token": f.access, "userEmail": f.account["email"]}),
        )
        pending = {"authorization_pending": 202, "access_denied": 403, "expired_token": 410}
        return pending.get(told.get("error", ""), status), told

    def _camel(self, status: int, found: Family | dict[str, Any]) -> Answer:
        return status, self._named(found) if isinstance(found, Family) else found

    def _named(self, family: Family) -> dict[str, Any]:
        told = {"accessToken": family.access, "refreshToken": family.refresh, "expiresIn": self.accounts.lasts}
        return {**told, "profileArn": "arn:aws:codewhisperer:profile/7"}

    def _handler(vendors) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.serve({})

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
                is_json = "json" in self.headers.get("content-type", "")
                self.serve(json.loads(raw or "{}") if is_json else dict(parse_qsl(raw)))

            def serve(self, said: dict[str, Any]) -> None:
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                vendors.calls.append((self.command, parts.path, headers, said))
                query = dict(parse_qsl(parts.query))
                status, body = vendors.answer(self.command, parts.path, query, said, headers)
                kind, raw = upstreams.encoded(body)
                self.send_response(status)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(raw)))
                self.end_headers()
                self.wfile.write(raw)

            def log_message(self, *args: object) -> None:
                """Quiet."""

        return Handler


@contextmanager
def running(port: int = 0) -> Iterator[Vendors]:
    vendors = Vendors(port)
    thread = threading.Thread(target=vendors.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield vendors
    vendors.accounts.held.set()
    vendors.server.shutdown()
    vendors.server.server_close()
    thread.join()
