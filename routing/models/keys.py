"""Client keys, and what they and teams may use."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.bounds import list_of_patterns, one_line

# What a key or a team may be allowed to ask for: the operations of the client APIs.
ENDPOINTS = (
    "chat", "completions", "count", "embeddings", "images", "transcription", "speech", "moderation", "rerank",
)  # fmt: skip


def _everything() -> list[str]:
    return ["*"]


def list_of_texts(value: Any) -> None:
    """Validator. Raises ValidationError."""
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValidationError(_("A list of texts is expected."))


def known_endpoints(value: Any) -> None:
    """Validator. Raises ValidationError."""
    list_of_texts(value)
    unknown = [item for item in value if item not in ENDPOINTS]
    if unknown:
        raise ValidationError(
            _("%(name)s is none of %(known)s."), params={"name": unknown[0], "known": ", ".join(ENDPOINTS)}
        )


class ApiKey(models.Model):
    """A client's key, stored as a hash. ``last_used_at`` and ``request_count`` are written in batches."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(_("name"), max_length=100, validators=[one_line])
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    last4 = models.CharField(_("ends in"), max_length=4, editable=False)
    owner = models.ForeignKey(
        "accounts.User", models.CASCADE, null=True, blank=True, related_name="api_keys", verbose_name=_("owner")
    )
    team = models.ForeignKey(
        "accounts.Team", models.CASCADE, null=True, blank=True, related_name="api_keys", verbose_name=_("team")
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    model_patterns = models.JSONField(
        _("models"),
        default=_everything,
        blank=True,
        validators=[list_of_patterns],
        help_text=_("Patterns over model names: *, openai/*, openai/gpt-4o."),
    )
    combo_patterns = models.JSONField(
        _("combos"),
        null=True,
        blank=True,
        validators=[list_of_patterns],
        help_text=_("Patterns over the names of combos. Empty: as the models say."),
    )
    providers = models.JSONField(
        _("providers"),
        default=list,
        blank=True,
        validators=[list_of_texts],
        help_text=_("Ids of the only providers that may answer. Empty: all."),
    )
    endpoints = models.JSONField(
        _("endpoints"),
        default=list,
        blank=True,
        validators=[known_endpoints],
        help_text=_("The only things that may be asked for, such as chat or embeddings. Empty: all."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    expires_at = models.DateTimeField(_("expires"), null=True, blank=True)
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    request_count = models.PositiveBigIntegerField(_("requests"), default=0, editable=False)

    class Meta:
        verbose_name, verbose_name_plural = _("client key"), _("client keys")
        ordering = ["-created_at"]

    def __str__(self) -> str:
        return f"{self.name} (…{self.last4})"


class TeamAccess(models.Model):
    """What the keys of a team may use, whatever each of them says; a team without a row may use everything."""

    team = models.OneToOneField(
        "accounts.Team", models.CASCADE, related_name="access", primary_key=True, verbose_name=_("team")
    )
    model_patterns = models.JSONField(_("models"), default=_everything, blank=True, validators=[list_of_patterns])
    combo_patterns = models.JSONField(_("combos"), null=True, blank=True, validators=[list_of_patterns])
    providers = models.JSONField(_("providers"), default=list, blank=True, validators=[list_of_texts])
    endpoints = models.JSONField(_("endpoints"), default=list, blank=True, validators=[known_endpoints])

    class Meta:
        verbose_name, verbose_name_plural = _("permissions of a team"), _("permissions of teams")

    def __str__(self) -> str:
        return str(self.team)
