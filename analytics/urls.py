"""Below /dashboard/requests/."""

from django.urls import path, re_path

from analytics import pages

app_name = "analytics"
urlpatterns = [
    path("", pages.requests, name="requests"),
    re_path(r"^(?P<request_id>[!-.0-~]+)/$", pages.request_detail, name="request"),
]
