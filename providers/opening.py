"""The opening system text of a connection: a vendor may take a subscription's tokens only in requests whose first
system block names its own program. Whether the text is added for other programs is a switch, off by default."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from providers.entry import Entry
from providers.logins.flow import flows

LONGEST = 4000  # characters
# What whoever turns it on has to know; the page, the API's description and the documentation say the same.
WHAT = gettext_lazy(
    "This vendor takes the tokens of a subscription only in requests whose first system block names the vendor's own "
    "program. A program that sends that block itself passes through untouched, with this switch on or off."
)
RISK = gettext_lazy(
    "For all other programs the switch puts the text below in front of their system text. The vendor restricts "
    "subscriptions to its own programs: with the switch on, requests of other programs say something that is not true "
    "of them, and the account may be limited or closed. OmniRoute brings no such text along."
)


def wanted(entry: Entry) -> bool:
    """Whether the provider's vendor takes logins only with an opening text."""
    flow = flows().get(entry.login)
    return flow is not None and flow.preamble


def fault(entry: Entry, text: str, adds: bool) -> tuple[str, str] | None:
    """What is wrong with a connection's opening text, as its column and a sentence; None: nothing."""
    if (text or adds) and not wanted(entry):
        return "preamble" if text else "adds_preamble", _("The vendor of this provider wants no opening text.")
    if len(text) > LONGEST:
        return "preamble", _("An opening text has at most %(limit)s characters.") % {"limit": LONGEST}
    if adds and not text.strip():
        return "preamble", _("Without a text there is nothing to add.")
    return None


def told(adds: bool) -> str:
    """The line of the audit; English."""
    return f"Turned the opening system text {'on' if adds else 'off'}."
