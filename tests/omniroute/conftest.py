from tests.omniroute.installation import first_start, installed

__all__ = ["first_start", "installed"]
