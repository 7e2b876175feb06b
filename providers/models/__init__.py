"""Who can answer: providers as the operator set them, their models, and the credentials that reach them."""

from providers.models.connections import Connection as Connection
from providers.models.logins import Grant as Grant
from providers.models.logins import LoginAttempt as LoginAttempt
from providers.models.providers import Provider as Provider
from providers.models.providers import ProviderModel as ProviderModel
from providers.models.providers import Tier as Tier
from providers.models.providers import TransportKind as TransportKind
from providers.models.providers import slug as slug
from providers.models.providers import usd as usd
from providers.models.proxies import Proxy as Proxy
from providers.models.quotas import QuotaState as QuotaState
from providers.models.quotas import QuotaWindow as QuotaWindow
from providers.models.vault import VaultCanary as VaultCanary
