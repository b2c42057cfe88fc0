// Masks as small PNG data URLs: one grey channel, 1 or 8 bits, so that a painted layout fits into a picture's infotext.

/** @import {Mask} from "../../types.js" */

import {deflate} from "./deflate.js";
import {scaleMask} from "./mask.js";

const PREFIX = "data:image/png;base64,";

const ENOUGH = 6000;

const CRC = Uint32Array.from({length: 256}, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
});

/**
 * @param {Iterable<number>} bytes
 * @returns {number}
 */
function checksum(bytes) {
    let crc = 0xffffffff;
    for (const byte of bytes) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
    return (crc ^ 0xffffffff) >>> 0;
}

/**
 * @param {Iterable<number>} bytes
 * @returns {number}
 */
function adler(bytes) {
    let a = 1;
    let b = 0;
    for (const byte of bytes) {
        a = (a + byte) % 65521;
        b = (b + a) % 65521;
    }
    return b * 65536 + a;
}

/**
 * @param {number} value
 * @returns {number[]}
 */
const word = (value) => [(value >>> 24) & 255, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];

/**
 * @param {string} name
 * @param {number[]} body
 * @returns {number[]}
 */
function chunk(name, body) {
    const named = [...name].map((letter) => letter.charCodeAt(0)).concat(body);
    return [...word(body.length), ...named, ...word(checksum(named))];
}

/**
 * Rows with the "up" filter: where a row is like the one above it is all zeros.
 *
 * @param {Mask} mask
 * @param {number} bits
 * @returns {Uint8Array}
 */
function filtered(mask, bits) {
    const stride = bits === 1 ? Math.ceil(mask.width / 8) : mask.width;
    const rows = new Uint8Array((stride + 1) * mask.height);
    const packed = new Uint8Array(stride * mask.height);
    for (let row = 0; row < mask.height; row++) {
        for (let column = 0; column < mask.width; column++) {
            const value = mask.data[row * mask.width + column];
            if (bits === 8) packed[row * stride + column] = value;
            else if (value) packed[row * stride + (column >> 3)] |= 128 >> (column & 7);
        }
        rows[row * (stride + 1)] = row ? 2 : 0;
        for (let i = 0; i < stride; i++) {
            rows[row * (stride + 1) + 1 + i] = packed[row * stride + i] - (row ? packed[(row - 1) * stride + i] : 0);
        }
    }
    return rows;
}

/**
 * Bytes of a greyscale PNG.
 *
 * @param {Mask} mask
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function encodePng(mask) {
    const bits = mask.data.every((value) => value === 0 || value === 255) ? 1 : 8;
    const raw = filtered(mask, bits);
    return Uint8Array.from([
        137,
        80,
        78,
        71,
        13,
        10,
        26,
        10,
        ...chunk("IHDR", [...word(mask.width), ...word(mask.height), bits, 0, 0, 0, 0]),
        ...chunk("IDAT", [0x78, 0x01].concat(deflate(raw), word(adler(raw)))),
        ...chunk("IEND", []),
    ]);
}

/**
 * @param {Uint8Array} bytes
 * @returns {string}
 */
function base64(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
    return btoa(text);
}

/**
 * Mask -> data URL. A mask with many greys gets fewer of them (33), and then half the resolution, until it is a few kilobytes.
 *
 * @param {Mask} mask
 * @returns {string}
 */
export function maskToUrl(mask) {
    const half = () => scaleMask(mask, Math.ceil(mask.width / 2), Math.ceil(mask.height / 2));
    let bytes = encodePng(mask);
    if (bytes.length > ENOUGH) bytes = encodePng(fewerGreys(mask));
    if (bytes.length > ENOUGH) bytes = encodePng(fewerGreys(half()));
    return PREFIX + base64(bytes);
}

/**
 * The mask rounded to 33 grey levels.
 *
 * @param {Mask} mask
 * @returns {Mask}
 */
export function fewerGreys(mask) {
    return {...mask, data: mask.data.map((value) => Math.min(255, Math.round(value / 8) * 8))};
}
