"""Django's settings. The environment is read in ``omniroute.environment`` only; here it becomes configuration."""

from __future__ import annotations

import base64
import hashlib
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

import dj_database_url
from django.conf.locale import LANG_INFO
from django.utils.translation import gettext_lazy as _

from omniroute import __version__
from omniroute.environment import current, variable
from omniroute.i18n.languages import LANGUAGES as LANGUAGE_ROWS
from omniroute.i18n.languages import describe_to_django
from omniroute.keyfiles import ENCRYPTION_KEY, current_keys

env = current()
keys = current_keys()

PACKAGE = Path(__file__).resolve().parent
SOURCE = PACKAGE.parent


def resource(name: str) -> Path:
    """A folder that lies beside the packages in a checkout and inside ``omniroute`` in an installed wheel."""
    return SOURCE / name if (SOURCE / name / ".in-source").exists() else PACKAGE / name


# -- secrets ------------------------------------------------------------------------------------------------------
SECRET_KEY = keys.secret_key
ENCRYPTION_KEYS = keys.encryption_keys
ENCRYPTION_KEY_FILE = None if env.encryption_keys else env.data_dir / ENCRYPTION_KEY
# The base class of our encrypted fields builds a Fernet from this when imported; nothing is ever sealed with it.
FIELD_ENCRYPTION_KEY = base64.urlsafe_b64encode(hashlib.sha256(b"unused:" + SECRET_KEY.encode()).digest()).decode()

# -- the house ----------------------------------------------------------------------------------------------------
DEBUG = env.debug
DEFAULT_EXCEPTION_REPORTER_FILTER = "omniroute.reports.Discreet"
DATA_DIR = env.data_dir
USER_AGENT = f"OmniRoute/{__version__}"  # what providers see
OAUTH_CLIENT_VARIABLE = variable  # reads an own client id or secret by the name that a login's data gives
# daphne replaces runserver; imported anywhere else it would load Twisted into every process.
INSTALLED_APPS = [
    *(["daphne"] if "runserver" in sys.argv[1:2] else []),
    "omniroute",
    "unfold",
    "unfold.contrib.filters",
    "unfold.contrib.forms",
    "modeltranslation",
    "django.contrib.admin.apps.SimpleAdminConfig",  # urls.py imports its pages: commands start faster without
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "channels",
    "accounts",
    "providers",
    "routing",
    "analytics",
]
MIDDLEWARE = [
    "omniroute.middleware.security_headers",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "omniroute.i18n.middleware.LanguageMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
]
ROOT_URLCONF = "omniroute.urls"
ASGI_APPLICATION = "omniroute.asgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [resource("templates")],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "omniroute.dashboard.shell",
            ],
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# -- database, cache, channels, jobs --------------------------------------------------------------------------------
if env.database_url:
    DATABASES = {"default": dj_database_url.parse(env.database_url, conn_health_checks=True)}
    if DATABASES["default"]["ENGINE"].endswith("postgresql"):
        # Requests run in threads of an event loop: a bounded pool, not a connection per thread.
        options = DATABASES["default"].setdefault("OPTIONS", {})
        options["pool"] = {"min_size": 0, "max_size": 10, "timeout": 10}
        # A server that vanishes without a word is noticed in half a minute instead of in hours; the URL may say more.
        for name, value in {
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 25_000,
        }.items():
            options.setdefault(name, value)
else:
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(env.database_file)}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000;",
    }

if env.redis_url:
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": env.redis_url,
            "KEY_PREFIX": "omniroute",
            "OPTIONS": {"serializer": "omniroute.serializers.JSONSerializer"},
        }
    }
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.core.RedisChannelLayer",
            "CONFIG": {"hosts": [env.redis_url], "prefix": "omniroute:ws", "capacity": 200},
        }
    }
else:
    CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

REDIS_URL = env.redis_url  # the caches of answers
CELERY_BROKER_URL = env.broker_url
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TIMEZONE = "UTC"
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
if env.broker_url == "filesystem://":
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(DATA_DIR / "queue"),
        "data_folder_out": str(DATA_DIR / "queue"),
        "control_folder": str(DATA_DIR / "queue" / "control"),
        "polling_interval": 1.0,
    }

