// Deflate (RFC 1951) with the fixed Huffman code.

const WINDOW = 32768;

const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];

const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];

const DISTANCES = [
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385,
    24577,
];

const DISTANCE_BITS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];

/** @returns {{write: (value: number, bits: number) => void, bytes: () => number[]}} */
function bitWriter() {
    /** @type {number[]} */
    const bytes = [];
    let held = 0;
    let count = 0;
    /** @type {(value: number, bits: number) => void} */
    const write = (value, bits) => {
        held |= value << count;
        count += bits;
        while (count >= 8) {
            bytes.push(held & 255);
            held >>>= 8;
            count -= 8;
        }
    };
    return {write, bytes: () => (count ? (write(0, 8 - count), bytes) : bytes)};
}

/**
 * @param {number} code
 * @param {number} bits
 * @returns {number}
 */
function reversed(code, bits) {
    let result = 0;
    for (let i = 0; i < bits; i++) result |= ((code >> i) & 1) << (bits - 1 - i);
    return result;
}

/**
 * Symbol 0..287 of the fixed code -> [code, bits], to be written from the lowest bit.
 *
 * @param {number} symbol
 * @returns {[number, number]}
 */
function fixedCode(symbol) {
    const [code, bits] =
        symbol < 144
            ? [0x30 + symbol, 8]
            : symbol < 256
              ? [0x190 + symbol - 144, 9]
              : symbol < 280
                ? [symbol - 256, 7]
                : [0xc0 + symbol - 280, 8];
    return [reversed(code, bits), bits];
}

const CODES = Array.from({length: 288}, (_, symbol) => fixedCode(symbol));

/**
 * @param {number[]} table
 * @param {number} value
 * @returns {number}
 */
function slot(table, value) {
    let at = table.length - 1;
    while (table[at] > value) at--;
    return at;
}

/**
 * Bytes -> one deflate block with the fixed code.
 *
 * @param {Uint8Array} bytes
 * @returns {number[]}
 */
export function deflate(bytes) {
    const out = bitWriter();
    const seen = new Map();
    /** @param {number} value */
    const symbol = (value) => out.write(...CODES[value]);
    out.write(1, 1);
    out.write(1, 2);
    for (let at = 0; at < bytes.length;) {
        const key = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
        const {length, distance} = longestMatch(bytes, at, seen.get(key));
        if (length) {
            const l = length === 258 ? 28 : slot(LENGTHS, length);
            const d = slot(DISTANCES, distance);
            symbol(257 + l);
            out.write(length - LENGTHS[l], LENGTH_BITS[l]);
            out.write(reversed(d, 5), 5);
            out.write(distance - DISTANCES[d], DISTANCE_BITS[d]);
        } else {
            symbol(bytes[at]);
        }
        remember(seen, key, at);
        at += length || 1;
    }
    symbol(256);
    return out.bytes();
}

/**
 * @param {Map<number, number[]>} seen
 * @param {number} key
 * @param {number} at
 */
function remember(seen, key, at) {
    const starts = seen.get(key);
    if (!starts) seen.set(key, [at]);
    else if (starts.push(at) > 16) starts.shift();
}

/**
 * The longest run of bytes before `at` that is repeated there; length 0 for one below 3 bytes.
 *
 * @param {Uint8Array} bytes
 * @param {number} at
 * @param {number[]} [starts] Where the same three bytes were before.
 * @returns {{length: number, distance: number}}
 */
function longestMatch(bytes, at, starts = []) {
    let length = 0;
    let distance = 0;
    const most = Math.min(258, bytes.length - at);
    for (let i = starts.length - 1; i >= 0 && at - starts[i] <= WINDOW; i--) {
        let run = 0;
        while (run < most && bytes[starts[i] + run] === bytes[at + run]) run++;
        if (run > length) [length, distance] = [run, at - starts[i]];
        if (length === most) break;
    }
    return length >= 3 ? {length, distance} : {length: 0, distance: 0};
}
