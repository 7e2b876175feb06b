"""Below /dashboard/: people, and one's own management keys."""

from __future__ import annotations

from django.urls import path

from accounts import pages

app_name = "accounts"
urlpatterns = [
    path("people/", pages.people, name="people"),
    path("people/invite/", pages.invite, name="invite"),
    path("people/invitations/<int:pk>/withdraw/", pages.invitation_withdraw, name="invitation_withdraw"),
    path("people/teams/add/", pages.team_add, name="team_add"),
    path("people/memberships/<int:pk>/role/", pages.membership_role, name="membership_role"),
    path("people/memberships/<int:pk>/remove/", pages.membership_remove, name="membership_remove"),
    path("people/users/<int:pk>/active/", pages.user_active, name="user_active"),
    path("account/keys/", pages.own_management_keys, name="management_keys"),
    path("account/keys/<int:pk>/disable/", pages.management_key_disable, name="management_key_disable"),
]
