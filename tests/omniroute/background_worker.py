"""The real background process with one more task, for round trips through a real broker.

``work``: run it, as a child of the supervisor would. ``send TEXT``: queue the task from a process that has no Celery
app of its own, as the web process does.
"""

from __future__ import annotations

import sys

from omniroute import bootstrap

bootstrap.set_up()

if sys.argv[1] == "work":
    import omniroute.celery  # noqa: F401  the app that the task below belongs to

from celery import shared_task  # noqa: E402


@shared_task(name="tests.say")
def say(text: str) -> None:
    from django.db import connection

    with connection.cursor() as cursor:  # a task has a database of its own thread
        cursor.execute("SELECT 1")
    print(f"said {text}", flush=True)


if __name__ == "__main__":
    from omniroute import background
    from omniroute.environment import current

    if sys.argv[1] == "send":
        assert "omniroute.celery" not in sys.modules
        say.delay(sys.argv[2])
        assert "omniroute.celery" not in sys.modules
        sys.exit(0)
    sys.exit(background.run(lambda: print("takes tasks", flush=True), current().data_dir))
