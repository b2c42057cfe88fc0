"""Alignment of prompts against references written another way."""

import itertools

import pytest
import torch

from lib_regional.tensors.guidance.alignment import by_parts, can_replace, needleman_wunsch, refine, replace, reweight, words
from lib_regional.tensors.guidance.tokens import Token


def tokens(text, start=1):
    """One token a word; a word with ``|`` is made of pieces."""
    found = []
    for number, word in enumerate(text.split()):
        for piece in word.split("|"):
            found.append(Token(start + len(found), piece, number))
    return found


def best_score(first, second):
    """Highest score over all sets of pairs in order, by trying them all: match 1, mismatch −1, gap 0."""
    best = 0
    for size in range(min(len(first), len(second)) + 1):
        for a in itertools.combinations(range(len(first)), size):
            for b in itertools.combinations(range(len(second)), size):
                best = max(best, sum(1 if first[i] == second[j] else -1 for i, j in zip(a, b, strict=True)))
    return best


@pytest.mark.parametrize(
    ("first", "second"),
    [("a b c", "a x b c"), ("a b c", "c b a"), ("", "a"), ("a a b", "a b b"), ("p q r s t", "q s u t p"), ("x y", "z w")],
)
def test_the_alignment_is_a_best_one(first, second):
    a, b = first.split(), second.split()
    pairs = needleman_wunsch(a, b)
    assert [i for i, _ in pairs if i is not None] == list(range(len(a)))
    assert [j for _, j in pairs if j is not None] == list(range(len(b)))
    both = [(i, j) for i, j in pairs if i is not None and j is not None]
    assert sum(1 if a[i] == b[j] else -1 for i, j in both) == best_score(a, b)


def test_words_join_pieces_and_leave_out_punctuation():
    assert words(tokens("a cas|tle , Red")) == [("a", (1,)), ("castle", (2, 3)), ("red", (5,))]


def test_refine_takes_common_columns_and_leaves_new_ones():
    old, new = tokens("a cat sits"), tokens("a big cat sits")
    source, target = torch.rand(2, 3, 8), torch.rand(2, 3, 8)
    made = refine(old, new, (8, 8)).apply(source, target)
    column = {0: 0, 1: 1, 3: 2, 4: 3, 5: 5, 6: 6, 7: 7}
    for place in range(8):
        expected = source[..., column[place]] if place in column else target[..., place]
        assert torch.allclose(made[..., place], expected)


def test_replace_spreads_a_word_over_its_pieces_and_keeps_its_mass():
    old, new = tokens("a cat on grass"), tokens("a ti|ger on grass")
    source = torch.rand(4, 10)
    edit = replace(old, new, (10, 10))
    made = source @ edit.matrix
    assert torch.allclose(made[:, 2], source[:, 2] / 2) and torch.allclose(made[:, 3], source[:, 2] / 2)
    assert torch.allclose(made[:, 4], source[:, 3]) and torch.allclose(made[:, 5], source[:, 4])
    assert torch.allclose(made[:, 1:6].sum(1), source[:, 1:5].sum(1))
    assert edit.swapped == (2, 3) and replace(old, old, (10, 10)).swapped == () == refine(old, new, (10, 10)).swapped


def naive_swap(source, target, columns, swapped):
    """Cell by cell and head by head: ``columns[t]`` is the source's column that column t takes; swapped ones at the target's mean."""
    made = torch.zeros(target.shape)
    for head in range(len(source)):
        where = {t: [float(source[head, cell, s]) for cell in range(source.shape[1])] for t, s in columns.items()}
        for t in swapped:
            loudness = float(target[head, :, t].sum()) / sum(where[t])
            where[t] = [value * loudness for value in where[t]]
        for cell in range(source.shape[1]):
            spoken = sum(where[t][cell] for t in swapped)
            quiet = [t for t in columns if t not in swapped]
            rest = sum(where[t][cell] for t in quiet)
            for t in swapped:
                made[head, cell, t] = where[t][cell] / max(1.0, spoken)
            for t in quiet:
                made[head, cell, t] = where[t][cell] / rest * max(0.0, 1 - spoken)
    return made


@pytest.mark.parametrize("strength", [0.5, 6.0], ids=["as strong as the others", "drowning the others"])
def test_another_word_takes_the_place_but_not_the_strength(strength):
    """Rows of both are distributions; where the new words ask for more than a row has, they share it."""
    torch.manual_seed(0)
    old, new = tokens("a red cat on grass"), tokens("a green dog on grass")
    source, target = (
        torch.randn(2, 5, 8).softmax(-1),
        (torch.randn(2, 5, 8) + strength * torch.tensor([0, 0, 1, 1, 0, 0, 0, 0])).softmax(-1),
    )
    made = replace(old, new, (8, 8)).apply(source, target)
    assert torch.allclose(made, naive_swap(source, target, {t: t for t in range(8)}, [2, 3]), atol=1e-5)
    assert torch.allclose(made.sum(-1), torch.ones(2, 5), atol=1e-5)
    if strength < 1:
        assert torch.allclose(made[..., 2:4].mean(1), target[..., 2:4].mean(1), atol=1e-5)
    same = replace(old, old, (8, 8)).apply(source, target)
    assert torch.allclose(same, source)


def test_replace_refuses_texts_of_other_lengths():
    assert not can_replace(tokens("a b"), tokens("a b c"))
    with pytest.raises(ValueError, match="as many words"):
        replace(tokens("a b"), tokens("a b c"), (8, 8))


def test_parts_never_take_columns_of_other_parts():
    old = tokens("red square green square")
    new = tokens("red square")
    edit = by_parts([(old[:2], new)], old, new, (8, 8))
    assert edit.matrix[:, 1:3].argmax(0).tolist() == [1, 2]
    assert edit.alpha.tolist() == [1, 1, 1, 0, 0, 1, 1, 1], "positions that hold a word on one side alone keep their own"


def test_strength_goes_from_the_target_to_the_edit():
    old, new = tokens("a cat"), tokens("a dog")
    source, target, edit = torch.rand(3, 6), torch.rand(3, 6), replace(old, new, (6, 6))
    assert torch.equal(edit.apply(source, target, 0.0), target)
    half = edit.apply(source, target, 0.5)
    assert torch.allclose(half, (edit.apply(source, target) + target) / 2)


def test_reweight_scales_every_piece_of_a_word():
    assert reweight(tokens("a cas|tle red"), {"castle": 2.0, "none": 5.0}, 6).tolist() == [1, 1, 2, 2, 1, 1]
