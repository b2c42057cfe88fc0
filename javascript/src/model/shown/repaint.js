// Repainting in the state: the settings that the picture was made from, and the regions that are made again.

/** @import {Json, State} from "../../types.js" */

import {getField, setField} from "../fields.js";

const SOURCE = "options.repaint.source";
const REGIONS = "options.repaint.regions";
const LEFT_OUT = ["enabled", "version", "attention_maps"];

/**
 * State whose picture to repaint was made by `settings`.
 *
 * @param {State} state
 * @param {Json | null} settings
 * @returns {State}
 */
export function setRepaintSource(state, settings) {
    const kept = settings && Object.fromEntries(Object.entries(settings).filter(([key]) => !LEFT_OUT.includes(key)));
    return setField(state, SOURCE, kept ?? undefined);
}

/**
 * The settings that the picture was made from, null where there are none.
 *
 * @param {State} state
 * @returns {Json | null}
 */
export const repaintSource = (state) => getField(state, SOURCE) ?? null;

/**
 * Positions from 0 of the regions that are made again whatever changed; none: those that changed.
 *
 * @param {State} state
 * @returns {number[]}
 */
export const repaintedRegions = (state) => getField(state, REGIONS) || [];

/**
 * State in which region `index` is made again, or not.
 *
 * @param {State} state
 * @param {number} index
 * @param {boolean} isOn
 * @returns {State}
 */
export function setRepainted(state, index, isOn) {
    const others = repaintedRegions(state).filter((each) => each !== index);
    const next = isOn ? [...others, index].sort((a, b) => a - b) : others;
    return setField(state, REGIONS, next.length ? next : undefined);
}
