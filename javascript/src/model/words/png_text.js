// The parameters text in a PNG file.

const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
const KEYS = ["parameters", "UserComment"];

/**
 * The text "parameters" of a PNG, from its tEXt or uncompressed iTXt chunks before the pixels; "" where there is none.
 *
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function pngParameters(bytes) {
    if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) return "";
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 8; at + 12 <= bytes.length;) {
        const length = view.getUint32(at);
        const name = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
        const body = bytes.subarray(at + 8, at + 8 + length);
        if (name === "IDAT" || body.length < length) return "";
        const text = name === "tEXt" ? latinText(body) : name === "iTXt" ? unicodeText(body) : "";
        if (text) return text;
        at += 12 + length;
    }
    return "";
}

/** @param {Uint8Array} body */
function latinText(body) {
    const end = body.indexOf(0);
    return KEYS.includes(ascii(body, 0, end)) ? new TextDecoder("latin1").decode(body.subarray(end + 1)) : "";
}

/** @param {Uint8Array} body Keyword, 0, compression flag and method, language, 0, translated keyword, 0, text. */
function unicodeText(body) {
    const end = body.indexOf(0);
    if (!KEYS.includes(ascii(body, 0, end)) || body[end + 1] !== 0) return "";
    const language = body.indexOf(0, end + 3);
    return new TextDecoder().decode(body.subarray(body.indexOf(0, language + 1) + 1));
}

/**
 * @param {Uint8Array} bytes
 * @param {number} from
 * @param {number} to
 */
const ascii = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, Math.max(from, to)));
