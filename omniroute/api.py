"""The management API's common parts that Django REST framework loads by name: pages of results, how errors are told."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from typing import Any

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import IntegrityError
from rest_framework import exceptions
from rest_framework.pagination import PageNumberPagination
from rest_framework.response import Response
from rest_framework.settings import api_settings
from rest_framework.views import exception_handler, set_rollback

log = logging.getLogger(__name__)
TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    405: "method_not_allowed_error",
    406: "not_acceptable_error",
    409: "conflict_error",
    413: "too_large_error",
    415: "unsupported_media_type_error",
    429: "rate_limit_error",
    500: "server_error",
}
GENERAL = (api_settings.NON_FIELD_ERRORS_KEY, "detail", "__all__")


class Pages(PageNumberPagination):
    """Pages by number; ``page_size`` up to 500."""

    page_size_query_param = "page_size"
    max_page_size = 500


# -- errors -----------------------------------------------------------------------------------------------------------
def explain(error: Exception, context: Mapping[str, Any]) -> Response:
    """Every error of the API: ``{"error": {"message", "type", "fields"}}``; ``fields``: dotted name → sentences."""
    reply = exception_handler(_as_api_error(error), dict(context))
    if reply is None:
        log.error("The management API failed.", exc_info=error)
        set_rollback()
        return Response(body(500, "Something went wrong here; the log says what."), status=500)
    fields: dict[str, list[str]] = {}
    for path, sentence in _flat(reply.data):
        fields.setdefault(path, []).append(sentence)
    general = fields.pop("", [])
    first = next((f"{path}: {sentences[0]}" for path, sentences in fields.items()), "")
    reply.data = body(reply.status_code, " ".join(general) or first, fields)
    return reply


def body(status: int, message: str, fields: Mapping[str, list[str]] | None = None) -> dict[str, Any]:
    """The envelope of an error."""
    return {"error": {"message": message, "type": TYPES.get(status, "error"), "fields": dict(fields or {})}}


def _as_api_error(error: Exception) -> Exception:
    """Refusals of the services and of the database, as what the API tells of them."""
    if isinstance(error, DjangoValidationError):
        told = error.message_dict if hasattr(error, "error_dict") else error.messages
        return exceptions.ValidationError(told)
    if isinstance(error, IntegrityError):
        clash = exceptions.APIException("Something of this name or id is there already, or what it refers to is gone.")
        clash.status_code = 409
        return clash
    if isinstance(error, ValueError) and isinstance(field := getattr(error, "field", None), str):
        return exceptions.ValidationError({field: [str(error)]})  # BadProvider, BadConnection
    return error


def _flat(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested details → (dotted path, sentence); what belongs to no field has an empty path."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            yield from _flat(inner, path if name in GENERAL else f"{path}.{name}".lstrip("."))
    elif isinstance(detail, list):
        for number, inner in enumerate(detail):
            yield from _flat(inner, f"{path}.{number}" if isinstance(inner, Mapping) else path)
    else:
        yield path, str(detail)
