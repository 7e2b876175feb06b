"""Below /accounts/: sign-in by allauth, invitation links, and the pages of allauth's that we answer ourselves."""

from __future__ import annotations

from django.urls import include, path

from accounts import entrance

urlpatterns = [
    path("invitation/<str:token>/", entrance.invitation, name="invitation"),
    # These come before allauth's own views of the same address; the names stay allauth's.
    path("password/reset/", entrance.password_reset, name="account_reset_password"),
    path("email/", entrance.email, name="account_email"),
    path("3rdparty/signup/", entrance.signup_closed, name="socialaccount_signup"),
    path("oidc/<str:provider_id>/login/", entrance.identity_login, name="openid_connect_login"),
    path("oidc/<str:provider_id>/login/callback/", entrance.identity_callback, name="openid_connect_callback"),
    path("", include("allauth.urls")),
]
