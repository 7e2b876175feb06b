"""Which network addresses may ask."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.bounds import one_line
from routing.addresses import network_of


class IpRule(models.Model):
    """A network that may ask, or may not; see the mode in the gateway's settings. A block that ends is a ban."""

    class Action(models.TextChoices):
        ALLOW = "allow", _("Allow")
        BLOCK = "block", _("Block")

    network = models.CharField(
        _("network"), max_length=50, help_text=_("An address or a network: 203.0.113.7, 10.0.0.0/8, 2001:db8::/32.")
    )
    allow = models.BooleanField(_("allow"), default=False, help_text=_("Off: block."))
    until = models.DateTimeField(_("until"), null=True, blank=True, help_text=_("UTC. Empty: for good."))
    reason = models.CharField(_("reason"), max_length=200, blank=True, validators=[one_line])
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name, verbose_name_plural = _("address rule"), _("address rules")
        ordering = ["network"]
        constraints = [
            models.UniqueConstraint(
                fields=["network", "allow"],
                name="one_rule_per_network",
                violation_error_message=_("There is such a rule for this network already; change that one."),
            )
        ]

    def __str__(self) -> str:
        return self.network

    @property
    def action(self) -> str:
        return self.Action.ALLOW.value if self.allow else self.Action.BLOCK.value

    @action.setter
    def action(self, action: str) -> None:
        self.allow = action == self.Action.ALLOW

    def clean_fields(self, exclude: Any = None) -> None:
        """A network is stored as it is compared: no bits beyond its length, IPv4 as IPv4."""
        super().clean_fields(exclude=exclude)
        try:
            self.network = str(network_of(self.network))
        except ValueError as wrong:
            raise ValidationError({"network": _("This is no network: %(why)s.") % {"why": wrong}}) from None

    def clean(self) -> None:
        if self.allow and self.until is not None:
            raise ValidationError({"until": _("Only a block can end.")})


class AddressMode(models.TextChoices):
    """What the address rules mean. Bans hold in every mode but off."""

    OFF = "off", _("Off")
    BLOCK = "block", _("All but the blocked")
    ALLOW = "allow", _("Only the allowed")
    ALLOW_FIRST = "allow_first", _("All but the blocked; an allowed one always")
