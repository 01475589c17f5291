"""Tags as bits: tag at (word, bit) of a row of signed 64-bit words, 60 bits used in each."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

BITS_A_WORD = 60  # a signed 64-bit integer holds them on every database
Words = NDArray[np.int64]  # (words, people)
Place = tuple[int, int]


def mask_of(places: Sequence[Place], n_words: int) -> Words:
    """The words, shape (n_words,), in which exactly the bits at these places are set."""
    mask = np.zeros(n_words, np.int64)
    for word, bit in places:
        mask[word] |= np.int64(1) << np.int64(bit)
    return mask


def pack(bits: Mapping[Place, NDArray[np.bool_]], n_words: int, n: int) -> Words:
    """Pack yes/no answers of n people, by their place, into words of shape (n_words, n)."""
    words = np.zeros((n_words, n), np.int64)
    for (word, bit), holds in bits.items():
        words[word] |= holds.astype(np.int64) << np.int64(bit)
    return words


def merge(stored: Words, new: Words, mask: Words) -> Words:
    """What is new where the mask, shape (words,), has a bit, and what was stored elsewhere."""
    return (stored & ~mask[:, None]) | (new & mask[:, None])


def flips(stored: Words, new: Words) -> Iterator[tuple[Place, NDArray[np.intp]]]:
    """Yield each place where bits differ, with the people of whom they do."""
    for word, differs in enumerate(stored ^ new):
        people = np.flatnonzero(differs)
        if not len(people):
            continue
        touched = int(np.bitwise_or.reduce(differs[people]))
        for bit in range(BITS_A_WORD):
            if touched >> bit & 1:
                yield (word, bit), people[(differs[people] >> np.int64(bit) & 1).astype(bool)]


def sizes(words: Words) -> NDArray[np.int64]:
    """How many of the people have each bit: shape (words, 60)."""
    return np.stack([((words >> np.int64(bit)) & 1).sum(axis=1) for bit in range(BITS_A_WORD)], axis=1)
