"""Names that stand for models: combos and aliases."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.bounds import can_be_asked, no_spaces
from providers.choosing import Strategy


class Combo(models.Model):
    """A named chain of models; its name is used as a model name."""

    name = models.CharField(
        _("name"),
        max_length=100,
        unique=True,
        validators=[RegexValidator(r"^[A-Za-z0-9_/.-]+\Z", _("Letters, digits and _ / . - only.")), can_be_asked],
    )
    strategy = models.CharField(_("strategy"), max_length=20, choices=Strategy, default=Strategy.PRIORITY)
    enabled = models.BooleanField(_("enabled"), default=True)
    sticky = models.PositiveIntegerField(
        _("requests in a row"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(1000)],
        help_text=_("Round robin: how many requests go to a step before the next one's turn."),
    )
    grants_steps = models.BooleanField(
        _("grants its steps"),
        default=True,
        help_text=_("Who may use the combo may use what it leads to. Off: only the steps that their key allows."),
    )

    class Meta:
        verbose_name, verbose_name_plural = _("combo"), _("combos")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class ComboStep(models.Model):
    combo = models.ForeignKey(Combo, models.CASCADE, related_name="steps", verbose_name=_("combo"))
    position = models.PositiveIntegerField(_("position"), default=0)
    model = models.CharField(
        _("model"), max_length=260, validators=[no_spaces], help_text=_("provider/model, an alias or another combo.")
    )
    weight = models.PositiveIntegerField(_("weight"), default=1, validators=[MaxValueValidator(100)])

    class Meta:
        verbose_name, verbose_name_plural = _("step"), _("steps")
        ordering = ["combo", "position", "id"]

    def __str__(self) -> str:
        return self.model


one_name = RegexValidator(r"[*?]", _("A target is one name: no * and no ?."), inverse_match=True)


class Alias(models.Model):
    """Another name for a model: exact, or with ``*`` and ``?``; the most specific pattern wins."""

    pattern = models.CharField(_("pattern"), max_length=200, unique=True, validators=[no_spaces, can_be_asked])
    target = models.CharField(_("target"), max_length=260, validators=[no_spaces, one_name])

    class Meta:
        verbose_name, verbose_name_plural = _("alias"), _("aliases")
        ordering = ["pattern"]

    def __str__(self) -> str:
        return f"{self.pattern} → {self.target}"

    def clean(self) -> None:
        """Raises ValidationError."""
        if self.pattern and self.pattern == self.target:
            raise ValidationError({"target": _("An alias must not point at itself.")})
        from routing import combos

        if fault := combos.alias_fault(self):
            raise ValidationError({"target": fault})
