"""Ways out: proxies by name."""

from __future__ import annotations

import uuid

from django.core.validators import RegexValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from providers.bounds import one_line
from providers.fields import EncryptedTextField, SealingQuerySet


class Proxy(models.Model):
    """A way out: what refers to it is called through it, or not at all. Read its URL through ``proxies.url_of``."""

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(
        _("name"),
        max_length=170,
        unique=True,
        validators=[
            RegexValidator(r"^(?!direct\Z)(?!.*://)[^\x00-\x1f\x7f]+\Z", _("One line, no URL, and not “direct”."))
        ],
    )
    url = EncryptedTextField(
        _("URL"),
        null=True,
        blank=True,
        help_text=_("http://, https://, socks5:// or socks5h://, with user and password if needed."),
    )
    scheme = models.CharField(_("kind"), max_length=10, editable=False)
    address = models.CharField(_("address"), max_length=270, editable=False)  # host:port, what of the URL may be shown
    enabled = models.BooleanField(
        _("enabled"), default=True, help_text=_("Off: what goes through it is not called at all, never directly.")
    )
    is_global = models.BooleanField(
        _("for everything"),
        default=False,
        help_text=_("Used by every provider and connection that says nothing else. There is at most one."),
    )
    note = models.CharField(_("note"), max_length=300, blank=True, validators=[one_line])
    tested_at = models.DateTimeField(_("tested"), null=True, editable=False)
    test_ok = models.BooleanField(_("test passed"), null=True, editable=False)
    test_message = models.CharField(_("test result"), max_length=500, blank=True, editable=False)
    test_latency_ms = models.PositiveIntegerField(_("test latency"), null=True, editable=False)
    exit_address = models.GenericIPAddressField(_("exit address"), null=True, editable=False)

    objects = SealingQuerySet.as_manager()

    class Meta:
        verbose_name, verbose_name_plural = _("proxy"), _("proxies")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(fields=["is_global"], condition=models.Q(is_global=True), name="one_global_proxy")
        ]

    def __str__(self) -> str:
        return self.name
