// The head of a region's card: name, mute, solo, lock, order, remove.

/** @import {Field, Region, State} from "../../types.js" */
/** @import {Panel} from "../panel.js" */

import {t} from "../../host/language.js";
import {canRemove, moveRegion, removeRegion, replaceRegion} from "../../model/regions.js";
import {coverByOrder, solo} from "../../model/selection.js";
import {dressTool, tool} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";
import {icon} from "../../widgets/icons.js";

/** @typedef {(state: State, index: number) => State} Change Of the state by one region's index. */

/** @type {(field: string, value: (region: Region) => boolean) => Change} */
const toggle = (field, value) => (state, at) => replaceRegion(state, at, {...state.regions[at], [field]: value(state.regions[at])});

/** @type {(by: number) => Change} */
const move = (by) => (state, at) => coverByOrder(moveRegion(state, at, by));

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
        up: act("up", "Move up", move(-1)),
        down: act("down", "Move down", move(1)),
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
            swatch.textContent = String(position + 1);
            dressButtons(buttons, state, region, position);
        },
    };
}

/**
 * @param {Record<"mute" | "alone" | "lock" | "up" | "down" | "remove", HTMLButtonElement>} buttons
 * @param {State} state
 * @param {Region} region
 * @param {number} position
 */
function dressButtons({mute, alone, lock, up, down, remove}, state, region, position) {
    const number = position + 1;
    const off = region.enabled === false;
    dressTool(mute, off ? "eyeOff" : "eye", t(off ? "Switch region {0} on" : "Mute region {0}", number));
    dressTool(alone, "solo", t("Only region {0}, or all again", number));
    alone.classList.toggle("rg-on", Boolean(state._solo) && state._solo.id === region._id);
    dressTool(lock, region._lock ? "lock" : "unlock", t(region._lock ? "Unlock region {0}" : "Lock region {0}", number));
    lock.classList.toggle("rg-on", Boolean(region._lock));
    dressTool(up, "up", t("Move region {0} up", number));
    dressTool(down, "down", t("Move region {0} down", number));
    dressTool(remove, "remove", t("Remove region {0}", number));
    up.disabled = position === 0;
    down.disabled = position === state.regions.length - 1;
    remove.disabled = !canRemove(state) || Boolean(region._lock);
}
