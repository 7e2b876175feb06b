"""Everything beside chat on the wire: embeddings, rerank, images, speech, transcription, moderation.

Clients speak OpenAI's shapes (rerank: Cohere's; embeddings: Gemini's as well), upstreams OpenAI's, Gemini's or
Cohere's. Sources: platform.openai.com/docs/api-reference, ai.google.dev/api/embeddings, docs.cohere.com/reference
(2026-11) and the types of the ``openai`` SDK 3.54 and ``google-genai`` 3.4.
"""
