"""What the serializers of the management API are made of: nothing that is sent is ignored, and what a model refuses,
the API refuses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from typing import Any, TypeVar

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from rest_framework import serializers

T = TypeVar("T")
M = TypeVar("M", bound=models.Model)


class _Strict(serializers.BaseSerializer[Any]):
    """Refuses by name each field that is not known, or cannot be set here."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping) and (found := dict(self._strangers(data))):
            raise serializers.ValidationError(found)
        return super().to_internal_value(data)

    def _strangers(self, data: Mapping[str, Any]) -> Iterator[tuple[str, list[str]]]:
        fields: Mapping[str, Any] = self.fields  # type: ignore[attr-defined]
        for name in data:
            if name not in fields or isinstance(fields[name], serializers.HiddenField):
                yield name, ["There is no such field."]
            elif fields[name].read_only:
                yield name, ["This field cannot be set here."]


class Serializer(_Strict, serializers.Serializer[T]):
    """A body that is no row."""


class Nothing(Serializer[Any]):
    """The body of an action that takes none."""


class ModelSerializer(_Strict, serializers.ModelSerializer[M]):
    """A row that a service checks. ``fixed`` fields are set when it is made, and stay."""

    fixed: tuple[str, ...] = ()

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        if self.instance is not None:
            for name in self.fixed:
                fields[name].read_only = True
        return fields


class CheckedSerializer(ModelSerializer[M]):
    """A row that its model checks: the validators of its fields, ``clean`` and the constraints, told by the names of
    the API."""

    def get_validators(self) -> list[Any]:
        return []  # the model's constraints know the values that are not sent, too

    def validate(self, data: dict[str, Any]) -> dict[str, Any]:
        model: Any = self.Meta.model
        row = copy(self.instance) if self.instance is not None else model()
        for name, value in data.items():
            setattr(row, name, value)
        names = {field.source: name for name, field in self.fields.items() if self.instance or not field.read_only}
        hidden = [field.name for field in row._meta.concrete_fields if field.name not in names]
        try:
            row.full_clean(exclude=hidden)
        except DjangoValidationError as wrong:
            told = {names.get(source, source): messages for source, messages in wrong.message_dict.items()}
            raise serializers.ValidationError(told) from None
        return {name: getattr(row, name) for name in data}
