"""The hot path's outbound HTTP: a protocol (`base`), two ways to speak it (`fast`, `aio`), their `pools`."""
