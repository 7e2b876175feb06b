"""The gate that every view set of the management API stands behind, and the list of its routes."""

from __future__ import annotations

from typing import Any

from django.utils.translation import override
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.routers import Route, SimpleRouter

from accounts import api as people
from accounts.api_auth import SiteAdministrator
from analytics import api as happenings
from providers import api as providing
from providers import strict
from routing import api as routes

PAGING = frozenset(("page", "page_size", "cursor"))


class StrictJSON(JSONParser):
    """JSON that can be stored: not nested without end, no NUL, no halves of characters."""

    def parse(self, *args: Any, **kwargs: Any) -> Any:
        try:
            data = super().parse(*args, **kwargs)
            fine = _storable(data)
        except RecursionError:
            raise exceptions.ParseError("The JSON is nested too deeply.") from None
        if not fine:
            raise exceptions.ParseError("Text must not hold NUL characters or lone surrogates.")
        return data


def _storable(data: Any) -> bool:
    if isinstance(data, str):
        return "\0" not in data and not any("\ud800" <= character <= "\udfff" for character in data)
    if isinstance(data, dict):
        return all(_storable(name) and _storable(value) for name, value in data.items())
    return not isinstance(data, list) or all(map(_storable, data))


class Gate:
    """Put before every view set: English, strict JSON, no filter that is not known, no body where none is taken. The
    fields of a body are seen to by its serializer (``providers.strict``)."""

    parser_classes = [StrictJSON]

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        with override("en"):
            return super().dispatch(request, *args, **kwargs)  # type: ignore[misc]

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        filters = getattr(self, "filters", None)
        known = PAGING | set(filters().fields if filters else ())
        if strangers := sorted(set(request.query_params) - known):
            raise exceptions.ValidationError({name: ["There is no such filter here."] for name in strangers})
        if getattr(self, "serializer_class", None) is strict.Nothing:
            strict.Nothing(data=request.data).is_valid(raise_exception=True)


# -- routes -----------------------------------------------------------------------------------------------------------
class Router(SimpleRouter):
    """As DRF's, and a view set marked ``singleton`` has one address for its one row."""

    def get_routes(self, viewset: Any) -> list[Any]:
        if not getattr(viewset, "singleton", False):
            return super().get_routes(viewset)
        mapping = {"get": "retrieve", "patch": "partial_update"}
        return [Route("^{prefix}{trailing_slash}$", mapping, "{basename}", False, {"suffix": "Instance"})]


def gated(viewset: type[Any], *permissions: type[BasePermission]) -> type[Any]:
    """The view set behind the gate; with permissions, when it comes from a package that does not know people."""
    extra = {"permission_classes": list(permissions)} if permissions else {}
    return type(
        viewset.__name__, (Gate, viewset), {"__module__": viewset.__module__, "__doc__": viewset.__doc__, **extra}
    )


def router() -> Router:
    """Every route below /api/v1/."""
    found = Router()
    told = [(prefix, gated(viewset, SiteAdministrator)) for prefix, viewset in providing.routes]
    told += [(prefix, gated(viewset)) for prefix, viewset in (*people.routes, *routes.routes, *happenings.routes)]
    for prefix, viewset in told:
        found.register(prefix, viewset, basename=prefix)
    return found


class ManagementKeyScheme(OpenApiAuthenticationExtension):
    """How the schema describes management keys."""

    target_class = "accounts.api_auth.ManagementKeyAuthentication"
    name = "managementKey"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A management key: omni-mgmt-…"}
