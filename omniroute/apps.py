import os

from django.apps import AppConfig


class OmniRouteConfig(AppConfig):
    name = "omniroute"
    verbose_name = "OmniRoute"

    def ready(self) -> None:
        from omniroute import checks  # noqa: F401  registers them

        # Whoever queues a task without having loaded our Celery app still finds our broker: see omniroute.celeryconfig.
        os.environ.setdefault("CELERY_CONFIG_MODULE", "omniroute.celeryconfig")
