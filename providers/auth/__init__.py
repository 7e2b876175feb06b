"""How a request is signed when a fixed header does not do: tokens that are renewed, signatures over the request."""
