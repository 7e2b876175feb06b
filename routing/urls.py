"""Below /dashboard/keys/."""

from django.urls import path

from routing import pages

app_name = "routing"
urlpatterns = [
    path("", pages.key_list, name="keys"),
    path("new/", pages.key_create, name="key_create"),
    path("<int:pk>/", pages.key_edit, name="key_edit"),
    path("<int:pk>/switch/", pages.key_switch, name="key_switch"),
    path("<int:pk>/delete/", pages.key_delete, name="key_delete"),
]
