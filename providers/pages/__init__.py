"""Pages of providers, their connections and their models: one module per subject, thin callers of the services."""
