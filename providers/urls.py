"""Below /dashboard/providers/."""

from django.urls import path, re_path

from providers import pages, proxy_pages, quota_pages

ID = r"(?P<provider_id>[a-z0-9][a-z0-9._-]*)"  # as providers.models.slug

app_name = "providers"
urlpatterns = [
    path("", pages.providers, name="list"),
    path("custom/new/", pages.provider_create, name="create"),
    path("connections/<int:pk>/", pages.connection_edit, name="connection_edit"),
    path("connections/<int:pk>/switch/", pages.connection_switch, name="connection_switch"),
    path("connections/<int:pk>/test/", pages.connection_test, name="connection_test"),
    path("connections/<int:pk>/delete/", pages.connection_delete, name="connection_delete"),
    re_path(rf"^{ID}/$", pages.provider, name="detail"),
    re_path(rf"^{ID}/switch/$", pages.provider_switch, name="switch"),
    re_path(rf"^{ID}/change/$", pages.provider_edit, name="edit"),
    re_path(rf"^{ID}/delete/$", pages.provider_delete, name="delete"),
    re_path(rf"^{ID}/connections/new/$", pages.connection_create, name="connection_create"),
]

# Below /dashboard/proxies/
proxy_urls = (
    [
        path("", proxy_pages.proxies, name="list"),
        path("new/", proxy_pages.proxy_create, name="create"),
        path("<int:pk>/", proxy_pages.proxy_edit, name="edit"),
        path("<int:pk>/test/", proxy_pages.proxy_test, name="test"),
        path("<int:pk>/delete/", proxy_pages.proxy_delete, name="delete"),
    ],
    "proxies",
)

# Below /dashboard/quotas/
quota_urls = (
    [
        path("", quota_pages.quota_page, name="list"),
        path("refresh/", quota_pages.quota_refresh_all, name="refresh_all"),
        path("<int:pk>/refresh/", quota_pages.quota_refresh, name="refresh"),
    ],
    "quotas",
)
