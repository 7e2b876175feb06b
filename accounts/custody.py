"""Second factors, as one more place where sealed values lie: inside the JSON that allauth keeps of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from allauth.mfa.models import Authenticator

from providers.rotation import Row
from providers.vault import VERSION, Sealed

MFA_CONTEXT = "mfa_authenticator.data"  # what they are bound to: allauth seals them before there is a row
NAMES = ("secret", "seed")  # of TOTP and of recovery codes


class SecondFactors:
    """Rows of allauth's Authenticator; passkeys hold nothing that is sealed."""

    name = Authenticator._meta.label

    def rows(self, after: Any, limit: int, not_by: str = "") -> Sequence[Row]:
        factors = Authenticator.objects.exclude(type=Authenticator.Type.WEBAUTHN).order_by("pk")
        while batch := list(factors.filter(pk__gt=after or 0)[:limit]):
            if rows := [row for each in batch if (row := _row(each, not_by)).values]:
                return rows
            after = batch[-1].pk
        return []

    def replace(self, row: Row, tokens: Mapping[str, str]) -> bool:
        """The JSON is swapped as a whole, so a recovery code that is used up meanwhile stays used up."""
        data = Authenticator.objects.filter(pk=row.pk).values_list("data", flat=True).first()
        held = dict(_sealed(data))
        if data is None or any(held.get(name) != row.values[name][0] for name in tokens):
            return False
        return bool(Authenticator.objects.filter(pk=row.pk, data=data).update(data={**data, **tokens}))

    def title(self, pk: Any) -> str:
        row = Authenticator.objects.select_related("user").filter(pk=pk).first()
        return f"second factor {pk}" + (f" ({row.type} of {row.user.email})" if row else "")


def _row(factor: Authenticator, not_by: str) -> Row:
    values = {n: (t, MFA_CONTEXT) for n, t in _sealed(factor.data) if Sealed(t).key_id != not_by}
    return Row(factor.pk, values)


def _sealed(data: Any) -> list[tuple[str, str]]:
    if not isinstance(data, dict):
        return []
    return [(name, data[name]) for name in NAMES if str(data.get(name) or "").startswith(f"{VERSION}.")]
