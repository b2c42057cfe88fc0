// The head of a region's card: name, mute, solo, lock, its menu, remove.

/** @import {Field, Region, State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {t} from "../../host/language.js";
import {numberOf} from "../../model/numbers.js";
import {canRemove, removeRegion, replaceRegion, withSwitch} from "../../model/regions.js";
import {solo} from "../../model/selection.js";
import {dressTool, tool} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";
import {icon} from "../../widgets/icons.js";
import {openMenu} from "../../stage/menu.js";

/** @typedef {(state: State, index: number) => State} Change Of the state by one region's index. */

/** @type {(field: string, value: (region: Region) => boolean) => Change} */
const toggle = (field, value) => (state, at) => replaceRegion(state, at, withSwitch(state.regions[at], field, value(state.regions[at])));

/** @type {Change} */
const removeUnlocked = (state, at) => (state.regions[at]._lock ? state : removeRegion(state, at));

/**
 * The head of a card.
 *
 * @param {Panel} panel
 * @param {() => number} index
 * @param {Field} name
 */
export function cardHead(panel, index, name) {
    const swatch = el("span", {class: "rg-swatch", "aria-hidden": "true"});
    const grip = el("span", {class: "rg-grip", title: "Drag to another place in the list", "aria-hidden": "true"}, icon("grip"));
    /** @type {(icon: string, label: string, change: Change) => HTMLButtonElement} */
    const act = (picture, label, change) => tool(picture, label, () => panel.edit((state) => change(state, index())));
    const buttons = {
        mute: act(
            "eye",
            "Mute",
            toggle("enabled", (region) => region.enabled === false),
        ),
        alone: act("solo", "Solo", solo),
        lock: act(
            "unlock",
            "Lock",
            toggle("_lock", (region) => !region._lock),
        ),
        more: tool("more", "More", ({currentTarget}) => showMenu(panel, index(), currentTarget), {"aria-haspopup": "menu"}),
        remove: tool("remove", "Remove", () => {
            const at = index();
            panel.edit((state) => removeUnlocked(state, at));
            panel.list.focusAfterRemoval(at);
        }),
    };
    const node = el("div", {class: "rg-head"}, grip, swatch, name.node, Object.values(buttons));
    return {
        node,
        grip,
        /** @type {(state: State, region: Region, position: number) => void} */
        update(state, region, position) {
            swatch.textContent = String(numberOf(state, position));
            dressButtons(buttons, state, region, position);
        },
    };
}

/**
 * The menu of one region, which is chosen for it.
 *
 * @param {Panel} panel
 * @param {number} index
 * @param {EventTarget | null} pressed
 */
function showMenu(panel, index, pressed) {
    const button = /** @type {HTMLElement} */ (pressed);
    panel.select([panel.store.get().regions[index]._id]);
    const {left, bottom} = button.getBoundingClientRect();
    openMenu(panel, {x: left, y: bottom + 2}, button);
}

/**
 * @param {Record<"mute" | "alone" | "lock" | "more" | "remove", HTMLButtonElement>} buttons
 * @param {State} state
 * @param {Region} region
 * @param {number} position
 */
function dressButtons({mute, alone, lock, more, remove}, state, region, position) {
    const number = numberOf(state, position);
    const off = region.enabled === false;
    dressTool(mute, off ? "eyeOff" : "eye", t(off ? "Switch region {0} on" : "Mute region {0}", number));
    dressTool(alone, "solo", t("Only region {0}, or all again", number));
    alone.classList.toggle("rg-on", Boolean(state._solo) && state._solo.id === region._id);
    dressTool(lock, region._lock ? "lock" : "unlock", t(region._lock ? "Unlock region {0}" : "Lock region {0}", number));
    lock.classList.toggle("rg-on", Boolean(region._lock));
    dressTool(more, "more", t("More of region {0}", number));
    dressTool(remove, "remove", t("Remove region {0}", number));
    remove.disabled = !canRemove(state) || Boolean(region._lock);
}
