// Regional: masks as small PNG data URLs: one grey channel, 1 or 8 bits, so that a painted layout fits into a picture's infotext.
(function (R) {
    "use strict";

    const PREFIX = "data:image/png;base64,";
    const ENOUGH = 6000;
    const WINDOW = 32768;
    const LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
    const LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
    const DISTANCES = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577];
    const DISTANCE_BITS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
    const CRC = Uint32Array.from({length: 256}, (_, n) => {
        let c = n;
        for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
        return c;
    });

    // ---------------------------------------------------------------- deflate (RFC 1951) with the fixed code

    function bitWriter() {
        const bytes = [];
        let held = 0, count = 0;
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

    function reversed(code, bits) {
        let result = 0;
        for (let i = 0; i < bits; i++) result |= ((code >> i) & 1) << (bits - 1 - i);
        return result;
    }

    /** Symbol 0..287 of the fixed code -> [code, bits], to be written from the lowest bit. */
    function fixedCode(symbol) {
        const [code, bits] = symbol < 144 ? [0x30 + symbol, 8] : symbol < 256 ? [0x190 + symbol - 144, 9] : symbol < 280 ? [symbol - 256, 7] : [0xc0 + symbol - 280, 8];
        return [reversed(code, bits), bits];
    }

    const CODES = Array.from({length: 288}, (_, symbol) => fixedCode(symbol));

    function slot(table, value) {
        let at = table.length - 1;
        while (table[at] > value) at--;
        return at;
    }

    function deflate(bytes) {
        const out = bitWriter(), seen = new Map();
        const symbol = (value) => out.write(...CODES[value]);
        out.write(1, 1);
        out.write(1, 2);
        for (let at = 0; at < bytes.length;) {
            const key = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16;
            const {length, distance} = longestMatch(bytes, at, seen.get(key));
            if (length) {
                const l = length === 258 ? 28 : slot(LENGTHS, length), d = slot(DISTANCES, distance);
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

    function remember(seen, key, at) {
        const places = seen.get(key);
        if (!places) seen.set(key, [at]);
        else if (places.push(at) > 16) places.shift();
    }

    function longestMatch(bytes, at, places) {
        let length = 0, distance = 0;
        const most = Math.min(258, bytes.length - at);
        for (let i = (places || []).length - 1; i >= 0 && at - places[i] <= WINDOW; i--) {
            let run = 0;
            while (run < most && bytes[places[i] + run] === bytes[at + run]) run++;
            if (run > length) [length, distance] = [run, at - places[i]];
            if (length === most) break;
        }
        return length >= 3 ? {length, distance} : {length: 0, distance: 0};
    }

    // ---------------------------------------------------------------- PNG

    function checksum(bytes) {
        let crc = 0xffffffff;
        for (const byte of bytes) crc = CRC[(crc ^ byte) & 255] ^ (crc >>> 8);
        return (crc ^ 0xffffffff) >>> 0;
    }

    function adler(bytes) {
        let a = 1, b = 0;
        for (const byte of bytes) {
            a = (a + byte) % 65521;
            b = (b + a) % 65521;
        }
        return b * 65536 + a;
    }

    const word = (value) => [value >>> 24 & 255, value >>> 16 & 255, value >>> 8 & 255, value & 255];

    function chunk(name, body) {
        const named = [...name].map((letter) => letter.charCodeAt(0)).concat(body);
        return [...word(body.length), ...named, ...word(checksum(named))];
    }

    /** Rows with the "up" filter: where a row is like the one above it is all zeros. */
    function filtered(mask, bits) {
        const stride = bits === 1 ? Math.ceil(mask.width / 8) : mask.width, rows = new Uint8Array((stride + 1) * mask.height);
        const packed = new Uint8Array(stride * mask.height);
        for (let row = 0; row < mask.height; row++) {
            for (let column = 0; column < mask.width; column++) {
                const value = mask.data[row * mask.width + column];
                if (bits === 8) packed[row * stride + column] = value;
                else if (value) packed[row * stride + (column >> 3)] |= 128 >> (column & 7);
            }
            rows[row * (stride + 1)] = row ? 2 : 0;
            for (let i = 0; i < stride; i++) rows[row * (stride + 1) + 1 + i] = packed[row * stride + i] - (row ? packed[(row - 1) * stride + i] : 0);
        }
        return rows;
    }

    /** Bytes of a greyscale PNG. */
    function encodePng(mask) {
        const bits = mask.data.every((value) => value === 0 || value === 255) ? 1 : 8, raw = filtered(mask, bits);
        return Uint8Array.from([
            137, 80, 78, 71, 13, 10, 26, 10, ...chunk("IHDR", [...word(mask.width), ...word(mask.height), bits, 0, 0, 0, 0]),
            ...chunk("IDAT", [0x78, 0x01].concat(deflate(raw), word(adler(raw)))), ...chunk("IEND", []),
        ]);
    }

    function base64(bytes) {
        let text = "";
        for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
        return btoa(text);
    }

    /** Mask -> data URL. A mask with many greys gets fewer of them (33), and then half the resolution, until it is a few kilobytes. */
    function maskToUrl(mask) {
        const tries = [() => mask, () => fewerGreys(mask), () => fewerGreys(R.scaleMask(mask, Math.ceil(mask.width / 2), Math.ceil(mask.height / 2)))];
        let bytes;
        for (const attempt of tries) if ((bytes = encodePng(attempt())).length <= ENOUGH) break;
        return PREFIX + base64(bytes);
    }

    function fewerGreys(mask) {
        return {...mask, data: mask.data.map((value) => Math.min(255, Math.round(value / 8) * 8))};
    }

    Object.assign(R, {encodePng, maskToUrl, fewerGreys});

    if (typeof module === "object" && module.exports) module.exports = R;
})(globalThis.Regional = globalThis.Regional || {});
