// A client in JavaScript, with fetch alone: calls what clients of a WebUI call and prints [{ call, status, expected }] as JSON.
// node client.mjs http://127.0.0.1:PORT

const [base] = process.argv.slice(2);
const calls = [];
const small = { prompt: "a red circle", width: 64, height: 64, steps: 1, seed: 5, sampler_name: "Euler a" };

/** One call; its answer as JSON. */
async function call(method, route, body, expected = 200) {
  const options = { method, headers: { "Content-Type": "application/json" } };
  const answer = await fetch(`${base}/${route}`, body === undefined ? options : { ...options, body: JSON.stringify(body) });
  calls.push({ call: `${method} ${route}`, status: answer.status, expected });
  return answer.json();
}

const made = await call("POST", "sdapi/v1/txt2img", small);
const [image] = made.images;
const settings = { enabled: true, regions: [{ box: [0, 0, 0.5, 1], prompt: "a blue square" }] };
const regional = await call("POST", "sdapi/v1/txt2img", { ...small, alwayson_scripts: { Regional: { args: [settings] } } });
if (!JSON.parse(regional.info).infotexts[0].includes("Regional")) throw new Error("no regions in the parameters");
await call("POST", "sdapi/v1/img2img", { ...small, init_images: [image], denoising_strength: 0.5 });
await call("POST", "sdapi/v1/extra-single-image", { image, upscaler_1: "Lanczos", upscaling_resize: 2 });
await call("POST", "sdapi/v1/extra-batch-images", { imageList: [{ data: image, name: "a" }], upscaler_1: "Nearest" });
const info = await call("POST", "sdapi/v1/png-info", { image: `data:image/png;base64,${image}` });
if (info.parameters.Seed !== "5") throw new Error("no seed in the parameters");
for (const name of ["progress", "options", "scripts", "script-info", "samplers", "schedulers", "upscalers", "latent-upscale-modes"]) {
  await call("GET", `sdapi/v1/${name}`);
}
for (const name of ["sd-models", "sd-vae", "loras", "embeddings", "hypernetworks", "prompt-styles", "face-restorers", "cmd-flags", "memory"]) {
  await call("GET", `sdapi/v1/${name}`);
}
for (const name of ["interrupt", "skip", "refresh-checkpoints", "refresh-loras"]) await call("POST", `sdapi/v1/${name}`, {});
await call("POST", "sdapi/v1/options", { samples_save: false });
await call("POST", "sdapi/v1/options", { no_such_option: 1 }, 422);
await call("POST", "sdapi/v1/interrogate", { image }, 404);
await call("POST", "sdapi/v1/txt2img", { ...small, alwayson_scripts: { Regional: {} } }, 422);
await call("GET", "regional/v1/schema");
await call("POST", "regional/v1/validate", { settings, prompt: "a", negative: "", width: 64, height: 64 });
process.stdout.write(JSON.stringify(calls));
