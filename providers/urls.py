"""Below /dashboard/providers/."""

from django.urls import path, re_path

from providers import proxy_pages, quota_pages
from providers.pages import connections, logins, models, overrides, providers

ID = r"(?P<provider_id>[a-z0-9][a-z0-9._-]*)"  # as providers.models.slug

app_name = "providers"
urlpatterns = [
    path("", providers.providers, name="list"),
    path("custom/new/", providers.provider_create, name="create"),
    path("connections/test/", connections.connections_test, name="connections_test"),
    path("connections/<int:pk>/", connections.connection_edit, name="connection_edit"),
    path("connections/<int:pk>/switch/", connections.connection_switch, name="connection_switch"),
    path("connections/<int:pk>/test/", connections.connection_test, name="connection_test"),
    path("connections/<int:pk>/delete/", connections.connection_delete, name="connection_delete"),
    path("connections/<int:pk>/login/", logins.again, name="login_again"),
    path("connections/<int:pk>/renew/", logins.renew, name="login_renew"),
    path("connections/<int:pk>/opening/", logins.preamble, name="preamble"),
    path("logins/callback/", logins.callback, name="login_callback"),
    path("logins/<uuid:uid>/", logins.attempt, name="login_attempt"),
    path("logins/<uuid:uid>/status/", logins.status, name="login_status"),
    path("models/<int:pk>/reset/", overrides.model_reset, name="model_reset"),
    re_path(rf"^{ID}/reset/$", overrides.provider_reset, name="reset"),
    re_path(rf"^{ID}/$", providers.provider, name="detail"),
    re_path(rf"^{ID}/switch/$", providers.provider_switch, name="switch"),
    re_path(rf"^{ID}/change/$", providers.provider_edit, name="edit"),
    re_path(rf"^{ID}/delete/$", providers.provider_delete, name="delete"),
    re_path(rf"^{ID}/login/$", logins.begin, name="login"),
    re_path(rf"^{ID}/connections/several/$", connections.connections_add, name="connections_add"),
    re_path(rf"^{ID}/models/add/$", models.model_add, name="model_add"),
    re_path(rf"^{ID}/models/switch/$", models.model_switch, name="model_switch"),
    re_path(rf"^{ID}/models/import/$", models.models_import, name="models_import"),
    re_path(rf"^{ID}/connections/new/$", connections.connection_create, name="connection_create"),
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
