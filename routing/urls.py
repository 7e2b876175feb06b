"""Below /dashboard/: client keys, combos, aliases, health, the preview, what teams may use, limits, addresses."""

from django.urls import path

from routing.pages import addresses, aliases, combos, health, keys, limits, preview, teams

app_name = "routing"
urlpatterns = [
    path("keys/", keys.key_list, name="keys"),
    path("keys/new/", keys.key_create, name="key_create"),
    path("keys/<int:pk>/", keys.key_edit, name="key_edit"),
    path("keys/<int:pk>/switch/", keys.key_switch, name="key_switch"),
    path("keys/<int:pk>/delete/", keys.key_delete, name="key_delete"),
    path("combos/", combos.combo_list, name="combos"),
    path("combos/new/", combos.combo_create, name="combo_create"),
    path("combos/<int:pk>/", combos.combo_edit, name="combo_edit"),
    path("combos/<int:pk>/switch/", combos.combo_switch, name="combo_switch"),
    path("combos/<int:pk>/duplicate/", combos.combo_duplicate, name="combo_duplicate"),
    path("combos/<int:pk>/delete/", combos.combo_delete, name="combo_delete"),
    path("combos/<int:pk>/test/", combos.combo_test, name="combo_test"),
    path("aliases/", aliases.alias_list, name="aliases"),
    path("aliases/<int:pk>/delete/", aliases.alias_delete, name="alias_delete"),
    path("health/", health.health_list, name="health"),
    path("health/reset/", health.health_reset, name="health_reset"),
    path("try/", preview.preview_name, name="preview"),
    path("limits/", limits.limit_list, name="limits"),
    path("limits/new/", limits.limit_create, name="limit_create"),
    path("limits/<int:pk>/", limits.limit_edit, name="limit_edit"),
    path("limits/<int:pk>/delete/", limits.limit_delete, name="limit_delete"),
    path("people/teams/<int:pk>/permissions/", teams.team_access, name="team_access"),
    path("people/teams/<int:pk>/limits/", limits.team_limits, name="team_limits"),
    path("people/users/<int:pk>/limits/", limits.user_limits, name="user_limits"),
    path("addresses/", addresses.rule_list, name="addresses"),
    path("addresses/<int:pk>/delete/", addresses.rule_delete, name="address_delete"),
]
