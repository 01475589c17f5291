"""A wrong or missing setting is one clear sentence when the process starts, not a traceback."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def start(tmp_path, **settings):
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path / "var")} | settings
    code = "import config.settings as s; print(s.SECRET_KEY, s.SESSION_COOKIE_SECURE, s.SECURE_HSTS_SECONDS, s.BIND)"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"DEPLOYMENT_MODE": "production"}, "Setting DEPLOYMENT_MODE: “production” is not one of demo, licensed."),
        ({"DEPLOYMENT_MODE": "licensed"}, "Setting LICENCE_TEXT: a licensed deployment names the operator's licence"),
        ({"DEPLOYMENT_MODE": "licensed", "LICENCE_TEXT": "Licence 1"}, "Setting SERVICE_PHONE: a licensed deployment has a telephone"),
        ({"BASE_URL": "invest.example.com"}, "Setting BASE_URL: “invest.example.com” should begin with http:// or https://."),
        ({"BASE_URL": "https://invest.example.com"}, "Set DEMO_PUBLIC=1 if it may be seen."),
        ({"BIND": "0.0.0.0"}, "a demo binds 127.0.0.1, not 0.0.0.0."),
        ({"DATABASE_URL": "mysql://x/y"}, "Setting DATABASE_URL:"),
        ({"BROKER_URL": "memory://"}, "Setting BROKER_URL:"),
        ({"DEBUG": "maybe"}, "Setting DEBUG: “maybe” is neither 1 nor 0."),
        ({"DELIVERY_LEASE_SECONDS": "0"}, "Setting DELIVERY_LEASE_SECONDS: 0 outlasts no slow mail provider; give 30 or more."),
        ({"SECRET_KEY": "short"}, "Setting SECRET_KEY: it is shorter than 32 characters."),
        ({"JURISDICTION": "atlantis"}, "Setting JURISDICTION: “atlantis” is not one of cn."),
        ({"VAR_DIR": "/proc/nowhere"}, "Setting VAR_DIR: the folder /proc/nowhere cannot be written"),
    ],
)
def test_a_wrong_setting_is_one_sentence(tmp_path, settings, sentence):
    ended = start(tmp_path, **settings)
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_the_secret_key_is_made_once_and_only_its_owner_reads_it(tmp_path):
    first, second = start(tmp_path).stdout.split()[0], start(tmp_path).stdout.split()[0]
    assert first == second
    assert (tmp_path / "var" / "secret_key").stat().st_mode & 0o077 == 0


def test_secure_cookies_and_hsts_follow_the_address(tmp_path):
    assert start(tmp_path).stdout.split()[1:3] == ["False", "0"]
    licensed = {"DEPLOYMENT_MODE": "licensed", "LICENCE_TEXT": "Licence 1", "SERVICE_PHONE": "400 000 0000"}
    served = start(tmp_path, BASE_URL="https://invest.example.com", **licensed).stdout.split()
    assert served[1:] == ["True", "31536000", "0.0.0.0"]
