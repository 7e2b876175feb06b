"""The dashboard's pages of routing: thin, they call the services."""
