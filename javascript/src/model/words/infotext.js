// What a picture's parameters say, as the WebUIs write them.

/** @import {Json} from "../../types.js" */

/**
 * What makes a picture again beside its regions; null for what the text does not name.
 *
 * @typedef {object} Parameters
 * @property {string} prompt
 * @property {string} negative
 * @property {string | null} sampler
 * @property {string | null} scheduler
 * @property {number | null} steps
 * @property {number | null} cfg_scale
 * @property {number | null} seed
 * @property {number | null} width
 * @property {number | null} height
 */

const NEGATIVE = "Negative prompt:";

/**
 * The line of parameters, and what stands before it.
 *
 * @param {string} infotext
 * @returns {[string, string]}
 */
function divided(infotext) {
    const at = infotext.lastIndexOf("Steps: ");
    return at < 0 ? [infotext, ""] : [infotext.slice(0, at), infotext.slice(at)];
}

/**
 * @param {string} line
 * @param {string} name
 * @returns {string | null}
 */
function valueOf(line, name) {
    const found = new RegExp(`(?:^|, |\\n)${name}: ("(?:[^"\\\\]|\\\\.)*"|[^,\\n]*)`).exec(line);
    return found ? found[1].replace(/^"|"$/g, "").trim() : null;
}

/**
 * @param {string} infotext
 * @returns {Parameters}
 */
export function parametersOf(infotext) {
    const [head, line] = divided(infotext);
    const cut = head.lastIndexOf(NEGATIVE);
    const number = (/** @type {string} */ name) => {
        const text = valueOf(line, name);
        return text !== null && text !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
    };
    const [width, height] = /^(\d+)x(\d+)$/
        .exec(valueOf(line, "Size") || "")
        ?.slice(1)
        .map(Number) || [null, null];
    return {
        prompt: (cut < 0 ? head : head.slice(0, cut)).trim(),
        negative: cut < 0 ? "" : head.slice(cut + NEGATIVE.length).trim(),
        sampler: valueOf(line, "Sampler"),
        scheduler: valueOf(line, "Schedule type"),
        steps: number("Steps"),
        cfg_scale: number("CFG scale"),
        seed: number("Seed"),
        width,
        height,
    };
}

/**
 * The scores of a picture's regions: the lowest, and each by the region's place in the layout from 1. Null where it has none.
 *
 * @param {string} infotext
 * @returns {{lowest: number, regions: [number, number][]} | null}
 */
export function scoresOf(infotext) {
    const found = /^([\d.]+) \((.*)\)$/.exec(valueOf(divided(infotext)[1], "Regional score") || "");
    if (!found) return null;
    const regions = [...found[2].matchAll(/(\d+): ([\d.]+)/g)].map(
        ([, region, score]) => /** @type {[number, number]} */ ([Number(region), Number(score)]),
    );
    return {lowest: Number(found[1]), regions};
}

/**
 * Whether a picture was made with regions.
 *
 * @param {string} infotext
 */
export const hasRegions = (infotext) => /\bRegional: /.test(infotext);

/**
 * Settings whose base texts are those that the picture was made with, whatever stands on the page now.
 *
 * @template {Json} S
 * @param {S} settings
 * @param {Parameters} parameters
 * @returns {S}
 */
export function withBase(settings, {prompt, negative}) {
    const {base = {}} = settings;
    return {...settings, base: {...base, prompt: base.prompt ?? prompt, negative: base.negative ?? negative}};
}
