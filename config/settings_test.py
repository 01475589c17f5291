"""Settings of the test suite: the product's own, on throw-away folders, one set a test process."""

import os
import tempfile
from pathlib import Path

# By assignment and before the settings are read: pytest-xdist's workers inherit the controller's environment, and
# two of them must not share a broker.
_root = Path(os.environ.setdefault("HENGTOU_TEST_ROOT", tempfile.mkdtemp(prefix="hengtou-test-")))
_worker = os.environ.get("PYTEST_XDIST_WORKER", "main")
os.environ["VAR_DIR"] = str(_root / _worker)
os.environ["TMPDIR"] = tempfile.tempdir = str(_root)
# The suite runs one process a core: threads of their own would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("SECRET_KEY", "for-tests-only-" + "x" * 40)
if os.environ.get("TEST_REDIS_URL"):
    # One Redis database a worker, so that queues and caches of two workers never meet.
    _index = 1 + int(_worker.removeprefix("gw") or 0) if _worker != "main" else 0
    os.environ["REDIS_URL"] = f"{os.environ['TEST_REDIS_URL'].rstrip('/')}/{_index}"

from config.settings import *  # noqa: E402, F403
from config.settings import DATABASES, IS_SQLITE, VAR_DIR  # noqa: E402

if IS_SQLITE:
    # A file, so that a worker process and the test meet in one database; pytest-django appends the worker's name.
    DATABASES["default"]["TEST"] = {"NAME": str(VAR_DIR / "test.sqlite3")}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
MANIFEST_STATIC = False
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": VAR_DIR / "media"}},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
ACCOUNT_RATE_LIMITS = False
# Files are looked up when they are asked for: else every client of every test reads the whole static folder first.
WHITENOISE_AUTOREFRESH = True
# Tests read English unless they ask for Chinese; the browser journeys read both.
LANGUAGE_CODE = "en"
