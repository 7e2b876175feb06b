"""The declarative file: what an installation should look like, as text. ``apply`` reads it, ``export`` writes it."""
