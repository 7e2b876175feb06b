pytest_plugins = ["tests.fixtures", "tests.vendors.fixtures"]