# -- people ---------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.ScryptPasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "/"
ACCOUNT_ADAPTER = "accounts.adapters.AccountAdapter"
SOCIALACCOUNT_ADAPTER = "accounts.adapters.SocialAccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_UNIQUE_EMAIL = True
ACCOUNT_EMAIL_VERIFICATION = "mandatory" if env.email_url else "none"
ACCOUNT_LOGOUT_ON_GET = False
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False  # nobody makes us write to strangers
ACCOUNT_EMAIL_NOTIFICATIONS = bool(env.email_url)
ACCOUNT_REAUTHENTICATION_METHODS = ("password", "code", "mfa") if env.email_url else ("password", "mfa")
ACCOUNT_RATE_LIMITS = {"login": "30/m/ip", "login_failed": "10/m/ip,5/5m/key"}
# The address in the request is already the true one: see omniroute.forwarded.
ALLAUTH_TRUSTED_PROXY_COUNT = 0
MFA_ADAPTER = "accounts.adapters.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_ISSUER = "OmniRoute"
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not (env.public_url or "").startswith("https://")
SOCIALACCOUNT_EMAIL_AUTHENTICATION = False
SOCIALACCOUNT_ONLY = False
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"  # who comes in by an identity provider was vouched for by it

# -- mail -----------------------------------------------------------------------------------------------------------
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.email_from
# Without mail nothing is pretended: pages say to ask an administrator.
MAIL_ENABLED = bool(env.email_url)
if env.email_url:
    _mail = urlsplit(env.email_url)
    EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    EMAIL_HOST, EMAIL_PORT = _mail.hostname or "localhost", _mail.port or 25
    EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = unquote(_mail.username or ""), unquote(_mail.password or "")
    EMAIL_USE_SSL, EMAIL_USE_TLS = _mail.scheme == "smtps", _mail.scheme == "smtp+tls"
    EMAIL_TIMEOUT = 15
else:
    EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"

# -- addresses and browsers -------------------------------------------------------------------------------------------
_public = urlsplit(env.public_url or "")
PUBLIC_URL = env.public_url
TRUSTED_PROXIES = env.trusted_proxies
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
ALLOWED_HOSTS += [name for name in (_public.hostname, env.host) if name and name not in ("0.0.0.0", "::")]  # noqa: S104
CSRF_TRUSTED_ORIGINS = [f"{_public.scheme}://{_public.netloc}"] if env.public_url else []
_https = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = _https
SESSION_COOKIE_NAME = "omniroute_session"
SESSION_COOKIE_AGE = 14 * 86400
CSRF_COOKIE_NAME = "omniroute_csrf"
LANGUAGE_COOKIE_NAME = "omniroute_language"
LANGUAGE_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if _https else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Redirecting to HTTPS is the TLS-ending proxy's work, and sibling domains are not ours to bind (W005, W008, W021).
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
MAX_BODY_BYTES = env.max_body_mb * 1024 * 1024
PROXY_ECHO_URL = env.proxy_echo_url

# -- languages and files ---------------------------------------------------------------------------------------------
describe_to_django(LANG_INFO)
LANGUAGE_CODE = "en"
LANGUAGES = [(row.code, row.own_name) for row in LANGUAGE_ROWS]
LANGUAGES_BIDI = [row.code for row in LANGUAGE_ROWS if row.rtl]
MODELTRANSLATION_DEFAULT_LANGUAGE = "en"
MODELTRANSLATION_FALLBACK_LANGUAGES = ("en",)
LOCALE_PATHS = [resource("locale")]
USE_I18N = USE_TZ = True
TIME_ZONE = "UTC"
STATIC_URL = "static/"
STATIC_ROOT = None  # nothing is collected: WhiteNoise serves files from where they are installed
WHITENOISE_USE_FINDERS = True

# -- management API --------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "accounts.api_auth.ManagementKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["accounts.api_auth.Denied"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_PAGINATION_CLASS": "omniroute.api.Pages",
    "PAGE_SIZE": 50,
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "EXCEPTION_HANDLER": "omniroute.api.explain",
    "NUM_PROXIES": 0,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "OmniRoute management API",
    "DESCRIPTION": "Everything the dashboard can do. Authenticate with a session or a management key.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1/",
    "ENUM_NAME_OVERRIDES": {"StrategyEnum": "routing.models.Strategy", "EndpointsEnum": "routing.models.ENDPOINTS"},
}

# -- dashboard and logs ----------------------------------------------------------------------------------------------
UNFOLD = {
    "SITE_TITLE": "OmniRoute",
    "SITE_HEADER": "OmniRoute",
    "SITE_SUBHEADER": _("AI gateway"),
    "SITE_URL": "/",
    "SITE_SYMBOL": "alt_route",
    "SHOW_LANGUAGES": False,
    "STYLES": ["omniroute.dashboard.stylesheet"],
    "SCRIPTS": ["omniroute.dashboard.script"],
    "SIDEBAR": {"show_search": False, "show_all_applications": False, "navigation": "omniroute.navigation.rows"},
    "COMMAND": {"search_models": False},
}
LOGGING_CONFIG = None
