"""The names of the strategies: how a combo chooses among its steps, and a provider among its connections."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _


class Strategy(models.TextChoices):
    PRIORITY = "priority", _("Priority")
    FILL_FIRST = "fill-first", _("Fill first")
    ROUND_ROBIN = "round-robin", _("Round robin")
    P2C = "p2c", _("Power of two choices")
    RANDOM = "random", _("Random")
    LEAST_USED = "least-used", _("Least used")
    COST_OPTIMIZED = "cost-optimized", _("Cheapest first")
    WEIGHTED = "weighted", _("Weighted")
    LOWEST_LATENCY = "lowest-latency", _("Fastest first")
    TIERS = "tiers", _("Subscription, then API key, then cheap, then free")


# Connections of one provider have one price and one tier, and their order of priority is "fill first".
ALIKE = frozenset((Strategy.PRIORITY, Strategy.COST_OPTIMIZED, Strategy.TIERS))
AMONG_CONNECTIONS = [(value, label) for value, label in Strategy.choices if value not in ALIKE]
