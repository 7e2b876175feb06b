"""Forms of the pages of routing."""
