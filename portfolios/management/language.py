"""The language of the person at the terminal."""

import os


def shell_language() -> str:
    """Chinese where the shell's locale is Chinese, else English: a command is no web request and has no user."""
    locale = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "zh-hans" if locale.lower().startswith("zh") else "en"
