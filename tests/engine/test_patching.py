"""One forward replaced on one instance, and taken back in whatever order others come and go."""

import copy
import gc
import weakref
from types import ModuleType

import pytest

from lib_regional.engine.patching import Patch, foreign_forward, method_patch, patched, patched_forward


class Layer:
    """A layer of some class."""

    def forward(self, x):
        """The class's own."""
        return ("class", x)


def mark(name):
    return lambda inner, *args, **kwargs: (name, inner(*args, **kwargs))


def other(layer):
    """Another extension: puts its function on the instance and later puts back what it found."""
    found = layer.forward
    layer.forward = lambda x: ("other", found(x))

    def restore():
        layer.forward = found

    return restore


def test_a_patch_answers_and_leaves_no_trace():
    layer, before = Layer(), dict(vars(Layer))
    with patched_forward(layer, mark("ours")):
        assert layer.forward(1) == ("ours", ("class", 1))
        assert layer.forward.__doc__ == "The class's own."
    assert vars(layer) == {} and layer.forward(1) == ("class", 1) and dict(vars(Layer)) == before


def test_what_was_on_the_instance_before_is_there_again():
    layer = Layer()
    other(layer)
    found = layer.forward
    with patched_forward(layer, mark("ours")):
        assert layer.forward(1) == ("ours", ("other", ("class", 1)))
    assert vars(layer) == {"forward": found}


def test_a_class_attribute_replaced_meanwhile_is_used(monkeypatch):
    layer = Layer()
    with patched_forward(layer, mark("ours")):
        monkeypatch.setattr(Layer, "forward", lambda self, x: ("optimiser", x))
        assert layer.forward(1) == ("ours", ("optimiser", 1))


def test_a_patch_on_top_outlives_ours():
    layer = Layer()
    with patched_forward(layer, mark("ours")):
        restore = other(layer)
        theirs = layer.forward
        assert layer.forward(1) == ("other", ("ours", ("class", 1)))
    assert layer.forward is theirs and layer.forward(1) == ("other", ("class", 1))
    restore()
    assert layer.forward(1) == ("class", 1)
    assert vars(layer) == {}


def test_a_patch_on_top_that_leaves_in_time_costs_nothing():
    layer = Layer()
    with patched_forward(layer, mark("ours")):
        other(layer)()
    assert vars(layer) == {}


def test_empty_patches_do_not_pile_up():
    layer = Layer()
    for _ in range(3):
        with patched_forward(layer, mark("ours")):
            restore = other(layer)
        restore()
        assert isinstance(vars(layer)["forward"], Patch)
    with patched_forward(layer, mark("ours")):
        assert layer.forward(1) == ("ours", ("class", 1))
    assert vars(layer) == {}


def test_patches_within_patches_leave_in_any_order():
    layer = Layer()
    first, second = method_patch(layer, "forward", mark("first")), None
    first.install()
    second = method_patch(layer, "forward", mark("second"))
    second.install()
    first.remove()
    assert layer.forward(1) == ("second", ("class", 1))
    second.remove()
    second.remove()
    assert layer.forward(1) == ("class", 1) and vars(layer) == {}


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_a_fault_takes_the_patch_away_too(fault):
    layer = Layer()
    with pytest.raises(fault), patched_forward(layer, mark("ours")):
        raise fault
    assert vars(layer) == {}


def test_an_empty_patch_holds_nothing_of_the_generation():
    class State:
        def __call__(self, inner, x):
            return inner(x)

    layer, state = Layer(), State()
    alive = weakref.ref(state)
    with patched_forward(layer, state):
        other(layer)
    del state
    gc.collect()
    assert alive() is None and layer.forward(1) == ("other", ("class", 1))


def test_the_classs_own_method_put_back_by_assignment_is_nobodys():
    layer = Layer()
    assert foreign_forward(layer) is None
    restore = other(layer)
    assert foreign_forward(layer) is vars(layer)["forward"]
    restore()
    assert "forward" in vars(layer) and foreign_forward(layer) is None
    layer.forward = Layer().forward
    assert foreign_forward(layer) is not None


# ---------------------------------------------------------------- other places: a module's names, a table of options


def places():
    module = ModuleType("attention")
    return [pytest.param(vars(module), id="module"), pytest.param({}, id="table")]


def theirs_on(place):
    """Somebody else on top of what is there now."""
    found = place["answer"]
    return lambda x: ("theirs", found(x))


@pytest.mark.parametrize("place", places())
@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt])
def test_a_place_is_as_it_was_however_it_ends(place, fault):
    place["answer"] = own = lambda x: ("own", x)
    before = dict(place)
    try:
        with patched(Patch(place, "answer", mark("ours"))):
            assert place["answer"](1) == ("ours", ("own", 1))
            if fault is not None:
                raise fault
    except BaseException as error:
        assert type(error) is fault
    assert dict(place) == before and place["answer"] is own


@pytest.mark.parametrize("place", places())
def test_a_foreign_function_on_top_stays_and_ours_is_silent(place):
    place["answer"] = own = lambda x: ("own", x)
    with patched(Patch(place, "answer", mark("ours"))):
        below = place["answer"]
        place["answer"] = theirs = theirs_on(place)
        assert place["answer"](1) == ("theirs", ("ours", ("own", 1)))
    assert place["answer"] is theirs and theirs(1) == ("theirs", ("own", 1))
    place["answer"] = below
    assert place["answer"](1) == ("own", 1) and place["answer"] is own


def test_a_copied_table_shares_the_patch():
    table = {"answer": lambda x: ("own", x)}
    with patched(Patch(table, "answer", mark("ours"))):
        clone = copy.deepcopy(table)
        assert clone["answer"](1) == ("ours", ("own", 1))
    assert clone["answer"](1) == ("own", 1)
