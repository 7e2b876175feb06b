"""What went wrong in a login, as a sentence for people. The vendor's own words are added where there are some."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from providers.logins.engine import LoginFailed

SENTENCES: Mapping[str, Promise] = {
    "state": gettext_lazy("This answer belongs to no login that was begun here. Begin again."),
    "used": gettext_lazy("This login was used already. Begin again."),
    "session": gettext_lazy("This login was begun by somebody else or in another browser. Begin again here."),
    "provider": gettext_lazy("This answer belongs to a login at another provider."),
    "other_login": gettext_lazy("This answer belongs to another login that was begun here."),
    "expired": gettext_lazy("The login took longer than ten minutes. Begin again."),
    "expired_token": gettext_lazy("The code was not confirmed in time. Begin again."),
    "access_denied": gettext_lazy("The login was refused at the vendor's page."),
    "other_account": gettext_lazy(
        "This is another account than the connection's, so nothing was changed. Add it as a login of its own."
    ),
    "not_an_address": gettext_lazy("Paste the whole address that the browser shows, or the code with # in it."),
    "no_code": gettext_lazy("There is no code in this address."),
    "empty": gettext_lazy("Nothing was pasted."),
    "too_long": gettext_lazy("This is too long to be a login."),
    "not_json": gettext_lazy("This begins like JSON and is none."),
    "not_a_token": gettext_lazy("This is no token: a token is one word of visible ASCII characters."),
    "no_token": gettext_lazy("There is no token in it."),
    "ended": gettext_lazy("The vendor has ended this login."),
    "no_secret": gettext_lazy("This login needs a client secret, which is set in the environment: %(names)s."),
    "no_client": gettext_lazy(
        "This login can be renewed only with the client it was made with: paste %(name)s as well, below this file."
    ),
    "unreachable": gettext_lazy("The vendor could not be reached."),
    "address": gettext_lazy("The vendor's address may not be called from here."),
    "too_many": gettext_lazy("The vendor has too many logins waiting. Try again in a few minutes."),
    "identity": gettext_lazy("The vendor does not say whose login this is."),
    "code_assist": gettext_lazy("Google did not give this account a project for Code Assist."),
    "not_renewable": gettext_lazy("The token cannot be renewed."),
    "start_url": gettext_lazy("The start page is an address that begins with https://."),
    "region": gettext_lazy("A region is written like us-east-1."),
    "invalid_grant": gettext_lazy("The vendor does not take this code or token any more. Begin again."),
}


def explain(wrong: LoginFailed) -> str:
    """The sentence for a failure."""
    sentence = str(SENTENCES.get(wrong.code, gettext_lazy("The vendor refused the login.")))
    if wrong.code == "no_secret":
        return sentence % {"names": wrong.words}
    if wrong.code == "no_client":
        return sentence % {"name": wrong.words}
    if wrong.code == "proxy":
        return wrong.words  # a sentence of ours already
    words = wrong.words or ("" if wrong.code in SENTENCES else wrong.code)
    return _("%(sentence)s The vendor says: %(words)s") % {"sentence": sentence, "words": words} if words else sentence
