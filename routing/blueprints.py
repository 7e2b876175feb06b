"""Ready-made combos to begin with. The strategy ``tiers`` needs none: it orders whatever is connected."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from routing.combos import Step
from routing.models import Strategy


@dataclass(frozen=True, slots=True)
class Blueprint:
    """``steps`` are names as in a combo; those whose provider is not connected stand for nothing and do no harm."""

    name: str
    sentence: Promise
    strategy: str
    models: tuple[str, ...]

    @property
    def steps(self) -> list[Step]:
        return [Step(model) for model in self.models]


BLUEPRINTS = (
    Blueprint(
        "premium-coding",
        _("The strongest coding models, over the subscriptions that include them."),
        Strategy.PRIORITY,
        ("claude/claude-opus-5-5", "codex/gpt-5.3-codex", "github/gpt-5.2-codex", "antigravity/gemini-3.1-pro-high"),
    ),
    Blueprint(
        "free-combo",
        _("Free tiers only, in turn, so that none is used up alone."),
        Strategy.ROUND_ROBIN,
        ("gemini-cli/gemini-3-flash-preview", "kiro/claude-sonnet-4.5", "ollama-local/*"),
    ),
    Blueprint(
        "maximize-claude",
        _("All of a Claude subscription first, the same family elsewhere next, a cheap model for the rest."),
        Strategy.FILL_FIRST,
        (
            "claude/claude-opus-5-5",
            "claude/claude-sonnet-5-5",
            "antigravity/claude-sonnet-4-6",
            "kiro/claude-sonnet-4.5",
            "glm/glm-5.3",
        ),
    ),
    Blueprint(
        "free-forever",
        _("Costs nothing: free tiers in order of quality, a model on your own machine last."),
        Strategy.PRIORITY,
        (
            "kiro/claude-sonnet-4.5",
            "gemini-cli/gemini-3.1-pro-preview",
            "gemini-cli/gemini-2.5-flash",
            "kiro/qwen3-coder-next",
            "ollama-local/*",
        ),
    ),
    Blueprint(
        "always-on",
        _("Never stops: two subscriptions, two cheap providers, then free."),
        Strategy.PRIORITY,
        (
            "claude/claude-sonnet-5-5",
            "codex/gpt-5.3-codex",
            "glm/glm-5.3",
            "minimax/MiniMax-M2.7",
            "gemini-cli/gemini-3-flash-preview",
        ),
    ),
    Blueprint(
        "openclaw-free",
        _("For assistants that run all day: free models with tools and long contexts."),
        Strategy.PRIORITY,
        ("gemini-cli/gemini-3-flash-preview", "kiro/glm-5", "kiro/MiniMax-M2.5", "kiro/deepseek-3.2"),
    ),
    Blueprint(
        "my-coding-stack",
        _("A subscription for the work, a cheap provider when it is used up, free for emergencies."),
        Strategy.PRIORITY,
        ("claude/claude-sonnet-5-5", "deepseek/deepseek-v4-pro", "kimi/kimi-k3", "kiro/claude-sonnet-4.5"),
    ),
)


def blueprint(name: str) -> Blueprint | None:
    """The one of that name."""
    return next((one for one in BLUEPRINTS if one.name == name), None)
