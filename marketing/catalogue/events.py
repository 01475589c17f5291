"""Names of events, themes of funds, channels and sources, with their words in both languages."""

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from django.utils.translation import get_language
from pydantic import BaseModel, ConfigDict


class Named(BaseModel):
    """Something with a word in either language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zh: str
    en: str

    @property
    def label(self) -> str:
        return self.zh if (get_language() or "zh").startswith("zh") else self.en


class EventName(Named):
    """One event as it is known by name, and what may be asked of its properties."""

    name: str
    kind: Literal["page", "track", "identify"]
    meaning_zh: str
    meaning_en: str
    properties: dict[str, Literal["text", "number"]]


class Theme(Named):
    code: str
    words: list[str]


class Channel(Named):
    code: str


class Source(Named):
    code: str
    medium: str
    hosts: list[str]


class _Catalogue(BaseModel):
    model_config = ConfigDict(extra="forbid")

    events: list[EventName]
    themes: list[Theme]
    channels: list[Channel]
    sources: list[Source]


@cache
def _catalogue() -> _Catalogue:
    return _Catalogue.model_validate(yaml.safe_load(Path(__file__).with_name("events.yaml").read_text(encoding="utf-8")))


@cache
def event_names() -> dict[str, EventName]:
    """Every event that is known by name."""
    return {event.name: event for event in _catalogue().events}


@cache
def themes() -> dict[str, Theme]:
    return {theme.code: theme for theme in _catalogue().themes}


@cache
def channels() -> dict[str, Channel]:
    return {channel.code: channel for channel in _catalogue().channels}


@cache
def sources() -> dict[str, Source]:
    """Where people come from, by code; a source that nobody knows is shown as it is."""
    return {source.code: source for source in _catalogue().sources}


def event_label(name: str) -> str:
    """The words of an event; of one that nobody knows its own name."""
    return event_names()[name].label if name in event_names() else name


def theme_of(fund_name: str) -> str:
    """The code of the theme that a fund's name speaks of, "" for none."""
    return next((theme.code for theme in _catalogue().themes if any(word in fund_name for word in theme.words)), "")


def source_of_host(host: str) -> Source | None:
    """The source whose site a referring host belongs to."""
    return next((one for one in _catalogue().sources if any(host == end or host.endswith(f".{end}") for end in one.hosts)), None)
