// Regional: undo and redo over whole states. States are never changed in place, so a history holds only what differs.
(function (R) {
    "use strict";

    const PAUSE = 1200;

    /** Steps of work on a state. Changes with the same `key` in quick succession (typing, dragging) are one step. */
    function createHistory(initial, limit = 500) {
        let done = [initial], undone = [], last = {key: null, at: -Infinity};
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
            /** The state before the last step, or null. */
            undo() {
                if (done.length < 2) return null;
                undone.push(done.pop());
                last = {key: null, at: -Infinity};
                return done[done.length - 1];
            },
            redo() {
                if (!undone.length) return null;
                done.push(undone.pop());
                last = {key: null, at: -Infinity};
                return done[done.length - 1];
            },
            canUndo: () => done.length > 1,
            canRedo: () => undone.length > 0,
        };
    }

    Object.assign(R, {createHistory});

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
