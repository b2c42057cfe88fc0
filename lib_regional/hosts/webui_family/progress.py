"""Progress in the host's page for work before sampling."""

from __future__ import annotations


def announce(text: str, done: int, total: int) -> bool:
    """Show ``text`` and the share done where the host shows its own progress; False once the user has stopped the generation.

    True on hosts without such a place. The sampler that follows begins the bar anew.
    """
    try:
        from modules import shared
    except ImportError:
        return True
    state = shared.state
    steps = max(1, int(getattr(state, "sampling_steps", 0) or 0))
    state.textinfo = f"{text}: {done} of {total}" if done < total - 1 else None
    state.sampling_step = round(steps * done / max(1, total)) if done < total - 1 else 0
    return not (state.interrupted or state.skipped)
