"""Below /dashboard/cache/."""

from django.urls import path

from analytics import cache_pages

app_name = "cache"
urlpatterns = [
    path("", cache_pages.page, name="page"),
    path("flush/", cache_pages.flush, name="flush"),
]
