// The LoRAs that the host has.

import {callApi} from "./server.js";

const AGAIN = 15000;

/** Names that menus offer, and all that a tag may have; null while they are not known. @type {{names: string[], known: Set<string>} | null} */
let found = null;
let asked = -Infinity;

/** The names that are known now; null where the host has not answered, or lists none. */
export const knownLoras = () => found;

/**
 * Ask for the names, at most every 15 seconds. `changed` is called when they are other ones.
 *
 * @param {() => void} changed
 */
export async function askLoras(changed) {
    const now = performance.now();
    if (now - asked < AGAIN) return;
    asked = now;
    const answer = await callApi("networks").catch(() => null);
    if (!answer?.ok || !Array.isArray(answer.data.loras)) return;
    const {loras, aliases} = answer.data;
    const before = JSON.stringify([...(found?.known || [])]);
    found = {names: loras, known: new Set([...loras, ...aliases])};
    if (before !== JSON.stringify([...found.known])) changed();
}

/**
 * Whether the host has no LoRA of a name. False while that is not known.
 *
 * @param {string} kind "lora", "lyco" or "hypernet".
 * @param {string} name
 */
export const isUnknown = (kind, name) => found !== null && kind !== "hypernet" && !found.known.has(name);
