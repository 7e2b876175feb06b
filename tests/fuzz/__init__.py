"""Everything that reads what others wrote, fed with what nobody should write.

``entries`` names each reader and parser; ``inputs`` makes hostile bytes out of honest ones; ``bounds`` says how much
time and memory one of them may take. The suite runs a few inputs of each; to look longer:

    python -m tests.fuzz --seconds 600                    # all entries in turn
    python -m tests.fuzz --entry stream.gemini --seed 7   # one of them, from a seed on
"""
