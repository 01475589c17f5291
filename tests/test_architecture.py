"""The walls of the house: who points at whom, and how large a room may be."""

import ast
import io
import tokenize
from functools import cache
from pathlib import Path

import pytest
from django.apps import apps
from django.db.migrations.loader import MigrationLoader

ROOT = Path(__file__).resolve().parent.parent
APPS = ["identity", "portfolios", "advisor", "marketing", "demo"]
RANK = {name: rank for rank, name in enumerate(APPS)}
SOURCES = [path for folder in [*APPS, "config", "benchmarks"] for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]
# The kind of thing each pinned name may be longer for, with its reason. Empty is how it should stay.
FUNCTION_LIMIT, FILE_LIMIT, FUNCTION_P90, FILE_P90 = 60, 500, 30, 300


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Every node of a file's syntax tree."""
    return list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.fixture(scope="module", autouse=True)
def _leave_no_trees():
    yield
    nodes.cache_clear()


@cache
def code_lines(path: Path) -> set[int]:
    """Line numbers that hold code: no blanks, comments or docstrings."""
    docstrings: set[int] = set()
    for node in nodes(path):
        if (
            isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and ast.get_docstring(node, clean=False) is not None
        ):
            docstrings.update(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    skipped = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.ENCODING}
    held: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type not in skipped:
            held.update(range(token.start[0], token.end[0] + 1))
    return held - docstrings


def function_sizes(path: Path) -> dict[str, int]:
    held = code_lines(path)
    return {
        f"{path.relative_to(ROOT)}:{node.name}": len(held & set(range(node.lineno, (node.end_lineno or 0) + 1)))
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }


def percentile_90(sizes: list[int]) -> int:
    return sorted(sizes)[int(0.9 * (len(sizes) - 1))]


def test_foreign_keys_point_downwards_only():
    upward = [
        f"{model._meta.label}.{field.name} -> {field.related_model._meta.label}"
        for model in apps.get_models()
        if model._meta.app_label in RANK
        for field in model._meta.get_fields()
        if field.is_relation
        and not field.auto_created
        and field.related_model is not None
        and RANK.get(field.related_model._meta.app_label, -1) > RANK[model._meta.app_label]
    ]
    assert upward == []


def test_migrations_depend_downwards_only():
    upward = [
        f"{key} -> {parent}"
        for key, migration in MigrationLoader(None).disk_migrations.items()
        for parent in migration.dependencies
        if key[0] in RANK and RANK.get(parent[0], -1) > RANK[key[0]]
    ]
    assert upward == []


def test_every_person_model_says_who_sees_it():
    silent = [
        model._meta.label
        for model in apps.get_models()
        if model._meta.app_label in {"advisor", "marketing"}
        and not hasattr(model._default_manager.all(), "visible_to")
        and model._meta.label not in {"marketing.EventKey"}  # holds no person
    ]
    assert silent == []


def test_no_room_is_called_core_common_or_utils():
    assert [path for path in SOURCES if path.stem in {"core", "common", "utils", "helpers", "misc"}] == []


def test_functions_stay_small():
    sizes = {name: size for path in SOURCES for name, size in function_sizes(path).items()}
    assert {name: size for name, size in sizes.items() if size > FUNCTION_LIMIT} == {}
    assert percentile_90(list(sizes.values())) <= FUNCTION_P90


def test_files_stay_small():
    sizes = {str(path.relative_to(ROOT)): len(code_lines(path)) for path in SOURCES}
    assert {name: size for name, size in sizes.items() if size > FILE_LIMIT} == {}
    assert percentile_90([size for size in sizes.values() if size]) <= FILE_P90


def test_only_advisor_services_place_orders():
    callers = {
        str(path.relative_to(ROOT))
        for path in SOURCES
        for node in nodes(path)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "place_order"
    }
    assert all(caller.startswith("advisor/services") for caller in callers), callers


@pytest.mark.parametrize("relation", ["proposal", "investor", "goal", "campaign", "suggestion", "delivery"])
def test_portfolios_name_no_relation_of_an_upper_app(relation):
    named = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in SOURCES
        if path.is_relative_to(ROOT / "portfolios")
        for node in nodes(path)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(f"{relation}__")
    ]
    assert named == []
