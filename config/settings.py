"""Settings of Hengtou, read from the environment once, here, at the top.

The embedded default needs no server at all: SQLite, a broker in files, a cache in files, e-mail and SMS into files,
everything under var/. A production deployment names its servers by variables; docs/configuration.md lists them.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

from config import env
from config.schedule import BEAT_SCHEDULE

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = env.writable_folder("VAR_DIR", BASE_DIR / "var")
for folder in ("broker/queue", "broker/control", "tmp", "mail", "sms", "cache", "media", "static"):
    (VAR_DIR / folder).mkdir(parents=True, exist_ok=True)
# The embedded broker moves a message through the temporary folder: a rename only on the same file system.
os.environ["TMPDIR"] = tempfile.tempdir = str(VAR_DIR / "tmp")

# ── What this deployment is ──────────────────────────────────────────────────────────────────────────────────────
DEPLOYMENT_MODE = env.choice("DEPLOYMENT_MODE", "demo", {"demo", "licensed"})
IS_DEMO = DEPLOYMENT_MODE == "demo"
LICENCE_TEXT = env.text("LICENCE_TEXT")
if not IS_DEMO and not LICENCE_TEXT:
    env.refuse("LICENCE_TEXT", "a licensed deployment names the operator's licence on every page; say it here.")
# Who answers before somebody has an advisor; stands on the first screen of the elder mode.
SERVICE_PHONE = env.text("SERVICE_PHONE")
if not IS_DEMO and not SERVICE_PHONE:
    env.refuse("SERVICE_PHONE", "a licensed deployment has a telephone number at which a person answers; say it here.")
JURISDICTION = env.choice("JURISDICTION", "cn", {"cn"})
BASE_URL, BASE_HOST, BASE_PORT = env.base_url("http://127.0.0.1:8000")
IS_HTTPS = BASE_URL.startswith("https://")
if IS_DEMO and BASE_HOST not in env.LOOPBACK and not env.flag("DEMO_PUBLIC"):
    env.refuse("BASE_URL", f"a demo answers on this machine only, not on {BASE_HOST}. Set DEMO_PUBLIC=1 if it may be seen.")
BIND = env.text("BIND", "127.0.0.1" if IS_DEMO else "0.0.0.0")  # noqa: S104  licensed only, behind a proxy
if IS_DEMO and BIND not in env.LOOPBACK and not env.flag("DEMO_PUBLIC"):
    env.refuse("BIND", f"a demo binds 127.0.0.1, not {BIND}. Set DEMO_PUBLIC=1 if it may be seen.")
DEBUG = env.flag("DEBUG")
SECRET_KEY = env.secret_key(VAR_DIR)
# Paper orders of a demo are confirmed at once, at the last published NAV; a licensed deployment waits for the rules.
PAPER_CONFIRMS_AT_ONCE = IS_DEMO
SECOND_FACTOR_REQUIRED = not IS_DEMO
# The page that shows everybody's codes: only where nobody but the person at this machine can read it.
DEMO_OUTBOX = IS_DEMO and {BASE_HOST, BIND} <= env.LOOPBACK

ALLOWED_HOSTS = sorted({BASE_HOST, *(env.LOOPBACK if IS_DEMO else set())})
CSRF_TRUSTED_ORIGINS = [BASE_URL]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = LANGUAGE_COOKIE_SECURE = IS_HTTPS
SESSION_COOKIE_AGE = 60 * 60 * 24 * 14
CSRF_COOKIE_HTTPONLY = True
SECURE_SSL_REDIRECT = IS_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = IS_HTTPS
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env.flag("BEHIND_PROXY") else None
ALLAUTH_TRUSTED_PROXY_COUNT = 1 if env.flag("BEHIND_PROXY") else 0
X_FRAME_OPTIONS = "DENY"

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.admin",
    "django.forms",
    "csp",
    "django_htmx",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "anymail",
    "ninja",
    "identity",
    "portfolios",
    "advisor",
    "marketing",
    "demo",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "config.headers.PermissionsPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "config.errors.MethodNotAllowedMiddleware",
    "identity.middleware.SecondFactorMiddleware",
    "advisor.middleware.DataAccessMiddleware",
    "marketing.middleware.PageViewMiddleware",
]

ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "csp.context_processors.nonce",
                "config.context.deployment",
                "marketing.context.following",
            ],
        },
    },
]

# ── Data ─────────────────────────────────────────────────────────────────────────────────────────────────────────
DATABASE_URL = env.url("DATABASE_URL", f"sqlite:///{VAR_DIR / 'hengtou.sqlite3'}", {"sqlite", "postgres", "postgresql"})
DATABASES = {"default": environ.Env.db_url_config(DATABASE_URL)}
IS_SQLITE = DATABASE_URL.startswith("sqlite")
if IS_SQLITE:
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        # recursive_triggers: INSERT OR REPLACE must not walk past a DELETE trigger.
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA recursive_triggers=ON;",
    }
else:
    DATABASES["default"] |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env.text("REDIS_URL")
FILE_CACHE = {"BACKEND": "config.filecache.AtomicFileCache", "LOCATION": VAR_DIR / "cache", "OPTIONS": {"MAX_ENTRIES": 100_000}}
CACHES: dict[str, Any] = {"default": FILE_CACHE}
if REDIS_URL:
    CACHES = {
        "default": {
            "BACKEND": "config.rediscache.SteadyRedisCache",
            "LOCATION": env.url("REDIS_URL", "", {"redis", "rediss"}),
            "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 2},
        },
        "files": FILE_CACHE,
    }

# ── Jobs ─────────────────────────────────────────────────────────────────────────────────────────────────────────
CELERY_BROKER_URL = env.url("BROKER_URL", REDIS_URL or "filesystem://localhost", {"filesystem", "redis", "rediss", "amqp", "amqps"})
if CELERY_BROKER_URL.startswith("filesystem"):
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR_DIR / "broker/queue"),
        "data_folder_out": str(VAR_DIR / "broker/queue"),
        "control_folder": str(VAR_DIR / "broker/control"),
        "polling_interval": 0.05,
    }
else:
    # By itself kombu tries for seconds to reach a server that is down, and a page that rings would wait for it.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"max_retries": 0}
    if CELERY_BROKER_URL.startswith("redis"):
        CELERY_BROKER_TRANSPORT_OPTIONS |= {"visibility_timeout": 300, "socket_connect_timeout": 1, "socket_timeout": 5}
CELERY_BROKER_CONNECTION_TIMEOUT = 2
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_IMPORTS = ["config.jobs"]
CELERY_TASK_DEFAULT_QUEUE = "bulk"
CELERY_TASK_CREATE_MISSING_QUEUES = False
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = "Asia/Shanghai"
CELERY_BEAT_SCHEDULE = BEAT_SCHEDULE
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "celerybeat-schedule")

# ── People ───────────────────────────────────────────────────────────────────────────────────────────────────────
AUTH_USER_MODEL = "identity.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "identity.adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"phone", "email"}
# "phone", not "phone*": advisors sign in by e-mail and have none. The sign-up form asks for one of the two itself.
# "email*" only because allauth's check wants it beside verified addresses; the form takes it or leaves it.
ACCOUNT_SIGNUP_FIELDS = ["phone", "email*", "password1"]
SILENCED_SYSTEM_CHECKS = ["account.W001"]
ACCOUNT_FORMS = {
    "login": "identity.forms.LoginForm",
    "signup": "identity.forms.SignupForm",
    "request_login_code": "identity.forms.RequestLoginCodeForm",
}
ACCOUNT_LOGIN_BY_CODE_ENABLED = True
# An address is somebody's once they have typed the code sent to it, so that nobody can take another person's, and
# signing up with a taken address looks like signing up with a free one.
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_EMAIL_VERIFICATION_BY_CODE_ENABLED = True
# Behind one address there may be a whole office; each number still gets one code in half a minute.
ACCOUNT_RATE_LIMITS: dict[str, str] | bool = {"verify_phone": "1/30s/key,20/m/ip"}
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[Hengtou] "
ACCOUNT_LOGOUT_REDIRECT_URL = "home"
ALLAUTH_USER_CODE_FORMAT = {"numeric": True, "length": 6, "dashed": False}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Hengtou"
# Staff must be able to set it up at once, also those whose address an operator entered and nobody confirmed.
MFA_ALLOW_UNVERIFIED_EMAIL = True

# ── Messages out ─────────────────────────────────────────────────────────────────────────────────────────────────
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("FROM_EMAIL", "Hengtou <hello@localhost>")
EMAIL_URL = env.text("EMAIL_URL")
if EMAIL_URL:
    vars().update(environ.Env.email_url_config(env.url("EMAIL_URL", "", {"smtp", "smtp+tls", "smtp+ssl", "submission"})))
elif provider := env.text("ANYMAIL_PROVIDER"):
    EMAIL_BACKEND = f"anymail.backends.{provider}.EmailBackend"
    ANYMAIL = {name.removeprefix("ANYMAIL_"): value for name, value in os.environ.items() if name.startswith("ANYMAIL_")}
else:
    EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    EMAIL_FILE_PATH = VAR_DIR / "mail"
EMAIL_TIMEOUT = 10
# How long a sender may hold its messages without a sign of life; longer than any single call to a mail provider.
DELIVERY_LEASE_SECONDS = env.whole("DELIVERY_LEASE_SECONDS", 120)
if DELIVERY_LEASE_SECONDS < 3 * EMAIL_TIMEOUT:
    env.refuse("DELIVERY_LEASE_SECONDS", f"{DELIVERY_LEASE_SECONDS} outlasts no slow mail provider; give {3 * EMAIL_TIMEOUT} or more.")
# How long a worker may hold a block of the nightly review without a sign of life, and how many work on it at once.
READVICE_LEASE_SECONDS = env.whole("READVICE_LEASE_SECONDS", 120)
READVICE_WORKERS = env.whole("READVICE_WORKERS", 1)
# The source that is read every night, "" for none, and the file of the source csv.
MARKET_SOURCE = env.choice("MARKET_SOURCE", "", {"", "csv", "akshare", "yfinance"})
MARKET_FILE = env.text("MARKET_FILE")
if MARKET_SOURCE == "csv" and not MARKET_FILE:
    env.refuse("MARKET_FILE", "the source csv needs the path of the price file that is read every night.")
# Sales e-mail waits overnight, except in a demo, where nobody sleeps.
QUIET_HOURS_APPLY = env.flag("QUIET_HOURS", default=not IS_DEMO)
SMS_FILE_PATH = VAR_DIR / "sms"
# Whole months of events that are kept besides the running one.
EVENT_RETENTION_MONTHS = env.whole("EVENT_RETENTION_MONTHS", 24)
if not EVENT_RETENTION_MONTHS:
    env.refuse("EVENT_RETENTION_MONTHS", "0 would keep no events at all; give 1 or more.")
# Days in which who asked for their data to be erased can take it back.
ERASURE_WAIT_DAYS = env.whole("ERASURE_WAIT_DAYS", 0 if IS_DEMO else 7)
# Days after which it is no longer kept which people a segment held at some moment.
SNAPSHOT_RETENTION_DAYS = env.whole("SNAPSHOT_RETENTION_DAYS", 365)
# What starts Spark, which then trains ALS in place of the worker: "" for nothing, "local", or a command (docs/scale.md). The folder
# is one that all machines of the cluster see under the same path; blocks are the parts that people and funds are cut into.
SPARK_COMMAND = env.text("SPARK_COMMAND")
SPARK_FOLDER = env.writable_folder("SPARK_FOLDER", VAR_DIR / "spark") if SPARK_COMMAND else None
SPARK_BLOCKS = env.whole("SPARK_BLOCKS", 10)
if SPARK_COMMAND not in ("", "local") and not env.text("SPARK_FOLDER"):
    env.refuse("SPARK_FOLDER", "Spark on a cluster needs a folder that all its machines see.")
if not SPARK_BLOCKS:
    env.refuse("SPARK_BLOCKS", "people and funds cannot be cut into 0 parts; give 1 or more.")
# Visits of people who are not signed in, under a random id of this site's own. Off where the privacy notice does not say so.
RECORD_VISITORS = env.flag("RECORD_VISITORS", default=IS_DEMO)

# ── Words, times, files ──────────────────────────────────────────────────────────────────────────────────────────
LANGUAGE_CODE = "zh-hans"
LANGUAGES = [("zh-hans", _("Simplified Chinese")), ("en", _("English"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_TZ = True
TIME_ZONE = "Asia/Shanghai"
STATIC_URL = "static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
MANIFEST_STATIC = env.flag("MANIFEST_STATIC", default=not IS_DEMO)
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": VAR_DIR / "media"}},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if MANIFEST_STATIC
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
# Without a manifest there is nothing collected: whitenoise serves from the source folders.
WHITENOISE_USE_FINDERS = not MANIFEST_STATIC
FILE_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 2_000

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "manifest-src": [SELF],
    }
}

LOGGING_CONFIG = "config.logging.configure"
LOGGING = {"level": env.choice("LOG_LEVEL", "INFO", {"DEBUG", "INFO", "WARNING", "ERROR"})}
