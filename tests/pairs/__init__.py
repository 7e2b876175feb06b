"""The official SDKs against the running gateway, every client format with every upstream format."""
