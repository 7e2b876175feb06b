"""Forms of the provider pages. They check what people type; the services decide and save."""
