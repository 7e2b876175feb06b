"""The two pages that look across all apps: the overview, and the endpoint with its snippets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from accounts.models import User
from analytics import budgets, reports
from providers import grants
from providers.models import Connection
from routing import keys
from routing.gateway.endpoints import ACTIONS, ENDPOINTS
from routing.models import GatewaySettings
from routing.publish import build
from routing.resolve import offered
from routing.snapshot import Access, Caller
from routing.words import OPERATIONS

RANGES = ((24, gettext_lazy("24 hours")), (24 * 7, gettext_lazy("7 days")), (24 * 30, gettext_lazy("30 days")))


@login_required
def overview(request: HttpRequest) -> HttpResponse:
    """Stat cards, requests over time and the newest requests the person may see."""
    hours = _hours(request.GET.get("hours", ""))
    report = reports.overview(request.user, hours)
    answered = report.requests - report.failures
    context = {
        "report": report,
        "success_rate": answered * 100 / report.requests if report.requests else None,
        "chart": json.dumps(_chart(report.series)),
        "chart_options": json.dumps(CHART_OPTIONS),
        "recent": reports.visible_to(request.user).order_by("-id")[:8],
        "steps": _first_steps(request),
        "notice": GatewaySettings.load().notice,
        "ended_logins": grants.ended() if request.user.has_perm("providers.change_connection") else 0,
        "budgets": budgets.reached(_person(request)),
        "hours": hours,
        "ranges": RANGES,
    }
    return render(request, "omniroute/overview.html", context)


def _hours(text: str) -> int:
    return next((hours for hours, _label in RANGES if str(hours) == text), RANGES[0][0])


CHART_OPTIONS: dict[str, Any] = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "plugins": {
        "legend": {"display": True, "align": "end", "labels": {"boxWidth": 8, "boxHeight": 8, "color": "#8b93a1"}}
    },
    "scales": {
        "x": {
            "stacked": True,
            "grid": {"display": False},
            "ticks": {"color": "#8b93a1", "maxTicksLimit": 8, "maxRotation": 0},
        },
        "y": {
            "stacked": True,
            "beginAtZero": True,
            "border": {"display": False},
            "grid": {"color": "rgba(139, 147, 161, 0.2)"},
            "ticks": {"color": "#8b93a1", "precision": 0, "maxTicksLimit": 5},
        },
    },
}


def _chart(series: Sequence[reports.Point]) -> dict[str, Any]:
    """Points → Chart.js data; labels are ISO moments that the browser words."""
    answered, failed = [p.requests - p.failures for p in series], [p.failures for p in series]
    return {
        "labels": [point.start.isoformat() for point in series],
        "datasets": [
            {"label": _("Answered"), "data": answered, "backgroundColor": "#9333ea", "borderRadius": 3},
            {"label": _("Not answered"), "data": failed, "backgroundColor": "#ef4444", "borderRadius": 3},
        ],
    }


class FirstStep(NamedTuple):
    text: str
    link: str
    done: bool


def _first_steps(request: HttpRequest) -> list[FirstStep]:
    """What is left to do before the first request is answered; empty once one was."""
    if reports.visible_to(request.user).exists():
        return []
    steps = [
        FirstStep(_("Make a client key"), "routing:keys", keys.visible_to(_person(request)).exists()),
        FirstStep(_("Send the first request"), "omniroute:endpoint", False),
    ]
    if request.user.has_perm("providers.add_connection"):
        connected = Connection.objects.filter(enabled=True, provider__enabled=True).exists()
        steps.insert(0, FirstStep(_("Add a connection to a provider"), "providers:list", connected))
    return steps


@login_required
def endpoint(request: HttpRequest) -> HttpResponse:
    """The base URL, snippets for each kind of client, and the model names the person's keys may use."""
    base = f"{settings.PUBLIC_URL or request.build_absolute_uri('/').rstrip('/')}/v1"
    working = keys.visible_to(_person(request)).filter(enabled=True).exclude(expires_at__lte=timezone.now())
    callers = list(working.values_list("team_id", "model_patterns"))
    models = _models(callers)
    example = models[0] if models else "openai/gpt-5-mini"
    context = {
        "base": base,
        "snippets": [(kind, _filled(text, base, example)) for kind, text in SNIPPETS],
        "paths": _paths(base),
        "models": models,
        "has_key": bool(callers),
    }
    return render(request, "omniroute/endpoint.html", context)


