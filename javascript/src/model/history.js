// Undo and redo over whole states. States are never changed in place, so a history holds only what differs.

/** @import {History} from "../types.js" */

/** Milliseconds between changes that still are one step. */
const PAUSE = 1200;

/**
 * Steps of work on a state. Changes with the same `key` in quick succession (typing, dragging) are one step.
 *
 * @template T
 * @param {T} initial
 * @param {number} [limit]
 * @returns {History<T>}
 */
export function createHistory(initial, limit = 500) {
    let done = [initial];
    /** @type {T[]} */
    let undone = [];
    /** @type {{key?: string | null, at: number}} */
    let last = {key: null, at: -Infinity};
    const seal = () => {
        last = {key: null, at: -Infinity};
    };
    return {
        record(state, key, now = Date.now()) {
            if (state === done[done.length - 1]) return;
            const joins = key !== undefined && key !== null && key === last.key && now - last.at < PAUSE && done.length > 1;
            if (joins) done[done.length - 1] = state;
            else done.push(state);
            if (done.length > limit + 1) done = done.slice(done.length - limit - 1);
            undone = [];
            last = {key, at: now};
        },
        seal,
        undo() {
            if (done.length < 2) return null;
            undone.push(...done.splice(-1));
            seal();
            return done[done.length - 1];
        },
        redo() {
            if (!undone.length) return null;
            done.push(...undone.splice(-1));
            seal();
            return done[done.length - 1];
        },
        canUndo: () => done.length > 1,
        canRedo: () => undone.length > 0,
    };
}
