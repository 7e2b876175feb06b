"""Languages of the dashboard: one row each, the switcher and what must hold for every locale."""
