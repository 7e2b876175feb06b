"""Below /dashboard/: the request log, and what the steps of combos did."""

from django.urls import path, re_path

from analytics import pages

app_name = "analytics"
urlpatterns = [
    path("requests/", pages.requests, name="requests"),
    re_path(r"^requests/(?P<request_id>[!-.0-~]+)/$", pages.request_detail, name="request"),
    path("combos/<int:pk>/figures/", pages.combo, name="combo"),
]
