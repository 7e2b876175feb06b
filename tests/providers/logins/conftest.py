from typing import Any

import pytest


@pytest.fixture
def vendors(login_vendors: Any) -> Any:
    return login_vendors
