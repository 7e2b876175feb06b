"""The encrypted column: django-encrypted-model-fields with another heart.

What its Fernet fields do badly is turned round: a wrong key or an altered value raises, assigning or validating never
decrypts, nothing is decrypted by merely loading a row, and every way around ``save()`` (``update``, ``bulk_update``,
expressions, look-ups) is refused. A loaded attribute is a :class:`~providers.vault.Sealed`; :func:`reveal` opens it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.core import checks
from django.core.exceptions import FieldError
from django.db import models
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from providers.keyring import ring
from providers.vault import VERSION, Sealed, SecretUnreadable

if TYPE_CHECKING:
    from django.db.models import TextField as FernetTextField  # what it is; the package has no types
else:
    from encrypted_model_fields.fields import EncryptedTextField as FernetTextField


def reveal(row: models.Model, name: str) -> str | None:
    """The plain text of an encrypted attribute, None when empty. Raises vault.SecretUnreadable."""
    value = getattr(row, name)
    if isinstance(value, Sealed):
        field = row._meta.get_field(name)
        assert isinstance(field, EncryptedTextField)
        return ring().open(value.token, field.context(row))
    return value or None


class WriteOnlyField(forms.CharField):
    """A form field that never shows what is stored; left empty it changes nothing."""

    widget = forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "spellcheck": "false"})

    def prepare_value(self, value: Any) -> str:
        return ""

    def has_changed(self, initial: Any, data: Any) -> bool:
        return bool(data)


class EncryptedTextField(FernetTextField):
    """Text sealed with AES-256-GCM, bound to table, column and the row's ``bound_to`` attribute (a fixed unique id)."""

    description = _("Encrypted text")

    def __init__(self, *args: Any, bound_to: str = "uid", **kwargs: Any) -> None:
        self.bound_to = bound_to
        kwargs.setdefault("editable", True)
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        name, path, args, kwargs = super().deconstruct()
        return name, path, args, {**kwargs, "bound_to": self.bound_to}

    def check(self, **kwargs: Any) -> list[checks.CheckMessage]:
        errors = list(super().check(**kwargs))
        if not isinstance(self.model._default_manager.get_queryset(), SealingQuerySet):
            errors.append(
                checks.Error(f"{self.model.__name__} needs SealingQuerySet as manager.", obj=self, id="providers.E001")
            )
        return errors

    def context(self, row: models.Model) -> str:
        """What a value of this row is bound to: ``table.column:row id``."""
        return f"{row._meta.db_table}.{self.column}:{getattr(row, self.bound_to)}"

    # -- out of the database and out of forms: never decrypts ---------------------------------------------------------
    def to_python(self, value: Any) -> Any:
        return value

    def from_db_value(self, value: str | None, *args: Any) -> Sealed | None:
        return None if value in (None, "") else Sealed(value)

    def value_to_string(self, obj: models.Model) -> str:
        """Serialised rows (``dumpdata``) carry no secret, not even a sealed one."""
        return ""

    def formfield(self, form_class: Any = None, choices_form_class: Any = None, **kwargs: Any) -> forms.Field:
        return WriteOnlyField(required=False, label=capfirst(self.verbose_name), help_text=self.help_text, strip=True)

    def save_form_data(self, instance: models.Model, data: Any) -> None:
        if data:
            super().save_form_data(instance, data)

    # -- into the database: only by save() of the row ------------------------------------------------------------------
    def pre_save(self, model_instance: models.Model, add: bool) -> Sealed | None:
        value = getattr(model_instance, self.attname)
        if value in (None, ""):
            return None
        if isinstance(value, Sealed):
            sealed = self._under_the_first_key(value, model_instance)
        elif isinstance(value, str):
            sealed = Sealed(ring().seal(value, self.context(model_instance)))
        else:
            raise TypeError(f"{self.name} takes plain text, not {type(value).__name__}.")
        setattr(model_instance, self.attname, sealed)
        return sealed

    def _under_the_first_key(self, value: Sealed, row: models.Model) -> Sealed:
        """The value itself, but for an older key's: a row that is saved while the keys are rotated must not bring the
        old one back. What cannot be opened is kept as it is."""
        keys = ring()
        if value.key_id == keys.primary:
            return value
        try:
            return Sealed(keys.reseal(value.token, self.context(row)))
        except SecretUnreadable:
            return value

    def get_prep_value(self, value: Any) -> Any:
        return value

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        return self.get_db_prep_save(value, connection)

    def get_db_prep_save(self, value: Any, connection: Any) -> str | None:
        if value in (None, ""):  # loaddata saves rows as dumpdata wrote them
            return None
        if isinstance(value, Sealed):
            return value.token
        raise TypeError(f"{self.name} is encrypted per row: assign it and call save(); update() cannot write it.")

    def get_lookup(self, lookup_name: str) -> Any:
        """Sealed values differ each time: a question about the text has no answer. What may be asked: whether there is
        one (``isnull``), which key sealed it (``sealed_by``), whether it is still this one (``sealed_as``)."""
        if lookup_name == "isnull":
            return super().get_lookup(lookup_name)
        return LOOKUPS.get(lookup_name)

    def get_transform(self, lookup_name: str) -> None:
        return None


class SealedBy(models.Lookup):
    """``secret__sealed_by="0a1b2c3d"``: values sealed by the key of this id."""

    lookup_name, prepare_rhs = "sealed_by", False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        if not isinstance(self.rhs, str) or not self.rhs.isalnum():
            raise FieldError("sealed_by takes a key's id.")
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} LIKE %s", [*parameters, f"{VERSION}.{self.rhs}.%"]


class SealedAs(models.Lookup):
    """``secret__sealed_as=Sealed(…)``: the value has not been saved anew since it was read."""

    lookup_name, prepare_rhs = "sealed_as", False

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        if not isinstance(self.rhs, Sealed):
            raise FieldError("sealed_as takes a sealed value.")
        column, parameters = self.process_lhs(compiler, connection)
        return f"{column} = %s", [*parameters, self.rhs.token]


LOOKUPS = {each.lookup_name: each for each in (SealedBy, SealedAs)}


class SealingQuerySet(models.QuerySet[Any]):
    """Refuses every bulk way of writing an encrypted column, expressions included."""

    def update(self, **kwargs: Any) -> int:
        for name in kwargs:
            if isinstance(self.model._meta.get_field(name), EncryptedTextField):
                raise TypeError(f"{name} is encrypted per row: assign it and call save(); update() cannot write it.")
        return super().update(**kwargs)

    def bulk_create(
        self,
        objs: Any,
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Any = None,
        unique_fields: Any = None,
    ) -> Any:
        """As Django's, which seals each row; but a conflict must not write one row's sealed value into another."""
        for name in update_fields or ():
            if isinstance(self.model._meta.get_field(name), EncryptedTextField):
                raise TypeError(f"{name} is encrypted per row: a conflicting row cannot take it over.")
        return super().bulk_create(objs, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields)
