"""What columns may hold, wherever it comes from: pages, the management API and the declarative file ask the same."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.utils.translation import gettext_lazy as _

BIGGEST = 2_147_483_647  # a whole number that every database keeps; SQLite alone would take bigger ones
LONGEST_NAME = 260  # of a model, and of a pattern over models
MOST_PATTERNS = 1000

at_least_one = MinValueValidator(1)
countable = MaxValueValidator(BIGGEST)
one_line = RegexValidator(r"^[^\x00-\x1f\x7f]*\Z", _("One line of text is expected, without control characters."))
no_spaces = RegexValidator(r"^[^\s\x00-\x1f\x7f]*\Z", _("A name holds no spaces."))
# The client APIs refuse such a name before they look it up: it is the path of another address.
can_be_asked = RegexValidator(r"\.\./", _("A name cannot be asked for with ../ in it."), inverse_match=True)


def list_of_patterns(value: Any) -> None:
    """Validator of names with ``*`` and ``?`` in them. Raises ValidationError."""
    if not isinstance(value, list):
        raise ValidationError(_("A list of texts is expected."))
    if len(value) > MOST_PATTERNS:
        raise ValidationError(_("At most %(most)s of them can be listed."), params={"most": MOST_PATTERNS})
    for item in value:
        if not isinstance(item, str) or not 1 <= len(item) <= LONGEST_NAME:
            raise ValidationError(
                _("Each of them is a text of 1 to %(most)s characters."), params={"most": LONGEST_NAME}
            )
        try:
            no_spaces(item)
        except ValidationError:
            raise ValidationError(_("“%(name)s” holds spaces."), params={"name": item}) from None
