from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save
from django.utils.translation import gettext_lazy as _


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = _("Routing")

    def ready(self) -> None:
        from providers.models import Connection
        from providers.signals import providers_made, quotas_changed
        from routing import publish

        for model in publish.WATCHED:
            for signal in (post_save, post_delete):
                signal.connect(publish.on_change, sender=model, dispatch_uid=f"publish {model.__name__} {id(signal)}")
        providers_made.connect(publish.on_told, dispatch_uid="publish providers")
        quotas_changed.connect(publish.on_told, dispatch_uid="publish quotas")
        post_save.connect(_mended, sender=Connection, dispatch_uid="health of a connection")


def _mended(instance: Any, created: bool = False, update_fields: Any = None, raw: bool = False, **kwargs: Any) -> None:
    """Somebody gave a connection another credential, or switched it: nothing is held against it any more, and its
    provider may be asked whether that was it."""
    from routing import health

    if raw or not (update_fields is None or {"secret", "enabled"} & set(update_fields)):
        return
    if not created:
        health.forget_connection(instance.pk)
    health.let_probe(instance.provider_id)
