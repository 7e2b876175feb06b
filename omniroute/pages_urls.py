"""Addresses of the pages that belong to no app; everything below /dashboard/."""

from django.urls import path

from omniroute import pages

app_name = "omniroute"
urlpatterns = [
    path("", pages.overview, name="overview"),
    path("endpoint/", pages.endpoint, name="endpoint"),
]
