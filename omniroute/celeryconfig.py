"""What configures every Celery app of ours: the worker's in ``omniroute.celery``, and a mere sender's.

The web process must not pay for Celery until a page queues something. Then ``celery`` is imported for the first time,
finds no app of ours, makes its default one, and reads this module, which ``CELERY_CONFIG_MODULE`` names
(set in ``omniroute.apps``): the task goes to the right broker from any thread.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

broker_url: str = settings.CELERY_BROKER_URL
if broker_url == "filesystem://":
    broker_url += "localhost"  # kombu warns of a URL without a host, even where there is none to name
broker_transport_options: dict[str, Any] = dict(getattr(settings, "CELERY_BROKER_TRANSPORT_OPTIONS", {}))
if broker_url.startswith(("redis", "valkey")):
    # Cache, channel layer and queue may share one database.
    broker_transport_options.setdefault("global_keyprefix", "omniroute:queue:")
broker_connection_retry_on_startup = settings.CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP
broker_connection_max_retries = None  # a broker that is away comes back
task_default_queue = "omniroute"
task_ignore_result = settings.CELERY_TASK_IGNORE_RESULT
task_serializer = settings.CELERY_TASK_SERIALIZER
accept_content = settings.CELERY_ACCEPT_CONTENT
timezone = settings.CELERY_TIMEZONE
worker_hijack_root_logger = settings.CELERY_WORKER_HIJACK_ROOT_LOGGER
worker_enable_remote_control = False  # nobody would ask; it costs a queue and its polling
worker_prefetch_multiplier = 1
