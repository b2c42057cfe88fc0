// Elements of the page. User text reaches the page only as textContent or value.

import {t} from "../host/language.js";

const TRANSLATED = ["title", "placeholder", "aria-label"];

/**
 * An element with attributes and children. `on…` are listeners, `text` is textContent as it is, `localized` is a sentence of the panel's own;
 * titles, placeholders and labels are translated too. A value of false, null or undefined leaves its attribute out.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} attributes
 * @param {...(Node | string | null | undefined | (Node | string | null | undefined)[])} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
        if (value === undefined || value === null || value === false) continue;
        if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
        else if (key === "text") node.textContent = value;
        else if (key === "localized") node.textContent = t(value);
        else if (TRANSLATED.includes(key)) node.setAttribute(key, t(value));
        else if (key === "value" || key === "checked") Object.assign(node, {[key]: value});
        else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return node;
}

/**
 * An SVG element.
 *
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...Node} children
 */
export function svg(tag, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    node.append(...children);
    return node;
}
