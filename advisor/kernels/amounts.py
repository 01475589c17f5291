"""Weights into money: whole minor units that add up exactly, none smaller than an order may be."""

from collections.abc import Mapping


def split_amount(amount_minor: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Split an amount by weights (>= 0, normalised here) with the largest remainder; the parts sum to the amount exactly.

    Equal remainders go to the earlier code, so that the order of the mapping does not matter.
    """
    total = sum(weights.values())
    if amount_minor < 0 or total <= 0 or min(weights.values()) < 0:
        raise ValueError("split_amount takes an amount >= 0 and weights >= 0 that are not all zero")
    exact = {code: amount_minor * weight / total for code, weight in weights.items()}
    parts = {code: int(value) for code, value in exact.items()}
    left = amount_minor - sum(parts.values())
    by_remainder = sorted(exact, key=lambda code: (parts[code] - exact[code], code))
    for place in range(left):
        parts[by_remainder[place % len(by_remainder)]] += 1
    return parts


def order_amounts(amount_minor: int, weights: Mapping[str, float], *, smallest_minor: int, residual_code: str) -> dict[str, int]:
    """Split an amount into orders: what would be below the smallest order goes to `residual_code`, a fund of the weights.

    Funds without an order are left out. If even the residual fund stays below the smallest order the result is empty.
    """
    parts = split_amount(amount_minor, {code: weight for code, weight in weights.items() if weight > 0})
    kept = {code: part for code, part in parts.items() if part >= smallest_minor or code == residual_code}
    kept[residual_code] = kept.get(residual_code, 0) + amount_minor - sum(kept.values())
    if 0 < kept[residual_code] < smallest_minor and len(kept) > 1:
        largest = max((code for code in kept if code != residual_code), key=lambda code: (kept[code], code))
        kept[largest] += kept.pop(residual_code)
    return {code: part for code, part in sorted(kept.items()) if part >= smallest_minor}
