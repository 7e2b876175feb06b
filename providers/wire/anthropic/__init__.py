"""Anthropic Messages on the wire, both sides: what its clients send and what its upstreams take and answer.

Source: docs.anthropic.com/en/api/messages and /messages-streaming (2026-11), the types of the ``anthropic`` SDK 2.12.

Decisions that a reader may look for:

- A late ``system`` message joins the system text at the end: only the newest models take system turns.
- A search result becomes a text document with its source as context: its words and the wish for citations survive.
- Foreign reasoning reaches a client as a thinking block with an empty signature. Clients replay it; the writer of
  requests drops whatever is unsigned or signed by others, so that it never costs a 400.
- Cache marks of Anthropic's own clients are kept; requests of other clients get none, for a mark costs money.
- A result without its call becomes plain user content, a call without its result gets a stub marked as an error.
"""
