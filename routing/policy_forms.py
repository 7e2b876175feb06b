"""A form per kind of policy: whose it is, whether it is on, and its settings as fields."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from routing.models import Policy

ROLES = (
    ("user", _("what users say")), ("tool", _("what tools return")), ("system", _("system prompts")),
    ("assistant", _("earlier answers")),
)  # fmt: skip
SEVERITIES = (("high", _("serious ones only")), ("medium", _("all that are found")))
PATTERNS_HELP = _("One per line: a name, a space, a pattern in RE2's syntax.")


class PatternsField(forms.CharField):
    """Lines of name and pattern."""

    widget = forms.Textarea(attrs={"rows": 4, "class": "o-ltr", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if isinstance(value, list):
            return "\n".join(
                f"{row.get('name', '')} {row.get('pattern', '')}" for row in value if isinstance(row, dict)
            )
        return value

    def to_python(self, value: Any) -> Any:
        rows = [line.strip().partition(" ") for line in (value or "").splitlines() if line.strip()]
        if any(not pattern.strip() for _name, _space, pattern in rows):
            raise ValidationError(_("A line has a name, a space and a pattern."))
        return [{"name": name, "pattern": pattern.strip()} for name, _space, pattern in rows]

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(self.prepare_value(initial) != data)


class PolicyForm(forms.ModelForm):
    """Base of the forms; ``said`` are the names of the settings among the fields."""

    class Meta:
        model = Policy
        fields = ("team", "api_key", "enabled")
        help_texts = {
            "team": _("Only for the keys of this team. Without team and key it is everybody's."),
            "api_key": _("Only for this key."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.said = [name for name in self.fields if name not in self.Meta.fields]
        self.given = self.instance.settings if isinstance(self.instance.settings, dict) else {}
        self.initial.update({name: self.given[name] for name in self.said if name in self.given})
        self.order_fields([*self.said, *self.Meta.fields])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        self.instance.settings = self.given | {name: self._value(name, data) for name in self.said if name in data}
        return data

    def _value(self, name: str, data: dict[str, Any]) -> Any:
        if name == "patterns":  # a severity that was given elsewhere stays
            before = {
                row.get("name"): row for row in self.instance.settings.get("patterns", []) if isinstance(row, dict)
            }
            return [before.get(row["name"], {}) | row for row in data[name]]
        return data[name]

    def _update_errors(self, errors: ValidationError) -> None:
        """What the policy says of its settings has no field of that name here."""
        found = getattr(errors, "error_dict", {})
        if "settings" in found:
            found.setdefault("__all__", []).extend(found.pop("settings"))
        super()._update_errors(errors)  # type: ignore[misc]

    def _get_validation_exclusions(self) -> set[str]:
        return super()._get_validation_exclusions() - {"settings", "kind"}  # type: ignore[misc]


class SystemPromptForm(PolicyForm):
    before = forms.CharField(label=_("Before the client's"), required=False, widget=forms.Textarea(attrs={"rows": 6}))
    after = forms.CharField(label=_("After the client's"), required=False, widget=forms.Textarea(attrs={"rows": 6}))


class ThinkingForm(PolicyForm):
    mode = forms.ChoiceField(
        label=_("Mode"),
        choices=[
            ("passthrough", _("As the client says")),
            ("auto", _("Leave it to the provider")),
            ("custom", _("A fixed number of tokens")),
            ("adaptive", _("By the request")),
        ],
    )
    budget = forms.IntegerField(
        label=_("Tokens"), min_value=0, max_value=131_072, initial=10_240, help_text=_("Of a fixed number. 0: off.")
    )
    unasked = forms.BooleanField(
        label=_("also where the client says nothing"), required=False, initial=True,
        help_text=_("Of models that are known to think."),
    )  # fmt: skip


class MaxTokensForm(PolicyForm):
    mode = forms.ChoiceField(
        label=_("Mode"), choices=[("cap", _("At most")), ("force", _("Always")), ("off", _("As the client says"))]
    )
    tokens = forms.IntegerField(label=_("Tokens"), min_value=1, initial=4096)


class GuardForm(PolicyForm):
    mode = forms.ChoiceField(
        label=_("Mode"),
        choices=[
            ("warn", _("Note it in the request log")),
            ("block", _("Refuse the request")),
            ("redact", _("Take the words out")),
            ("off", _("Off")),
        ],
    )
    block_from = forms.ChoiceField(label=_("Refuse"), choices=SEVERITIES)
    scan = forms.MultipleChoiceField(
        label=_("Look at"), choices=ROLES, initial=["user", "tool"], widget=forms.CheckboxSelectMultiple
    )
    families = forms.MultipleChoiceField(
        label=_("Look for"), required=False, widget=forms.CheckboxSelectMultiple,
        initial=["override", "role", "reveal", "delimiters", "jailbreak", "decode"],
        choices=[
            ("override", _("orders to ignore instructions")), ("role", _("another role for the model")),
            ("reveal", _("questions for the system prompt")), ("delimiters", _("marks of chat templates")),
            ("jailbreak", _("known jailbreaks")), ("decode", _("encoded orders")),
        ],
    )  # fmt: skip
    patterns = PatternsField(label=_("Own patterns"), required=False, help_text=PATTERNS_HELP)


class RedactionForm(PolicyForm):
    kinds = forms.MultipleChoiceField(
        label=_("Take out"), required=False, widget=forms.CheckboxSelectMultiple,
        initial=["email", "card", "us_ssn", "cpf", "cnpj", "br_phone", "phone"],
        choices=[
            ("email", _("e-mail addresses")), ("card", _("card numbers")), ("us_ssn", _("US social security numbers")),
            ("cpf", "CPF"), ("cnpj", "CNPJ"), ("br_phone", _("Brazilian phone numbers")), ("phone", _("phone numbers")),
        ],
    )  # fmt: skip
    scan = forms.MultipleChoiceField(
        label=_("Look at"), choices=ROLES, initial=["user", "tool", "system", "assistant"],
        widget=forms.CheckboxSelectMultiple,
    )  # fmt: skip
    patterns = PatternsField(label=_("Own patterns"), required=False, help_text=PATTERNS_HELP)


FORMS: dict[str, type[PolicyForm]] = {
    "system_prompt": SystemPromptForm,
    "thinking": ThinkingForm,
    "max_tokens": MaxTokensForm,
    "guard": GuardForm,
    "redaction": RedactionForm,
}


def mode_of(row: Policy) -> str:
    """What its form calls its mode, the form's first where none is said; empty where it has none."""
    field: Any = FORMS[row.kind].base_fields.get("mode")
    given = row.settings.get("mode", field.choices[0][0]) if field else None
    return str(dict(field.choices).get(given, given)) if field else ""
