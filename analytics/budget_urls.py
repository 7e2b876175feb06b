"""Below /dashboard/budgets/."""

from django.urls import path

from analytics import budget_pages

app_name = "analytics_budgets"
urlpatterns = [
    path("", budget_pages.budget_list, name="list"),
    path("new/", budget_pages.create, name="create"),
    path("<int:pk>/", budget_pages.ledger, name="ledger"),
    path("<int:pk>/adjust/", budget_pages.adjust, name="adjust"),
    path("<int:pk>/change/", budget_pages.edit, name="edit"),
    path("<int:pk>/delete/", budget_pages.delete, name="delete"),
]
