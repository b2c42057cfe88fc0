// The store of the panel's state.

/** @import {State, Store} from "../types.js" */

/**
 * Holds the state and calls its subscribers with `(state, origin, before)` after every change.
 *
 * @param {State} initial
 * @returns {Store}
 */
export function createStore(initial) {
    let state = initial;
    /** @type {Set<(state: State, origin: string, before: State) => void>} */
    const listeners = new Set();
    return {
        get: () => state,
        set(next, origin) {
            if (next === state) return;
            const before = state;
            state = next;
            listeners.forEach((listener) => listener(state, origin, before));
        },
        update(change, origin) {
            this.set(change(state), origin);
        },
        subscribe(listener) {
            listeners.add(listener);
            return () => listeners.delete(listener);
        },
    };
}
