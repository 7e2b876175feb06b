"""Rows of policies and caches. ``routing.models`` names them, for Django looks there."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from providers.bounds import LONGEST_NAME, no_spaces

TAKEN_KIND = _("There is a policy of this kind for it already; change that one.")


class Policy(models.Model):
    """A rule on requests: everybody's, a team's or a key's. ``settings`` are checked by their kind's schema."""

    class Kind(models.TextChoices):
        SYSTEM_PROMPT = "system_prompt", _("System prompt")
        THINKING = "thinking", _("Thinking budget")
        MAX_TOKENS = "max_tokens", _("Length of answers")
        GUARD = "guard", _("Prompt-injection guard")
        REDACTION = "redaction", _("Redaction of personal data")

    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    team = models.ForeignKey(
        "accounts.Team", models.CASCADE, null=True, blank=True, related_name="policies", verbose_name=_("team")
    )
    api_key = models.ForeignKey(
        "routing.ApiKey", models.CASCADE, null=True, blank=True, related_name="policies", verbose_name=_("client key")
    )
    enabled = models.BooleanField(_("enabled"), default=True)
    settings = models.JSONField(_("settings"), default=dict, blank=True)

    objects: ClassVar[models.Manager[Policy]] = models.Manager()

    class Meta:
        verbose_name, verbose_name_plural = _("policy"), _("policies")
        ordering = ["kind", "team", "api_key"]
        constraints = [
            models.CheckConstraint(condition=Q(team=None) | Q(api_key=None), name="policy_of_a_team_or_a_key"),
            models.UniqueConstraint(
                fields=["kind"],
                condition=Q(team=None, api_key=None),
                name="one_policy_of_a_kind_for_all",
                violation_error_message=TAKEN_KIND,
            ),
            models.UniqueConstraint(
                fields=["kind", "team"],
                condition=Q(team__isnull=False),
                name="one_policy_of_a_kind_per_team",
                violation_error_message=TAKEN_KIND,
            ),
            models.UniqueConstraint(
                fields=["kind", "api_key"],
                condition=Q(api_key__isnull=False),
                name="one_policy_of_a_kind_per_key",
                violation_error_message=TAKEN_KIND,
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} · {self.whose}"

    @property
    def whose(self) -> str:
        return str(self.api_key or self.team or _("everybody"))

    def clean(self) -> None:
        """Raises ValidationError."""
        from routing import policies

        if self.team_id is not None and self.api_key_id is not None:
            raise ValidationError({"api_key": _("A policy belongs to a team or to a key, not to both.")})
        if fault := policies.fault(self.kind, self.settings):
            raise ValidationError({"settings": fault})


def has_embeddings(value: bool) -> None:
    """Raises ValidationError when the semantic cache cannot work here without a model."""
    if value and find_spec("wordllama") is None:
        raise ValidationError(
            _("Without a model the semantic cache needs a package: pip install 'omniroute[semantic]'.")
        )


class CacheSettings(models.Model):
    """What answers are kept; one row, every field read by the gateway (``routing.snapshot.Caching``)."""

    exact = models.BooleanField(
        _("keep answers"),
        default=False,
        help_text=_("The same question of the same caller is answered again from them."),
    )
    any_temperature = models.BooleanField(
        _("whatever the temperature"), default=False,
        help_text=_("Off: only answers to questions with a temperature of 0, and embeddings, rankings and judgements."),
    )  # fmt: skip
    per_team = models.BooleanField(
        _("shared within a team"), default=False, help_text=_("Off: every key has its own answers.")
    )
    ttl_seconds = models.PositiveIntegerField(
        _("seconds an answer is kept"), default=3600, validators=[MinValueValidator(1), MaxValueValidator(2_592_000)]
    )
    max_entries = models.PositiveIntegerField(
        _("most answers"), default=1000, validators=[MinValueValidator(1), MaxValueValidator(1_000_000)]
    )
    max_mb = models.PositiveIntegerField(
        _("most memory in MB"), default=64, validators=[MinValueValidator(1), MaxValueValidator(16_384)],
        help_text=_("Of one process without Redis; Redis bounds its own."),
    )  # fmt: skip
    semantic = models.BooleanField(
        _("also questions that mean the same"), default=False,
        help_text=_("Of chats whose other words are the same. Needs kept answers."),
    )  # fmt: skip
    semantic_model = models.CharField(
        _("embeddings model"), max_length=LONGEST_NAME, blank=True, default="", validators=[no_spaces],
        help_text=_("As clients name it; asked for every such question, at its price. Empty: a small one, offline."),
    )  # fmt: skip
    semantic_percent = models.PositiveIntegerField(
        _("how near, in percent"), default=95, validators=[MinValueValidator(70), MaxValueValidator(100)]
    )
    semantic_entries = models.PositiveIntegerField(
        _("most questions per caller"), default=1000, validators=[MinValueValidator(1), MaxValueValidator(10_000)]
    )
    idempotency_seconds = models.PositiveIntegerField(
        _("seconds an Idempotency-Key counts"), default=5, validators=[MaxValueValidator(86_400)],
        help_text=_("After the answer. 0: the header is not looked at."),
    )  # fmt: skip

    objects: ClassVar[models.Manager[CacheSettings]] = models.Manager()

    class Meta:
        verbose_name = verbose_name_plural = _("cache settings")

    def __str__(self) -> str:
        return str(_("cache settings"))

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1  # there is one
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """Raises ValidationError."""
        if self.semantic and not self.exact:
            raise ValidationError({"semantic": _("Questions that mean the same need kept answers.")})
        if self.semantic and self.semantic_model:
            from routing import caching

            if fault := caching.model_fault(self.semantic_model):
                raise ValidationError({"semantic_model": fault})
        elif self.semantic:
            try:
                has_embeddings(self.semantic)
            except ValidationError as wrong:
                raise ValidationError({"semantic": wrong}) from None

    @classmethod
    def load(cls) -> CacheSettings:
        """The row, or the defaults while nobody has saved any."""
        return cls.objects.filter(pk=1).first() or cls()


class CacheFlush(models.Model):
    """Answers made until then are not given any more: all (""), a key's ("key:7"), a model's ("model:NAME")."""

    subject = models.CharField(max_length=300, primary_key=True)
    at = models.FloatField()  # Unix time

    objects: ClassVar[models.Manager[CacheFlush]] = models.Manager()

    def __str__(self) -> str:
        return self.subject or "*"