def _paths(base: str) -> list[tuple[str | Promise, list[str]]]:
    """Every address that clients may ask, by what it is for."""
    root = base.removesuffix("/v1")
    found: dict[str, list[str]] = {}
    for path, endpoint in ENDPOINTS.items():
        place = root if path.startswith("/v2/") else base
        found.setdefault(endpoint.operation, []).append(f"{endpoint.method} {place}{path}")
    for action, (endpoint, _streamed) in ACTIONS.items():
        found[endpoint.operation].append(f"{endpoint.method} {root}/v1beta/models/{{model}}:{action}")
    labels = {**OPERATIONS, "models": gettext_lazy("Models")}
    return [(label, found[operation]) for operation, label in labels.items()]


def _filled(text: str, base: str, model: str) -> str:
    return text.replace("%BASE%", base).replace("%ROOT%", base.removesuffix("/v1")).replace("%MODEL%", model)


def _person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # login_required
    return request.user


def _models(callers: Sequence[tuple[int | None, list[str]]]) -> list[str]:
    """What ``/v1/models`` would list for keys of these teams with these patterns."""
    patterns: dict[int | None, list[str]] = {}
    for team, several in callers:
        patterns.setdefault(team, []).extend(several)
    snapshot = build()
    found = (
        offered(snapshot, Caller(key_id=None, key_name="", team_id=team, access=Access(models=tuple(several))))
        for team, several in patterns.items()
    )
    return list(dict.fromkeys(name for names in found for name, _owner in names))


SNIPPETS: tuple[tuple[str | Promise, str], ...] = (
    (
        "curl",
        """curl %BASE%/chat/completions \\
  -H "Authorization: Bearer $OMNIROUTE_KEY" \\
  -H "Content-Type: application/json" \\
  -d '{"model": "%MODEL%", "stream": true, "messages": [{"role": "user", "content": "Hello"}]}'""",
    ),
    (
        "Python (openai)",
        """import os
from openai import OpenAI

client = OpenAI(base_url="%BASE%", api_key=os.environ["OMNIROUTE_KEY"])
reply = client.chat.completions.create(
    model="%MODEL%",
    messages=[{"role": "user", "content": "Hello"}],
)
print(reply.choices[0].message.content)""",
    ),
    (
        "JavaScript (openai)",
        """import OpenAI from "openai";

const client = new OpenAI({ baseURL: "%BASE%", apiKey: process.env.OMNIROUTE_KEY });
const reply = await client.chat.completions.create({
  model: "%MODEL%",
  messages: [{ role: "user", content: "Hello" }],
});
console.log(reply.choices[0].message.content);""",
    ),
    (
        "Python (anthropic)",
        """import os
from anthropic import Anthropic

client = Anthropic(base_url="%ROOT%", auth_token=os.environ["OMNIROUTE_KEY"])
reply = client.messages.create(
    model="%MODEL%",
    max_tokens=1024,
    messages=[{"role": "user", "content": "Hello"}],
)
print(reply.content[0].text)""",
    ),
    (
        "Python (google-genai)",
        """import os
from google import genai

client = genai.Client(api_key=os.environ["OMNIROUTE_KEY"], http_options={"base_url": "%ROOT%"})
print(client.models.generate_content(model="%MODEL%", contents="Hello").text)""",
    ),
    (
        "Claude Code",
        """export ANTHROPIC_BASE_URL=%ROOT%
export ANTHROPIC_AUTH_TOKEN="$OMNIROUTE_KEY"
export ANTHROPIC_MODEL=%MODEL%
claude""",
    ),
    (
        "Codex CLI (~/.codex/config.toml)",
        """model = "%MODEL%"
model_provider = "omniroute"

[model_providers.omniroute]
name = "OmniRoute"
base_url = "%BASE%"
wire_api = "responses"
env_key = "OMNIROUTE_KEY\"""",
    ),
    (
        "Gemini CLI",
        """export GOOGLE_GEMINI_BASE_URL=%ROOT%
export GEMINI_API_KEY="$OMNIROUTE_KEY"
export GEMINI_MODEL=%MODEL%
gemini""",
    ),
    (
        gettext_lazy("Programs that read environment variables"),
        """export OPENAI_BASE_URL=%BASE%
export OPENAI_API_KEY="$OMNIROUTE_KEY\"""",
    ),
    (gettext_lazy("List the models"), """curl %BASE%/models -H "Authorization: Bearer $OMNIROUTE_KEY\""""),
)
