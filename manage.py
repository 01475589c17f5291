#!/usr/bin/env python
"""Django's command line for Hengtou."""

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        from django.core.management import execute_from_command_line

        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit("Stopped before the end. The same command goes on from here.")


if __name__ == "__main__":
    main()
