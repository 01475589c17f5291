"""Reads the environment once. A wrong or missing value ends the process with one sentence that says what to do."""

import os
import secrets
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def refuse(name: str, why: str) -> NoReturn:
    raise SystemExit(f"Setting {name}: {why}")


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def choice(name: str, default: str, allowed: set[str]) -> str:
    value = text(name, default)
    if value not in allowed:
        refuse(name, f"“{value}” is not one of {', '.join(sorted(allowed))}.")
    return value


def flag(name: str, default: bool = False) -> bool:
    value = text(name, "1" if default else "0").lower()
    if value not in {"0", "1", "true", "false"}:
        refuse(name, f"“{value}” is neither 1 nor 0.")
    return value in {"1", "true"}


def whole(name: str, default: int) -> int:
    value = text(name, str(default))
    if not value.isdigit():
        refuse(name, f"“{value}” is not a whole number.")
    return int(value)


def url(name: str, default: str, schemes: set[str]) -> str:
    """A URL with one of the schemes."""
    value = text(name, default)
    scheme = value.split("://", 1)[0]
    if "://" not in value or scheme not in schemes:
        refuse(name, f"“{value}” should begin with {' or '.join(f'{s}://' for s in sorted(schemes))}.")
    return value


def base_url(default: str) -> tuple[str, str, int | None]:
    """BASE_URL as (url without a trailing slash, host name, port)."""
    value = url("BASE_URL", default, {"http", "https"}).rstrip("/")
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
    except ValueError:
        refuse("BASE_URL", f"“{value}” is not an address.")
    if not host or parts.path:
        refuse("BASE_URL", f"“{value}” should be a scheme, a host and perhaps a port, such as https://invest.example.com.")
    return value, host, port


def writable_folder(name: str, default: Path) -> Path:
    folder = Path(text(name, str(default))).resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        refuse(name, f"the folder {folder} cannot be written ({error.strerror}). Give one that can, or change its owner.")
    return folder


def secret_key(var_dir: Path) -> str:
    """SECRET_KEY, or one made once and kept in var/ where only its owner can read it."""
    if value := text("SECRET_KEY"):
        if len(value) < 32:
            refuse("SECRET_KEY", "it is shorter than 32 characters.")
        return value
    path = var_dir / "secret_key"
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(handle, "w") as file:
        value = secrets.token_urlsafe(50)
        file.write(value)
    return value
