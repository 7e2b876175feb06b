"""Addresses below /api/: the management API, its schema, and a page to read and try it."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, JsonResponse
from django.urls import include, path, re_path
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.views import SpectacularJSONAPIView, SpectacularSwaggerSplitView

from accounts.api_auth import SignedIn
from omniroute.api import body
from omniroute.api_routes import router

schema = SpectacularJSONAPIView.as_view(permission_classes=[SignedIn])
docs = login_required(SpectacularSwaggerSplitView.as_view(url_name="api-schema", permission_classes=[SignedIn]))


@csrf_exempt
def nothing_here(request: HttpRequest) -> JsonResponse:
    """Whatever has no address below /api/ is told so in the API's own words."""
    return JsonResponse(body(404, "There is nothing at this path; paths of the API end in a slash."), status=404)


urlpatterns = [
    path("v1/", include(router().urls)),
    path("schema/", schema, name="api-schema"),
    path("docs/", docs, name="api-docs"),
    re_path("", nothing_here),
]
