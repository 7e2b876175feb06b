from django.apps import AppConfig
from django.db.models.signals import post_delete, post_save
from django.utils.translation import gettext_lazy as _


class RoutingConfig(AppConfig):
    name = "routing"
    verbose_name = _("Routing")

    def ready(self) -> None:
        from routing import publish

        for model in publish.WATCHED:
            for signal in (post_save, post_delete):
                signal.connect(publish.on_change, sender=model, dispatch_uid=f"publish {model.__name__} {id(signal)}")
