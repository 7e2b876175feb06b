"""Below /dashboard/policies/."""

from django.urls import path

from routing import policy_pages

app_name = "policies"
urlpatterns = [
    path("", policy_pages.policies, name="list"),
    path("new/<slug:kind>/", policy_pages.create, name="create"),
    path("<int:pk>/", policy_pages.edit, name="edit"),
    path("<int:pk>/switch/", policy_pages.switch, name="switch"),
    path("<int:pk>/delete/", policy_pages.delete, name="delete"),
]
