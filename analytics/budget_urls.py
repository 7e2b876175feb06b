"""Below /dashboard/budgets/."""

from django.urls import path

from analytics import budget_pages

app_name = "analytics_budgets"
urlpatterns = [
    path("", budget_pages.budget_list, name="list"),
    path("<int:pk>/", budget_pages.ledger, name="ledger"),
]
