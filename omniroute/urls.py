"""Every address of the dashboard, the admin, sign-in and the management API. Client APIs are in ``omniroute.asgi``."""

from __future__ import annotations

from allauth.account.decorators import secure_admin_login
from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView

from omniroute.admin import bounded
from providers.pages import logins
from providers.urls import proxy_urls, quota_urls

admin.autodiscover()
admin.site.admin_view = bounded(admin.site.admin_view)  # type: ignore[method-assign,assignment]
# The admin's own sign-in form knows neither second factors nor rate limits.
admin.site.login = secure_admin_login(admin.site.login)  # type: ignore[method-assign]

# allauth asks for it by this name when somebody is too quick.
handler429 = "accounts.throttling.too_many"

urlpatterns = [
    path("", RedirectView.as_view(url="/dashboard/"), name="home"),
    path("callback", logins.loopback),  # the one path that some vendors send the browser back to
    path("favicon.ico", RedirectView.as_view(url=static("omniroute/favicon.svg"))),
    path("dashboard/", include("omniroute.pages_urls")),
    path("dashboard/providers/", include("providers.urls")),
    path("dashboard/proxies/", include(proxy_urls)),
    path("dashboard/quotas/", include(quota_urls)),
    path("dashboard/budgets/", include("analytics.budget_urls")),
    path("dashboard/policies/", include("routing.policy_urls")),
    path("dashboard/cache/", include("analytics.cache_urls")),
    path("dashboard/", include("routing.urls")),
    path("dashboard/", include("analytics.urls")),
    path("dashboard/", include("accounts.dashboard_urls")),
    path("accounts/", include("accounts.urls")),
    path("api/", include("omniroute.api_urls")),
    path("i18n/", include("django.conf.urls.i18n")),
    path("admin/", admin.site.urls),
]
