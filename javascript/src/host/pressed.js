// Whether a button of the mouse, a pen or a finger is down on the page.
//
// What a server's answer shows between pressing and letting go may move the element that is pressed; the browser then sends no click.

/** Pointers that are down, by their ids. @type {Set<number>} */
const down = new Set();

/** What waits until all are up. @type {Set<() => void>} */
const waiting = new Set();

/** Follow the pointers; called once for the page. */
export function watchPresses() {
    window.addEventListener("pointerdown", (event) => down.add(event.pointerId), true);
    for (const kind of ["pointerup", "pointercancel"]) {
        window.addEventListener(kind, (event) => release(/** @type {PointerEvent} */ (event).pointerId), true);
    }
    // a button that was let go outside of the window
    window.addEventListener("pointermove", (event) => event.buttons === 0 && release(event.pointerId), true);
    window.addEventListener("blur", () => [...down].forEach(release));
}

/** @param {number} id */
function release(id) {
    if (!down.delete(id) || down.size) return;
    // the click follows in the same task or the next one
    setTimeout(() => {
        if (down.size) return;
        const actions = [...waiting];
        waiting.clear();
        actions.forEach((action) => action());
    });
}

/**
 * Call `action` now, or as soon as nothing is pressed; one that waits already is called once.
 *
 * @param {() => void} action
 */
export function whenReleased(action) {
    if (down.size) waiting.add(action);
    else action();
}
