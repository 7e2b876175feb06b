from hypothesis import HealthCheck, settings

pytest_plugins = ["tests.fixtures", "tests.prepared", "tests.vendors.fixtures"]

# A busy machine makes a slow example, not a wrong one: what must be bounded in time is measured in tests/fuzz.
settings.register_profile("omniroute", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("omniroute")
