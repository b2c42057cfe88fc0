// The LoRAs and embeddings that the host has: one list for completion, marks and pickers.

/** @import {NetworkKind} from "../model/prompt/networks.js" */

import {callApi, errorText, routeUrl} from "./server.js";

const AGAIN = 15000;

/** Names that menus offer, names of LoRAs that a tag may have, and those that have a picture. */
/** @typedef {{loras: string[], embeddings: string[], known: Set<string>, pictures: Record<NetworkKind, Set<string>>}} Networks */

/** Null while they are not known. @type {Networks | null} */
let found = null;
let asked = -Infinity;

/** The networks that are known now; null where the host has not answered, or lists none. */
export const knownNetworks = () => found;

/**
 * Ask for the names, at most every 15 seconds. `changed` is called when they are other ones.
 *
 * @param {() => void} changed
 */
export async function askNetworks(changed) {
    if (performance.now() - asked >= AGAIN) await loadNetworks(changed);
}

/**
 * Ask for the names now. `changed` is called when they are other ones.
 *
 * @param {() => void} changed
 * @returns {Promise<string>} Why they could not be had; empty where they could.
 */
export async function loadNetworks(changed) {
    asked = performance.now();
    try {
        const answer = await callApi("networks");
        if (!answer.ok) return errorText(answer);
        if (!Array.isArray(answer.data.loras)) return "The server has no list.";
        const before = JSON.stringify([...(found?.known || [])]);
        found = networksOf(answer.data);
        if (before !== JSON.stringify([...found.known])) changed();
        return "";
    } catch (error) {
        return error.message;
    }
}

/**
 * @param {any} data
 * @returns {Networks}
 */
function networksOf({loras, aliases = [], embeddings = [], pictures = {}}) {
    const sorted = (/** @type {string[]} */ names) => [...names].sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
    const shown = {loras: new Set(pictures.loras), embeddings: new Set(pictures.embeddings)};
    return {loras: sorted(loras), embeddings: sorted(embeddings), known: new Set([...loras, ...aliases]), pictures: shown};
}

/**
 * Whether the host has no LoRA of a name. False while that is not known.
 *
 * @param {string} kind "lora", "lyco" or "hypernet".
 * @param {string} name
 */
export const isUnknown = (kind, name) => found !== null && kind !== "hypernet" && !found.known.has(name);

/**
 * Address of the picture of a network; null for one without.
 *
 * @param {NetworkKind} kind
 * @param {string} name
 */
export const pictureOf = (kind, name) =>
    found?.pictures[kind].has(name) ? routeUrl(`networks/${kind}/picture?name=${encodeURIComponent(name)}`) : null;
