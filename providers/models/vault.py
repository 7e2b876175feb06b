"""Whether the key ring is the right one."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from providers.fields import EncryptedTextField, SealingQuerySet


class VaultCanary(models.Model):
    """One sealed word. If the key ring cannot open it, the installation has another key and must not start."""

    WORD = "omniroute"

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    word = EncryptedTextField(null=True)
    fingerprint = models.CharField(max_length=16)

    objects = SealingQuerySet.as_manager()

    def __str__(self) -> str:
        return self.fingerprint

    def save(self, *args: Any, **kwargs: Any) -> None:
        self.pk = 1  # there is one
        super().save(*args, **kwargs)
