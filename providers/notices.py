"""Telling administrators that a login has ended: by mail where there is mail; the dashboard shows it anyway."""

from __future__ import annotations

import logging

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.mail import send_mail
from django.utils.translation import gettext as _

from providers.models import Grant

log = logging.getLogger(__name__)


def login_ended(pk: int) -> None:
    """Queue the mail; never fails, for what happened is stored already."""
    if not settings.MAIL_ENABLED:
        return
    from providers.tasks import tell_login_ended

    try:
        tell_login_ended.apply_async((pk,), retry=False)
    except Exception:
        log.exception("the mail about an ended login could not be queued")


def mail_login_ended(pk: int) -> int:
    """Write to every active site administrator; returns how many mails went."""
    grant = Grant.objects.select_related("connection__provider").filter(pk=pk, state=Grant.State.ENDED).first()
    people = get_user_model()._default_manager.filter(is_active=True, is_superuser=True)
    addresses = [person.get_username() for person in people]
    if grant is None or not addresses:
        return 0
    words = {"connection": grant.connection, "account": grant, "message": grant.message}
    subject = _("OmniRoute: %(connection)s needs a new login") % words
    text = _(
        "The login of %(account)s has ended, so %(connection)s is left out of requests.\n\n"
        "What happened: %(message)s\n\nLog in again on the provider's page."
    )
    link = f"\n\n{settings.PUBLIC_URL}/dashboard/providers/{grant.provider_id}/" if settings.PUBLIC_URL else ""
    return sum(send_mail(subject, text % words + link, None, [address]) for address in addresses)
