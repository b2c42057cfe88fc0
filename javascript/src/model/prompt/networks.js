// Networks named in prompts.

/**
 * LoRAs and the like named in a prompt: [{kind, name, weight}].
 *
 * @param {string | undefined} text
 * @returns {{kind: string, name: string, weight: string}[]}
 */
export function findNetworks(text) {
    return [...String(text || "").matchAll(/<(lora|lyco|hypernet):([^:<>\n]+)(?::([^<>\n]*))?>/gi)].map(([, kind, name, weight]) => ({
        kind: kind.toLowerCase(),
        name: name.trim(),
        weight: weight === undefined ? "1" : weight,
    }));
}
