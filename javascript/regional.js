// Generated from javascript/src by `npm run build`: do not edit.
// sources 3f56155caa2357e0e9fb86cb0a6763981978fc90ac14b06d15c60b7747f0d067
// script 778b85483436279e500442c40d01e93c7eeddd3ee5bc00246cca7de71364b894
"use strict";
(() => {
  var __defProp = Object.defineProperty;
  var __defNormalProp = (obj, key, value) => key in obj ? __defProp(obj, key, { enumerable: true, configurable: true, writable: true, value }) : obj[key] = value;
  var __publicField = (obj, key, value) => __defNormalProp(obj, typeof key !== "symbol" ? key + "" : key, value);

  // javascript/src/host/language.js
  var MOST_SENTENCES = 3e3;
  var shown = /* @__PURE__ */ new Set();
  var translations = /* @__PURE__ */ new Set();
  function t(words, ...values) {
    const key = String(words);
    if (translations.has(key)) return key;
    const found2 = String((window.localization || {})[key] || key);
    const answer = found2.replace(/\{(\d)\}/g, (all, at) => at in values ? String(values[at]) : all);
    if (/[a-z]{2}/i.test(key) && shown.size < MOST_SENTENCES) shown.add(key);
    if (answer !== key && translations.size < MOST_SENTENCES) translations.add(answer);
    return answer;
  }
  function translateMessage(text) {
    return String(text).split("\n").map(translateLine).join("\n");
  }
  function translateLine(line) {
    const values = [];
    const key = line.replace(/"[^"]*"|\d+(?:\.\d+)?/g, (value) => values.length < 10 ? `{${values.push(value) - 1}}` : value);
    return translations.has(line) ? line : t(key, ...values);
  }
  var strings = () => JSON.stringify(Object.fromEntries([...shown].sort().map((words) => [words, ""])), null, 1);

  // javascript/src/host/page.js
  var root = () => typeof gradioApp === "function" ? gradioApp() : document;
  var find = (selector) => root().querySelector(selector);
  var overPage = () => document.fullscreenElement || find(".gradio-container") || document.body;
  var accordion = (tab) => find(`#regional_${tab}:has(> .label-wrap)`);
  function debounce(action, wait) {
    let timer;
    return (...args) => {
      clearTimeout(timer);
      timer = setTimeout(() => action(...args), wait);
    };
  }
  var TEXT_INPUTS = "input:not([type=checkbox]):not([type=range]):not([type=file]), textarea, select, [contenteditable]";
  var isTyping = (node) => Boolean(node && node.closest && node.closest(TEXT_INPUTS));

  // javascript/src/host/pressed.js
  var down = /* @__PURE__ */ new Set();
  var waiting = /* @__PURE__ */ new Set();
  function watchPresses() {
    window.addEventListener("pointerdown", (event) => down.add(event.pointerId), true);
    for (const kind of ["pointerup", "pointercancel"]) {
      window.addEventListener(kind, (event) => release(
        /** @type {PointerEvent} */
        event.pointerId
      ), true);
    }
    window.addEventListener("pointermove", (event) => event.buttons === 0 && release(event.pointerId), true);
    window.addEventListener("blur", () => [...down].forEach(release));
  }
  function release(id) {
    if (!down.delete(id) || down.size) return;
    setTimeout(() => {
      if (down.size) return;
      const actions = [...waiting];
      waiting.clear();
      actions.forEach((action) => action());
    });
  }
  function whenReleased(action) {
    if (down.size) waiting.add(action);
    else action();
  }

  // javascript/src/model/values.js
  var copy = (value) => JSON.parse(JSON.stringify(value));
  var same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  var clamp = (value, low, high) => Math.min(high, Math.max(low, value));
  var tidy = (value) => Math.round(value * 1e4) / 1e4;

  // javascript/src/host/tab.js
  var stateBox = (tab) => find(`#regional_${tab}_state textarea, #regional_${tab}_state input`);
  function pictureSize(tab) {
    const read2 = (name) => Number((find(`#${tab}_${name} input[type=number]`) || {}).value) || 512;
    return { width: clamp(read2("width"), 8, 16384), height: clamp(read2("height"), 8, 16384) };
  }
  var samplingSteps = (tab) => Number((find(`#${tab}_steps input[type=number]`) || {}).value) || null;
  function mainPrompts(tab) {
    const read2 = (id) => (find(`#${tab}_${id} textarea`) || {}).value || "";
    return { prompt: read2("prompt"), negative: read2("neg_prompt") };
  }
  function writePrompt(tab, id, text) {
    const box = find(`#${tab}_${id} textarea`);
    if (!box || text === null) return;
    box.value = text;
    box.dispatchEvent(new Event("input", { bubbles: true }));
  }
  function writeNumber(tab, name, value) {
    const input = find(`#${tab}_${name} input[type=number], #${tab}_${name}_row input[type=number], #${tab}_${name} input`);
    if (!input) return;
    input.value = String(value);
    input.dispatchEvent(new Event("input", { bubbles: true }));
    input.dispatchEvent(new Event("change", { bubbles: true }));
  }
  var shownInfotext = (tab) => (find(`#html_info_${tab}`) || {}).textContent || "";

  // javascript/src/panel/registry.js
  var panels = {};

  // javascript/src/panel/page/shortcut.js
  var OPENING = 3e3;
  var isSeen = (node) => Boolean(node && node.getClientRects().length);
  function attachShortcut() {
    document.addEventListener("keydown", (event) => {
      if (!event.altKey || event.ctrlKey || event.metaKey || event.code !== "KeyR") return;
      const tab = Object.keys(panels).find((name) => isSeen(find(`#regional_${name} .label-wrap`)) || panels[name].visible());
      if (!tab) return;
      event.preventDefault();
      const panel = panels[tab];
      if (!panel.visible()) find(`#regional_${tab} .label-wrap`).click();
      focusSoon(panel, performance.now() + OPENING);
    });
  }
  function focusSoon(panel, end) {
    if (panel.visible()) panel.focusPrompt(0);
    else if (performance.now() < end) requestAnimationFrame(() => focusSoon(panel, end));
  }

  // javascript/src/model/prompt/background.js
  var FIRST_SHARE = 0.2;
  function commonShare(state) {
    const [first, ...others] = state.regions.map((region) => region.base_share);
    return typeof first === "number" && others.every((share) => share === first) ? first : null;
  }
  function backgroundMode(state) {
    if (state.base.joined) return "joined";
    const share = commonShare(state);
    if (share !== null) return share > 0 ? "shared" : "apart";
    return state.regions.length ? "own" : "apart";
  }
  var withShare = (state, share) => ({ ...state, regions: state.regions.map((region) => ({ ...region, base_share: share })) });
  function setBackgroundMode(state, mode) {
    const next = { ...state, base: { ...state.base, joined: mode === "joined" } };
    if (mode === "shared") return withShare(next, commonShare(state) || FIRST_SHARE);
    if (mode === "apart" || backgroundMode(state) === "shared") return withShare(next, 0);
    return next;
  }
  function inheritShare(before, next) {
    if (before.regions === next.regions || backgroundMode(before) !== "shared") return next;
    const known = new Set(before.regions.map((region) => region._id));
    const share = commonShare(before);
    const isNew = (region) => !known.has(region._id) && region.base_share === 0;
    if (!next.regions.some(isNew)) return next;
    return { ...next, regions: next.regions.map((region) => isNew(region) ? { ...region, base_share: share } : region) };
  }

  // javascript/src/model/history.js
  var PAUSE = 1200;
  function createHistory(initial, limit = 500) {
    let done = [initial];
    let undone = [];
    let last = { key: null, at: -Infinity };
    const seal = () => {
      last = { key: null, at: -Infinity };
    };
    return {
      record(state, key, now = Date.now()) {
        if (state === done[done.length - 1]) return;
        const joins = key !== void 0 && key !== null && key === last.key && now - last.at < PAUSE && done.length > 1;
        if (joins) done[done.length - 1] = state;
        else done.push(state);
        if (done.length > limit + 1) done = done.slice(done.length - limit - 1);
        undone = [];
        last = { key, at: now };
      },
      seal,
      undo() {
        if (done.length < 2) return null;
        undone.push(...done.splice(-1));
        seal();
        return done[done.length - 1];
      },
      redo() {
        if (!undone.length) return null;
        done.push(...undone.splice(-1));
        seal();
        return done[done.length - 1];
      },
      canUndo: () => done.length > 1,
      canRedo: () => undone.length > 0
    };
  }

  // javascript/src/model/numbers.js
  var numberOf = (state, index) => state.regions[index]?._number ?? index + 1;
  function lowestFree(taken) {
    let number = 1;
    while (taken.has(number)) number++;
    taken.add(number);
    return number;
  }
  function numbered(state) {
    const taken = /* @__PURE__ */ new Set();
    const own = state.regions.map(({ _number }) => Number.isInteger(_number) && _number > 0 && !taken.has(_number) && taken.add(_number));
    if (own.every(Boolean)) return state;
    return { ...state, regions: state.regions.map((region, i) => own[i] ? region : { ...region, _number: lowestFree(taken) }) };
  }
  function withNumbers(state, numbers) {
    if (!Array.isArray(numbers) || numbers.length !== state.regions.length) return numbered(state);
    return numbered({ ...state, regions: state.regions.map((region, i) => ({ ...region, _number: numbers[i] })) });
  }
  var numbersOf = (state) => state.regions.map((_, index) => numberOf(state, index));
  var inNumbers = (text, state) => text.replace(
    /\b([Rr]egion) (\d+)\b/g,
    (all, word2, digits) => state.regions[Number(digits) - 1] ? `${word2} ${numberOf(state, Number(digits) - 1)}` : all
  );

  // javascript/src/model/list/kept.js
  function keptOf(state) {
    const { regions, _solo } = state;
    const of = typeof _solo?.id === "number" ? regions.findIndex((region) => region._id === _solo.id) : _solo?.id;
    return {
      numbers: numbersOf(state),
      locked: regions.map((region) => Boolean(region._lock)),
      muted: regions.map((region) => Boolean(region._muted)),
      solo: of === void 0 || of === -1 ? null : { of, were: regions.map((region) => _solo.were[region._id] !== false) }
    };
  }
  function withKept(state, kept) {
    const { regions } = state;
    const fits2 = (list) => Array.isArray(list) && list.length === regions.length;
    const { numbers, locked, muted, solo: solo2 } = kept || {};
    const marks = regions.map((_, i) => ({
      ...fits2(locked) && locked[i] ? { _lock: true } : {},
      ...fits2(muted) && muted[i] ? { _muted: true } : {}
    }));
    const next = withNumbers({ ...state, regions: regions.map((region, i) => ({ ...region, ...marks[i] })) }, numbers);
    const id = typeof solo2?.of === "number" ? regions[solo2.of]?._id : solo2?.of;
    if (id === void 0 || !fits2(solo2?.were)) return next;
    return { ...next, _solo: { id, were: Object.fromEntries(regions.map((region, i) => [region._id, solo2.were[i] !== false])) } };
  }

  // javascript/src/model/words/messages.js
  var LABEL = /^Region (\d+)(?: \(.*?\))?:? (.*)$/s;
  var MANY = 3;
  var split = (text) => {
    const found2 = LABEL.exec(text);
    return found2 ? { index: Number(found2[1]) - 1, words: found2[2] } : null;
  };
  function byWords(warnings) {
    const found2 = /* @__PURE__ */ new Map();
    for (const part of warnings.map(split)) if (part) found2.set(part.words, [...found2.get(part.words) || [], part.index]);
    return found2;
  }
  function regionWarnings(warnings) {
    const cards = /* @__PURE__ */ new Map();
    for (const [words, indices] of byWords(warnings)) {
      if (indices.length < MANY) indices.forEach((index) => cards.set(index, [...cards.get(index) || [], words]));
    }
    return cards;
  }
  function generalWarnings(warnings, numberOf2 = (index) => index + 1) {
    const many = [...byWords(warnings)].filter(([, indices]) => indices.length >= MANY);
    const lines2 = many.map(([words, indices]) => `Regions ${ranges(indices.map(numberOf2).sort((a, b) => a - b))}: each ${words}`);
    return [...warnings.filter((text) => !split(text)), ...lines2];
  }
  function ranges(numbers) {
    const spans2 = [];
    for (const number of numbers) {
      const last = spans2[spans2.length - 1];
      if (last && number === last[1] + 1) last[1] = number;
      else spans2.push([number, number]);
    }
    return spans2.map(([a, b]) => a === b ? `${a}` : b === a + 1 ? `${a}, ${b}` : `${a} to ${b}`).join(", ");
  }
  var PARTS = /^text_from "\w+" splits the (negative prompt|prompt) into (\d+) parts?, but there (?:is|are) (\d+) regions?\.$/;
  var NAMES = {
    text_from: "Region texts",
    base_share: "Base share",
    cfg_scale: "CFG scale",
    "grid.ratios": "Sizes",
    overlap: "Where regions overlap"
  };
  function panelWords(text) {
    const parts = PARTS.exec(text);
    if (parts) {
      return `The main ${parts[1]} has ${parts[2]} part${parts[2] === "1" ? "" : "s"} for ${parts[3]} region${parts[3] === "1" ? "" : "s"}.`;
    }
    return text.replace(/\b(text_from|base_share|cfg_scale|grid\.ratios|overlap)\b(?=[ :])/g, (name) => NAMES[name]);
  }
  var HELP = [
    [/ \((?:data URL|#rrggbb)\)/g, ""],
    [/: (?:true, false, or )?an object with [^;]*/g, ""],
    [/; null for none/g, ""],
    [/; null as options\.\w+ has it/g, "; empty: as the options have it"],
    [/; null (?:is|for) /g, "; empty: "],
    [/\bnull: /g, "empty: "],
    [/; null /g, "; empty "]
  ];
  var helpWords = (text) => HELP.reduce((words, [api, own]) => words.replace(api, own), text);
  function firstWords(text) {
    const words = String(text || "").replace(/<[^<>]*>/g, " ").replace(/\s+/g, " ").trim();
    return words.length > 40 ? `${words.slice(0, 39).trimEnd()}\u2026` : words;
  }

  // javascript/src/model/state.js
  var VERSION = 4;
  var SHAPE_KINDS = ["box", "ellipse", "polygon", "mask", "procedural", "combined", "words"];
  var DRAWN_KINDS = ["procedural", "combined", "words"];
  var REGION_DEFAULTS = {
    prompt: "",
    negative: "",
    name: "",
    group: "",
    weight: 1,
    base_share: 0,
    feather: 0.05,
    priority: 0,
    steps: Object.freeze([0, 1]),
    cfg_scale: null,
    seed: null,
    enabled: true
  };
  var SETTINGS_DEFAULTS = Object.freeze({
    method: "attention_couple",
    grid: null,
    base: Object.freeze({ prompt: null, negative: null, joined: false }),
    common: "",
    overlap: "blend",
    text_from: "regions",
    options: Object.freeze({})
  });
  var lastId = 0;
  function makeRegion(fields) {
    const words = typeof fields?.words === "string" ? { words: { text: fields.words } } : {};
    const pictured = fields?.reference?.image ? { reference: makeReference(fields.reference) } : {};
    const { _number, ...given } = copy(fields || {});
    return (
      /** @type {Region} */
      { ...copy(REGION_DEFAULTS), ...given, ...words, ...pictured, _id: ++lastId }
    );
  }
  var makeReference = (fields) => ({ weight: 1, steps: [0, 1], ...copy(fields) });
  function learn(schema) {
    Object.entries(regionSchema(schema)).forEach(([name, kind]) => {
      if ("default" in kind && !SHAPE_KINDS.includes(name)) {
        REGION_DEFAULTS[name] = Array.isArray(kind.default) ? Object.freeze(kind.default) : kind.default;
      }
    });
  }
  var readSchema = (text) => JSON.parse(text, (key, value) => key === "description" && typeof value === "string" ? helpWords(value) : value);
  var regionSchema = (schema) => schema?.properties?.regions?.items?.properties || {};
  var methodOptions = (schema, method) => schema?.properties?.options?.properties?.[method]?.properties || {};
  var ISOLATED = { isolate_until: 0.3, local_until: 0.6 };
  function emptyState() {
    const defaults2 = (
      /** @type {any} */
      copy(SETTINGS_DEFAULTS)
    );
    return {
      version: VERSION,
      enabled: false,
      ...defaults2,
      base: { ...defaults2.base, joined: true },
      options: { ...defaults2.options, attention_couple: { ...ISOLATED } },
      regions: [makeRegion(), makeRegion()],
      grid: { ratios: "1,1", direction: "columns" }
    };
  }
  function parse(text) {
    if (!text || !text.trim()) return emptyState();
    let data;
    try {
      data = JSON.parse(text);
    } catch (error) {
      throw new Error(`The regional settings are not valid JSON: ${error.message}`);
    }
    return fromJson(data);
  }
  function fromJson(data) {
    if (data === null || typeof data !== "object" || Array.isArray(data)) throw new Error("The regional settings must be a JSON object.");
    if (data.unreadable) throw new Error(String(data.unreadable));
    if (Object.keys(data).length === 0) return emptyState();
    const state = { enabled: false, ...copy(SETTINGS_DEFAULTS), ...upgraded(copy(data)) };
    delete state.attention_maps;
    state.base = { ...SETTINGS_DEFAULTS.base, ...state.base || {} };
    if (state.grid) state.grid = { ratios: "1,1", direction: "columns", ...state.grid };
    const regions = Array.isArray(data.regions) ? data.regions : [];
    state.regions = regions.map((region) => makeRegion(region && typeof region === "object" ? region : {}));
    return state;
  }
  function upgraded(data) {
    const version = data.version ?? 1;
    if (![1, 2, 3].includes(version)) return data;
    const edit = data.options?.mrgd ?? {};
    if (typeof edit !== "object" || data.method !== "mrgd" && !Object.keys(edit).length) return { ...data, version: VERSION };
    const meant = { t_total: 0, ...edit.source ? editsUntil(version) : {} };
    return { ...data, version: VERSION, options: { ...data.options, mrgd: { ...meant, ...edit } } };
  }
  var editsUntil = (version) => ({
    ...version === 1 ? { lock: false } : {},
    ...version <= 2 ? { lambda_ip: 300 } : {},
    lock_control: true
  });
  function untouchedMethod(text) {
    if (!text || !text.trim()) return "";
    try {
      const { enabled, method, regions, ...rest } = JSON.parse(text);
      return !enabled && Array.isArray(regions) && !regions.length && !Object.keys(rest).length ? method || "" : null;
    } catch {
      return null;
    }
  }
  function toJson(state) {
    const { version, enabled, method, regions, ...rest } = state;
    return { version, enabled, method, regions: regions.map(shortRegion), ...shortSettings(rest) };
  }
  var shortRegions = /* @__PURE__ */ new WeakMap();
  function shortRegion(region) {
    const known = shortRegions.get(region);
    if (known) return known;
    const short = withoutDefaults(region, REGION_DEFAULTS);
    shortRegions.set(region, short);
    return short;
  }
  function shortSettings(rest) {
    const short = withoutDefaults(rest, SETTINGS_DEFAULTS);
    if (short.base) short.base = withoutDefaults(short.base, SETTINGS_DEFAULTS.base);
    if (short.base && !Object.keys(short.base).length) delete short.base;
    if (short.options) {
      short.options = Object.fromEntries(Object.entries(short.options).filter(([, options]) => Object.keys(options || {}).length));
    }
    if (short.options && !Object.keys(short.options).length) delete short.options;
    return short;
  }
  function withoutDefaults(object, defaults2) {
    return Object.fromEntries(
      Object.entries(object).filter(
        ([key, value]) => !key.startsWith("_") && value !== void 0 && !(key in defaults2 && same(value, defaults2[key]))
      )
    );
  }
  function serialize(state, more = {}) {
    return JSON.stringify({ ...toJson(state), ...more });
  }
  function isUntouched(state) {
    return same(toJson(state), toJson(emptyState()));
  }
  function summary(state) {
    if (!state.enabled) return "off";
    const count = state.regions.filter((region) => region.enabled !== false).length;
    return `on, ${count} region${count === 1 ? "" : "s"}`;
  }

  // javascript/src/model/store.js
  function createStore(initial) {
    let state = numbered(initial);
    const listeners = /* @__PURE__ */ new Set();
    return {
      get: () => state,
      set(next, origin) {
        if (next === state) return;
        const before = state;
        state = numbered(next);
        listeners.forEach((listener) => listener(state, origin, before));
      },
      update(change, origin) {
        this.set(change(state), origin);
      },
      subscribe(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      }
    };
  }
  var WORK = ["prompt", "box", "ellipse", "polygon", "mask", "procedural", "combined", "picture"];
  function asksForRegions(before, next) {
    if (before.regions === next.regions && before.grid === next.grid) return false;
    if (next.grid && before.grid !== next.grid && next.regions.length >= before.regions.length) return true;
    const old = new Map(before.regions.map((region) => [region._id, region]));
    return next.regions.some((region) => isWork(old.get(region._id), region));
  }
  function isWork(before, region) {
    if (before === region) return false;
    return WORK.some((field) => region[field] && region[field] !== before?.[field]);
  }
  function switchedOn(before, next) {
    return !before.enabled && !next.enabled && asksForRegions(before, next) ? { ...next, enabled: true } : next;
  }

  // javascript/src/panel/storage.js
  function remember(tab, text, kept, prompts) {
    try {
      sessionStorage.setItem(`regional_${tab}`, text);
      sessionStorage.setItem(`regional_${tab}_kept`, JSON.stringify(kept));
      sessionStorage.setItem(`regional_${tab}_prompts`, JSON.stringify(prompts));
    } catch {
    }
  }
  function rememberFolded(tab, names) {
    try {
      sessionStorage.setItem(`regional_${tab}_folded`, JSON.stringify([...names]));
    } catch {
    }
  }
  function recallFolded(tab) {
    try {
      return new Set(JSON.parse(sessionStorage.getItem(`regional_${tab}_folded`) || "[]"));
    } catch {
      return /* @__PURE__ */ new Set();
    }
  }
  function switchesOn() {
    try {
      return localStorage.getItem("regional_switches_on") !== "no";
    } catch {
      return true;
    }
  }
  function setSwitchesOn(value) {
    try {
      localStorage.setItem("regional_switches_on", value ? "yes" : "no");
    } catch {
    }
  }
  function recall(tab) {
    try {
      return {
        text: sessionStorage.getItem(`regional_${tab}`) || "",
        kept: JSON.parse(sessionStorage.getItem(`regional_${tab}_kept`) || "null"),
        prompts: JSON.parse(sessionStorage.getItem(`regional_${tab}_prompts`) || "null")
      };
    } catch {
      return { text: "", kept: null, prompts: null };
    }
  }

  // javascript/src/panel/adopting.js
  function begin(panel) {
    const given = panel.readText();
    const method = untouchedMethod(given);
    const before = recall(panel.tab);
    const text = method === null ? given : before.text;
    if (text) adopt(panel, text, text === before.text ? before.kept : null);
    else panel.written = given;
    if (!text && method) panel.store.set({ ...panel.store.get(), method }, "host");
    panel.history = createHistory(panel.store.get());
    if (method !== null && text && before.prompts) bringPrompts(panel, before.prompts);
    if (text && text !== panel.readText()) panel.push();
  }
  function bringPrompts(panel, prompts) {
    const now = panel.prompts();
    if (!panel.store.get().enabled) return;
    if (now.prompt !== prompts.prompt) writePrompt(panel.tab, "prompt", prompts.prompt);
    if (now.negative !== prompts.negative) writePrompt(panel.tab, "neg_prompt", prompts.negative);
  }
  function adopt(panel, text, kept = null) {
    panel.written = text;
    const now = panel.store.get();
    try {
      const next = withKept(text || isUntouched(now) ? parse(text) : { ...now, enabled: false }, kept);
      panel.history.record(next, null);
      panel.store.set(next, "host");
    } catch (error) {
      panel.note(`${error.message}
${t("The layout here stays as it was.")}`, true);
      panel.push();
    }
  }

  // javascript/src/model/geometry/grid.js
  function parseGrid(ratios, direction) {
    const text = String(ratios).trim();
    if (!text.includes(";")) return { groups: [{ size: 1, cells: text.split(",").map(ratio) }] };
    const [outer, inner] = direction === "rows" ? [",", ";"] : [";", ","];
    const groups = text.split(outer).map((part) => {
      const numbers = part.split(inner).map(ratio);
      return { size: numbers[0], cells: numbers.length > 1 ? numbers.slice(1) : [1] };
    });
    return { groups };
  }
  function ratio(piece) {
    const text = piece.trim();
    const value = /^([0-9]+(\.[0-9]*)?|\.[0-9]+)$/.test(text) ? Number(text) : NaN;
    if (!(value >= 1e-6 && value <= 1e6)) throw new Error(`"${text}" is not a size above 0`);
    return value;
  }
  function formatGrid({ groups }, direction) {
    const [outer, inner] = direction === "rows" ? [",", ";"] : [";", ","];
    if (groups.length === 1) return groups[0].cells.join(",");
    const write = (short) => groups.map(({ size, cells }) => (short && cells.length === 1 ? [size] : [size, ...cells]).join(inner)).join(outer);
    return write(true).includes(";") ? write(true) : write(false);
  }
  function gridBoxes(grid) {
    const boxes = [];
    for (const [o0, o1, group2] of spans(parseGrid(grid.ratios, grid.direction).groups, (g) => g.size)) {
      for (const [i0, i1] of spans(group2.cells, (cell) => cell)) {
        boxes.push(grid.direction === "rows" ? [o0, i0, o1, i1] : [i0, o0, i1, o1]);
      }
    }
    return boxes;
  }
  function spans(items, sizeOf) {
    const total2 = items.reduce((sum, item2) => sum + sizeOf(item2), 0);
    let before = 0;
    return items.map((item2) => {
      const start2 = before / total2;
      before += sizeOf(item2);
      return [start2, before / total2, item2];
    });
  }
  function ratiosFault(ratios, direction) {
    try {
      const count = gridBoxes({ ratios, direction }).length;
      return count > 256 ? `${count} cells: at most 256 are possible` : "";
    } catch (error) {
      return error.message;
    }
  }
  function cellCount(state) {
    if (!state.grid) return null;
    try {
      return gridBoxes(state.grid).length;
    } catch {
      return null;
    }
  }
  function changeCells(state, change, index) {
    const count = cellCount(state);
    if (!state.grid || count === null || count !== state.regions.length) return state;
    const grid = parseGrid(state.grid.ratios, state.grid.direction);
    let at = index === void 0 ? count - 1 : index;
    const group2 = grid.groups.find((candidate) => at < candidate.cells.length || (at -= candidate.cells.length, false));
    if (!group2) return state;
    change(group2.cells, (position) => group2.cells[position] || 1, at);
    grid.groups = grid.groups.filter((candidate) => candidate.cells.length > 0);
    return { ...state, grid: { ...state.grid, ratios: formatGrid(grid, state.grid.direction) } };
  }

  // javascript/src/model/geometry/shapes.js
  var SHAPE_TEXT = "shape:";
  function shapeKind(region) {
    return SHAPE_KINDS.find((kind) => kind in region && region[kind] !== void 0) || null;
  }
  var searchedWords = ({ words }) => words && typeof words === "object" && !words.found ? String(words.text ?? "") : null;
  var texts = /* @__PURE__ */ new WeakMap();
  function maskText(region) {
    if (region.mask !== void 0) return region.mask;
    const kind = DRAWN_KINDS.find((name) => region[name] !== void 0);
    if (!kind) return void 0;
    const shape = region[kind];
    if (shape === null || typeof shape !== "object" || searchedWords(region) !== null) return "";
    const text = texts.get(shape) || SHAPE_TEXT + JSON.stringify({ [kind]: shape });
    texts.set(shape, text);
    return text;
  }
  function dropShape(region) {
    const kind = shapeKind(region);
    const rest = withoutShape(region);
    if (kind) rest._shape = { [kind]: region[kind] };
    return rest;
  }
  function withoutShape(region) {
    const rest = { ...region };
    SHAPE_KINDS.forEach((key) => delete rest[key]);
    return rest;
  }
  var areNumbers = (list, count) => Array.isArray(list) && list.length === count && list.every(Number.isFinite);
  function shapeBounds(region) {
    const numbers = region.box || region.ellipse;
    if (numbers && areNumbers(numbers, 4)) return numbers.slice();
    const points = region.polygon;
    if (!Array.isArray(points) || points.length < 2 || !points.every((point) => areNumbers(point, 2))) return [0, 0, 1, 1];
    const xs = points.map((point) => point[0]);
    const ys = points.map((point) => point[1]);
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  }
  function regionBounds(state, index) {
    if (!state.grid) return shapeBounds(state.regions[index] || {});
    return cellCount(state) === null ? [0, 0, 1, 1] : gridBoxes(state.grid)[index] || [0, 0, 1, 1];
  }

  // javascript/src/model/geometry/dividers.js
  var LEAST = 0.02;
  var total = (numbers) => numbers.reduce((sum, number) => sum + number, 0);
  var neat = (number) => Number(number.toPrecision(4));
  function dividers(grid) {
    const { groups } = parseGrid(grid.ratios, grid.direction);
    const [outer, inner] = grid.direction === "rows" ? ["x", "y"] : ["y", "x"];
    const sizes = groups.map((group2) => group2.size);
    const found2 = [];
    let from = 0;
    groups.forEach(({ size, cells }, group2) => {
      const to = from + size / total(sizes);
      if (group2 + 1 < groups.length) {
        found2.push({ axis: outer, at: to, from: 0, to: 1, low: from, high: to + sizes[group2 + 1] / total(sizes), group: group2, cell: null });
      }
      let before = 0;
      cells.slice(0, -1).forEach((part, cell) => {
        const at = before + part / total(cells);
        found2.push({ axis: inner, at, from, to, low: before, high: at + cells[cell + 1] / total(cells), group: group2, cell });
        before = at;
      });
      from = to;
    });
    return found2;
  }
  function moveDivider(grid, divider, position) {
    const parsed = parseGrid(grid.ratios, grid.direction);
    const sizes = divider.cell === null ? parsed.groups.map((group2) => group2.size) : parsed.groups[divider.group].cells.slice();
    const at = divider.cell === null ? divider.group : divider.cell;
    const low = Math.min(LEAST, (divider.high - divider.low) / 2);
    const share = (clamp(position, divider.low + low, divider.high - low) - divider.low) / (divider.high - divider.low);
    const both = sizes[at] + sizes[at + 1];
    [sizes[at], sizes[at + 1]] = [neat(both * share), neat(both * (1 - share))];
    if (divider.cell === null) {
      parsed.groups.forEach((group2, i) => {
        group2.size = sizes[i];
      });
    } else {
      parsed.groups[divider.group].cells = sizes;
    }
    return formatGrid(parsed, grid.direction);
  }
  function findCell(grid, index) {
    const { groups } = parseGrid(grid.ratios, grid.direction);
    let first = 0;
    for (let group2 = 0; group2 < groups.length; group2++) {
      if (index < first + groups[group2].cells.length) return { groups, group: group2, cell: index - first, first };
      first += groups[group2].cells.length;
    }
    return null;
  }

  // javascript/src/model/layout.js
  function withGroups(state, grid, groups, regions) {
    return { ...state, grid: { ...grid, ratios: formatGrid({ groups }, grid.direction) }, regions };
  }
  function cellOf(state, index) {
    const { grid } = state;
    const cell = grid && cellCount(state) === state.regions.length ? findCell(grid, index) : null;
    return grid && cell ? { grid, ...cell } : null;
  }
  function splitCell(state, index, axis) {
    const found2 = cellOf(state, index);
    if (!found2) return state;
    const { groups, group: group2, cell } = found2;
    const grid = { ...found2.grid };
    const regions = state.regions.slice();
    if (axis === "x" === (grid.direction === "columns")) {
      groups[group2].cells.splice(cell, 1, ...Array(2).fill(neat(groups[group2].cells[cell] / 2)));
      regions.splice(index + 1, 0, makeRegion());
      return withGroups(state, grid, groups, regions);
    }
    const { size, cells } = groups[group2];
    if (cells.length === 1) {
      groups.splice(group2, 1, { size: neat(size / 2), cells: [1] }, { size: neat(size / 2), cells: [1] });
    } else if (groups.length === 1) {
      grid.direction = grid.direction === "columns" ? "rows" : "columns";
      groups.splice(0, 1, ...cells.map((part, at) => ({ size: part, cells: at === cell ? [1, 1] : [1] })));
    } else {
      return splitBox(useShapes(state), index, axis);
    }
    regions.splice(index + 1, 0, makeRegion());
    return withGroups(state, grid, groups, regions);
  }
  function splitBox(state, index, axis) {
    const box = state.regions[index].box || [0, 0, 1, 1];
    const at = axis === "x" ? 0 : 1;
    const middle = tidy((box[at] + box[at + 2]) / 2);
    const [one, other] = [box.slice(), box.slice()];
    one[at + 2] = other[at] = middle;
    const regions = state.regions.slice();
    regions.splice(index, 1, { ...regions[index], box: one }, makeRegion({ box: other, feather: regions[index].feather }));
    return { ...state, regions };
  }
  function mergeCells(state, index) {
    const found2 = cellOf(state, index);
    if (!found2) return null;
    const { grid, groups, group: group2, cell } = found2;
    if (cell + 1 < groups[group2].cells.length) {
      groups[group2].cells.splice(cell, 2, neat(groups[group2].cells[cell] + groups[group2].cells[cell + 1]));
    } else if (group2 + 1 < groups.length && groups[group2].cells.length === 1 && groups[group2 + 1].cells.length === 1) {
      groups.splice(group2, 2, { size: neat(groups[group2].size + groups[group2 + 1].size), cells: [1] });
    } else {
      return null;
    }
    const [one, other] = [state.regions[index], state.regions[index + 1]];
    const kept = one.prompt || !other.prompt ? one : other;
    return withGroups(
      state,
      grid,
      groups,
      state.regions.flatMap((region, i) => i === index ? [kept] : i === index + 1 ? [] : [region])
    );
  }
  function withLayout(state, settings) {
    const layout = fromJson({ enabled: true, ...settings });
    const regions = layout.regions.map((region, i) => {
      const old = state.regions[i];
      if (!old) return region;
      const { _id, _number, prompt, negative, weight, base_share, steps, enabled } = old;
      return {
        ...region,
        _id,
        _number,
        prompt: prompt || region.prompt,
        negative: negative || region.negative,
        weight,
        base_share,
        steps,
        enabled,
        name: region.name || old.name,
        colour: region.colour || old.colour
      };
    });
    return { ...state, grid: layout.grid, overlap: layout.overlap, regions, _left: null, _grid: null };
  }
  function setGrid(state, grid) {
    const next = { ...state, grid: (
      /** @type {Grid} */
      { ...state.grid, ...grid }
    ) };
    const cells = cellCount(next);
    if (cells === null || cells > 256) return next;
    const regions = next.regions.slice();
    while (regions.length < cells) regions.push(makeRegion());
    while (regions.length > cells && isBlank(regions[regions.length - 1])) regions.pop();
    return { ...next, regions };
  }
  function isBlank(region) {
    return Object.keys(withoutDefaults(region, REGION_DEFAULTS)).length === 0;
  }
  function useGrid(state) {
    if (state.grid) return state;
    const regions = state.regions.length ? state.regions : [makeRegion()];
    const before = state._grid && cellCount({ grid: state._grid }) === regions.length ? state._grid : null;
    const grid = before || { ratios: regions.map(() => "1").join(","), direction: "columns" };
    return { ...state, grid, _left: grid, regions: regions.map(dropShape) };
  }
  function useShapes(state) {
    if (!state.grid) return state;
    const back = same(state.grid, state._left) && state.regions.every((region) => region._shape);
    const boxes = cellCount(state) === null ? [] : gridBoxes(state.grid).map((box) => box.map(tidy));
    const regions = state.regions.map((region, i) => {
      const { _shape, ...rest } = region;
      return { ...back ? _shape : { box: boxes[i] || [0.25, 0.25, 0.75, 0.75] }, ...rest };
    });
    return { ...state, grid: null, _grid: state.grid, regions };
  }

  // javascript/src/model/regions.js
  var indexOf = (state, id) => state.regions.findIndex((region) => region._id === id);
  function stepSpan([from, to], count) {
    if (typeof from !== "number" || typeof to !== "number") return null;
    const [first, last] = [Math.ceil(from * count - 1e-9) + 1, Math.ceil(to * count - 1e-9)];
    return first <= last ? [first, last] : null;
  }
  function onTop(state, region) {
    if (state.overlap !== "over" || state.grid || !state.regions.length) return region;
    return { ...region, priority: Math.min(1e3, Math.max(...state.regions.map((each) => Number(each.priority) || 0)) + 1) };
  }
  function setShapeKind(state, index, kind) {
    const region = state.regions[index];
    if (shapeKind(region) === kind) return state;
    const [x0, y0, x1, y1] = shapeBounds(region);
    const shapes = {
      box: [x0, y0, x1, y1],
      ellipse: [x0, y0, x1, y1],
      polygon: [
        [x0, y0],
        [x1, y0],
        [x1, y1],
        [x0, y1]
      ],
      mask: region._mask || ""
    };
    const rest = { ...region, _mask: region.mask || region._mask };
    SHAPE_KINDS.forEach((key) => delete rest[key]);
    return replaceRegion(
      state,
      index,
      /** @type {Region} */
      { [kind]: shapes[kind], ...rest }
    );
  }
  function replaceRegion(state, index, region) {
    return { ...state, regions: state.regions.map((old, i) => i === index ? region : old) };
  }
  var withSwitch = (region, field, value) => ({ ...region, [field]: value, ...field === "enabled" ? { _muted: false } : {} });
  function addRegion(state) {
    const region = onTop(state, makeRegion(state.grid ? {} : { box: [0.25, 0.25, 0.75, 0.75] }));
    return { ...changeCells(state, (cells, sizes) => cells.push(sizes(cells.length - 1))), regions: [...state.regions, region] };
  }
  function duplicateRegion(state, index) {
    const { _id, ...fields } = state.regions[index];
    const regions = state.regions.slice();
    regions.splice(index + 1, 0, makeRegion(fields));
    return { ...changeCells(state, (cells, sizes, at) => cells.splice(at + 1, 0, sizes(at)), index), regions };
  }
  function removeRegion(state, index) {
    return { ...changeCells(state, (cells, _, at) => cells.splice(at, 1), index), regions: state.regions.filter((_, i) => i !== index) };
  }
  function canRemove(state) {
    return state.regions.length > (state.grid ? 1 : 0);
  }

  // javascript/src/model/geometry/boxes.js
  var SMALLEST = 8;
  var HANDLES = [
    ["nw", 0, 0],
    ["n", 0.5, 0],
    ["ne", 1, 0],
    ["e", 1, 0.5],
    ["se", 1, 1],
    ["s", 0.5, 1],
    ["sw", 0, 1],
    ["w", 0, 0.5]
  ];
  var fine = (value) => Math.round(value * 1e6) / 1e6;
  var inside = (value) => clamp(fine(value), 0, 1);
  function mapShape(region, mapX, mapY) {
    const corners = (box) => {
      const [x0, x1] = [inside(mapX(box[0])), inside(mapX(box[2]))].sort((a, b) => a - b);
      const [y0, y1] = [inside(mapY(box[1])), inside(mapY(box[3]))].sort((a, b) => a - b);
      return [x0, y0, x1, y1];
    };
    if (region.box) return { ...region, box: corners(region.box) };
    if (region.ellipse) return { ...region, ellipse: corners(region.ellipse) };
    if (region.polygon) return { ...region, polygon: region.polygon.map(([x, y]) => [inside(mapX(x)), inside(mapY(y))]) };
    if (region.words?.found) return { ...region, words: { ...region.words, found: void 0 } };
    if (region.procedural && typeof region.procedural === "object") {
      return { ...region, procedural: mapParameters(region.procedural, corners, mapX, mapY) };
    }
    return region;
  }
  function mapParameters(shape, corners, mapX, mapY) {
    const moved2 = { ...shape };
    for (const name of ["from", "to"]) if (shape[name]) moved2[name] = [inside(mapX(shape[name][0])), inside(mapY(shape[name][1]))];
    if (shape.box) moved2.box = corners(shape.box);
    return moved2;
  }
  function boxMap(from, to) {
    const axis = (a0, a1, b0, b1) => (value) => a1 - a0 < 1e-9 ? b0 : b0 + (value - a0) * (b1 - b0) / (a1 - a0);
    return [axis(from[0], from[2], to[0], to[2]), axis(from[1], from[3], to[1], to[3])];
  }
  function unionBox(boxes) {
    if (!boxes.length) return null;
    const side = (pick, at) => pick(...boxes.map((box) => box[at]));
    return [side(Math.min, 0), side(Math.min, 1), side(Math.max, 2), side(Math.max, 3)];
  }
  var boxBetween = (a, b) => [
    inside(Math.min(a.x, b.x)),
    inside(Math.min(a.y, b.y)),
    inside(Math.max(a.x, b.x)),
    inside(Math.max(a.y, b.y))
  ];
  var isDrawn = (box, [width, height]) => (box[2] - box[0]) * width >= SMALLEST && (box[3] - box[1]) * height >= SMALLEST;
  function shiftBox(box, dx, dy) {
    const x = clamp(dx, -box[0], 1 - box[2]);
    const y = clamp(dy, -box[1], 1 - box[3]);
    return [fine(box[0] + x), fine(box[1] + y), fine(box[2] + x), fine(box[3] + y)];
  }
  function resizeBox(box, name, point, [width, height], keep) {
    const next = box.slice();
    const least = [SMALLEST / width, SMALLEST / height];
    if (name.includes("w")) next[0] = clamp(point.x, 0, box[2] - least[0]);
    if (name.includes("e")) next[2] = clamp(point.x, box[0] + least[0], 1);
    if (name.includes("n")) next[1] = clamp(point.y, 0, box[3] - least[1]);
    if (name.includes("s")) next[3] = clamp(point.y, box[1] + least[1], 1);
    if (keep && name.length === 2) keepAspect(next, box, name);
    return next.map(fine);
  }
  function keepAspect(next, box, name) {
    const scale = Math.min((next[2] - next[0]) / (box[2] - box[0]), (next[3] - next[1]) / (box[3] - box[1]));
    const w = (box[2] - box[0]) * scale;
    const h = (box[3] - box[1]) * scale;
    if (name.includes("w")) next[0] = box[2] - w;
    else next[2] = box[0] + w;
    if (name.includes("n")) next[1] = box[3] - h;
    else next[3] = box[1] + h;
  }
  function mirrorShape(region, horizontal, box = [0, 0, 1, 1]) {
    return horizontal ? mapShape(
      region,
      (x) => box[0] + box[2] - x,
      (y) => y
    ) : mapShape(
      region,
      (x) => x,
      (y) => box[1] + box[3] - y
    );
  }
  function alignBox(box, side, frame) {
    const width = box[2] - box[0];
    const height = box[3] - box[1];
    const x = { left: frame[0], centre: (frame[0] + frame[2] - width) / 2, right: frame[2] - width }[side];
    const y = { top: frame[1], middle: (frame[1] + frame[3] - height) / 2, bottom: frame[3] - height }[side];
    return shiftBox(box, x === void 0 ? 0 : x - box[0], y === void 0 ? 0 : y - box[1]);
  }

  // javascript/src/model/selection.js
  var isFree = (region) => !region._lock;
  function changeRegions(state, ids, change) {
    const regions = state.regions.map((region, index) => ids.has(region._id) && isFree(region) ? change(region, index) : region);
    return regions.every((region, i) => region === state.regions[i]) ? state : { ...state, regions };
  }
  function removeRegions(state, ids) {
    return state.regions.filter((region) => ids.has(region._id) && isFree(region)).reduce((next, region) => canRemove(next) ? removeRegion(next, indexOf(next, region._id)) : next, state);
  }
  function duplicateRegions(state, ids) {
    const made = /* @__PURE__ */ new Set();
    const next = state.regions.filter((region) => ids.has(region._id)).reduce((now, region) => {
      const after = duplicateRegion(now, indexOf(now, region._id));
      made.add(after.regions[indexOf(now, region._id) + 1]._id);
      return after;
    }, state);
    const shifted = state.grid ? next : changeRegions(next, made, (region) => shiftAside(region));
    return { state: shifted, ids: made };
  }
  function shiftAside(region) {
    const bounds = shapeBounds(region);
    return mapShape(region, ...boxMap(bounds, shiftBox(bounds, bounds[2] > 0.96 ? -0.04 : 0.04, bounds[3] > 0.96 ? -0.04 : 0.04)));
  }
  function solo(state, index) {
    const { _id } = state.regions[index];
    return soloed(state, _id, /* @__PURE__ */ new Set([_id]));
  }
  function soloed(state, key, ids) {
    if (state._solo && state._solo.id === key) {
      return { ...state, _solo: null, regions: state.regions.map((each) => ({ ...each, enabled: state._solo.were[each._id] !== false })) };
    }
    const were = state._solo ? state._solo.were : Object.fromEntries(state.regions.map((each) => [each._id, each.enabled]));
    return { ...state, _solo: { id: key, were }, regions: state.regions.map((each) => ({ ...each, enabled: ids.has(each._id) })) };
  }

  // javascript/src/model/clipboard.js
  var CLIP = "regional/regions";
  function copyText(state, ids) {
    const shaped = state.grid ? useShapes(state) : state;
    const regions = toJson({ ...shaped, regions: shaped.regions.filter((region) => ids.has(region._id)) }).regions;
    return JSON.stringify({ [CLIP]: VERSION, regions });
  }
  function pasteRegions(text) {
    if (!text || !text.trim()) throw new Error("The clipboard is empty: copy a region first.");
    let data;
    try {
      data = JSON.parse(text);
    } catch (error) {
      throw new Error(
        `The clipboard holds no regions: ${/^\s*[[{]/.test(text) ? `its JSON is broken (${error.message})` : "it is plain text"}.`
      );
    }
    const version = data && typeof data === "object" ? data[CLIP] || data.version : 1;
    if (version > VERSION) {
      throw new Error(`The regions of the clipboard have version ${version}, made by a newer Regional: this one reads up to ${VERSION}.`);
    }
    const list = Array.isArray(data) ? data : data && data.grid ? useShapes(fromJson(data)).regions : data && data.regions;
    if (!Array.isArray(list) || !list.length || !list.every((region) => region && typeof region === "object" && shapeKind(region))) {
      throw new Error("The clipboard holds JSON, but no regions with a place.");
    }
    return list.map((region) => makeRegion(withoutPrivate(region)));
  }
  var withoutPrivate = (region) => Object.fromEntries(Object.entries(region).filter(([key]) => !key.startsWith("_")));
  function besideOthers(state, region) {
    const place2 = ({ box, ellipse, polygon: polygon2 }) => JSON.stringify([box, ellipse, polygon2]);
    const taken = new Set(state.regions.map(place2));
    let moved2 = region;
    for (let tries = 0; tries < 20 && shapeKind(region) !== "mask" && taken.has(place2(moved2)); tries++) moved2 = shiftAside(moved2);
    return moved2;
  }
  function addRegions(state, regions) {
    const free = useShapes(state);
    const joined = regions.reduce((now, region) => ({ ...now, regions: [...now.regions, onTop(now, besideOthers(now, region))] }), free);
    return { ...joined, regions: joined.regions.slice(0, 256) };
  }

  // javascript/src/model/geometry/hits.js
  function contains(region, x, y, maskAt) {
    if (region.polygon) return insidePolygon(region.polygon, x, y);
    const text = maskText(region);
    if (text !== void 0) return maskAt !== void 0 && maskAt(text, x, y) > 24;
    const [x0, y0, x1, y1] = shapeBounds(region);
    if (x < x0 || x > x1 || y < y0 || y > y1) return false;
    if (!region.ellipse) return true;
    return ((2 * x - x0 - x1) / (x1 - x0)) ** 2 + ((2 * y - y0 - y1) / (y1 - y0)) ** 2 <= 1;
  }
  function insidePolygon(points, x, y) {
    let odd = false;
    points.forEach(([x0, y0], i) => {
      const [x1, y1] = points[(i + 1) % points.length];
      if (y0 > y !== y1 > y && x < x0 + (x1 - x0) * (y - y0) / (y1 - y0)) odd = !odd;
    });
    return odd;
  }
  function regionAt(state, x, y, maskAt, boundsOf = regionBounds) {
    let best = -1;
    let least = Infinity;
    state.regions.forEach((region, index) => {
      const [x0, y0, x1, y1] = boundsOf(state, index);
      const area = (x1 - x0) * (y1 - y0);
      const hit = state.grid ? x >= x0 && x < x1 && y >= y0 && y < y1 : contains(region, x, y, maskAt);
      if (hit && area <= least) [best, least] = [index, area];
    });
    return best;
  }
  function handleAt(box, point, reach) {
    const found2 = HANDLES.find(
      ([, u, v]) => Math.abs(box[0] + (box[2] - box[0]) * u - point.x) <= reach.x && Math.abs(box[1] + (box[3] - box[1]) * v - point.y) <= reach.y
    );
    return found2 ? found2[0] : null;
  }

  // javascript/src/model/masks/mask.js
  var LONGEST_MASK_SIDE = 512;
  function maskSize([width, height]) {
    const scale = Math.min(1, LONGEST_MASK_SIDE / Math.max(width, height));
    return [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  }
  var makeMask = (width, height, data) => ({ width, height, data: data || new Uint8ClampedArray(width * height) });
  var copyMask = (mask) => makeMask(mask.width, mask.height, mask.data.slice());
  var invertMask = ({ width, height, data }) => makeMask(
    width,
    height,
    data.map((level) => 255 - level)
  );
  function drawShape(region, width, height, bounds) {
    const mask = makeMask(width, height);
    const shape = bounds ? { box: bounds } : region;
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        if (contains(shape, (column + 0.5) / width, (row + 0.5) / height)) mask.data[row * width + column] = 255;
      }
    }
    return mask;
  }
  function maskBounds(mask, least = 12) {
    let x0 = mask.width;
    let y0 = mask.height;
    let x1 = -1;
    let y1 = -1;
    for (let row = 0, at = 0; row < mask.height; row++) {
      for (let column = 0; column < mask.width; column++, at++) {
        if (mask.data[at] < least) continue;
        if (column < x0) x0 = column;
        if (column > x1) x1 = column;
        if (row < y0) y0 = row;
        y1 = row;
      }
    }
    return x1 < 0 ? null : [x0 / mask.width, y0 / mask.height, (x1 + 1) / mask.width, (y1 + 1) / mask.height];
  }
  function warpMask(mask, from, to) {
    const { width, height } = mask;
    const result = makeMask(width, height);
    const back = boxMap(to, from);
    const flipX = to[0] > to[2];
    const flipY = to[1] > to[3];
    const mapX = flipX ? (x) => from[0] + (x - to[0]) * (from[2] - from[0]) / (to[2] - to[0]) : back[0];
    const mapY = flipY ? (y) => from[1] + (y - to[1]) * (from[3] - from[1]) / (to[3] - to[1]) : back[1];
    for (let row = 0, at = 0; row < height; row++) {
      const y = mapY((row + 0.5) / height) * height - 0.5;
      for (let column = 0; column < width; column++, at++) result.data[at] = sample(mask, mapX((column + 0.5) / width) * width - 0.5, y);
    }
    return result;
  }
  function sample({ width, height, data }, x, y) {
    const [x0, y0] = [Math.floor(x + 1e-6), Math.floor(y + 1e-6)];
    const u = Math.max(0, x - x0);
    const v = Math.max(0, y - y0);
    const pixel = (column, row) => column < 0 || row < 0 || column >= width || row >= height ? 0 : data[row * width + column];
    if (u < 1e-6 && v < 1e-6) return pixel(x0, y0);
    return (pixel(x0, y0) * (1 - u) + pixel(x0 + 1, y0) * u) * (1 - v) + (pixel(x0, y0 + 1) * (1 - u) + pixel(x0 + 1, y0 + 1) * u) * v;
  }
  function scaleMask(mask, width, height) {
    if (mask.width === width && mask.height === height) return mask;
    const result = makeMask(width, height);
    for (let row = 0; row < height; row++) {
      const y0 = Math.floor(row * mask.height / height);
      const y1 = Math.max(y0 + 1, Math.floor((row + 1) * mask.height / height));
      for (let column = 0; column < width; column++) {
        const x0 = Math.floor(column * mask.width / width);
        const x1 = Math.max(x0 + 1, Math.floor((column + 1) * mask.width / width));
        let sum = 0;
        for (let y = y0; y < y1; y++) for (let x = x0; x < x1; x++) sum += mask.data[y * mask.width + x];
        result.data[row * width + column] = Math.round(sum / ((y1 - y0) * (x1 - x0)));
      }
    }
    return result;
  }
  function readRle(text) {
    const match = /^rle:(\d+)x(\d+):(.*)$/s.exec(text);
    if (!match || Number(match[1]) * Number(match[2]) > 64e6) return null;
    const mask = makeMask(Number(match[1]), Number(match[2]));
    let at = 0;
    for (const piece of match[3].split(",")) {
      const [value, length] = piece.split("*");
      mask.data.fill(Number(value), at, at += Number(length || 1));
    }
    return at === mask.data.length ? mask : null;
  }
  var isEmptyMask = (mask) => maskBounds(mask, 1) === null;

  // javascript/src/model/list/order.js
  var isLayered = (state) => state.overlap === "over" && !state.grid;
  function plainOrder(state) {
    const order = state.regions.map((_, index) => index);
    if (!isLayered(state)) return order;
    const priority = (index) => Number(state.regions[index].priority) || 0;
    return order.sort((a, b) => priority(b) - priority(a) || b - a);
  }
  function listBlocks(state) {
    const blocks = [];
    for (const index of plainOrder(state)) {
      const { group: group2 } = state.regions[index];
      const known = group2 && blocks.find((block) => block.group === group2);
      if (known) known.indices.push(index);
      else blocks.push({ group: group2 || "", indices: [index] });
    }
    return blocks;
  }
  var listOrder = (state) => listBlocks(state).flatMap((block) => block.indices);
  function withOrder(state, order) {
    if (same(order, plainOrder(state))) return state;
    const regions = order.map((index) => state.regions[index]);
    if (!isLayered(state)) return { ...state, regions };
    return { ...state, regions: regions.reverse().map((region, priority) => ({ ...region, priority })) };
  }
  function reorder(state, from, to) {
    const order = state.grid ? plainOrder(state) : listOrder(state);
    const [start2, end] = [order.indexOf(from), order.indexOf(to)];
    if (start2 < 0 || end < 0 || start2 === end) return state;
    const { group: group2 = "" } = state.regions[to];
    const joined = (state.regions[from].group || "") === group2 ? state : joinGroup(state, from, group2);
    order.splice(end, 0, ...order.splice(start2, 1));
    return withOrder(joined, order);
  }
  function joinGroup(state, index, group2) {
    return { ...state, regions: state.regions.map((region, i) => i === index ? { ...region, group: group2 } : region) };
  }
  function moveInList(state, index, lines2) {
    const { group: group2 } = state.regions[index];
    if (state.grid) return withOrder(state, moved(plainOrder(state), index, lines2));
    const blocks = listBlocks(state);
    const at = blocks.findIndex((block) => block.indices.includes(index));
    if (!group2) return withBlocks(state, blocks, at, lines2);
    const within = { group: group2, indices: moved(blocks[at].indices, index, lines2) };
    return withOrder(
      state,
      blocks.flatMap((block, i) => (i === at ? within : block).indices)
    );
  }
  function moveGroup(state, name, lines2) {
    const blocks = listBlocks(state);
    const at = blocks.findIndex((block) => block.group === name);
    return at < 0 || state.grid ? state : withBlocks(state, blocks, at, lines2);
  }
  function placeGroup(state, name, to) {
    const blocks = listBlocks(state);
    const place2 = (is) => blocks.findIndex(is);
    const [from, end] = [place2((block) => block.group === name), place2((block) => block.indices.includes(to))];
    return from < 0 || end < 0 ? state : moveGroup(state, name, end - from);
  }
  function withBlocks(state, blocks, at, lines2) {
    const order = moved(blocks, blocks[at], lines2).flatMap((block) => block.indices);
    return withOrder(state, order);
  }
  function moved(all, one, lines2) {
    const at = all.indexOf(one);
    const rest = all.filter((each) => each !== one);
    rest.splice(clamp(at + lines2, 0, rest.length), 0, one);
    return rest;
  }

  // javascript/src/model/list/groups.js
  var LONGEST_GROUP = 80;
  var groupNames = (state) => [...new Set(state.regions.map((region) => region.group || ""))].filter(Boolean);
  var idsOfGroup = (state, name) => state.regions.filter((region) => region.group === name).map((region) => region._id);
  function wholeGroup(state, ids) {
    const group2 = state.regions.find((region) => ids.has(region._id))?.group || "";
    const members = group2 ? idsOfGroup(state, group2) : [];
    return members.length > 1 && members.length === ids.size && members.every((id) => ids.has(id)) ? group2 : "";
  }
  var withRegions = (state, change) => ({ ...state, regions: state.regions.map(change) });
  function setGroup(state, ids, group2) {
    const chosen = new Set(ids);
    const next = withRegions(state, (region) => chosen.has(region._id) ? { ...region, group: group2 } : region);
    return isLayered(next) ? withOrder(next, listOrder(next)) : next;
  }
  function newGroup(state, ids, word2) {
    const taken = groupNames(state);
    let number = 1;
    while (taken.includes(`${word2} ${number}`)) number++;
    const name = `${word2} ${number}`;
    return { state: setGroup(state, ids, name), name };
  }
  function renameGroup(state, name, next) {
    const short = next.trim().slice(0, LONGEST_GROUP);
    return short && short !== name ? setGroup(state, idsOfGroup(state, name), short) : state;
  }
  var isGroupMuted = (state, name) => state.regions.every((region) => region.group !== name || region.enabled === false);
  function muteGroup(state, name) {
    const of = (region) => region.group === name;
    if (!isGroupMuted(state, name)) {
      return withRegions(state, (region) => of(region) ? { ...region, enabled: false, _muted: region.enabled !== false } : region);
    }
    const some = state.regions.some((region) => of(region) && region._muted);
    return withRegions(state, (region) => of(region) ? { ...region, enabled: !some || Boolean(region._muted), _muted: false } : region);
  }
  var soloKey = (name) => `group:${name}`;
  var soloGroup = (state, name) => soloed(state, soloKey(name), new Set(idsOfGroup(state, name)));

  // javascript/src/host/server.js
  var ROUTES = "./regional/v1/";
  var routeUrl = (route) => ROUTES + route;
  async function callApi(route, { method = "GET", body, signal } = {}) {
    const options = { method, signal };
    if (body !== void 0) Object.assign(options, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
    const response = await fetch(routeUrl(route), options);
    const isJson = (response.headers.get("content-type") || "").includes("json");
    return { ok: response.ok, status: response.status, data: isJson ? await response.json() : await response.blob() };
  }
  function errorText({ status, data }) {
    const problems = data && data.problems || [];
    return problems.length ? problems.map((problem) => problem.message).join("\n") : data && data.detail || `The server answered ${status}.`;
  }

  // javascript/src/model/masks/deflate.js
  var WINDOW = 32768;
  var LENGTHS = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258];
  var LENGTH_BITS = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0];
  var DISTANCES = [
    1,
    2,
    3,
    4,
    5,
    7,
    9,
    13,
    17,
    25,
    33,
    49,
    65,
    97,
    129,
    193,
    257,
    385,
    513,
    769,
    1025,
    1537,
    2049,
    3073,
    4097,
    6145,
    8193,
    12289,
    16385,
    24577
  ];
  var DISTANCE_BITS = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13];
  function bitWriter() {
    const bytes = [];
    let held = 0;
    let count = 0;
    const write = (value, bits) => {
      held |= value << count;
      count += bits;
      while (count >= 8) {
        bytes.push(held & 255);
        held >>>= 8;
        count -= 8;
      }
    };
    return { write, bytes: () => count ? (write(0, 8 - count), bytes) : bytes };
  }
  function reversed(code, bits) {
    let result = 0;
    for (let i = 0; i < bits; i++) result |= (code >> i & 1) << bits - 1 - i;
    return result;
  }
  function fixedCode(symbol) {
    const [code, bits] = symbol < 144 ? [48 + symbol, 8] : symbol < 256 ? [400 + symbol - 144, 9] : symbol < 280 ? [symbol - 256, 7] : [192 + symbol - 280, 8];
    return [reversed(code, bits), bits];
  }
  var CODES = Array.from({ length: 288 }, (_, symbol) => fixedCode(symbol));
  function slot(table, value) {
    let at = table.length - 1;
    while (table[at] > value) at--;
    return at;
  }
  function deflate(bytes) {
    const out = bitWriter();
    const seen = /* @__PURE__ */ new Map();
    const symbol = (value) => out.write(...CODES[value]);
    out.write(1, 1);
    out.write(1, 2);
    for (let at = 0; at < bytes.length; ) {
      const key = bytes[at] | bytes[at + 1] << 8 | bytes[at + 2] << 16;
      const { length, distance } = longestMatch(bytes, at, seen.get(key));
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
      remember2(seen, key, at);
      at += length || 1;
    }
    symbol(256);
    return out.bytes();
  }
  function remember2(seen, key, at) {
    const starts = seen.get(key);
    if (!starts) seen.set(key, [at]);
    else if (starts.push(at) > 16) starts.shift();
  }
  function longestMatch(bytes, at, starts = []) {
    let length = 0;
    let distance = 0;
    const most = Math.min(258, bytes.length - at);
    for (let i = starts.length - 1; i >= 0 && at - starts[i] <= WINDOW; i--) {
      let run2 = 0;
      while (run2 < most && bytes[starts[i] + run2] === bytes[at + run2]) run2++;
      if (run2 > length) [length, distance] = [run2, at - starts[i]];
      if (length === most) break;
    }
    return length >= 3 ? { length, distance } : { length: 0, distance: 0 };
  }

  // javascript/src/model/masks/png.js
  var PREFIX = "data:image/png;base64,";
  var ENOUGH = 6e3;
  var CRC = Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 3988292384 ^ c >>> 1 : c >>> 1;
    return c;
  });
  function checksum(bytes) {
    let crc = 4294967295;
    for (const byte of bytes) crc = CRC[(crc ^ byte) & 255] ^ crc >>> 8;
    return (crc ^ 4294967295) >>> 0;
  }
  function adler(bytes) {
    let a = 1;
    let b = 0;
    for (const byte of bytes) {
      a = (a + byte) % 65521;
      b = (b + a) % 65521;
    }
    return b * 65536 + a;
  }
  var word = (value) => [value >>> 24 & 255, value >>> 16 & 255, value >>> 8 & 255, value & 255];
  function chunk(name, body) {
    const named = [...name].map((letter) => letter.charCodeAt(0)).concat(body);
    return [...word(body.length), ...named, ...word(checksum(named))];
  }
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
  function encodePng(mask) {
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
      ...chunk("IDAT", [120, 1].concat(deflate(raw), word(adler(raw)))),
      ...chunk("IEND", [])
    ]);
  }
  function base64(bytes) {
    let text = "";
    for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
    return btoa(text);
  }
  function maskToUrl(mask) {
    const half = () => scaleMask(mask, Math.ceil(mask.width / 2), Math.ceil(mask.height / 2));
    let bytes = encodePng(mask);
    if (bytes.length > ENOUGH) bytes = encodePng(fewerGreys(mask));
    if (bytes.length > ENOUGH) bytes = encodePng(fewerGreys(half()));
    return PREFIX + base64(bytes);
  }
  function fewerGreys(mask) {
    return { ...mask, data: mask.data.map((value) => Math.min(255, Math.round(value / 8) * 8)) };
  }

  // javascript/src/widgets/elements.js
  var TRANSLATED = ["title", "placeholder", "aria-label"];
  function el(tag, attributes, ...children) {
    const node = document.createElement(tag);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === void 0 || value === null || value === false) continue;
      if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
      else if (key === "text") node.textContent = value;
      else if (key === "localized") node.textContent = t(value);
      else if (TRANSLATED.includes(key)) node.setAttribute(key, t(value));
      else if (key === "value" || key === "checked") Object.assign(node, { [key]: value });
      else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== void 0));
    return node;
  }
  function svg(tag, attributes, ...children) {
    const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
    Object.entries(attributes).forEach(([key, value]) => node.setAttribute(key, value));
    node.append(...children);
    return node;
  }

  // javascript/src/stage/layers/mask_cache.js
  var MOST = 200;
  var LONGEST = 1024;
  var MaskCache = class {
    /**
     * @param {() => void} changed Called when a mask that was asked for has been decoded.
     * @param {() => Size} [size] Of the picture, for shapes that the server draws.
     */
    constructor(changed, size = () => [512, 512]) {
      this.changed = changed;
      this.size = size;
      this.known = /* @__PURE__ */ new Map();
      this.decoded = 0;
      this.at = this.at.bind(this);
    }
    /**
     * A mask, null while it is not decoded.
     *
     * @param {string | undefined} text
     */
    get(text) {
      return text ? this.entry(text).mask : null;
    }
    /** @param {string} text */
    entry(text) {
      return this.known.get(this.key(text)) || this.load(text);
    }
    /**
     * A shape that the server draws is another one at another size of the picture.
     *
     * @param {string} text
     */
    key(text) {
      return text.startsWith(SHAPE_TEXT) ? `${this.size().join("x")} ${text}` : text;
    }
    /** @param {string} text */
    load(text) {
      const entry = this.keep(text, readRle(text));
      const pixels = this.pixels(text);
      if (!entry.mask && pixels) {
        pixels.then(
          (mask) => {
            entry.mask = mask;
            this.decoded++;
            this.changed();
          },
          () => {
          }
        );
      }
      return entry;
    }
    /**
     * @param {string} text
     * @param {Mask | null} mask
     * @returns {Entry}
     */
    keep(text, mask) {
      const entry = { mask, tints: /* @__PURE__ */ new Map() };
      this.known.set(this.key(text), entry);
      if (this.known.size > MOST) this.known.delete(
        /** @type {string} */
        this.known.keys().next().value
      );
      return entry;
    }
    /**
     * Wait for a mask that may not be decoded yet; null where the text is not a mask.
     *
     * @param {string | undefined} text
     */
    async wait(text) {
      const pixels = text && !this.get(text) ? this.pixels(text) : null;
      return pixels ? pixels.catch(() => null) : this.get(text);
    }
    /**
     * The mask of a picture or of a shape that the server draws; null for other texts.
     *
     * @param {string} text
     * @returns {Promise<Mask> | null}
     */
    pixels(text) {
      if (text.startsWith("data:image/")) return decodeMask(text);
      return text.startsWith(SHAPE_TEXT) ? drawnMask(text.slice(SHAPE_TEXT.length), this.size()) : null;
    }
    /**
     * Remember a mask that was just painted: it needs no decoding.
     *
     * @param {string} text
     * @param {Mask} mask
     */
    put(text, mask) {
      this.keep(text, mask);
    }
    /**
     * The mask's value, 0 to 255, at a point of the picture.
     *
     * @param {string} text
     * @param {number} x
     * @param {number} y
     */
    at(text, x, y) {
      const mask = this.get(text);
      if (!mask) return 0;
      const row = Math.min(mask.height - 1, Math.floor(y * mask.height));
      return mask.data[row * mask.width + Math.min(mask.width - 1, Math.floor(x * mask.width))];
    }
    /**
     * The mask in a colour as a canvas, null while it is not decoded.
     *
     * @param {string} text
     * @param {Colour} colour
     */
    tint(text, colour) {
      const mask = this.get(text);
      if (!mask) return null;
      const { tints } = this.entry(text);
      const key = colour.join();
      const tint = tints.get(key) || tinted(mask, colour);
      tints.set(key, tint);
      return tint;
    }
    /**
     * Box around the mask's pixels, null for an empty one and while it is not decoded.
     *
     * @param {string} text
     */
    bounds(text) {
      const mask = this.get(text);
      if (!mask) return null;
      const entry = this.entry(text);
      if (entry.bounds === void 0) entry.bounds = maskBounds(mask);
      return entry.bounds;
    }
  };
  function storeMask(stage, mask) {
    const text = maskToUrl(mask);
    stage.masks.put(text, mask);
    return text;
  }
  async function drawnMask(shape, [width, height]) {
    const answer = await callApi("shape", { method: "POST", body: { shape: JSON.parse(shape), width, height } });
    if (!answer.ok) throw new Error(errorText(answer));
    const url = URL.createObjectURL(answer.data);
    return decodeMask(url).finally(() => URL.revokeObjectURL(url));
  }
  async function decodeMask(text) {
    const picture = new Image();
    picture.src = text;
    await picture.decode();
    const scale = Math.min(1, LONGEST / Math.max(picture.naturalWidth, picture.naturalHeight));
    const width = Math.max(1, Math.round(picture.naturalWidth * scale));
    const height = Math.max(1, Math.round(picture.naturalHeight * scale));
    const canvas = el("canvas", { width, height });
    const context = (
      /** @type {CanvasRenderingContext2D} */
      canvas.getContext("2d", { willReadFrequently: true })
    );
    context.drawImage(picture, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const mask = makeMask(width, height);
    for (let at = 0; at < mask.data.length; at++) {
      mask.data[at] = (0.299 * data[4 * at] + 0.587 * data[4 * at + 1] + 0.114 * data[4 * at + 2]) * data[4 * at + 3] / 255;
    }
    return mask;
  }
  function tinted(mask, colour) {
    const canvas = el("canvas", { width: mask.width, height: mask.height });
    const context = (
      /** @type {CanvasRenderingContext2D} */
      canvas.getContext("2d")
    );
    tintInto(context, mask, colour, [0, 0, mask.width, mask.height]);
    return canvas;
  }
  function tintInto(context, mask, [red, green, blue], [x0, y0, x1, y1]) {
    if (x1 <= x0 || y1 <= y0) return;
    const pixels = context.createImageData(x1 - x0, y1 - y0);
    for (let row = y0, to = 0; row < y1; row++) {
      for (let from = row * mask.width + x0; from < row * mask.width + x1; from++, to += 4) {
        pixels.data[to] = red;
        pixels.data[to + 1] = green;
        pixels.data[to + 2] = blue;
        pixels.data[to + 3] = mask.data[from];
      }
    }
    context.putImageData(pixels, x0, y0);
  }

  // javascript/src/widgets/files.js
  var PICTURES = "image/png,image/jpeg,image/webp,image/bmp,image/gif,image/svg+xml,image/tiff,.png,.jpg,.jpeg,.webp,.bmp,.gif,.svg,.tif,.tiff";
  function download(name, blob) {
    const url = URL.createObjectURL(blob);
    el("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 1e4);
  }
  function chooseFile(accept, take) {
    const input = el("input", { type: "file", accept, onchange: () => input.files && input.files.length && take(input.files[0]) });
    input.click();
    return input;
  }
  function pictureIn(data) {
    const all = data.types.includes("text/plain") ? [] : [...data.files];
    return all.find(({ type }) => type.startsWith("image/")) || null;
  }
  function droppable(take) {
    const hasFile = (event) => Boolean(event.dataTransfer?.types.includes("Files"));
    return {
      ondragover: (event) => hasFile(event) && event.preventDefault(),
      ondrop: (event) => {
        const file = event.dataTransfer?.files[0];
        if (!file) return;
        event.preventDefault();
        event.stopPropagation();
        take(file);
      }
    };
  }

  // javascript/src/host/reading.js
  var MEGABYTE = 1024 * 1024;
  var LARGEST = 45 * MEGABYTE;
  function readFile(file) {
    if (file.size > LARGEST) {
      const size = Math.round(file.size / MEGABYTE);
      return Promise.reject(new Error(t("{0} has {1} MB: at most {2} can be read.", file.name, size, LARGEST / MEGABYTE)));
    }
    return new Promise((resolve, reject) => {
      const reader = new FileReader();
      reader.onload = () => resolve(String(reader.result));
      reader.onerror = () => reject(new Error(t("{0} could not be read.", file.name)));
      reader.readAsDataURL(file);
    });
  }

  // javascript/src/model/fields.js
  function parseNumber(text) {
    const plain = String(text).trim().replace(/^([+-]?\d*),(\d+)$/, "$1.$2");
    if (plain === "") return void 0;
    return /^[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?$/i.test(plain) ? Number(plain) : String(text);
  }
  function parsePoints(text) {
    return String(text).split(/[;\n]/).map((line) => line.trim()).filter(Boolean).map(
      (line) => line.split(/[\s,]+/).filter(Boolean).map(parseNumber)
    );
  }
  function formatPoints(points) {
    return (points || []).map((point) => [point].flat().join(" ")).join("\n");
  }
  function getField(state, path) {
    return pathKeys(path).reduce((value, key) => value === void 0 || value === null ? void 0 : value[key], state);
  }
  function setField(state, path, value) {
    return setAt(state, pathKeys(path), value);
  }
  function pathKeys(path) {
    return String(path).split(/[.[\]]/).filter(Boolean).map((key) => /^\d+$/.test(key) ? Number(key) : key);
  }
  function setAt(target, [key, ...rest], value) {
    const result = Array.isArray(target) ? target.slice() : { ...target };
    result[key] = rest.length ? setAt(result[key] || {}, rest, value) : value;
    return result;
  }

  // javascript/src/panel/pickers/given_pictures.js
  var TAKEN = {
    picture: "The picture is laid into region {0}.",
    reference: "The picture is the reference of region {0}."
  };
  function regionOfPaste(panel) {
    const { activeElement } = document;
    const card = activeElement?.closest(".rg-region");
    if (card) return Number(/\d+/.exec(card.dataset.field || "")?.[0] ?? -1);
    const [id, ...more] = isTyping(activeElement) ? [] : panel.selected;
    return id === void 0 || more.length ? -1 : indexOf(panel.store.get(), id);
  }
  async function takePicture(panel, index, file) {
    const id = panel.store.get().regions[index]._id;
    const name = fieldFor(panel.store.get());
    try {
      const picture = await readFile(file);
      const now = panel.store.get();
      const at = indexOf(now, id);
      if (at < 0) return;
      const path = `regions[${at}].${name}`;
      panel.edit(
        (state) => setField(state, path, name === "picture" ? picture : makeReference({ ...getField(state, path), image: picture }))
      );
      const more = panel.list.cards.get(id)?.node.querySelector("details");
      if (more) more.open = true;
      panel.note(t(TAKEN[name], numberOf(now, at)));
    } catch (error) {
      panel.note(error.message, true);
    }
  }
  function fieldFor({ method }) {
    const path = (
      /** @type {HTMLElement | null} */
      document.activeElement?.dataset?.field || ""
    );
    const [, own] = /^regions\[\d+\]\.(picture|reference)/.exec(path) || [];
    return (
      /** @type {PictureName} */
      own || (method === "collage" ? "picture" : "reference")
    );
  }

  // javascript/src/panel/clipboard.js
  var copied = "";
  async function copyToClipboard(panel) {
    const text = copyText(panel.store.get(), panel.selected);
    copied = text;
    try {
      await navigator.clipboard.writeText(text);
      panel.note(t("Regions copied as JSON: {0}.", panel.selected.size));
    } catch {
      panel.note("Copied within this page. The browser does not let the page write to its clipboard; Ctrl+C on the canvas does.");
    }
  }
  async function pasteFromClipboard(panel) {
    try {
      panel.paste(await navigator.clipboard.readText());
    } catch {
      if (copied) panel.paste(copied);
      else panel.note("The browser does not let the page read its clipboard. Click the canvas and press Ctrl+V.", true);
    }
  }
  var hasKeyboard = (panel) => panels[panel.tab] === panel && panel.mount.contains(document.activeElement);
  var isMine = (panel, event) => hasKeyboard(panel) && !isTyping(document.activeElement) && !event.defaultPrevented;
  function copy2(panel, event) {
    if (!event.clipboardData || !isMine(panel, event) || !panel.selected.size) return false;
    event.clipboardData.setData("text/plain", copyText(panel.store.get(), panel.selected));
    event.preventDefault();
    return true;
  }
  function paste(panel, event) {
    const data = event.clipboardData;
    if (!data || !hasKeyboard(panel)) return false;
    const picture = pictureIn(data);
    const index = picture ? regionOfPaste(panel) : -1;
    if (picture && index >= 0) takePicture(panel, index, picture);
    else if (!isMine(panel, event)) return false;
    else if (picture) panel.note("Choose one region, and paste the picture again.", true);
    else panel.paste(data.getData("text/plain"));
    return true;
  }
  function attachClipboard(panel) {
    document.addEventListener("copy", (event) => copy2(panel, event));
    document.addEventListener("cut", (event) => copy2(panel, event) && panel.act("remove"));
    document.addEventListener(
      "paste",
      (event) => {
        if (!paste(panel, event)) return;
        event.preventDefault();
        event.stopImmediatePropagation();
      },
      true
    );
  }

  // javascript/src/host/gallery.js
  function shownPicture(tab) {
    const all = [...root().querySelectorAll(
      /** @type {"img"} */
      `#${tab}_gallery img`
    )];
    const images = all.filter((image) => image.getClientRects().length);
    return images.sort((a, b) => b.getBoundingClientRect().width - a.getBoundingClientRect().width)[0] || null;
  }
  function allPictures(tab) {
    const small = [
      ...root().querySelectorAll(
        /** @type {"img"} */
        `#${tab}_gallery .thumbnail-item img, #${tab}_gallery .grid-wrap img`
      )
    ];
    const all = small.length ? small : [...root().querySelectorAll(
      /** @type {"img"} */
      `#${tab}_gallery img`
    )];
    return all.filter((image, i) => image.src && all.findIndex((each) => each.src === image.src) === i);
  }
  function givenPicture() {
    const found2 = find("#img2img_image img, #img2img_image canvas");
    return found2 && (found2.naturalWidth || found2.tagName === "CANVAS") ? found2 : null;
  }
  function pictureBox(image) {
    const frame = image.getBoundingClientRect();
    const ratio2 = image.naturalWidth / image.naturalHeight || 1;
    if (getComputedStyle(image).objectFit !== "contain") return frame;
    const width = Math.min(frame.width, frame.height * ratio2);
    const height = width / ratio2;
    return { left: frame.left + (frame.width - width) / 2, top: frame.top + (frame.height - height) / 2, width, height };
  }
  function shownImage(tab, shown2, count) {
    const thumbs = [
      ...root().querySelectorAll(
        /** @type {"img"} */
        `#${tab}_gallery .thumbnail-item img, #${tab}_gallery .grid-wrap img`
      )
    ];
    const at = thumbs.findIndex((image) => shown2 && image.src === shown2.src);
    return clamp(at - Math.max(0, thumbs.length - count), 0, Math.max(0, count - 1));
  }

  // javascript/src/model/colours.js
  var css = ([red, green, blue], alpha = 1) => `rgba(${red}, ${green}, ${blue}, ${alpha})`;
  var OWN = /^#[0-9a-f]{6}$/i;
  function regionColour(index, own) {
    if (own && OWN.test(own)) return [1, 3, 5].map((at) => parseInt(own.slice(at, at + 2), 16));
    const hue = (262 + index * 137.508) % 360;
    return hslToRgb(hue, 0.68, 0.56);
  }
  function hslToRgb(hue, saturation, lightness) {
    const reach = saturation * Math.min(lightness, 1 - lightness);
    return [0, 8, 4].map((offset) => {
      const k = (offset + hue / 30) % 12;
      return Math.floor(255 * (lightness - reach * Math.max(-1, Math.min(k - 3, 9 - k, 1))) + 0.5);
    });
  }
  function cssColour(index, own) {
    return `rgb(${regionColour(index, own).join(", ")})`;
  }
  var hexColour = (index, own) => `#${regionColour(index, own).map((value) => value.toString(16).padStart(2, "0")).join("")}`;
  function textColour(index, own) {
    const [red, green, blue] = regionColour(index, own);
    return 0.299 * red + 0.587 * green + 0.114 * blue > 140 ? "#000" : "#fff";
  }
  function paletteColour(index) {
    const count = 2 ** Math.floor(Math.log2(Math.max(1, index)));
    const hue = index ? (index - count + 0.5) * 360 / count : 0;
    const part = hue / 60;
    const x = 1 - Math.abs(part % 2 - 1);
    return [
      [1, x, 0],
      [x, 1, 0],
      [0, 1, x],
      [0, x, 1],
      [x, 0, 1],
      [1, 0, x]
    ][Math.floor(part) % 6].map((value) => Math.round(64 + 64 * value));
  }

  // javascript/src/model/masks/pictures.js
  function colourCoded(masks) {
    const pixels = new Uint8ClampedArray(masks[0].data.length * 4);
    const colours = masks.map((_, i) => paletteColour(i));
    for (let at = 0; at < masks[0].data.length; at++) {
      let best = -1;
      let most = 127;
      masks.forEach((mask, i) => {
        if (mask.data[at] >= most && mask.data[at] > 0) [best, most] = [i, mask.data[at]];
      });
      pixels.set(best < 0 ? [0, 0, 0, 255] : [...colours[best], 255], at * 4);
    }
    return pixels;
  }
  function channelPacked(masks) {
    const pixels = new Uint8ClampedArray(masks[0].data.length * 4);
    for (let at = 0; at < masks[0].data.length; at++) {
      pixels.set([0, 1, 2].map((i) => masks[i] ? masks[i].data[at] : 0).concat(255), at * 4);
    }
    return pixels;
  }

  // javascript/src/widgets/icons.js
  var ICONS = {
    select: "M3 2l9 5-4 1.2L6 13z",
    box: "M2.5 3.5h11v9h-11z",
    ellipse: "M8 3.5c3.3 0 6 2 6 4.5s-2.7 4.5-6 4.5S2 10.500 2 8s2.700-4.500 6-4.500z",
    polygon: "M3 5l6-3 5 5-3 6H4z",
    brush: "M13.500 2.500L7 9M7 9c-2-.5-3.500 1-3.500 2.500 0 1-.5 1.500-1.500 2 3 .5 5.500-.5 5.500-2.500 0-1-.5-1.500-.5-2z",
    eraser: "M9 3l4.500 4.500L8 13H5l-2.500-2.500zM6 6l4.500 4.500M3 13.500h10.500",
    fill: "M7 2.500l5.500 5.500-5 5-5.500-5.500zM2.500 7.500h9M13.500 10.500c.8 1.200 1.200 2 .7 2.700-.4.5-1.200.5-1.500 0-.4-.7 0-1.500.8-2.700z",
    undo: "M5.500 3L2.500 6l3 3M2.500 6H10a3.500 3.500 0 0 1 0 7H6",
    redo: "M10.500 3l3 3-3 3M13.500 6H6a3.500 3.500 0 0 0 0 7h4",
    refresh: "M13 8a5 5 0 1 1-1.500-3.500L13 6M13 2.500V6H9.500",
    copy: "M5.500 5.500h8v8h-8zM10.500 2.500h-8v8",
    paste: "M4 3.500h8v10H4zM6 2.500h4v2H6zM6 7.500h4M6 10h4",
    remove: "M4 4l8 8M12 4l-8 8",
    duplicate: "M2.500 2.500h7v7h-7zM6.500 12v1.500h7v-7H12M10 8v4M8 10h4",
    mirrorX: "M8 2v12M6 4.500L2 11.500h4zM10 4.500l4 7h-4z",
    mirrorY: "M2 8h12M4.500 6L11.500 2v4zM4.500 10l7 4v-4z",
    up: "M8 13V3M4 7l4-4 4 4",
    down: "M8 3v10M4 9l4 4 4-4",
    zoomIn: "M7 2.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9zM10.500 10.500l3.500 3.500M5 7h4M7 5v4",
    zoomOut: "M7 2.500a4.500 4.500 0 1 0 0 9 4.500 4.500 0 0 0 0-9zM10.500 10.500l3.500 3.500M5 7h4",
    fit: "M2.500 6V2.500H6M10 2.500h3.500V6M13.500 10v3.500H10M6 13.500H2.500V10",
    full: "M2.500 2.500h11v11h-11zM5 7V5h2M11 9v2H9",
    eye: "M1.500 8C4 4 12 4 14.500 8 12 12 4 12 1.500 8zM8 6.200a1.800 1.800 0 1 0 0 3.600 1.800 1.800 0 0 0 0-3.600z",
    eyeOff: "M1.500 8C4 4 12 4 14.500 8 12 12 4 12 1.500 8zM3 13L13 3",
    solo: "M8 2.500l1.700 3.600 3.800.500-2.800 2.700.7 3.900L8 11.300l-3.400 1.900.7-3.900L2.500 6.600l3.800-.5z",
    lock: "M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 0 1 5 0v2.500",
    unlock: "M4 7.500h8v6H4zM5.500 7.500V5a2.500 2.500 0 0 1 4.800-1",
    grip: "M6 4h.1M10 4h.1M6 8h.1M10 8h.1M6 12h.1M10 12h.1",
    folded: "M6 3.500l4.500 4.500L6 12.500",
    unfolded: "M3.500 6L8 10.500 12.500 6",
    more: "M4 8h.1M8 8h.1M12 8h.1",
    magnet: "M4 2.500v6a4 4 0 0 0 8 0v-6H9.500v6a1.500 1.500 0 0 1-3 0v-6zM4 5h2.500M9.500 5H12",
    splitX: "M2.500 3.500h11v9h-11zM8 3.500v9",
    splitY: "M2.500 3.500h11v9h-11zM2.500 8h11",
    merge: "M2.500 3.500h11v9h-11zM5 8h6M7 6L5 8l2 2M9 6l2 2-2 2"
  };
  function icon(name) {
    const attributes = { viewBox: "0 0 16 16", width: "1.1em", height: "1.1em", fill: "none", stroke: "currentColor", "aria-hidden": "true" };
    const look = { "stroke-width": name === "grip" || name === "more" ? "2" : "1.3", "stroke-linejoin": "round", "stroke-linecap": "round" };
    return svg("svg", { ...attributes, ...look }, svg("path", { d: ICONS[name] }));
  }

  // javascript/src/widgets/buttons.js
  function button(label, onclick, attributes) {
    return el("button", { type: "button", class: "rg-button", localized: label, onclick, ...attributes });
  }
  function tool(name, label, onclick, { key, ...attributes } = {}) {
    const title = key ? t("{0} ({1})", t(label), key) : label;
    return el("button", { type: "button", class: "rg-button rg-tool", title, "aria-label": label, onclick, ...attributes }, icon(name));
  }
  function dressTool(node, name, label) {
    if (node.dataset.icon === name && node.title === label) return;
    node.dataset.icon = name;
    node.title = label;
    node.setAttribute("aria-label", label);
    node.replaceChildren(icon(name));
  }
  function focusAfterClick(holder) {
    const buttonOf = ({ target }) => (
      /** @type {HTMLElement | null} */
      /** @type {Element} */
      target.closest("button, summary")
    );
    let before = null;
    holder.addEventListener("mousedown", (event) => {
      if (!buttonOf(event)) return;
      before = document.activeElement;
      event.preventDefault();
    });
    holder.addEventListener("click", (event) => {
      if (document.activeElement === before) buttonOf(event)?.focus({ preventScroll: true });
    });
  }

  // javascript/src/widgets/fields.js
  var asPath = (path) => typeof path === "function" ? path : () => path;
  var shownText = (value) => value === void 0 || value === null ? "" : String(value);
  var writeText = (input, value) => {
    input.value = shownText(value);
  };
  var labelOf = (name, schema) => schema?.title || (name[0].toUpperCase() + name.slice(1)).replace(/_/g, " ");
  function labelled(label, input, attributes) {
    return el("label", { class: "rg-field", ...attributes }, el("span", { class: "rg-label", localized: label }), input);
  }
  function setValue(panel, path, value) {
    panel.edit((state) => setField(state, path, value), { key: `field:${path}` });
  }
  function bound(input, path, read2, write) {
    return (state) => {
      const at = path();
      if (input.dataset.field !== at) input.dataset.field = at;
      const value = getField(state, at);
      if (!same(read2(input), value === void 0 ? null : value)) write(input, value);
    };
  }
  function checkField(panel, path, label, attributes) {
    const at = asPath(path);
    const input = el("input", { type: "checkbox", "data-field": at(), onchange: () => setValue(panel, at(), input.checked) });
    const node = el("label", { class: "rg-check", ...attributes }, input, el("span", { localized: label }));
    const read2 = () => input.checked;
    const write = (_input, value) => {
      input.checked = value === true;
    };
    return { node, input, update: bound(input, at, read2, write) };
  }
  function selectField(panel, path, label, choices, title, fallback) {
    const at = asPath(path);
    const input = el(
      "select",
      { "data-field": at(), title, onchange: () => setValue(panel, at(), input.value) },
      choices.map(([value, words]) => el("option", { value, localized: words }))
    );
    const write = (_input, given) => {
      const value = given ?? fallback ?? null;
      if (![...input.options].some((option) => option.value === value)) input.append(el("option", { value, text: shownText(value) }));
      input.value = value;
    };
    return { node: labelled(label, input), input, update: bound(input, at, () => input.value, write) };
  }
  function promptField(panel, path, label, { placeholder = "", emptyIsNull = false, id, after } = {}) {
    const at = asPath(path);
    const read2 = () => emptyIsNull && input.value === "" ? null : input.value;
    const input = el("textarea", {
      rows: 2,
      placeholder,
      id,
      spellcheck: "false",
      class: "scroll-hide",
      "data-testid": "textbox",
      "data-field": at(),
      oninput: () => setValue(panel, at(), read2())
    });
    const name = el("span", { class: "rg-label", localized: label });
    const field = el("label", { class: "rg-field" }, el("span", { class: "rg-label-row" }, name, after), input);
    const node = el("div", { class: "rg-wide gradio-textbox prompt" }, field);
    return { node, input, name, update: bound(input, at, read2, writeText) };
  }
  function lineField(panel, path, { label, placeholder = "", title, take, maxlength }) {
    const at = asPath(path);
    const input = el("input", {
      type: "text",
      placeholder,
      title,
      spellcheck: "false",
      autocomplete: "off",
      "data-field": at(),
      "aria-label": label,
      maxlength,
      oninput: () => take ? take(input.value) : setValue(panel, at(), input.value)
    });
    return { node: input, input, update: bound(input, at, () => input.value, writeText) };
  }
  function numberField(panel, path, label, { step: step2 = 0.05, min = -Infinity, max = Infinity, fallback = null, title, whenEmpty }) {
    const at = asPath(path);
    const take = (text) => {
      const value = parseNumber(text);
      setValue(panel, at(), value === void 0 ? whenEmpty : value);
    };
    const line = lineField(panel, at, { label, placeholder: shownText(fallback), title, take });
    const input = line.input;
    input.inputMode = "decimal";
    input.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      const from = input.value.trim() === "" ? fallback : parseNumber(input.value);
      if (typeof from !== "number") return;
      event.preventDefault();
      input.value = String(clamp(tidy(from + (event.key === "ArrowUp" ? step2 : -step2)), min, max));
      take(input.value);
    });
    const read2 = () => {
      const value = parseNumber(input.value);
      return value === void 0 ? whenEmpty ?? null : value;
    };
    return { node: labelled(label, input, { class: "rg-field rg-number" }), input, update: bound(input, at, read2, writeText) };
  }

  // javascript/src/widgets/colour_field.js
  var COLOUR = /^#[0-9a-f]{6}$/i;
  function colourField(panel, path, label, title, otherwise = () => "#808080") {
    const at = asPath(path);
    const input = el("input", { type: "color", title, "data-field": at(), oninput: () => setValue(panel, at(), input.value) });
    const none = button("None", () => setValue(panel, at(), null), { class: "rg-button rg-mini", "data-action": "colour-none" });
    const node = el("div", { class: "rg-field rg-colour-field" }, labelled(label, input), none);
    const update2 = (state) => {
      input.dataset.field = at();
      const value = getField(state, at()) ?? null;
      const shown2 = COLOUR.test(value) ? value.toLowerCase() : otherwise(state);
      if (input.value !== shown2) input.value = shown2;
      none.hidden = value === null;
    };
    return { node, input, update: update2 };
  }

  // javascript/src/widgets/own_field.js
  var CHOICES = [
    ["null", "as for all"],
    ["true", "on"],
    ["false", "off"]
  ];
  function ownField(panel, path, label, schema, make) {
    const at = asPath(path);
    const parts = Object.entries(schema.properties || {});
    const choices = parts.length ? [...CHOICES, ["own", "with values of its own"]] : CHOICES;
    const take = () => setValue(panel, at(), input.value === "own" ? {} : JSON.parse(input.value));
    const input = el(
      "select",
      { "data-field": at(), title: schema.description, onchange: take },
      choices.map(([value, words]) => el("option", { value, localized: words }))
    );
    const fields = parts.flatMap(([name, part]) => make(panel, () => `${at()}.${name}`, name, part) || []);
    const inputs = el(
      "div",
      { class: "rg-numbers rg-values", hidden: true },
      fields.map((field) => field.node)
    );
    const node = el("div", { class: "rg-wide" }, labelled(label, input), inputs);
    const update2 = (state) => {
      input.dataset.field = at();
      const value = getField(state, at());
      const isOwn = Boolean(value) && typeof value === "object";
      input.value = isOwn ? "own" : String(value ?? null);
      inputs.hidden = !isOwn;
      if (isOwn) fields.forEach((field) => field.update(state));
    };
    return { node, input, update: update2 };
  }

  // javascript/src/widgets/picture_field.js
  var ACCEPTED = "image/png,image/jpeg,image/webp,image/bmp,image/tiff,.png,.jpg,.jpeg,.webp,.bmp,.tif,.tiff";
  function pictureField(panel, path, label, title, write = (picture) => setValue(panel, asPath(path)(), picture)) {
    const at = asPath(path);
    const fault = el("span", { class: "rg-hint", role: "alert" });
    const take = async (file) => {
      try {
        write(await readFile(file));
        fault.textContent = "";
      } catch (error) {
        fault.textContent = error.message;
      }
    };
    const input = button("Choose\u2026", () => chooseFile(ACCEPTED, take), { title, "data-field": at(), "data-action": "picture-choose" });
    const remove = button("Remove", () => write(null), { "data-action": "picture-remove", hidden: true });
    const frame = el("span", {});
    const row = el("div", { class: "rg-row", ...droppable(take) }, input, remove, frame, fault);
    let shown2 = null;
    const update2 = (state) => {
      input.dataset.field = at();
      const value = getField(state, at()) ?? null;
      if (value === shown2) return;
      shown2 = value;
      const isPicture = String(value).startsWith("data:image/");
      remove.hidden = value === null;
      frame.replaceChildren(
        ...isPicture ? [el("img", { class: "rg-picture", alt: t("Picture of the region"), src: String(value) })] : []
      );
    };
    const name = el("span", { class: "rg-label", localized: label });
    return { node: el("div", { class: "rg-field rg-wide" }, name, row), input, update: update2 };
  }

  // javascript/src/widgets/reference_field.js
  var ENDS = ["From step", "To step"];
  function referenceField(panel, path, label, schema, make) {
    const at = asPath(path);
    const { image, ...parts } = schema.properties || {};
    const write = (text) => panel.edit((state) => setField(state, at(), text === null ? null : makeReference({ ...getField(state, at()), image: text })));
    const picture = pictureField(panel, () => `${at()}.image`, label, `${schema.description} ${image?.description || ""}`, write);
    const fields = Object.entries(parts).flatMap(([name, part]) => {
      const of = () => `${at()}.${name}`;
      return part.type === "array" ? spanFields(panel, of, part) : make(panel, of, name, part) || [];
    });
    const inputs = el(
      "div",
      { class: "rg-numbers rg-values", hidden: true },
      fields.map((field) => field.node)
    );
    const node = el("div", { class: "rg-wide" }, picture.node, inputs);
    const update2 = (state) => {
      picture.update(state);
      inputs.hidden = !getField(state, at());
      if (!inputs.hidden) fields.forEach((field) => field.update(state));
    };
    return { node, input: picture.input, update: update2 };
  }
  function spanFields(panel, at, schema) {
    return ENDS.map(
      (words, side) => numberField(panel, () => `${at()}[${side}]`, words, {
        min: 0,
        max: 1,
        step: 0.05,
        fallback: side,
        whenEmpty: side,
        title: `${labelOf("steps")}: ${schema.description}`
      })
    );
  }

  // javascript/src/widgets/schema_fields.js
  var STEPS = { weight: 0.1, feather: 0.01, base_share: 0.05, cfg_scale: 0.5 };
  function schemaField(panel, path, name, schema) {
    const types = [schema.type || []].flat();
    const title = schema.description;
    const label = labelOf(name, schema);
    if (schema.enum) {
      const values = schema.enum.filter((value) => value !== null).map(shownText);
      const choices = values.map((value) => [value, value]);
      return selectField(panel, path, label, choices, title, schema.default);
    }
    if (schema.pattern?.startsWith("^#")) return colourField(panel, path, label, title);
    if (schema.pattern?.startsWith("^data:image")) return pictureField(panel, path, label, title);
    if (types.includes("object") && schema.properties?.image) return referenceField(panel, path, label, schema, schemaField);
    if (types.includes("boolean") && types.includes("null")) return ownField(panel, path, label, schema, schemaField);
    if (types.includes("boolean")) return withDefault(checkField(panel, path, label, { title }), schema.default);
    if (types.includes("number") || types.includes("integer")) return numberField(panel, path, label, numberOptions(name, schema, types));
    if (!types.includes("string")) return null;
    const orNull = (text) => setValue(panel, asPath(path)(), text === "" ? null : text);
    const take = types.includes("null") ? orNull : void 0;
    const line = lineField(panel, path, { label, title, placeholder: shownText(schema.default), take });
    return { ...line, node: labelled(label, line.input) };
  }
  function numberOptions(name, schema, types) {
    return {
      step: STEPS[name] || (types.includes("integer") ? 1 : 0.05),
      min: schema.minimum,
      max: schema.maximum,
      fallback: schema.default,
      title: schema.description,
      whenEmpty: types.includes("null") ? null : schema.default
    };
  }
  function withDefault(field, value) {
    return {
      ...field,
      update(state) {
        field.update(state);
        if (getField(state, field.input.dataset.field) === void 0) field.input.checked = value === true;
      }
    };
  }

  // javascript/src/drawers/click_area.js
  var WIDEST = 420;
  var CLICK = 6;
  var MOST2 = 64;
  var HELP2 = "Click: inside the object. With Shift: outside of it. Drag: a box around it.";
  var ClickArea = class {
    constructor() {
      this.canvas = el("canvas", { class: "rg-click-area", role: "img", "aria-label": HELP2, "data-action": "find-area" });
      const clear = button("Clear", () => this.clear(), { "data-action": "find-clear" });
      const help = el("div", { class: "rg-hint", localized: HELP2 });
      this.node = el("div", { hidden: true }, help, this.canvas, el("div", { class: "rg-row" }, clear));
      this.image = new Image();
      this.clicks = [];
      this.box = null;
      this.from = null;
      this.allowed = false;
      this.image.addEventListener("load", () => this.draw());
      this.canvas.addEventListener("pointerdown", (event) => {
        this.from = this.placeOf(event);
        this.canvas.setPointerCapture(event.pointerId);
      });
      this.canvas.addEventListener("pointerup", (event) => this.release(this.placeOf(event), event.shiftKey));
    }
    /** What the server takes. */
    values() {
      return { clicks: this.clicks, box: this.box };
    }
    /** @param {string} picture A data URL. */
    show(picture) {
      this.clear();
      this.image.src = picture;
    }
    /** @param {boolean} allowed */
    allow(allowed) {
      this.allowed = allowed;
      this.draw();
    }
    clear() {
      this.clicks = [];
      this.box = null;
      this.draw();
    }
    /**
     * The end of a click or a drag.
     *
     * @param {Place} to
     * @param {boolean} outside
     */
    release(to, outside) {
      const { from, canvas } = this;
      this.from = null;
      if (!from) return;
      const moved2 = Math.min(Math.abs(to.x - from.x) * canvas.width, Math.abs(to.y - from.y) * canvas.height);
      if (moved2 > CLICK) this.box = [Math.min(from.x, to.x), Math.min(from.y, to.y), Math.max(from.x, to.x), Math.max(from.y, to.y)];
      else if (this.clicks.length < MOST2) this.clicks.push([to.x, to.y, outside ? 0 : 1]);
      this.draw();
    }
    /**
     * @param {PointerEvent} event
     * @returns {Place}
     */
    placeOf(event) {
      const frame = this.canvas.getBoundingClientRect();
      const share = (at, size) => tidy(clamp(at / size, 0, 1));
      return { x: share(event.clientX - frame.left, frame.width), y: share(event.clientY - frame.top, frame.height) };
    }
    draw() {
      const context = this.canvas.getContext("2d");
      this.node.hidden = !this.allowed || !this.image.naturalWidth;
      if (!context || this.node.hidden) return;
      const scale = Math.min(1, WIDEST / this.image.naturalWidth);
      this.canvas.width = Math.max(1, Math.round(this.image.naturalWidth * scale));
      this.canvas.height = Math.max(1, Math.round(this.image.naturalHeight * scale));
      context.drawImage(this.image, 0, 0, this.canvas.width, this.canvas.height);
      drawMarks(context, this.clicks, this.box);
    }
  };
  function drawMarks(context, clicks, box) {
    const { width, height } = context.canvas;
    context.lineWidth = 2;
    context.strokeStyle = "#fff";
    for (const [x, y, inside2] of clicks) {
      context.beginPath();
      context.arc(x * width, y * height, 5, 0, 7);
      context.fillStyle = inside2 ? "#2a2" : "#c22";
      context.fill();
      context.stroke();
    }
    if (box) context.strokeRect(box[0] * width, box[1] * height, (box[2] - box[0]) * width, (box[3] - box[1]) * height);
  }

  // javascript/src/drawers/picture_masks.js
  var INTO = [
    ["new", "further regions"],
    ["selected", "the selected region"]
  ];
  var MODEL_FIELDS = { sam: "sam" };
  var PictureMasks = class {
    /** @param {Panel} panel */
    constructor(panel) {
      this.panel = panel;
      this.picture = "";
      this.reading = Promise.resolve();
      this.ways = [];
      this.kinds = [];
      this.form = null;
      this.clicks = new ClickArea();
      this.message = el("div", { class: "rg-message", role: "status", "data-action": "find-message" });
      this.inputs = el("div", { class: "rg-row rg-options" });
      this.way = el("select", { "data-action": "find-way", onchange: () => this.show() });
      this.into = el(
        "select",
        { "data-action": "find-into" },
        INTO.map(([value, words]) => el("option", { value, localized: words }))
      );
      this.intoField = labelled("Put it into", this.into);
      this.find = button("Find masks", () => this.run(), { class: "rg-button rg-primary", "data-action": "find-go" });
      this.node = el(
        "div",
        { class: "rg-find", hidden: true },
        el("div", { class: "rg-label", localized: "Find in a picture, with a model" }),
        el(
          "div",
          { class: "rg-row" },
          pictureButtons(panel, (reading) => this.read(reading)),
          labelled("Find by", this.way),
          this.intoField
        ),
        this.clicks.node,
        this.inputs,
        el("div", { class: "rg-row" }, this.find, this.message)
      );
      this.list();
    }
    async list() {
      Object.assign(this, await listWays());
      const group2 = (flow) => this.ways.filter((way) => !!way.flow === flow).map((way) => el("option", { value: valueOf(way), localized: way.label }));
      this.way.replaceChildren(
        el("optgroup", { label: t("Masks") }, group2(false)),
        el("optgroup", { label: t("Whole ways of working") }, group2(true))
      );
      this.node.hidden = !this.ways.length;
      this.show();
    }
    get chosen() {
      return this.ways.find((way) => valueOf(way) === this.way.value);
    }
    /**
     * Take a picture that is still read; what is asked for until then waits for it.
     *
     * @param {Promise<string>} reading
     */
    read(reading) {
      this.reading = reading.then(
        (picture) => this.take(picture),
        (error) => this.panel.note(error.message, true)
      );
      return this.reading;
    }
    /** @param {string} picture */
    take(picture) {
      this.picture = picture;
      this.clicks.show(picture);
      this.say(this.missing());
    }
    /** What the host lacks for the chosen way; "" where it has all. */
    missing() {
      const { chosen } = this;
      return this.kinds.map(({ name, missing }) => chosen?.needs.includes(name) && missing || "").join("");
    }
    /** @param {string} text */
    say(text) {
      this.message.textContent = translateMessage(text);
    }
    /** The inputs of the chosen way, and which models it lacks. */
    show() {
      const { chosen } = this;
      if (!chosen) return;
      this.form = createForm(chosen, this.kinds);
      this.inputs.replaceChildren(this.form.node);
      this.clicks.allow("clicks" in chosen.fields);
      this.intoField.hidden = !chosen.adds;
      this.find.textContent = t(chosen.flow ? "Make the layout" : "Find masks");
      this.way.title = t(chosen.help);
      this.say(this.missing());
    }
    async run() {
      const { chosen, form } = this;
      if (!chosen || !form) return;
      await this.reading;
      if (!this.picture) await this.read(pageTakes(this.panel));
      if (!this.picture) return;
      this.find.disabled = true;
      this.say("Looking\u2026");
      const given = "clicks" in chosen.fields ? this.clicks.values() : {};
      const body = { ...this.shapeFor(chosen, form), picture: this.picture, ...form.values, ...given };
      const put = (answer) => chosen.flow ? this.follow(answer.settings) : this.put(chosen, foundRegions(answer));
      this.say(await ask(chosen, body, put));
      this.find.disabled = false;
    }
    /**
     * The shape of the selected region, where a flow takes one and no words are given; clicks count before it.
     *
     * @param {Way} way
     * @param {WayForm} form
     * @returns {Json}
     */
    shapeFor(way, form) {
      if (!("shape" in way.fields) || form.values.words) return {};
      const state = useShapes(this.panel.store.get());
      const [id] = this.panel.selected;
      const region = state.regions.find((one) => one._id === id);
      const kind = region && shapeKind(region);
      return kind && kind !== "words" ? { shape: { [kind]: region[kind] } } : {};
    }
    /**
     * Put the settings of a flow into the panel; prompts stay.
     *
     * @param {Json} settings
     * @returns {string}
     */
    follow(settings) {
      this.panel.edit((state) => {
        const { method, options } = settings;
        const merged = Object.entries(options).map(([name, values]) => [name, { ...state.options?.[name], ...values }]);
        return { ...withLayout(state, settings), method, options: { ...state.options, ...Object.fromEntries(merged) } };
      });
      return "";
    }
    /**
     * Put what was found into the layout. Returns what is in the way, "" where nothing is.
     *
     * @param {Way} way
     * @param {Region[]} found
     * @returns {string}
     */
    put(way, found2) {
      const { panel } = this;
      if (way.adds && this.into.value === "selected") {
        const [id, ...more] = panel.selected;
        const index = panel.store.get().regions.findIndex((region) => region._id === id);
        if (index < 0 || more.length || found2.length !== 1) return "Select one region, and look for one thing.";
        panel.edit((state) => setField(useShapes(state), `regions[${index}].mask`, found2[0].mask));
        return "";
      }
      panel.edit((state) => way.adds ? addRegions(state, found2) : withLayout(state, { regions: found2 }));
      return "";
    }
  };
  function pictureButtons(panel, read2) {
    const fromPage = () => read2(pageTakes(panel));
    const fromFile = () => chooseFile(PICTURES, (file) => read2(readFile(file)));
    return [
      button("The picture shown", fromPage, { title: "The result, or the picture that img2img was given", "data-action": "find-shown" }),
      button("A file\u2026", fromFile, { "data-action": "find-file" })
    ];
  }
  async function listWays() {
    const [masks, flows] = await Promise.all(["masks", "flows"].map((path) => callApi(path).catch(() => null)));
    if (!masks?.ok) return { ways: [], kinds: [] };
    const whole = flows?.ok && flows.data.flows || [];
    const ways = [...masks.data.ways || [], ...whole.map((way) => ({ ...way, flow: true }))];
    return { ways, kinds: masks.data.kinds || [] };
  }
  async function pageTakes(panel) {
    const shown2 = shownPicture(panel.tab) || (panel.tab === "img2img" ? givenPicture() : null);
    if (!shown2) {
      panel.note("There is no picture yet: generate one first, or choose a file.");
      return "";
    }
    if (shown2.tagName === "CANVAS") return shown2.toDataURL();
    return readFile(new File([await (await fetch(shown2.src)).blob()], "picture"));
  }
  function createForm(way, kinds) {
    const form = { values: {}, fields: [], node: el("div", { class: "rg-row" }), edit: () => void 0 };
    form.edit = (change) => {
      form.values = /** @type {any} */
      change(
        /** @type {any} */
        form.values
      );
      form.fields.forEach((field) => field.update(
        /** @type {any} */
        form.values
      ));
    };
    form.fields = Object.entries(way.fields).flatMap(([name, schema]) => {
      if (name !== "model" && !(name in MODEL_FIELDS)) return schemaField(form, name, name, schema) || [];
      const kind = MODEL_FIELDS[name] || way.needs[0];
      const names = kinds.find((each) => each.name === kind)?.models || [];
      const choices = names.map((each) => [each, each]);
      return names.length > 1 ? selectField(form, name, name === "sam" ? "SAM" : "Model", choices, schema.description, names[0]) : [];
    });
    form.fields.forEach((field) => field.update(
      /** @type {any} */
      form.values
    ));
    form.node.append(...form.fields.map((field) => field.node));
    return form;
  }
  var foundRegions = (answer) => answer.regions.map(({ mask, name }) => makeRegion({ mask, name }));
  var valueOf = (way) => way.flow ? `flow:${way.name}` : way.name;
  async function ask(way, body, put) {
    try {
      const answer = await callApi(way.flow ? "flows" : "masks", { method: "POST", body: { ...body, kind: way.name } });
      if (!answer.ok) return errorText(answer);
      return put(answer.data) || answer.data.notes.map((note) => t(note)).join("\n");
    } catch {
      return "The server does not answer.";
    }
  }

  // javascript/src/drawers/mask_files.js
  var SAVES = [
    { kind: "colours", label: "A colour for each region", title: "Regional Prompter's colours, in order" },
    { kind: "channels", label: "Red, green and blue", title: "The first three regions, greys and all" },
    { kind: "each", label: "Every region on its own", title: "One file per region" }
  ];
  function createMaskFiles(panel) {
    const loads = el("div", { class: "rg-row" });
    listSources(panel, loads);
    const saves = SAVES.map(
      ({ kind, label, title }) => button(label, () => savePicture(panel, kind), { title, "data-action": `masks-save-${kind}` })
    );
    const layers = button("The result in layers", () => saveLayers(panel), {
      title: "A ZIP of transparent pictures, one for each region of the picture that is shown",
      "data-action": "masks-layers"
    });
    const node = el(
      "div",
      { class: "rg-maskfiles" },
      el("div", { class: "rg-label", localized: "Load: the regions are replaced, their prompts stay" }),
      loads,
      new PictureMasks(panel).node,
      el("div", { class: "rg-label", localized: "Save" }),
      el("div", { class: "rg-row" }, saves, layers)
    );
    return { node };
  }
  async function listSources(panel, row) {
    const answer = await callApi("masks").catch(() => null);
    const sources = answer?.ok ? answer.data.sources : [];
    const buttons = sources.map((source) => {
      const choose2 = () => chooseFile(PICTURES, (file) => loadRegions(panel, source, file));
      return button(source.label, choose2, { title: source.help, "data-action": `masks-${source.name}` });
    });
    row.replaceChildren(...buttons.length ? buttons : [el("span", { localized: "The server lists no way to load masks." })]);
  }
  async function masksOf(panel, kind, file) {
    try {
      const answer = await callApi("masks", { method: "POST", body: { picture: await readFile(file), kind } });
      if (answer.ok) {
        panel.note((answer.data.notes || []).join("\n"));
        return answer.data.regions;
      }
      panel.note(`${file.name}: ${errorText(answer)}`, true);
    } catch (error) {
      panel.note(error instanceof TypeError ? "The server does not answer." : error.message, true);
    }
    return null;
  }
  async function loadRegions(panel, source, file) {
    const found2 = await masksOf(panel, source.name, file);
    if (!found2) return;
    if (source.single) {
      const name = file.name.replace(/\.\w+$/, "").slice(0, 60);
      panel.edit((state) => addRegions(state, [makeRegion({ mask: found2[0].mask, name })]));
    } else {
      panel.edit((state) => withLayout(state, { regions: found2.map(({ mask, name }) => ({ mask, name })) }));
    }
  }
  async function loadMask(panel, index, file) {
    const found2 = await masksOf(panel, "grey", file);
    if (found2) panel.edit((state) => setField(state, `regions[${index}].mask`, found2[0].mask));
  }
  async function allMasks(panel) {
    const state = panel.store.get();
    return Promise.all(state.regions.map((_, index) => maskOf(panel, state, index)));
  }
  async function maskOf(panel, state, index) {
    const [width, height] = maskSize(panel.stage.size());
    const region = state.regions[index];
    const text = state.grid ? void 0 : maskText(region);
    if (text !== void 0) return scaleMask(await panel.stage.masks.wait(text) || makeMask(width, height), width, height);
    return drawShape(state.grid ? {} : region, width, height, state.grid ? panel.stage.boundsOf(state, index) : void 0);
  }
  async function saveLayers(panel) {
    const shown2 = shownPicture(panel.tab);
    if (!shown2) return panel.note("There is no picture yet: generate one first.");
    try {
      const file = new File([await (await fetch(shown2.src)).blob()], "picture");
      const body = { picture: await readFile(file), settings: { ...toJson(panel.store.get()), enabled: true } };
      const answer = await callApi("layers", { method: "POST", body });
      if (!answer.ok) return panel.note(errorText(answer), true);
      return download("layers.zip", answer.data);
    } catch (error) {
      return panel.note(error instanceof TypeError ? "The server does not answer." : error.message, true);
    }
  }
  async function savePicture(panel, kind) {
    const masks = await allMasks(panel);
    if (!masks.length) return panel.note("There is no region yet.");
    if (kind === "each") {
      return masks.forEach(
        (mask, i) => download(`region ${numberOf(panel.store.get(), i)}.png`, new Blob([encodePng(mask)], { type: "image/png" }))
      );
    }
    const pixels = kind === "colours" ? colourCoded(masks) : channelPacked(masks);
    const [{ width, height }] = masks;
    const canvas = el("canvas", { width, height });
    canvas.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
    return canvas.toBlob((blob) => blob && download(`regions ${kind}.png`, blob), "image/png");
  }

  // javascript/src/panel/menu/shape_acts.js
  async function withMasks(panel, change, isMeant = () => true) {
    const before = panel.store.get();
    const state = useShapes(before);
    const made = /* @__PURE__ */ new Map();
    for (const [index, region] of state.regions.entries()) {
      if (!panel.selected.has(region._id) || region._lock || !isMeant(region)) continue;
      const mask = change(await maskOf(panel, state, index));
      if (isEmptyMask(mask)) return panel.note(t("Nothing would be left of region {0}.", numberOf(state, index)), true);
      made.set(region._id, storeMask(panel.stage, mask));
    }
    if (panel.store.get() !== before || !made.size) return void 0;
    return panel.edit(
      () => changeRegions(state, new Set(made.keys()), (region) => ({ ...withoutShape(region), mask: made.get(region._id) }))
    );
  }
  var invertChosen = (panel) => withMasks(panel, invertMask);
  var chosenToMasks = (panel) => withMasks(
    panel,
    (mask) => mask,
    (region) => shapeKind(region) !== "mask"
  );
  async function saveLayer(panel) {
    const state = panel.store.get();
    const index = state.regions.findIndex((region) => panel.selected.has(region._id));
    const picture = shownPicture(panel.tab);
    if (index < 0 || !picture) return;
    const { naturalWidth: width, naturalHeight: height } = picture;
    const mask = await maskOf(panel, state, index);
    const cover = el("canvas", { width: mask.width, height: mask.height });
    tintInto(
      /** @type {CanvasRenderingContext2D} */
      cover.getContext("2d"),
      mask,
      [0, 0, 0],
      [0, 0, mask.width, mask.height]
    );
    const canvas = el("canvas", { width, height });
    const context = (
      /** @type {CanvasRenderingContext2D} */
      canvas.getContext("2d")
    );
    context.drawImage(picture, 0, 0);
    context.globalCompositeOperation = "destination-in";
    context.drawImage(cover, 0, 0, width, height);
    canvas.toBlob((blob) => blob && download(`${layerName(state, index)}.png`, blob), "image/png");
  }
  function layerName(state, index) {
    return `region ${numberOf(state, index)} ${state.regions[index].name || ""}`.replace(/[^\p{L}\p{N} _-]/gu, "").trim();
  }

  // javascript/src/model/words/infotext.js
  var NEGATIVE = "Negative prompt:";
  function divided(infotext) {
    const at = infotext.lastIndexOf("Steps: ");
    return at < 0 ? [infotext, ""] : [infotext.slice(0, at), infotext.slice(at)];
  }
  function valueOf2(line, name) {
    const found2 = new RegExp(`(?:^|, |\\n)${name}: ("(?:[^"\\\\]|\\\\.)*"|[^,\\n]*)`).exec(line);
    return found2 ? found2[1].replace(/^"|"$/g, "").trim() : null;
  }
  function parametersOf(infotext) {
    const [head, line] = divided(infotext);
    const cut = head.lastIndexOf(NEGATIVE);
    const number = (name) => {
      const text = valueOf2(line, name);
      return text !== null && text !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
    };
    const [width, height] = /^(\d+)x(\d+)$/.exec(valueOf2(line, "Size") || "")?.slice(1).map(Number) || [null, null];
    return {
      prompt: (cut < 0 ? head : head.slice(0, cut)).trim(),
      negative: cut < 0 ? "" : head.slice(cut + NEGATIVE.length).trim(),
      sampler: valueOf2(line, "Sampler"),
      scheduler: valueOf2(line, "Schedule type"),
      steps: number("Steps"),
      cfg_scale: number("CFG scale"),
      seed: number("Seed"),
      width,
      height
    };
  }
  function scoresOf(infotext) {
    const found2 = /^([\d.]+) \((.*)\)$/.exec(valueOf2(divided(infotext)[1], "Regional score") || "");
    if (!found2) return null;
    const regions = [...found2[2].matchAll(/(\d+): ([\d.]+)/g)].map(
      ([, region, score]) => (
        /** @type {[number, number]} */
        [Number(region), Number(score)]
      )
    );
    return { lowest: Number(found2[1]), regions };
  }
  var hasRegions = (infotext) => /\bRegional: /.test(infotext);
  function withBase(settings, { prompt, negative }) {
    const { base = {} } = settings;
    return { ...settings, base: { ...base, prompt: base.prompt ?? prompt, negative: base.negative ?? negative } };
  }

  // javascript/src/model/words/png_text.js
  var SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];
  var KEYS = ["parameters", "UserComment"];
  function pngParameters(bytes) {
    if (!SIGNATURE.every((byte, i) => bytes[i] === byte)) return "";
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 8; at + 12 <= bytes.length; ) {
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
  function latinText(body) {
    const end = body.indexOf(0);
    return KEYS.includes(ascii(body, 0, end)) ? new TextDecoder("latin1").decode(body.subarray(end + 1)) : "";
  }
  function unicodeText(body) {
    const end = body.indexOf(0);
    if (!KEYS.includes(ascii(body, 0, end)) || body[end + 1] !== 0) return "";
    const language = body.indexOf(0, end + 3);
    return new TextDecoder().decode(body.subarray(body.indexOf(0, language + 1) + 1));
  }
  var ascii = (bytes, from, to) => String.fromCharCode(...bytes.subarray(from, Math.max(from, to)));

  // javascript/src/host/shown.js
  async function infotextAt(address) {
    const file = await (await fetch(address)).blob();
    const own = pngParameters(new Uint8Array(await file.arrayBuffer()));
    if (own || file.type === "image/png") return own;
    const picture = await readFile(new File([file], "picture", { type: file.type }));
    const answer = await callApi("parameters", { method: "POST", body: { picture } });
    return answer.ok ? answer.data.infotext : "";
  }
  async function infotextOfShown(tab) {
    const shown2 = shownPicture(tab);
    return shown2 ? await infotextAt(shown2.src) || shownInfotext(tab) : "";
  }

  // javascript/src/host/made_with.js
  async function madeWith(panel) {
    const infotext = await infotextOfShown(panel.tab);
    if (!hasRegions(infotext)) {
      panel.note(infotext ? "The shown picture was made without regions." : "There is no picture here yet: press Generate first.", true);
      return null;
    }
    const body = { text: infotext, format: "regional", hints: {}, ...panel.size(), ...panel.prompts() };
    const answer = await callApi("import", { method: "POST", body });
    if (!answer.ok) return panel.note(errorText(answer), true), null;
    return { settings: answer.data.settings, parameters: parametersOf(infotext) };
  }

  // javascript/src/host/taking.js
  var NUMBERS = [
    ["seed", "seed"],
    ["steps", "steps"],
    ["cfg_scale", "CFG scale"],
    ["width", "width"],
    ["height", "height"]
  ];
  var SETTLE = 80;
  var pause = (time) => new Promise((resolve) => setTimeout(resolve, time));
  function readNumber(tab, name) {
    const input = find(`#${tab}_${name} input[type=number], #${tab}_${name}_row input[type=number], #${tab}_${name} input`);
    return input && input.value !== "" ? Number(input.value) : null;
  }
  async function chooseEntry(tab, name, value) {
    const input = find(`#${tab}_${name} input, #${tab}_${name} select`);
    if (!input) return false;
    if (input.value === value) return true;
    input.focus();
    await pause(SETTLE);
    input.value = value;
    input.dispatchEvent(new Event(input.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
    await pause(SETTLE);
    const entry = [...root().querySelectorAll("ul.options li, ul[role=listbox] li")].find(
      (each) => each.getAttribute("aria-label") === value
    );
    if (entry) entry.dispatchEvent(new MouseEvent("mousedown", { bubbles: true, cancelable: true }));
    else input.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", code: "Enter", bubbles: true }));
    await pause(SETTLE);
    input.blur();
    await pause(SETTLE);
    return input.value === value;
  }
  async function takeParameters(tab, parameters) {
    const taken = [];
    const missed = [];
    for (const [name, words] of NUMBERS) {
      const value = parameters[name];
      if (value === null || typeof value !== "number" || readNumber(tab, name) === value) continue;
      writeNumber(tab, name, value);
      taken.push(`${words} ${value}`);
    }
    const menus = (
      /** @type {const} */
      [
        ["sampling", parameters.sampler],
        ["scheduler", parameters.sampler && (parameters.scheduler || "Automatic")]
      ]
    );
    for (const [name, value] of menus) {
      if (!value || !find(`#${tab}_${name}`) || (find(`#${tab}_${name} input, #${tab}_${name} select`) || {}).value === value) continue;
      (await chooseEntry(tab, name, value) ? taken : missed).push(value);
    }
    return { taken, missed };
  }

  // javascript/src/model/shown/one_region.js
  var LEFT_OUT = ["enabled", "version", "attention_maps"];
  var asSource = (settings) => Object.fromEntries(Object.entries(settings).filter(([key]) => !LEFT_OUT.includes(key)));
  function inPicture(region) {
    const { name, colour, ...rest } = region || {};
    return region && Object.entries(rest).sort(([one], [other]) => one < other ? -1 : 1);
  }
  function repaintedIn(settings) {
    const options = settings.options?.repaint;
    if (settings.method !== "repaint" || !options?.source) return { source: asSource(settings), made: [] };
    const { source, regions = [] } = options;
    const all = settings.regions || [];
    const differs = all.flatMap((region, index) => same(inPicture(region), inPicture(source.regions?.[index])) ? [] : [index]);
    return { source, made: regions.length ? regions : differs };
  }
  function againSettings(state, index, settings, parameters, seed) {
    const { source, made } = repaintedIn(settings);
    const now = toJson(state);
    const before = made.filter((each) => each < now.regions.length && each !== index);
    const regions = now.regions.map(
      (region, at) => at === index ? { ...region, seed } : before.includes(at) ? { ...region, seed: settings.regions[at]?.seed ?? null } : region
    );
    const filled = withBase(source, parameters);
    const repaint = { ...now.options?.repaint, source: filled, regions: [...before, index].sort((a, b) => a - b) };
    return { ...now, enabled: true, method: "repaint", text_from: "regions", base: filled.base, regions, options: { ...now.options, repaint } };
  }
  function detailSettings(state, index, settings, parameters) {
    if (!settings.regions?.[index]) return null;
    const own = state.regions[index].detail;
    const detail = own && typeof own === "object" ? own : true;
    const regions = settings.regions.map(
      (region, at) => at === index ? { ...region, detail } : region
    );
    return { ...withBase(settings, parameters), enabled: true, regions };
  }

  // javascript/src/panel/page/one_region.js
  var ONE = { batch_count: 1, batch_size: 1 };
  var SETTLE2 = 300;
  var START = 4e3;
  async function makeAgain(panel, index) {
    const made = index < 0 ? null : await madeWith(panel);
    if (!made) return;
    const seed = Math.floor(Math.random() * 2 ** 31);
    const settings = againSettings(panel.store.get(), index, made.settings, made.parameters, seed);
    await makeOne(panel, settings, made.parameters, t("Region {0} is made again, the rest stays.", numberOf(panel.store.get(), index)));
  }
  async function addDetail(panel, index) {
    const made = index < 0 ? null : await madeWith(panel);
    if (!made) return;
    const settings = detailSettings(panel.store.get(), index, made.settings, made.parameters);
    if (!settings) return void panel.note("The shown picture has no such region: press Generate first.", true);
    await makeOne(panel, settings, made.parameters, t("Region {0} gets detail, the rest stays.", numberOf(panel.store.get(), index)));
  }
  async function makeOne(panel, settings, parameters, words) {
    const { tab } = panel;
    const isRunning = () => Boolean(find(`#${tab}_interrupt`)?.getClientRects().length);
    if (isRunning()) return panel.note("A picture is being made: wait for it, or interrupt it.", true);
    const names = Object.keys(ONE).concat("seed");
    const before = names.map((name) => readNumber(tab, name));
    const { taken, missed } = await takeParameters(tab, parameters);
    if (missed.length) return panel.note(t("Set this as it was for the shown picture, and try again: {0}.", missed.join(", ")), true);
    Object.entries(ONE).forEach(([name, value]) => readNumber(tab, name) !== value && writeNumber(tab, name, value));
    panel.write(JSON.stringify(settings));
    await pause(SETTLE2);
    find(`#${tab}_generate`)?.click();
    for (let waited = 0; waited < START && !isRunning(); waited += 50) await pause(50);
    names.forEach((name, i) => before[i] !== null && readNumber(tab, name) !== before[i] && writeNumber(tab, name, before[i]));
    panel.push();
    const changed = taken.filter((each) => !each.startsWith("seed "));
    return panel.note(changed.length ? `${words} ${t("As for the shown picture: {0}.", changed.join(", "))}` : words);
  }

  // javascript/src/panel/acts.js
  var ACTS = {
    undo: (panel) => panel.undo(),
    redo: (panel) => panel.redo(),
    remove: (panel) => panel.edit((state) => removeRegions(state, panel.selected)),
    duplicate: (panel) => {
      const { state, ids } = duplicateRegions(panel.store.get(), panel.selected);
      panel.edit(() => state);
      panel.select(ids, { reveal: true });
    },
    mirrorX: (panel) => mirror(panel, true),
    mirrorY: (panel) => mirror(panel, false),
    copy: (panel) => copyToClipboard(panel),
    paste: (panel) => pasteFromClipboard(panel),
    splitX: (panel) => splitChosen(panel, "x"),
    splitY: (panel) => splitChosen(panel, "y"),
    up: (panel) => moveChosen(panel, -1),
    down: (panel) => moveChosen(panel, 1),
    front: (panel) => moveChosen(panel, -Infinity),
    back: (panel) => moveChosen(panel, Infinity),
    solo: (panel) => panel.edit((state) => solo(state, chosenIndex(panel))),
    mute: (panel) => flip(panel, "enabled", false, true),
    lock: (panel) => flip(panel, "_lock", true, false),
    add: (panel) => panel.addBox(),
    all: (panel) => panel.select(panel.store.get().regions.map((region) => region._id)),
    group: (panel) => groupChosen(panel),
    ungroup: (panel) => panel.edit((state) => setGroup(state, panel.selected, "")),
    invert: (panel) => invertChosen(panel),
    toMask: (panel) => chosenToMasks(panel),
    layer: (panel) => saveLayer(panel),
    again: (panel) => makeAgain(panel, chosenIndex(panel)),
    detail: (panel) => addDetail(panel, chosenIndex(panel)),
    merge: (panel) => {
      const next = mergeCells(panel.store.get(), chosenIndex(panel));
      if (next) panel.edit(() => next);
      else panel.note("This cell has no next one to merge with: merging works along a row, and between rows of one cell.");
    }
  };
  function act(panel, name) {
    ACTS[name](panel);
  }
  function groupChosen(panel) {
    if (!panel.selected.size) return;
    const { state, name } = newGroup(panel.store.get(), panel.selected, t("Group"));
    panel.edit(() => state);
    panel.list.groups.focus(name);
  }
  var chosenIndex = (panel) => panel.store.get().regions.findIndex((region) => panel.selected.has(region._id));
  function moveChosen(panel, lines2) {
    const index = chosenIndex(panel);
    const group2 = wholeGroup(panel.store.get(), panel.selected);
    if (group2) panel.edit((state) => moveGroup(state, group2, lines2));
    else if (index >= 0) panel.edit((state) => moveInList(state, index, lines2));
  }
  function flip(panel, field, on, off) {
    const { selected } = panel;
    panel.edit((state) => {
      const isOn = state.regions.every((region) => !selected.has(region._id) || Boolean(region[field]) === on);
      const value = isOn ? off : on;
      return { ...state, regions: state.regions.map((region) => selected.has(region._id) ? withSwitch(region, field, value) : region) };
    });
  }
  function splitChosen(panel, axis) {
    const index = chosenIndex(panel);
    if (index >= 0) panel.edit((state) => splitCell(state, index, axis));
  }
  function transformed(panel, region, change, from, to) {
    if (region.mask === void 0) return change(region);
    const mask = panel.stage.masks.get(region.mask);
    return mask ? { ...region, mask: storeMask(panel.stage, warpMask(mask, from, to)) } : region;
  }
  function mirror(panel, horizontal) {
    const to = horizontal ? [1, 0, 0, 1] : [0, 1, 1, 0];
    const change = (region) => mirrorShape(region, horizontal);
    if (panel.store.get().grid) return;
    panel.edit((state) => changeRegions(state, panel.selected, (region) => transformed(panel, region, change, [0, 0, 1, 1], to)));
  }
  function paste2(panel, text) {
    try {
      const regions = pasteRegions(text);
      panel.edit((state) => addRegions(state, regions));
      panel.select(
        regions.map((region) => region._id),
        { reveal: true }
      );
      panel.note(t("Regions pasted: {0}.", regions.length));
    } catch (error) {
      panel.note(error.message, true);
    }
  }
  function place(panel, from, to, key) {
    const map = boxMap(from, to);
    const change = (region) => mapShape(region, ...map);
    panel.edit((state) => changeRegions(state, panel.selected, (region) => transformed(panel, region, change, from, to)), { key });
  }
  function align(panel, side) {
    const { stage, selected } = panel;
    const frame = selected.size > 1 && stage.selectionBox(panel.store.get()) || [0, 0, 1, 1];
    panel.edit(
      (state) => changeRegions(state, selected, (region, index) => {
        const from = stage.boundsOf(state, index);
        const to = alignBox(from, side, frame);
        return transformed(panel, region, (shape) => mapShape(shape, ...boxMap(from, to)), from, to);
      })
    );
  }
  function addBox(panel) {
    panel.edit(addRegion);
    const { regions } = panel.store.get();
    panel.select([regions[regions.length - 1]._id], { reveal: true });
  }

  // javascript/src/model/shown/source.js
  var EDIT_METHODS = ["mrgd", "p2p"];
  var SOURCE_KEYS = ["regions", "grid", "base", "common", "overlap"];
  var EDIT_OPTIONS = [
    "control",
    "tau",
    "tau_own",
    "self_until",
    "total",
    "t_total",
    "halo",
    "lambda_rs",
    "lambda_is",
    "lambda_ip",
    "guided",
    "guidance",
    "guidance_path",
    "gradient",
    "keyword_count",
    "keyword_choice",
    "kssa_gain",
    "inversion",
    "null_text",
    "lock",
    "lock_picture",
    "lock_control"
  ];
  var isEditing = (state) => EDIT_METHODS.includes(state.method);
  var optionsOf = (state) => isEditing(state) && state.options[state.method] || {};
  var setOption = (state, name, value) => setField(state, `options.${state.method}.${name}`, value);
  function asSource2(state) {
    const json = toJson(state);
    return Object.fromEntries(SOURCE_KEYS.filter((key) => key in json).map((key) => [key, json[key]]));
  }
  var sourceOf = (state) => optionsOf(state).source || null;
  var sourceOfSettings = (settings) => copy(Object.fromEntries(SOURCE_KEYS.filter((key) => key in settings).map((key) => [key, settings[key]])));
  function lockSource(state, source = asSource2(state)) {
    const next = { ...isEditing(state) ? state : { ...state, method: EDIT_METHODS[0] }, text_from: "regions", enabled: true };
    return setOption(setOption(next, "source", source), "pairs", void 0);
  }
  var EDIT_SAMPLERS = ["Euler", "DDIM"];
  var editSampler = (sampler) => EDIT_SAMPLERS.find((name) => name.toLowerCase() === String(sampler).toLowerCase()) || EDIT_SAMPLERS[0];
  var releaseSource = (state) => setOption(setOption(state, "source", void 0), "pairs", void 0);
  function backToSource(state) {
    const source = sourceOf(state);
    return source ? fromJson({ ...toJson(state), grid: null, regions: [], base: {}, common: "", overlap: "blend", ...copy(source) }) : state;
  }
  function setPair(state, target, source) {
    const pairs = optionsOf(state).pairs || [];
    const others = pairs.filter(([s, t2]) => t2 !== target && (source === null || s !== source));
    return setOption(state, "pairs", [...others, [source, target]]);
  }
  var clearPairs = (state) => setOption(state, "pairs", void 0);
  var keywordsOf = (state, region) => (optionsOf(state).keywords || [])[region] || [];
  function setKeywords(state, region, text) {
    const lists = state.regions.map((_, index) => index === region ? text.split(/[\s,;]+/).filter(Boolean) : keywordsOf(state, index));
    return setOption(state, "keywords", lists.some((words) => words.length) ? lists : void 0);
  }
  function foundKeywords(infotext) {
    const at = (infotext || "").lastIndexOf("Regional keywords: ");
    const match = at < 0 ? null : /^Regional keywords: ("(?:[^"\\]|\\.)*"|[^,\n]*)/.exec(infotext.slice(at));
    if (!match) return {};
    const pairs = match[1].replace(/^"|"$/g, "").split(";").flatMap((part) => {
      const found2 = /^\s*(\d+):(.*)$/.exec(part);
      return found2 ? [[Number(found2[1]) - 1, found2[2].trim()]] : [];
    });
    return Object.fromEntries(pairs);
  }
  function pictureDifference(first, second, gain = 3, floor = 12) {
    const bytes = new Uint8ClampedArray(first.length);
    let changed = 0;
    for (let i = 0; i < first.length; i += 4) {
      let most = 0;
      for (let c = 0; c < 3; c++) {
        const gap = Math.abs(first[i + c] - second[i + c]);
        most = Math.max(most, gap);
        bytes[i + c] = gap * gain;
      }
      bytes[i + 3] = 255;
      if (most > floor) changed++;
    }
    return { bytes, share: first.length ? changed * 4 / first.length : 0 };
  }

  // javascript/src/model/geometry/snapping.js
  var CELL = 8;
  function snapLines(boxes) {
    const fixed = [0, 1 / 3, 0.5, 2 / 3, 1];
    return { x: [...fixed, ...boxes.flatMap((box) => [box[0], box[2]])], y: [...fixed, ...boxes.flatMap((box) => [box[1], box[3]])] };
  }
  function snapValue(value, lines2, reach, pixels) {
    let best = null;
    for (const line of lines2) {
      if (Math.abs(line - value) <= reach && (best === null || Math.abs(line - value) < Math.abs(best - value))) best = line;
    }
    return best === null ? { value: clamp(Math.round(value * pixels / CELL) * CELL / pixels, 0, 1), line: null } : { value: best, line: best };
  }
  function snapPoint(point, lines2, reach, [width, height]) {
    const x = snapValue(point.x, lines2.x, reach.x, width);
    const y = snapValue(point.y, lines2.y, reach.y, height);
    return { x: x.value, y: y.value, guides: { x: x.line, y: y.line } };
  }
  function snapShift(box, dx, dy, lines2, reach, [width, height]) {
    const axis = (low, high, shift, targets, near, pixels) => {
      const tries = [low, high].map((side) => ({ side, ...snapValue(side + shift, targets, near, pixels) }));
      const held = tries.filter((found2) => found2.line !== null).sort((a, b) => Math.abs(a.value - a.side - shift) - Math.abs(b.value - b.side - shift))[0];
      const taken = held || tries[0];
      return { shift: clamp(taken.value - taken.side, -low, 1 - high), line: taken.line };
    };
    const x = axis(box[0], box[2], dx, lines2.x, reach.x, width);
    const y = axis(box[1], box[3], dy, lines2.y, reach.y, height);
    return { dx: x.shift, dy: y.shift, guides: { x: x.line, y: y.line } };
  }

  // javascript/src/model/geometry/view.js
  function zoomView(view, factor, at) {
    const zoom = clamp(view.zoom * factor, 1, 32);
    return panView({ zoom, x: at.x - (at.x - view.x) * view.zoom / zoom, y: at.y - (at.y - view.y) * view.zoom / zoom }, 0, 0);
  }
  function panView(view, dx, dy) {
    const room = 1 - 1 / view.zoom;
    return { zoom: view.zoom, x: clamp(view.x + dx, 0, room), y: clamp(view.y + dy, 0, room) };
  }

  // javascript/src/stage/full_screen.js
  function toggleFullScreen({ panel }) {
    const change = document.fullscreenElement ? document.exitFullscreen() : panel.parts.node.requestFullscreen?.();
    change?.catch(() => panel.note("The browser does not allow full screen here.", true));
  }

  // javascript/src/widgets/dialog.js
  function openDialog(look, label, back, parts) {
    const dialog = el("dialog", { class: `rg ${look}`, "aria-label": label }, parts);
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("keydown", (event) => event.stopPropagation());
    dialog.addEventListener("close", () => {
      dialog.remove();
      back().focus({ preventScroll: true });
    });
    overPage().append(dialog);
    dialog.showModal();
    return dialog;
  }

  // javascript/src/stage/key_help.js
  var KEYS2 = [
    {
      title: "Tools",
      rows: [
        ["V R E P", "select, box, ellipse, polygon"],
        ["B X G", "brush, eraser, fill"],
        ["[ ]", "size of the brush"],
        ["Alt", "no snapping while it is held"]
      ]
    },
    {
      title: "Regions",
      rows: [
        ["Arrows", "move by 8 pixels, with Ctrl by 1; with Shift they resize"],
        ["N, Delete, Ctrl+D", "new box, remove, duplicate"],
        ["H, J", "mirror left and right, top and bottom"],
        ["PageUp, PageDown", "next region, with Shift that one as well"],
        ["Enter", "into the region's prompt"],
        ["Ctrl+A, Esc", "choose all, let go"],
        ["Ctrl+G, Ctrl+Shift+G", "a group of the chosen ones, out of it"],
        ["Shift+F10", "menu of the chosen regions"]
      ]
    },
    {
      title: "Work",
      rows: [
        ["Ctrl+Z, Ctrl+Y", "undo, redo"],
        ["Ctrl+C, X, V", "regions as JSON"],
        ["+ \u2212 0", "zoom in, out, show all"],
        ["Space and drag", "pan; with nothing chosen the arrows do"],
        ["F", "full screen"]
      ]
    },
    {
      title: "Drawing by keys",
      rows: [
        ["Arrows", "move a crosshair"],
        ["Space", "presses and lets go"],
        ["Enter", "closes a polygon"]
      ]
    }
  ];
  function showKeys(back) {
    const groups = KEYS2.map(
      ({ title, rows }) => el(
        "section",
        {},
        el("strong", { localized: title }),
        el("dl", {}, rows.map(([keys, words]) => [el("dt", {}, el("kbd", { localized: keys })), el("dd", { localized: words })]).flat())
      )
    );
    const dialog = openDialog("rg-keys", "Keys of the canvas", () => back, [el("div", { class: "rg-keys-groups" }, groups)]);
    dialog.append(button("Close", () => dialog.close(), { "data-action": "keys-close" }));
  }

  // javascript/src/model/masks/paint.js
  function falloff(d, r, softness) {
    const core = Math.min(r * (1 - softness), r - 0.5);
    const rim = Math.max(r, core + 1);
    if (d <= core) return 1;
    if (d >= rim) return 0;
    const t2 = (rim - d) / (rim - core);
    return t2 * t2 * (3 - 2 * t2);
  }
  function strokeSegment(cover, a, b, softness) {
    const reach = Math.max(a.r, b.r) + 1;
    const x0 = Math.max(0, Math.floor(Math.min(a.x, b.x) - reach));
    const x1 = Math.min(cover.width, Math.ceil(Math.max(a.x, b.x) + reach));
    const y0 = Math.max(0, Math.floor(Math.min(a.y, b.y) - reach));
    const y1 = Math.min(cover.height, Math.ceil(Math.max(a.y, b.y) + reach));
    const dx = b.x - a.x;
    const dy = b.y - a.y;
    const length2 = dx * dx + dy * dy;
    for (let row = y0; row < y1; row++) {
      for (let column = x0; column < x1; column++) {
        const px = column + 0.5 - a.x;
        const py = row + 0.5 - a.y;
        const t2 = length2 ? clamp((px * dx + py * dy) / length2, 0, 1) : 0;
        const [ex, ey] = [px - t2 * dx, py - t2 * dy];
        const d = Math.sqrt(ex * ex + ey * ey);
        const r = a.r + t2 * (b.r - a.r);
        const at = row * cover.width + column;
        if (d < r + 1) cover.data[at] = Math.max(cover.data[at], 255 * falloff(d, r, softness));
      }
    }
    return [x0, y0, x1, y1];
  }
  function applyStroke(base, cover, erase, out, [x0, y0, x1, y1] = [0, 0, base.width, base.height]) {
    for (let row = y0; row < y1; row++) {
      for (let at = row * base.width + x0, end = row * base.width + x1; at < end; at++) {
        const before = base.data[at];
        const stroke = cover.data[at];
        out.data[at] = erase ? before * (255 - stroke) / 255 : Math.max(before, stroke);
      }
    }
    return out;
  }
  function floodFill(mask, x, y, value = 255, tolerance = 96) {
    const { width, height } = mask;
    const result = copyMask(mask);
    const seed = mask.data[y * width + x];
    const seen = new Uint8Array(width * height);
    const stack = [y * width + x];
    const open = (at) => !seen[at] && Math.abs(mask.data[at] - seed) <= tolerance;
    while (stack.length) {
      const start2 = (
        /** @type {number} */
        stack.pop()
      );
      if (!open(start2)) continue;
      const row = start2 - start2 % width;
      let left = start2;
      let right = start2;
      while (left > row && open(left - 1)) left--;
      while (right < row + width - 1 && open(right + 1)) right++;
      for (let at = left; at <= right; at++) {
        seen[at] = 1;
        result.data[at] = value;
        if (at >= width && open(at - width)) stack.push(at - width);
        if (at < width * (height - 1) && open(at + width)) stack.push(at + width);
      }
    }
    return result;
  }

  // javascript/src/stage/tools/paint.js
  var LEAST_PRESSURE = 0.15;
  function paintTarget(stage, mayMake) {
    const state = stage.freeState();
    const chosen = state.regions.filter((region2) => stage.panel.selected.has(region2._id));
    const [width, height] = maskSize(stage.size());
    if (chosen.length !== 1) {
      return mayMake ? { state, region: onTop(state, makeRegion({ mask: "" })), mask: makeMask(width, height), isNew: true } : null;
    }
    const [region] = chosen;
    if (region._lock) return null;
    const text = maskText(region);
    const known = text === void 0 ? drawShape(region, width, height) : stage.masks.get(text) || makeMask(width, height);
    return { state, region, mask: scaleMask(known, width, height), isNew: false };
  }
  function colourOf({ state, region, isNew }) {
    const { regions } = numbered(isNew ? { ...state, regions: [...state.regions, region] } : state);
    return regionColour(regions.find((each) => each._id === region._id)?._number - 1, region.colour);
  }
  var brush = (label, key, erase) => ({
    label,
    key,
    isBrush: true,
    cursor: "none",
    down(stage, point) {
      const target = paintTarget(stage, !erase);
      if (!target) return void stage.panel.note(erase ? "Choose the region to erase from first." : "This region is locked.");
      const { mask } = target;
      const canvas = document.createElement("canvas");
      Object.assign(canvas, { width: mask.width, height: mask.height });
      stage.paint = {
        ...target,
        id: target.region._id,
        cover: makeMask(mask.width, mask.height),
        out: copyMask(mask),
        canvas,
        context: (
          /** @type {CanvasRenderingContext2D} */
          canvas.getContext("2d")
        ),
        colour: colourOf(target)
      };
      tintInto(stage.paint.context, mask, stage.paint.colour, [0, 0, mask.width, mask.height]);
      this.move(stage, point);
    },
    move(stage, point) {
      const { paint } = stage;
      if (!paint) return;
      const r = Math.max(
        0.6,
        stage.brush.size / 2 * Math.min(paint.mask.width, paint.mask.height) * Math.max(LEAST_PRESSURE, point.pressure)
      );
      const to = { x: point.x * paint.mask.width, y: point.y * paint.mask.height, r };
      const rect = strokeSegment(paint.cover, paint.last || to, to, stage.brush.softness);
      applyStroke(paint.mask, paint.cover, erase, paint.out, rect);
      tintInto(paint.context, paint.out, paint.colour, rect);
      paint.last = to;
      stage.redraw();
    },
    up(stage) {
      const { paint } = stage;
      if (!paint) return;
      stage.paint = null;
      putMask(stage, paint, paint.out);
    }
  });
  function putMask(stage, { state, region, isNew }, mask) {
    if (isEmptyMask(mask)) {
      stage.panel.note("Nothing would be left of the region: remove it instead.");
      stage.cancel();
      return;
    }
    const painted = { ...withoutShape(region), mask: storeMask(stage, mask) };
    stage.draft = isNew ? { ...state, regions: [...state.regions, painted] } : { ...state, regions: state.regions.map((each) => each._id === region._id ? painted : each) };
    stage.commit();
    stage.panel.select([region._id], { reveal: isNew });
  }
  var fill = {
    label: "Fill: the area around a click",
    key: "g",
    cursor: "cell",
    down(stage, point) {
      const target = paintTarget(stage, true);
      if (!target) return void stage.panel.note("This region is locked.");
      const { width, height } = target.mask;
      const x = clamp(Math.floor(point.x * width), 0, width - 1);
      const y = clamp(Math.floor(point.y * height), 0, height - 1);
      return putMask(stage, target, floodFill(target.mask, x, y, point.alt ? 0 : 255));
    },
    move() {
    },
    up() {
    }
  };

  // javascript/src/stage/tools/gestures.js
  var hasMasks = (regions) => regions.some((region) => region.mask !== void 0 && !region._lock);
  function startMarquee(stage, point) {
    if (!point.shift) stage.panel.select([]);
    stage.gesture = { kind: "marquee", from: point, kept: new Set(stage.panel.selected) };
  }
  function chooseForMove(stage, state, hit, point) {
    const id = state.regions[hit]._id;
    const was = stage.panel.selected.has(id);
    if (point.shift || point.ctrl) stage.panel.select([...stage.panel.selected].filter((each) => each !== id).concat(was ? [] : [id]));
    else if (!was) stage.panel.select([id], { reveal: true });
    if (state.grid) return;
    const box = stage.selectionBox(state);
    if (box) {
      stage.gesture = {
        kind: "move",
        state,
        box,
        from: point,
        lifted: hasMasks(stage.selectedRegions(state)),
        click: was && !point.shift ? [id] : null
      };
    }
  }
  var gestures = {
    divider(stage, { divider, state }, point) {
      const axis = divider.axis;
      const all = new Set(stage.panel.store.get().regions.map((region) => region._id));
      const { guides, ...at } = stage.snapping && !point.alt ? stage.snapped(point, all) : { ...point, guides: null };
      stage.guides = guides ? { [axis]: guides[axis] } : null;
      stage.draft = { ...state, grid: { ...state.grid, ratios: moveDivider(state.grid, divider, at[axis]) } };
    },
    corner(stage, { state, id, corner }, point) {
      const at = stage.snapped(point, /* @__PURE__ */ new Set([id]));
      stage.guides = at.guides;
      stage.draft = changeRegions(state, /* @__PURE__ */ new Set([id]), (region) => ({
        ...region,
        polygon: (region.polygon || []).map((old, i) => i === corner ? [tidy(at.x), tidy(at.y)] : old)
      }));
    },
    size(stage, gesture, point) {
      const at = stage.snapped(point, stage.panel.selected);
      stage.guides = at.guides;
      const to = resizeBox(gesture.box, gesture.handle, at, stage.size(), point.shift);
      shapeDraft(stage, gesture, to);
    },
    move(stage, gesture, point) {
      const dx = point.x - gesture.from.x;
      const dy = point.y - gesture.from.y;
      if (!stage.draft && isClick(stage, dx, dy)) return;
      const lines2 = stage.lines(stage.panel.selected);
      const snaps = stage.snapping && !point.alt;
      const moved2 = snaps ? snapShift(gesture.box, dx, dy, lines2, stage.reach(), stage.size()) : { dx, dy, guides: null };
      stage.guides = moved2.guides;
      shapeDraft(stage, gesture, shiftBox(gesture.box, moved2.dx, moved2.dy));
    },
    marquee(stage, gesture, point) {
      gesture.to = point;
      const box = boxBetween(gesture.from, point);
      const state = stage.panel.store.get();
      const touched = state.regions.filter((_, index) => overlaps(stage.boundsOf(state, index), box)).map((region) => region._id);
      stage.panel.select([.../* @__PURE__ */ new Set([...gesture.kept, ...touched])]);
    }
  };
  function isClick({ box, view }, dx, dy) {
    return Math.abs(dx) * box.width * view.zoom < 3 && Math.abs(dy) * box.height * view.zoom < 3;
  }
  var overlaps = (a, b) => a[0] < b[2] && b[0] < a[2] && a[1] < b[3] && b[1] < a[3];
  function finishMarquee(stage, gesture) {
    if (!gesture.to && !gesture.kept.size) stage.panel.select([]);
    if (gesture.to && !stage.panel.selected.size) stage.panel.note("Nothing lies there. Box (R) draws a region.");
  }
  function shapeDraft(stage, gesture, to) {
    gesture.to = to;
    const map = boxMap(gesture.box, to);
    stage.draft = changeRegions(
      gesture.state,
      stage.panel.selected,
      (region) => region.mask === void 0 ? mapShape(region, ...map) : warpedPreview(stage, gesture, region, to)
    );
  }
  function warpedPreview(stage, gesture, region, to) {
    const mask = stage.masks.get(region.mask);
    if (!mask) return region;
    const text = `draft:${region._id}`;
    const small = gesture[text] || (gesture[text] = scaleMask(mask, Math.ceil(mask.width / 4), Math.ceil(mask.height / 4)));
    stage.masks.put(text, warpMask(small, gesture.box, to));
    return { ...region, mask: text };
  }
  function finishMasks(stage, gesture) {
    if (!gesture.to || !stage.draft) return;
    const originals = gesture.state.regions;
    stage.draft = changeRegions(stage.draft, stage.panel.selected, (region) => {
      const mask = stage.masks.get(originals.find((each) => each._id === region._id)?.mask);
      return mask ? { ...region, mask: storeMask(stage, warpMask(mask, gesture.box, gesture.to)) } : region;
    });
  }

  // javascript/src/stage/tools/select.js
  var CURSORS = { nw: "nwse", se: "nwse", ne: "nesw", sw: "nesw", n: "ns", s: "ns", e: "ew", w: "ew" };
  var select = {
    label: "Select",
    key: "v",
    cursor: "default",
    down(stage, point) {
      const state = stage.panel.store.get();
      const grabbed = grabbedAt(stage, state, point);
      if (grabbed) {
        stage.gesture = grabbed;
        return;
      }
      const hit = regionAt(state, point.x, point.y, stage.masks.at, (each, index) => stage.boundsOf(each, index));
      if (hit < 0) startMarquee(stage, point);
      else chooseForMove(stage, state, hit, point);
    },
    move(stage, point) {
      if (stage.gesture) gestures[stage.gesture.kind](stage, stage.gesture, point);
      stage.redraw();
    },
    up(stage) {
      const gesture = stage.gesture;
      stage.gesture = null;
      if (!gesture) return;
      if (gesture.kind === "marquee") finishMarquee(stage, gesture);
      else if (gesture.lifted) finishMasks(stage, gesture);
      else if (!stage.draft && gesture.click) stage.panel.select(gesture.click, { reveal: true });
      stage.commit();
    },
    hover(stage, point) {
      stage.canvas.style.cursor = cursorOf(grabbedAt(stage, stage.panel.store.get(), point));
    },
    /** A double click on a polygon's side adds a corner, elsewhere it goes to the region's prompt. */
    double(stage, point) {
      const state = stage.panel.store.get();
      const [region] = stage.selectedRegions(state);
      if (!region) return;
      const index = indexOf(state, region._id);
      const side = region.polygon && !region._lock && !state.grid ? nearSide(stage, region.polygon, point) : -1;
      if (side < 0 || !region.polygon) {
        stage.panel.focusPrompt(index);
        return;
      }
      const polygon2 = region.polygon.slice();
      polygon2.splice(side + 1, 0, [tidy(point.x), tidy(point.y)]);
      stage.panel.edit((s) => replaceRegion(s, index, { ...region, polygon: polygon2 }));
    }
  };
  function grabbedAt(stage, state, point) {
    if (!state.grid) return grabbedHandle(stage, state, point);
    const divider = cellCount(state) === null ? void 0 : nearDivider(stage, state.grid, point);
    return divider ? { kind: "divider", divider, state } : null;
  }
  function cursorOf(grabbed) {
    if (!grabbed) return "default";
    if (grabbed.kind === "divider") return grabbed.divider.axis === "x" ? "col-resize" : "row-resize";
    return grabbed.kind === "size" ? `${CURSORS[grabbed.handle]}-resize` : "move";
  }
  function nearDivider(stage, grid, point) {
    const reach = stage.reach(point.touch ? 2 : 0.8);
    return dividers(grid).find(({ axis, at, from, to }) => {
      const [along, across, near] = axis === "x" ? [point.x, point.y, reach.x] : [point.y, point.x, reach.y];
      return Math.abs(along - at) <= near && across >= from && across <= to;
    });
  }
  function grabbedHandle(stage, state, point) {
    const chosen = stage.selectedRegions(state);
    const box = stage.selectionBox(state);
    const reach = stage.reach(point.touch ? 2 : 1);
    if (!box || chosen.every((region) => region._lock)) return null;
    const points = chosen.length === 1 && chosen[0].polygon;
    const corner = points ? points.findIndex(([x, y]) => Math.abs(x - point.x) <= reach.x && Math.abs(y - point.y) <= reach.y) : -1;
    if (corner >= 0) return { kind: "corner", state, id: chosen[0]._id, corner };
    const handle = handleAt(box, point, reach);
    if (!handle) return null;
    return { kind: "size", state, handle, box, lifted: hasMasks(chosen) };
  }
  function nearSide(stage, points, point) {
    const { zoom } = stage.view;
    const { box } = stage;
    const toPixels = ([x, y]) => [x * zoom * box.width, y * zoom * box.height];
    const [px, py] = toPixels([point.x, point.y]);
    return points.findIndex((corner, i) => {
      const [ax, ay] = toPixels(corner);
      const [bx, by] = toPixels(points[(i + 1) % points.length]);
      const length2 = (bx - ax) ** 2 + (by - ay) ** 2;
      const t2 = length2 ? clamp(((px - ax) * (bx - ax) + (py - ay) * (by - ay)) / length2, 0, 1) : 0;
      return Math.hypot(px - ax - t2 * (bx - ax), py - ay - t2 * (by - ay)) <= 7;
    });
  }

  // javascript/src/stage/tools/shapes.js
  var drag = (kind, label, key) => ({
    label,
    key,
    down(stage, point) {
      stage.gesture = { state: stage.freeState(), from: stage.snapped(point) };
    },
    move(stage, point) {
      if (!stage.gesture) return;
      const to = stage.snapped(point);
      const { state, from } = stage.gesture;
      stage.guides = to.guides;
      const box = boxBetween(from, point.shift ? square(stage, from, to) : to);
      stage.gesture.region = stage.gesture.region || onTop(state, makeRegion({ [kind]: box }));
      stage.gesture.region = { ...stage.gesture.region, [kind]: box };
      stage.draft = isDrawn(box, stage.size()) ? { ...state, regions: [...state.regions, stage.gesture.region] } : null;
      stage.redraw();
    },
    up(stage) {
      const region = stage.draft && stage.gesture && stage.gesture.region;
      stage.gesture = null;
      stage.commit();
      if (region) stage.panel.drawn(region._id);
    }
  });
  function square(stage, from, to) {
    const [width, height] = stage.size();
    const side = Math.max(Math.abs(to.x - from.x) * width, Math.abs(to.y - from.y) * height);
    return { x: from.x + Math.sign(to.x - from.x || 1) * side / width, y: from.y + Math.sign(to.y - from.y || 1) * side / height };
  }
  var polygon = {
    label: "Polygon: click its corners, double click ends; or draw it in one stroke",
    key: "p",
    down(stage, point) {
      const at = stage.snapped(point);
      stage.polygon = stage.polygon || { state: stage.freeState(), points: [] };
      const [first] = stage.polygon.points;
      const reach = stage.reach();
      if (stage.polygon.points.length > 2 && Math.abs(first[0] - at.x) <= reach.x && Math.abs(first[1] - at.y) <= reach.y) {
        return closePolygon(stage);
      }
      stage.polygon.points.push([tidy(at.x), tidy(at.y)]);
      stage.redraw();
      return void 0;
    },
    move(stage, point) {
      if (!stage.polygon) return;
      const last = stage.polygon.points[stage.polygon.points.length - 1];
      const reach = stage.reach(1.2);
      if (Math.abs(last[0] - point.x) < reach.x && Math.abs(last[1] - point.y) < reach.y) return;
      if (stage.polygon.points.length < 500) stage.polygon.points.push([tidy(clamp(point.x, 0, 1)), tidy(clamp(point.y, 0, 1))]);
      stage.polygon.stroke = true;
      stage.redraw();
    },
    up(stage) {
      if (stage.polygon && stage.polygon.stroke && stage.polygon.points.length > 3) closePolygon(stage);
    },
    hover(stage, point) {
      if (!stage.polygon) return;
      const at = stage.snapped(point);
      stage.polygon.next = [at.x, at.y];
      stage.redraw();
    },
    double(stage) {
      if (stage.polygon && stage.polygon.points.length > 3) stage.polygon.points.pop();
      closePolygon(stage);
    }
  };
  function closePolygon(stage) {
    if (!stage.polygon) return;
    const { state, points } = stage.polygon;
    stage.polygon = null;
    const box = shapeBounds({ polygon: points });
    if (points.length < 3 || !isDrawn(box, stage.size())) {
      stage.redraw();
      return;
    }
    const region = onTop(state, makeRegion({ polygon: points }));
    stage.draft = { ...state, regions: [...state.regions, region] };
    stage.commit();
    stage.panel.drawn(region._id);
  }

  // javascript/src/stage/tools/index.js
  var tools = {
    select,
    box: drag("box", "Box", "r"),
    ellipse: drag("ellipse", "Ellipse", "e"),
    polygon,
    brush: brush("Brush", "b", false),
    eraser: brush("Eraser", "x", true),
    fill
  };

  // javascript/src/stage/keys.js
  var ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  var NEAR = 1e-6;
  function attachKeys(stage) {
    const { canvas } = stage;
    canvas.addEventListener("keydown", (event) => {
      if (press(stage, event)) {
        event.preventDefault();
        event.stopPropagation();
      }
    });
    canvas.addEventListener("keyup", (event) => {
      if (event.key === " ") stage.space = false;
    });
    canvas.addEventListener("blur", () => {
      stage.space = false;
      if (stage.cursor && stage.cursor.keys) dropCursor(stage);
    });
  }
  function dropCursor(stage) {
    if (stage.active) stage.end(null);
    stage.cursor = null;
    stage.redraw();
  }
  function press(stage, event) {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey) return withCtrl(stage, key, event);
    if (ARROWS[key]) return arrow(stage, ARROWS[key], event);
    const action = PLAIN[key];
    if (action) return action(stage, event) !== false;
    const tool2 = Object.keys(tools).find((name) => tools[name].key === key);
    if (tool2) stage.setTool(tool2);
    return Boolean(tool2);
  }
  function withCtrl(stage, key, event) {
    const { panel } = stage;
    if (ARROWS[key]) return arrow(stage, ARROWS[key], event);
    if (key === "z") return event.shiftKey ? panel.redo() : panel.undo(), true;
    if (key === "y") return panel.redo(), true;
    if (key === "d") return panel.act("duplicate"), true;
    if (key === "g") return panel.act(event.shiftKey ? "ungroup" : "group");
    if (key === "a") return panel.select(panel.store.get().regions.map((region) => region._id)), true;
    return false;
  }
  var resizeBrush = (factor) => (stage) => {
    stage.brush.size = clamp(stage.brush.size * factor, 0.01, 1);
    stage.bar.update();
    stage.redraw();
  };
  var PLAIN = {
    Delete: (stage) => stage.panel.act("remove"),
    Backspace: (stage) => stage.panel.act("remove"),
    Escape: (stage) => escape(stage),
    Enter: (stage) => enter(stage),
    " ": (stage, event) => space(stage, event),
    PageDown: (stage, event) => step(stage, 1, event.shiftKey),
    PageUp: (stage, event) => step(stage, -1, event.shiftKey),
    "+": (stage) => stage.zoom(1.25),
    "=": (stage) => stage.zoom(1.25),
    "-": (stage) => stage.zoom(0.8),
    0: (stage) => stage.fit(),
    "[": resizeBrush(1 / 1.2),
    "]": resizeBrush(1.2),
    "?": (stage) => showKeys(stage.canvas),
    f: (stage) => toggleFullScreen(stage),
    h: (stage) => stage.panel.act("mirrorX"),
    j: (stage) => stage.panel.act("mirrorY"),
    n: (stage) => stage.panel.addBox()
  };
  function escape(stage) {
    if (stage.active || stage.draft || stage.polygon || stage.paint) {
      stage.active = false;
      stage.cancel();
      return true;
    }
    if (stage.cursor && stage.cursor.keys) return dropCursor(stage), true;
    if (stage.tool !== "select") return stage.setTool("select"), true;
    const any = stage.panel.selected.size > 0;
    stage.panel.select([]);
    return any;
  }
  function enter(stage) {
    if (stage.polygon) {
      closePolygon(stage);
      return true;
    }
    const [region] = stage.selectedRegions();
    return region ? stage.panel.focusPrompt(indexOf(stage.state, region._id)) : false;
  }
  function space(stage, event) {
    if (event.repeat) return;
    if (stage.tool === "select" && !(stage.cursor && stage.cursor.keys)) {
      stage.space = true;
      return;
    }
    stage.cursor = { ...stage.cursor || { x: 0.5, y: 0.5 }, keys: true };
    const point = keyPoint(stage, event);
    if (stage.active) stage.end(point);
    else stage.begin(point);
    if (stage.tool === "polygon" || stage.tool === "fill") stage.active = false;
    stage.redraw();
  }
  var keyPoint = (stage, event) => ({ ...stage.cursor || { x: 0.5, y: 0.5 }, pressure: 1, shift: false, alt: event.altKey, ctrl: false });
  function step(stage, by, more) {
    const state = stage.panel.store.get();
    const { selected } = stage.panel;
    const order = listOrder(state);
    if (!order.length) return;
    const chosen = order.flatMap((index, line) => selected.has(state.regions[index]._id) ? [line] : []);
    const at = chosen.length ? chosen[by > 0 ? chosen.length - 1 : 0] : -1;
    const next = order[(at + by + order.length + (at < 0 && by < 0 ? 1 : 0)) % order.length];
    const region = state.regions[next];
    stage.panel.select([...more ? selected : [], region._id], { reveal: true });
    stage.announce(`${t("Region {0}", numberOf(state, next))} ${region.name || region.prompt || ""}`);
  }
  function arrow(stage, [dx, dy], event) {
    const [width, height] = stage.size();
    const pixels = event.ctrlKey ? 1 : 8;
    if (stage.tool !== "select") return moveCursor(stage, dx * pixels / width, dy * pixels / height, event);
    if (!stage.panel.selected.size) return stage.view.zoom > 1 && panBy(stage, dx, dy);
    const state = stage.panel.store.get();
    if (state.grid) return moveBorder(stage, state, dx * pixels / width, dy * pixels / height);
    const from = stage.selectionBox(state);
    if (!from) return false;
    const to = event.shiftKey ? resizeBox(from, dx ? "e" : "s", { x: from[2] + dx * pixels / width, y: from[3] + dy * pixels / height }, [width, height]) : shiftBox(from, dx * pixels / width, dy * pixels / height);
    stage.panel.place(from, to, `keys:${event.shiftKey}`);
    return true;
  }
  function panBy(stage, dx, dy) {
    stage.view = panView(stage.view, dx / 10 / stage.view.zoom, dy / 10 / stage.view.zoom);
    stage.redraw();
    return true;
  }
  function moveCursor(stage, dx, dy, event) {
    const now = stage.cursor || { x: 0.5, y: 0.5 };
    stage.cursor = { x: clamp(now.x + dx, 0, 1), y: clamp(now.y + dy, 0, 1), keys: true };
    if (stage.active) tools[stage.tool].move(stage, keyPoint(stage, event));
    else tools[stage.tool].hover?.(stage, keyPoint(stage, event));
    const [width, height] = stage.size();
    stage.announce(`${Math.round(stage.cursor.x * width)}, ${Math.round(stage.cursor.y * height)}`);
    stage.redraw();
    return true;
  }
  function moveBorder(stage, state, dx, dy) {
    const { grid } = state;
    if (!grid) return false;
    const index = state.regions.findIndex((region) => stage.panel.selected.has(region._id));
    const [x0, y0, x1, y1] = stage.boundsOf(state, index);
    const axis = dx ? "x" : "y";
    const [before, after, from, to] = dx ? [x0, x1, y0, y1] : [y0, y1, x0, x1];
    const along = dividers(grid).filter((each) => each.axis === axis && from < each.to - NEAR && to > each.from + NEAR);
    const at = (value) => along.find((each) => Math.abs(each.at - value) < NEAR);
    const divider = at(after) || at(before);
    if (!divider) return false;
    const ratios = moveDivider(grid, divider, divider.at + dx + dy);
    stage.panel.edit((now) => ({ ...now, grid: { ...grid, ratios } }), { key: `border:${axis}` });
    return true;
  }

  // javascript/src/model/menu.js
  var LAYERS = [
    { name: "front", label: "Bring to the front" },
    { name: "up", label: "One up" },
    { name: "down", label: "One down" },
    { name: "back", label: "Send to the back" }
  ];
  var LINES = [
    { name: "up", label: "Move up" },
    { name: "down", label: "Move down" }
  ];
  var CELLS = [
    { name: "splitX", label: "Split side by side" },
    { name: "splitY", label: "Split into upper and lower" },
    { name: "merge", label: "Merge with the next cell" }
  ];
  var GROUP = { name: "group", label: "Group", key: "Ctrl+G" };
  var UNGROUP = { name: "ungroup", label: "Take out of the group", key: "Ctrl+Shift+G" };
  var PASTE = { name: "paste", label: "Paste", key: "Ctrl+V" };
  var OF_NONE = [{ name: "add", label: "New box", key: "N" }, { name: "all", label: "Choose all", key: "Ctrl+A" }, PASTE];
  var canMove = (state, ids) => state.regions.length > ids.size && (ids.size === 1 || !state.grid && Boolean(wholeGroup(state, ids)));
  function menuEntries(state, ids, hasPicture) {
    const chosen = state.regions.filter((region) => ids.has(region._id));
    if (!chosen.length) return [OF_NONE];
    const isOne = chosen.length === 1;
    const isOff = chosen.every((region) => region.enabled === false);
    const isLocked = chosen.every((region) => region._lock);
    const again2 = [
      { name: "again", label: "Make it again in the shown picture" },
      { name: "detail", label: "Add detail to it in the shown picture" }
    ];
    const groups = [
      isOne && hasPicture ? again2 : [],
      [
        { name: "duplicate", label: "Duplicate", key: "Ctrl+D" },
        { name: "copy", label: "Copy as JSON", key: "Ctrl+C" },
        PASTE,
        ...isLocked ? [] : [{ name: "remove", label: "Remove", key: "Delete" }]
      ],
      canMove(state, ids) ? isLayered(state) ? LAYERS : LINES : [],
      isOne && state.grid ? CELLS : [],
      isLocked ? [] : [
        { name: "invert", label: "Invert: all but this" },
        { name: "toMask", label: "Convert to a mask" }
      ],
      [
        { name: "mute", label: isOff ? "Switch on" : "Mute" },
        ...isOne ? [{ name: "solo", label: "Only this one, or all again" }] : [],
        { name: "lock", label: isLocked ? "Unlock" : "Lock" }
      ],
      [GROUP, ...chosen.some((region) => region.group) ? [UNGROUP] : []],
      isOne && hasPicture ? [{ name: "layer", label: "Save the shown picture's part as a layer" }] : []
    ];
    return groups.filter((group2) => group2.length);
  }

  // javascript/src/stage/menu.js
  var ARROWS2 = { ArrowDown: 1, ArrowUp: -1 };
  var close = null;
  function openMenu(panel, { x, y }, back) {
    close?.();
    const groups = menuEntries(panel.store.get(), panel.selected, Boolean(shownPicture(panel.tab)));
    const shut = () => {
      close = null;
      node.remove();
      document.removeEventListener("pointerdown", outside, true);
    };
    const choose2 = (name) => {
      shut();
      back.focus({ preventScroll: true });
      panel.act(name);
    };
    const node = el(
      "div",
      { class: "rg rg-menu", role: "menu", "aria-label": "Regions", onkeydown: (event) => keys(event) },
      groups.map(
        (group2) => el(
          "div",
          { class: "rg-menu-group", role: "group" },
          group2.map((entry) => item(entry, choose2))
        )
      )
    );
    const keys = (event) => {
      if (!walk(node, event.key) && event.key !== "Escape" && event.key !== "Tab") return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key !== "Escape" && event.key !== "Tab") return;
      shut();
      back.focus({ preventScroll: true });
    };
    const outside = (event) => node.contains(
      /** @type {Node} */
      event.target
    ) || shut();
    (document.fullscreenElement || accordion(panel.tab) || overPage()).append(node);
    const { width, height } = node.getBoundingClientRect();
    node.style.left = `${clamp(x, 4, Math.max(4, window.innerWidth - width - 4))}px`;
    node.style.top = `${clamp(y, 4, Math.max(4, window.innerHeight - height - 4))}px`;
    document.addEventListener("pointerdown", outside, true);
    close = shut;
    node.querySelector("button")?.focus({ preventScroll: true });
  }
  function item({ name, label, key }, choose2) {
    return el(
      "button",
      { type: "button", class: "rg-menu-item", role: "menuitem", tabindex: "-1", "data-entry": name, onclick: () => choose2(name) },
      el("span", { localized: label }),
      key ? el("kbd", { text: key }) : null
    );
  }
  function walk(node, key) {
    const items = [...node.querySelectorAll("button")];
    const at = items.findIndex((each) => each === document.activeElement);
    const by = ARROWS2[
      /** @type {keyof typeof ARROWS} */
      key
    ];
    const to = by ? (at + by + items.length) % items.length : key === "Home" ? 0 : key === "End" ? items.length - 1 : -1;
    if (to < 0) return false;
    items[to].focus({ preventScroll: true });
    return true;
  }

  // javascript/src/stage/pointers.js
  var APART = 1.15;
  function attachPointers(stage) {
    const { canvas } = stage;
    const pointers = new Pointers(stage);
    canvas.addEventListener("pointerdown", (event) => pointers.down(event));
    canvas.addEventListener("pointermove", (event) => pointers.move(event));
    canvas.addEventListener("pointerup", (event) => pointers.up(event, false));
    canvas.addEventListener("pointercancel", (event) => pointers.up(event, true));
    canvas.addEventListener("pointerleave", () => pointers.leave());
    canvas.addEventListener("dblclick", (event) => tools[stage.tool].double?.(stage, stage.toPoint(event)));
    canvas.addEventListener("contextmenu", (event) => showMenu(stage, event));
    canvas.addEventListener("wheel", (event) => turnWheel(stage, event), { passive: false });
  }
  function showMenu(stage, event) {
    event.preventDefault();
    if (stage.draft || stage.polygon || stage.paint) return;
    const { panel } = stage;
    const byKey = event.button !== 2 && !stage.touched;
    const state = panel.store.get();
    const { x, y } = stage.toPoint(event);
    const hit = byKey ? -1 : regionAt(state, x, y, stage.masks.at, (each, index) => stage.boundsOf(each, index));
    if (hit >= 0 && !panel.selected.has(state.regions[hit]._id)) panel.select([state.regions[hit]._id], { reveal: true });
    if (hit < 0 && !byKey) panel.select([]);
    const box = stage.selectionBox(state);
    const frame = stage.canvas.getBoundingClientRect();
    const [left, top] = box ? stage.toScreen((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) : [frame.width / 2, frame.height / 2];
    openMenu(panel, byKey ? { x: frame.left + left, y: frame.top + top } : { x: event.clientX, y: event.clientY }, stage.canvas);
  }
  function holdsNothing(stage) {
    if (!stage.touched || stage.tool !== "select" || stage.view.zoom > 1) return false;
    if (stage.gesture && stage.gesture.kind !== "marquee") return false;
    stage.gesture = null;
    return true;
  }
  var Pointers = class {
    /** @param {Stage} stage */
    constructor(stage) {
      this.stage = stage;
      this.pressed = /* @__PURE__ */ new Map();
      this.pan = null;
      this.pinch = null;
      this.scroll = null;
    }
    leave() {
      const { stage } = this;
      if (!stage.cursor || stage.cursor.keys) return;
      stage.cursor = null;
      stage.redraw();
    }
    /** @param {PointerEvent} event */
    down(event) {
      const { stage } = this;
      if (event.pointerType === "mouse" && event.button === 2) return;
      stage.touched = event.pointerType === "touch";
      stage.canvas.focus({ preventScroll: true });
      stage.canvas.setPointerCapture(event.pointerId);
      this.pressed.set(event.pointerId, event);
      if (this.pressed.size === 2) this.startPinch();
      if (this.pressed.size > 1) return;
      event.preventDefault();
      if (event.button === 1 || stage.space) this.pan = { x: event.clientX, y: event.clientY, view: stage.view };
      else stage.begin(stage.toPoint(event));
      this.scroll = holdsNothing(stage) ? event.clientY : null;
    }
    /** @param {PointerEvent} event */
    move(event) {
      const { stage } = this;
      if (this.pressed.has(event.pointerId)) this.pressed.set(event.pointerId, event);
      if (this.pinch) this.movePinch(this.pinch);
      else if (this.scroll !== null) this.moveScroll(event);
      else if (this.pan) this.movePan(event, this.pan);
      else this.moveTool(stage, event);
    }
    /**
     * @param {Stage} stage
     * @param {PointerEvent} event
     */
    moveTool(stage, event) {
      const tool2 = tools[stage.tool];
      const point = stage.toPoint(event);
      if (tool2.isBrush) {
        stage.cursor = { x: point.x, y: point.y };
        stage.redraw();
      }
      if (!stage.active) return void tool2.hover?.(stage, point);
      const all = tool2.isBrush && event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      (all.length ? all : [event]).forEach((each) => tool2.move(stage, stage.toPoint(each)));
    }
    /**
     * @param {PointerEvent} event
     * @param {boolean} isLost
     */
    up(event, isLost) {
      const { stage } = this;
      this.pressed.delete(event.pointerId);
      this.scroll = null;
      if (this.pan || this.pinch) {
        this.pan = null;
        if (!this.pressed.size) this.pinch = null;
        return;
      }
      if (stage.active) stage.end(isLost ? null : stage.toPoint(event));
    }
    /**
     * @param {PointerEvent} event
     */
    moveScroll(event) {
      if (this.pressed.has(event.pointerId)) this.scrollTo(event.clientY);
    }
    /**
     * Scroll the page, or the panel on the whole screen, by as much as fingers have moved.
     *
     * @param {number} height Where they are in the window now.
     */
    scrollTo(height) {
      (document.fullscreenElement || window).scrollBy(0, (this.scroll ?? height) - height);
      this.scroll = height;
    }
    startPinch() {
      const { stage } = this;
      this.scroll = this.middle();
      stage.active = false;
      stage.cancel();
      this.pinch = { view: stage.view, ...this.fingers() };
    }
    /** Height of the middle of two fingers in the window. */
    middle() {
      const [a, b] = [...this.pressed.values()];
      return (a.clientY + b.clientY) / 2;
    }
    /** @returns {Fingers} */
    fingers() {
      const frame = this.stage.canvas.getBoundingClientRect();
      const [a, b] = [...this.pressed.values()];
      return {
        far: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1,
        u: ((a.clientX + b.clientX) / 2 - frame.left) / frame.width,
        v: ((a.clientY + b.clientY) / 2 - frame.top) / frame.height
      };
    }
    /** @param {Fingers & {view: View}} pinch */
    movePinch({ view, far, u, v }) {
      if (this.pressed.size < 2) return void 0;
      const now = this.fingers();
      const at = { x: view.x + u / view.zoom, y: view.y + v / view.zoom };
      const zoom = clamp(view.zoom * now.far / far, 1, 32);
      if (this.scroll !== null && view.zoom === 1 && zoom < APART) return this.scrollTo(this.middle());
      this.scroll = null;
      this.stage.view = panView({ zoom, x: at.x - now.u / zoom, y: at.y - now.v / zoom }, 0, 0);
      return this.stage.redraw();
    }
    /**
     * @param {PointerEvent} event
     * @param {{x: number, y: number, view: View}} from
     */
    movePan(event, { x, y, view }) {
      const { box } = this.stage;
      this.stage.view = panView(view, (x - event.clientX) / box.width / view.zoom, (y - event.clientY) / box.height / view.zoom);
      this.stage.redraw();
    }
  };
  function turnWheel(stage, event) {
    const { view, box } = stage;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      stage.zoom(Math.exp(-event.deltaY / 300), stage.toPoint(event));
    } else if (view.zoom > 1) {
      event.preventDefault();
      stage.view = panView(view, event.deltaX / box.width / view.zoom, event.deltaY / box.height / view.zoom);
      stage.redraw();
    }
  }

  // javascript/src/stage/layers/attention_maps.js
  var EVERY = 1500;
  var PENDING = "The next picture shows where the words of each region are looked at.";
  var NONE = "No attention was kept of this picture: the method works without attention of its own regions, or its regions have no words.";
  function tintLevels({ grid: [height, width], levels }, [red, green, blue]) {
    const bytes = Uint8Array.from(atob(levels), (letter) => letter.charCodeAt(0));
    const canvas = el("canvas", { width, height });
    const context = (
      /** @type {CanvasRenderingContext2D} */
      canvas.getContext("2d")
    );
    const pixels = context.createImageData(width, height);
    const least = bytes.reduce((low, level) => Math.min(low, level), 255);
    const reach = Math.max(1, 255 - least);
    bytes.forEach((level, at) => pixels.data.set([red, green, blue, 255 * ((level - least) / reach) ** 1.5], at * 4));
    context.putImageData(pixels, 0, 0);
    return canvas;
  }
  async function refreshAttention(stage, shown2) {
    const { panel, background } = stage;
    background.timer = background.timer || setInterval(() => again(stage, background), EVERY);
    const src = shown2 ? shown2.src : "";
    if (background.waits) return;
    background.waits = true;
    const answer = await callApi(`attention/${encodeURIComponent(panel.mapsName)}`).catch(() => null);
    background.waits = false;
    const key = `${src} ${answer ? `${answer.status} ${answer.data.serial}` : ""}`;
    if (stage.background !== background || key === background.key) return;
    background.key = key;
    const images = answer && answer.ok ? answer.data.images : [];
    background.words = images[shownImage(panel.tab, shown2, images.length)] || null;
    background.tints = /* @__PURE__ */ new Map();
    panel.note(attentionNote(answer, background));
    stage.redraw();
  }
  function attentionNote(answer, { words }) {
    if (!answer) return "The server does not answer.";
    if (!answer.ok || !answer.data.images.length) return PENDING;
    return words && words.length ? "" : NONE;
  }
  function again(stage, background) {
    if (stage.background !== background || !stage.canvas.isConnected) clearInterval(background.timer);
    else if (stage.panel.visible() && !document.hidden) refreshAttention(stage, shownPicture(stage.panel.tab));
  }
  function drawAttention(context, { words, tints }, { at, chosen, state }) {
    const [x0, y0] = at(0, 0);
    const [x1, y1] = at(1, 1);
    context.save();
    context.fillStyle = "rgba(0, 0, 0, 0.35)";
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
    const some = state.regions.some((region) => chosen.has(region._id));
    for (const map of words || []) {
      const region = state.regions[map.region];
      if (some && !(region && chosen.has(region._id))) continue;
      const colour = regionColour(numberOf(state, map.region) - 1, region?.colour);
      const key = `${map.region} ${colour}`;
      const tint = tints?.get(key) || tintLevels(map, colour);
      tints?.set(key, tint);
      context.globalAlpha = 0.85;
      context.drawImage(tint, x0, y0, x1 - x0, y1 - y0);
    }
    context.restore();
  }

  // javascript/src/stage/layers/labels.js
  var labels = /* @__PURE__ */ new Map();
  var MOST_LABELS = 2e3;
  function drawLabel(context, region, number, bounds, view) {
    const mask = maskText(region);
    if (mask !== void 0 && view.masks && !view.masks.bounds(mask) && view.hidden !== region._id) return;
    const [x0, y0] = view.at(bounds[0], bounds[1]);
    const [x1] = view.at(bounds[2], bounds[3]);
    const words = (region.name || (region.prompt || "").replace(/<[^<>]*>/g, " ")).replace(/\s+/g, " ").trim().slice(0, 40);
    const room = x1 - x0 - 10;
    context.font = `600 ${view.fontSize || 12}px system-ui, sans-serif`;
    context.textBaseline = "middle";
    const { text, width: wide } = fittedLabel(context, number, words, room - 8);
    const width = wide + 10;
    const height = (view.fontSize || 12) + 6;
    const x = clamp(x0 + 3, 2, Math.max(2, view.width - width - 2));
    const y = clamp(y0 + 3, 2, Math.max(2, view.height - height - 2));
    context.fillStyle = css(regionColour(number - 1, region.colour), region.enabled === false ? 0.6 : 1);
    context.fillRect(x, y, width, height);
    context.fillStyle = textColour(number - 1, region.colour);
    context.fillText(text, x + 5, y + height / 2 + 0.5);
  }
  function fittedLabel(context, number, words, room) {
    const key = `${context.font} ${Math.round(room)} ${number} ${words}`;
    const known = labels.get(key);
    if (known) return known;
    const made = measured(context, number, words, room);
    if (labels.size >= MOST_LABELS) labels.clear();
    labels.set(key, made);
    return made;
  }
  function measured(context, number, words, room) {
    for (let length = words.length; length > 2; length -= Math.ceil(length / 6)) {
      const text = `${number}  ${words.slice(0, length)}${length < words.length ? "\u2026" : ""}`;
      const { width } = context.measureText(text);
      if (width <= room) return { text, width };
    }
    return { text: String(number), width: context.measureText(String(number)).width };
  }

  // javascript/src/stage/searched.js
  function drawSearched(context, state, view) {
    const found2 = state.regions.map((region, index) => ({ words: searchedWords(region), index })).filter(({ words }) => words !== null);
    const [x0, y0] = view.at(0, 0);
    const [x1, y1] = view.at(1, 1);
    const size = view.fontSize || 12;
    found2.forEach(({ words, index }, line) => {
      const number = numberOf(state, index);
      const { colour } = state.regions[index];
      const inset = 4 + 4 * line;
      context.save();
      context.setLineDash([8, 6]);
      context.lineWidth = view.selected?.has(state.regions[index]._id) ? 3 : 1.5;
      context.strokeStyle = cssColour(number - 1, colour);
      context.strokeRect(x0 + inset, y0 + inset, x1 - x0 - 2 * inset, y1 - y0 - 2 * inset);
      context.restore();
      if (!view.labels) return;
      const text = words ? t("{0}  \u201C{1}\u201D: found while the picture is made", number, words) : t("{0}  no words yet", number);
      context.font = `600 ${size}px system-ui, sans-serif`;
      context.textBaseline = "middle";
      const width = Math.min(context.measureText(text).width + 10, view.width - 16);
      const top = (y0 + y1) / 2 + (line - found2.length / 2) * (size + 10);
      context.fillStyle = cssColour(number - 1, colour);
      context.fillRect((view.width - width) / 2, top, width, size + 8);
      context.fillStyle = textColour(number - 1, colour);
      context.fillText(text, (view.width - width) / 2 + 5, top + size / 2 + 4.5, width - 10);
    });
  }

  // javascript/src/stage/drawing.js
  function tracePath(context, region, bounds, at) {
    const [x0, y0] = at(bounds[0], bounds[1]);
    const [x1, y1] = at(bounds[2], bounds[3]);
    context.beginPath();
    if (region.ellipse) {
      context.ellipse((x0 + x1) / 2, (y0 + y1) / 2, Math.max(0, (x1 - x0) / 2), Math.max(0, (y1 - y0) / 2), 0, 0, 2 * Math.PI);
    } else if (region.polygon) {
      region.polygon.forEach((point, i) => {
        const [x, y] = at(point[0], point[1]);
        if (i) context.lineTo(x, y);
        else context.moveTo(x, y);
      });
      context.closePath();
    } else {
      context.rect(x0, y0, x1 - x0, y1 - y0);
    }
  }
  function drawRegions(context, state, view) {
    const order = state.regions.map((_, index) => index);
    if (state.overlap === "over") order.sort((a, b) => (state.regions[a].priority || 0) - (state.regions[b].priority || 0));
    const boxes = order.map((index) => view.boundsOf(state, index));
    order.forEach(
      (index, i) => drawRegion(context, state.regions[index], numberOf(state, index), boxes[i], { ...view, isGrid: Boolean(state.grid) })
    );
    if (!state.grid) drawSearched(context, state, view);
    if (view.labels) order.forEach((index, i) => drawLabel(context, state.regions[index], numberOf(state, index), boxes[i], view));
  }
  function drawRegion(context, region, number, bounds, view) {
    const colour = regionColour(number - 1, region.colour);
    const chosen = view.selected && view.selected.has(region._id);
    const shape = view.isGrid ? {} : region;
    const off = region.enabled === false;
    const alpha = (view.alpha === void 0 ? 0.32 : view.alpha) * (off ? 0.3 : 1) * (chosen ? 1.35 : 1);
    context.save();
    const text = view.isGrid ? void 0 : maskText(region);
    if (text !== void 0) {
      const tint = view.masks.tint(text, colour);
      context.globalAlpha = Math.min(1, Math.max(alpha, 0.12) * 1.6);
      const [x0, y0] = view.at(0, 0);
      const [x1, y1] = view.at(1, 1);
      if (tint && view.hidden !== region._id) context.drawImage(tint, x0, y0, x1 - x0, y1 - y0);
    } else {
      tracePath(context, shape, bounds, view.at);
      if (alpha > 0) {
        context.fillStyle = css(colour, alpha);
        context.fill();
      }
      context.lineWidth = chosen ? 2.5 : 1.5;
      context.setLineDash(off ? [3, 4] : []);
      context.strokeStyle = css(colour, off ? 0.6 : 1);
      context.stroke();
    }
    context.restore();
  }
  function drawSelection(context, box, at, { handles, locked }) {
    const [x0, y0] = at(box[0], box[1]);
    const [x1, y1] = at(box[2], box[3]);
    context.save();
    const strokes = (
      /** @type {const} */
      [
        ["rgba(0, 0, 0, 0.7)", 3],
        ["#fff", 1.5]
      ]
    );
    for (const [colour, width] of strokes) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.setLineDash(locked ? [2, 4] : [6, 3]);
      context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    }
    context.setLineDash([]);
    for (const [, u, v] of handles ? HANDLES : []) drawKnob(context, x0 + (x1 - x0) * u, y0 + (y1 - y0) * v);
    context.restore();
  }
  function drawKnob(context, x, y, round) {
    context.beginPath();
    if (round) context.arc(x, y, 5, 0, 2 * Math.PI);
    else context.rect(x - 4.5, y - 4.5, 9, 9);
    context.fillStyle = "#fff";
    context.strokeStyle = "#111";
    context.lineWidth = 1.5;
    context.fill();
    context.stroke();
  }
  function drawDividers(context, grid, at) {
    for (const { axis, at: line, from, to } of dividers(grid)) {
      const [a, b] = axis === "x" ? [at(line, from), at(line, to)] : [at(from, line), at(to, line)];
      context.beginPath();
      context.moveTo(...a);
      context.lineTo(...b);
      context.strokeStyle = "rgba(0, 0, 0, 0.65)";
      context.lineWidth = 4;
      context.stroke();
      context.strokeStyle = "#fff";
      context.lineWidth = 1.5;
      context.stroke();
      drawKnob(context, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, true);
    }
  }
  function drawMarquee(context, box, at) {
    const [x0, y0] = at(box[0], box[1]);
    const [x1, y1] = at(box[2], box[3]);
    context.save();
    context.fillStyle = "rgba(255, 255, 255, 0.15)";
    context.fillRect(x0, y0, x1 - x0, y1 - y0);
    context.setLineDash([4, 3]);
    context.strokeStyle = "#fff";
    context.strokeRect(x0, y0, x1 - x0, y1 - y0);
    context.restore();
  }
  function drawGuides(context, guides, at) {
    context.save();
    context.strokeStyle = "#f0f";
    context.lineWidth = 1;
    context.setLineDash([4, 3]);
    context.beginPath();
    const draw2 = ([from, to]) => {
      context.moveTo(...from);
      context.lineTo(...to);
    };
    if (typeof guides.x === "number") draw2([at(guides.x, 0), at(guides.x, 1)]);
    if (typeof guides.y === "number") draw2([at(0, guides.y), at(1, guides.y)]);
    context.stroke();
    context.restore();
  }
  function drawEmpty(context, width, height) {
    context.fillStyle = "#8a8a8a";
    context.fillRect(0, 0, width, height);
    context.fillStyle = "#969696";
    for (let y = 0; y < height; y += 12) for (let x = y / 12 % 2 ? 12 : 0; x < width; x += 24) context.fillRect(x, y, 12, 12);
  }
  function drawThumbnail(canvas, state, masks) {
    const context = (
      /** @type {CanvasRenderingContext2D} */
      canvas.getContext("2d")
    );
    const { width, height } = canvas;
    drawEmpty(context, width, height);
    drawRegions(context, state, {
      at: (x, y) => [x * width, y * height],
      width,
      height,
      masks,
      boundsOf: regionBounds,
      labels: false,
      alpha: 0.75
    });
  }

  // javascript/src/stage/layers/background.js
  var OF_RESULT = ["result", "init", "words"];
  var MOST_PIXELS = 64e6;
  var LONGEST2 = 2048;
  function setBackground(stage, choice) {
    const [kind, scale] = choice.split(":");
    if (kind === "file") {
      chooseFile("image/png,image/jpeg,image/webp", (file) => showFile(stage, file));
      stage.bar.update();
      return;
    }
    stage.panel.note("");
    stage.background = { kind, choice, scale: Number(scale) || null, image: null, stale: kind === "map" };
    stage.panel.push();
    refreshBackground(stage);
    stage.redraw();
  }
  async function showFile(stage, file) {
    try {
      const image = await readPicture(file);
      stage.background = { kind: "file", choice: "file", image };
      stage.panel.push();
      stage.bar.update();
      stage.redraw();
    } catch (error) {
      stage.panel.note(
        error instanceof RangeError ? error.message : t("{0} could not be read as a picture. PNG, JPEG and WebP work.", file.name),
        true
      );
    }
  }
  async function readPicture(file) {
    if (/svg/i.test(file.type)) throw new Error("a drawing without pixels");
    const url = URL.createObjectURL(file);
    const picture = new Image();
    try {
      await new Promise((loaded, failed) => Object.assign(picture, { onload: loaded, onerror: failed, src: url }));
      const { naturalWidth: width, naturalHeight: height } = picture;
      if (width * height > MOST_PIXELS) {
        throw new RangeError(
          t("{0} has {1} megapixels: at most {2} can be shown.", file.name, Math.round(width * height / 1e6), MOST_PIXELS / 1e6)
        );
      }
      await picture.decode();
      const scale = Math.min(1, LONGEST2 / Math.max(width, height));
      return await createImageBitmap(picture, {
        resizeWidth: Math.max(1, Math.round(width * scale)),
        resizeHeight: Math.max(1, Math.round(height * scale)),
        resizeQuality: "medium"
      });
    } finally {
      URL.revokeObjectURL(url);
    }
  }
  function hostPicture(stage) {
    const { tab } = stage.panel;
    if (stage.background.kind !== "init") return shownPicture(tab);
    return givenPicture();
  }
  function refreshBackground(stage) {
    const { kind, scale } = stage.background;
    if (kind === "map") drawWeights(stage, scale);
    if (!OF_RESULT.includes(kind)) return;
    const found2 = hostPicture(stage);
    if (kind === "words") refreshAttention(stage, found2);
    if (!found2) stage.background.image = null;
    else if (!found2.src || stage.background.src !== found2.src) takePicture2(stage, found2);
  }
  function showPicture(stage, src) {
    const before = stage.background;
    const image = new Image();
    image.onload = () => {
      if (stage.background !== before) return;
      stage.background = { kind: "picture", choice: "result", image };
      stage.redraw();
    };
    image.src = src;
  }
  function drawWeights(stage, scale) {
    const { background } = stage;
    stage.panel.checks.drawMap(scale, (image) => {
      if (stage.background !== background) return;
      Object.assign(background, { image, stale: false });
      stage.redraw();
    });
  }
  function takePicture2(stage, found2) {
    const { background } = stage;
    const { src } = found2;
    background.src = src;
    if (found2.tagName === "CANVAS") {
      background.image = found2;
      return;
    }
    const image = new Image();
    image.onload = () => {
      if (stage.background !== background || background.src !== src) return;
      background.image = image;
      stage.redraw();
    };
    image.src = src;
  }

  // javascript/src/stage/render.js
  function drawStage(stage) {
    const { context } = stage;
    const state = numbered(stage.state);
    const { width, height, ratio: ratio2 } = stage.box;
    const at = (x, y) => stage.toScreen(x, y);
    context.setTransform(ratio2, 0, 0, ratio2, 0, 0);
    if (stage.paint && drawGround(stage, stage.paint)) return drawPainted(stage, stage.paint, at);
    drawEmpty(context, width, height);
    drawBackground(stage, at);
    if (state.grid && cellCount(state) === null) return;
    drawLayout(stage, state, at);
    if (!stage.paint) return drawOver(stage, state, at);
    keepGround(stage, stage.paint);
    drawPainted(stage, stage.paint, at);
  }
  function drawLayout(stage, state, at) {
    const { width, height } = stage.box;
    const isMap = stage.background.kind === "map" || stage.background.kind === "words";
    drawRegions(stage.context, state, {
      at,
      width,
      height,
      selected: stage.panel.selected,
      masks: stage.masks,
      boundsOf: (each, index) => stage.boundsOf(each, index),
      labels: true,
      alpha: isMap || stage.background.image || stage.live ? 0 : void 0,
      hidden: stage.paint ? stage.paint.id : void 0
    });
  }
  var drawnFrom = ({ state, view, box, background, live, masks }) => [
    state,
    view,
    box,
    background.image,
    background.stale,
    background.words,
    live,
    live?.src,
    masks.decoded
  ];
  function keepGround(stage, paint) {
    const { width, height } = stage.canvas;
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width, height });
    canvas.getContext("2d")?.drawImage(stage.canvas, 0, 0);
    paint.ground = { canvas, from: drawnFrom(stage) };
  }
  function drawGround(stage, { ground }) {
    if (!ground || drawnFrom(stage).some((value, i) => value !== ground.from[i])) return false;
    const { canvas } = ground;
    const { ratio: ratio2 } = stage.box;
    stage.context.drawImage(canvas, 0, 0, canvas.width / ratio2, canvas.height / ratio2);
    return true;
  }
  function drawPainted(stage, paint, at) {
    drawPaint(stage.context, paint, at);
    if (stage.state.grid) drawDividers(stage.context, stage.state.grid, at);
    if (stage.cursor) drawCursor(stage, stage.cursor, at);
  }
  function drawOver(stage, state, at) {
    const { context } = stage;
    if (stage.polygon) drawPolygon(context, stage.polygon, at);
    drawChosen(stage, state, at);
    if (state.grid) drawDividers(context, state.grid, at);
    if (stage.gesture?.kind === "marquee" && stage.gesture.to) drawMarquee(context, boxBetween(stage.gesture.from, stage.gesture.to), at);
    if (stage.guides) drawGuides(context, stage.guides, at);
    if (stage.cursor) drawCursor(stage, stage.cursor, at);
  }
  function drawBackground(stage, at) {
    const { context, background } = stage;
    const image = OF_RESULT.includes(background.kind) && stage.live ? stage.live : background.image;
    if (!image || !(image.complete === void 0 || image.complete) || !(image.naturalWidth || image.width)) {
      if (background.stale) drawWaiting(stage);
      return;
    }
    const [x0, y0] = at(0, 0);
    const [x1, y1] = at(1, 1);
    context.imageSmoothingEnabled = background.kind !== "map" && (image.naturalWidth || image.width) > 256;
    context.globalAlpha = background.stale ? 0.4 : 1;
    context.drawImage(image, x0, y0, x1 - x0, y1 - y0);
    context.globalAlpha = 1;
    context.imageSmoothingEnabled = true;
    if (background.stale) drawWaiting(stage);
    if (background.words) drawAttention(context, background, { at, chosen: stage.panel.selected, state: stage.state });
  }
  function drawWaiting({ context, box }) {
    const text = t("Drawing the weight map \u2026");
    context.font = "600 13px system-ui, sans-serif";
    context.textBaseline = "middle";
    const width = context.measureText(text).width + 16;
    context.fillStyle = "rgba(0, 0, 0, 0.75)";
    context.fillRect((box.width - width) / 2, box.height - 34, width, 24);
    context.fillStyle = "#fff";
    context.fillText(text, (box.width - width) / 2 + 8, box.height - 21.5);
  }
  function drawPaint(context, paint, at) {
    const [x0, y0] = at(0, 0);
    const [x1, y1] = at(1, 1);
    context.globalAlpha = 0.6;
    context.drawImage(paint.canvas, x0, y0, x1 - x0, y1 - y0);
    context.globalAlpha = 1;
  }
  function drawPolygon(context, { points, next }, at) {
    context.beginPath();
    [...points, ...next ? [next] : []].forEach(([x, y], i) => i ? context.lineTo(...at(x, y)) : context.moveTo(...at(x, y)));
    context.lineWidth = 2;
    context.strokeStyle = "#fff";
    context.stroke();
    points.forEach(([x, y]) => drawKnob(context, ...at(x, y), true));
  }
  function drawChosen(stage, state, at) {
    const chosen = stage.selectedRegions(state);
    const box = stage.selectionBox(state);
    if (!box) return;
    const locked = chosen.every((region) => region._lock);
    const canSize = stage.tool === "select" && !locked && !state.grid;
    drawSelection(stage.context, box, at, { handles: canSize, locked });
    const points = canSize && chosen.length === 1 && chosen[0].polygon;
    if (points) points.forEach(([x, y]) => drawKnob(stage.context, ...at(x, y), true));
  }
  function drawCursor(stage, cursor, at) {
    const { context, box } = stage;
    const [x, y] = at(cursor.x, cursor.y);
    const ring = tools[stage.tool].isBrush ? stage.brush.size / 2 * Math.min(box.width, box.height) * stage.view.zoom : 0;
    const strokes = (
      /** @type {const} */
      [
        ["rgba(0, 0, 0, 0.8)", 3],
        ["#fff", 1.3]
      ]
    );
    for (const [colour, width] of strokes) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      context.beginPath();
      if (ring) context.arc(x, y, ring, 0, 2 * Math.PI);
      if (cursor.keys) {
        context.moveTo(x - 9, y);
        context.lineTo(x + 9, y);
        context.moveTo(x, y - 9);
        context.lineTo(x, y + 9);
      }
      context.stroke();
    }
  }

  // javascript/src/stage/toolbar.js
  var ACTS2 = [
    ["undo", "Undo", "Ctrl+Z"],
    ["redo", "Redo", "Ctrl+Y"],
    ["duplicate", "Duplicate", "Ctrl+D"],
    ["mirrorX", "Mirror left and right", "H"],
    ["mirrorY", "Mirror top and bottom", "J"],
    ["copy", "Copy as JSON", "Ctrl+C"],
    ["paste", "Paste", "Ctrl+V"],
    ["remove", "Remove", "Delete"]
  ];
  var CELL_ACTS = [
    ["splitX", "Split the cell side by side"],
    ["splitY", "Split the cell into upper and lower"],
    ["merge", "Merge with the next cell"]
  ];
  var SCALES = [
    ["1", "picture"],
    ["8", "latent, 1/8"],
    ["16", "attention, 1/16"],
    ["32", "attention, 1/32"],
    ["64", "attention, 1/64"]
  ];
  var SIDES = ["left", "centre", "right", "top", "middle", "bottom"];
  function createToolbar(stage) {
    const parts = createParts(stage);
    const { acts, cells, snap, zoomOut, zoomIn, fit } = parts;
    const further = el("div", { class: "rg-acts" }, group(...Object.values(acts)), group(parts.align, ...Object.values(cells)));
    const bottom = [parts.brush, parts.background, group(snap, zoomOut, zoomIn, fit, parts.full), parts.overlay, parts.caption];
    return {
      top: el("div", { class: "rg-toolbar", role: "toolbar", "aria-label": "Tools of the layout" }, group(...parts.toolButtons), further),
      bottom: el("div", { class: "rg-toolbar rg-caption" }, bottom),
      update: () => update(stage, parts)
    };
  }
  var group = (...nodes) => el("div", { class: "rg-tools", role: "group" }, nodes);
  function createParts(stage) {
    const toolButtons = Object.entries(tools).map(
      ([name, { label, key }]) => tool(name, label, () => stage.setTool(name), { key: key.toUpperCase(), "aria-pressed": "false", "data-action": `tool-${name}` })
    );
    const acts = actButtons(stage, ACTS2);
    const cells = actButtons(stage, CELL_ACTS);
    return { toolButtons, acts, cells, align: alignMenu(stage), ...brushInputs(stage), ...viewInputs(stage) };
  }
  function actButtons(stage, acts) {
    return Object.fromEntries(
      acts.map(([name, label, key]) => [name, tool(name, label, () => stage.panel.act(name), { key, "data-action": name })])
    );
  }
  function alignMenu(stage) {
    const take = () => {
      stage.panel.align(menu.value);
      menu.value = "";
    };
    const menu = el(
      "select",
      { "aria-label": "Align", title: "Align: one region to the picture, several to each other", onchange: take },
      el("option", { value: "", localized: "Align\u2026" }),
      SIDES.map((side) => el("option", { value: side, localized: side }))
    );
    return menu;
  }
  function brushInputs(stage) {
    const range = (name, label, min) => {
      const take = () => stage.brush[name] = Number(input.value);
      const input = el("input", { type: "range", min, max: 1, step: 0.01, "aria-label": label, title: label, oninput: take });
      return input;
    };
    const brushSize = range("size", "Size of the brush", 0.01);
    const brushSoftness = range("softness", "Softness of the brush", 0);
    const brush2 = el(
      "div",
      { class: "rg-tools rg-brush" },
      el("label", { class: "rg-check" }, el("span", { localized: "Size" }), brushSize),
      el("label", { class: "rg-check" }, el("span", { localized: "Soft" }), brushSoftness)
    );
    return { brush: brush2, brushSize, brushSoftness };
  }
  function backgroundMenu(stage) {
    const isImg2img = stage.panel.tab === "img2img";
    const menu = el(
      "select",
      {
        "aria-label": "Background",
        title: "What lies under the regions",
        "data-action": "background",
        onchange: () => setBackground(stage, menu.value)
      },
      el("option", { value: "none", localized: "Background: none" }),
      el("option", { value: "result", localized: "last result" }),
      isImg2img ? el("option", { value: "init", localized: "init image" }) : null,
      el("option", { value: "file", localized: "a picture\u2026" }),
      el(
        "optgroup",
        { label: t("Weight map") },
        SCALES.map(([value, text]) => el("option", { value: `map:${value}`, text: `${t("weights")}: ${t(text)}` }))
      ),
      el("optgroup", { label: t("Attention") }, el("option", { value: "words", localized: "attention of the words" }))
    );
    return menu;
  }
  function viewInputs(stage) {
    const toggleSnapping = () => {
      stage.snapping = !stage.snapping;
      stage.bar.update();
    };
    const overlay = el("input", { type: "checkbox", "data-action": "overlay", onchange: () => stage.panel.overlay.show(overlay.checked) });
    const overlayTitle = { class: "rg-check", title: "Draw the regions over the picture in the gallery" };
    return {
      background: backgroundMenu(stage),
      snap: tool("magnet", "Snap to edges, thirds and 8 pixels", toggleSnapping, { "aria-pressed": "true", "data-action": "snap" }),
      caption: el("span", { class: "rg-hint" }),
      overlay: el("label", overlayTitle, overlay, el("span", { localized: "over the result" })),
      zoomIn: tool("zoomIn", "Zoom in", () => stage.zoom(1.5), { key: "+" }),
      zoomOut: tool("zoomOut", "Zoom out", () => stage.zoom(1 / 1.5), { key: "-" }),
      fit: tool("fit", "Show all", () => stage.fit(), { key: "0" }),
      full: tool("full", "Full screen", () => toggleFullScreen(stage), { key: "F", "data-action": "full-screen" })
    };
  }
  function update(stage, parts) {
    const { panel } = stage;
    const hasGrid = Boolean(panel.store.get().grid);
    const none = !panel.selected.size;
    parts.toolButtons.forEach((node) => {
      const on = node.dataset.action === `tool-${stage.tool}`;
      node.classList.toggle("rg-on", on);
      node.setAttribute("aria-pressed", String(on));
    });
    const { acts, align: align2, cells } = parts;
    acts.undo.disabled = !panel.history.canUndo();
    acts.redo.disabled = !panel.history.canRedo();
    for (const name of ["duplicate", "copy", "remove"]) acts[name].disabled = none;
    for (const name of ["mirrorX", "mirrorY"]) acts[name].disabled = none || hasGrid;
    align2.hidden = hasGrid;
    align2.disabled = none;
    Object.values(cells).forEach((node) => {
      node.hidden = !hasGrid;
      node.disabled = panel.selected.size !== 1;
    });
    updateView(stage, parts);
  }
  function updateView(stage, { brush: brush2, brushSize, brushSoftness, snap, fit, caption, background }) {
    const { width, height } = stage.panel.size();
    brush2.hidden = !tools[stage.tool].isBrush;
    brushSize.value = String(stage.brush.size);
    brushSoftness.value = String(stage.brush.softness);
    snap.classList.toggle("rg-on", stage.snapping);
    snap.setAttribute("aria-pressed", String(stage.snapping));
    fit.disabled = stage.view.zoom === 1;
    const zoom = stage.view.zoom > 1 ? `${Math.round(stage.view.zoom * 100)} %` : "";
    caption.textContent = [`${width} \xD7 ${height}`, zoom, stage.panel.cost].filter(Boolean).join(" \xB7 ");
    background.value = stage.background.choice || "none";
    dressTool(snap, "magnet", t(stage.snapping ? "Snapping to edges, thirds and 8 pixels: on" : "Snapping: off"));
  }

  // javascript/src/stage/stage.js
  var REACH = 8;
  var CANVAS = {
    class: "rg-canvas",
    tabindex: "0",
    role: "application",
    "aria-roledescription": "layout editor",
    "aria-label": "Layout of the regions. Press ? for the keys.",
    "data-action": "stage"
  };
  var Stage = class {
    /** @param {Panel} panel */
    constructor(panel) {
      this.panel = panel;
      this.view = { zoom: 1, x: 0, y: 0 };
      this.tool = "select";
      this.snapping = true;
      this.brush = { size: 0.16, softness: 0.4 };
      this.draft = null;
      this.guides = null;
      this.cursor = null;
      this.gesture = null;
      this.paint = null;
      this.polygon = null;
      this.active = false;
      this.space = false;
      this.touched = false;
      this.freed = "";
      this.waiting = false;
      this.box = { width: 0, height: 0, ratio: 1 };
      this.background = { kind: "result", choice: "result", image: null };
      this.live = null;
      this.masks = new MaskCache(this.redraw.bind(this), this.size.bind(this));
      this.canvas = el("canvas", CANVAS);
      this.context = /** @type {CanvasRenderingContext2D} */
      this.canvas.getContext("2d");
      this.liveText = el("div", { class: "rg-sr", "aria-live": "polite" });
      this.frame = el("div", { class: "rg-stage" }, this.canvas);
      this.bar = createToolbar(this);
      this.node = el("div", { class: "rg-figure" }, this.bar.top, this.frame, this.bar.bottom, this.liveText);
      attachPointers(this);
      attachKeys(this);
      if (typeof ResizeObserver !== "undefined") new ResizeObserver(() => this.resize()).observe(this.frame);
    }
    // ------------------------------------------------ state
    /** The state to show: the work in progress, else the panel's. */
    get state() {
      return this.draft || this.panel.store.get();
    }
    /** @returns {Size} */
    size() {
      const { width, height } = this.panel.size();
      return [width, height];
    }
    update() {
      const { width, height } = this.panel.size();
      const ratio2 = `${width} / ${height}`;
      this.bar.update();
      if (this.frame.dataset.ratio === ratio2 && this.box.width) return void this.redraw();
      this.frame.dataset.ratio = ratio2;
      this.frame.style.aspectRatio = ratio2;
      this.frame.style.setProperty("--rg-ratio", String(width / height));
      this.resize();
    }
    /**
     * Make the work in progress the state; a `key` joins it with the step of the same key just before.
     *
     * @param {string} [key]
     */
    commit(key) {
      const next = this.draft;
      const hadGrid = Boolean(this.panel.store.get().grid);
      Object.assign(this, { draft: null, guides: null });
      if (next) this.panel.edit(() => next, { key });
      else this.redraw();
      if (next && hadGrid && !next.grid && this.freed) this.panel.note(this.freed);
      this.freed = "";
    }
    cancel() {
      Object.assign(this, { draft: null, guides: null, paint: null, polygon: null, gesture: null });
      this.redraw();
    }
    /**
     * Box around region `index`, that of its mask's pixels included.
     *
     * @param {State} state
     * @param {number} index
     * @returns {Box}
     */
    boundsOf(state, index) {
      const region = state.regions[index];
      const text = !state.grid && region ? maskText(region) : void 0;
      if (text !== void 0) return text && this.masks.bounds(text) || [0, 0, 1, 1];
      return regionBounds(state, index);
    }
    /** Box around the selected regions, null without any. */
    selectionBox(state = this.state) {
      return unionBox(
        state.regions.flatMap((region, index) => this.panel.selected.has(region._id) ? [this.boundsOf(state, index)] : [])
      );
    }
    selectedRegions(state = this.state) {
      return state.regions.filter((region) => this.panel.selected.has(region._id));
    }
    /** @param {string} name */
    setTool(name) {
      if (this.tool === name) return;
      this.cancel();
      this.tool = name;
      this.cursor = null;
      this.bar.update();
      this.canvas.style.cursor = tools[name].cursor || "crosshair";
      this.announce(tools[name].label);
      this.redraw();
    }
    /** The state with free shapes, for a tool that draws: the cells of a grid become boxes, those of a grid without any text vanish. */
    freeState() {
      const state = this.panel.store.get();
      if (!state.grid) return state;
      const isEmpty = state.regions.every(isBlank);
      this.freed = isEmpty ? "Your drawing took the place of the empty grid." : "The grid has become free shapes, so that you can draw.";
      return isEmpty ? { ...useShapes(state), regions: [] } : useShapes(state);
    }
    /**
     * Announce a text to screen readers.
     *
     * @param {string} text
     */
    announce(text) {
      this.liveText.textContent = t(text);
    }
    resize() {
      const box = this.frame.getBoundingClientRect();
      const ratio2 = Math.min(2, window.devicePixelRatio || 1);
      const width = Math.max(1, Math.round(box.width * ratio2));
      const height = Math.max(1, Math.round(box.height * ratio2));
      if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, { width, height });
      this.box = { width: width / ratio2, height: height / ratio2, ratio: ratio2 };
      this.redraw();
    }
    /**
     * Shares of the picture -> CSS pixels of the canvas.
     *
     * @param {number} x
     * @param {number} y
     * @returns {[number, number]}
     */
    toScreen(x, y) {
      const { zoom } = this.view;
      return [(x - this.view.x) * zoom * this.box.width, (y - this.view.y) * zoom * this.box.height];
    }
    /**
     * A mouse, pen or touch event as a point of the picture.
     *
     * @param {MouseEvent} event
     * @returns {ToolPoint}
     */
    toPoint(event) {
      const frame = this.canvas.getBoundingClientRect();
      const u = (event.clientX - frame.left) / frame.width;
      const v = (event.clientY - frame.top) / frame.height;
      const { pointerType, pressure } = (
        /** @type {PointerEvent} */
        event
      );
      return {
        x: this.view.x + u / this.view.zoom,
        y: this.view.y + v / this.view.zoom,
        pressure: pointerType === "pen" ? pressure : 1,
        shift: event.shiftKey,
        alt: event.altKey,
        ctrl: event.ctrlKey || event.metaKey,
        touch: pointerType === "touch"
      };
    }
    /** How near a pointer has to be, as shares of the picture. */
    reach(scale = 1) {
      const { zoom } = this.view;
      return { x: REACH * scale / zoom / this.box.width, y: REACH * scale / zoom / this.box.height };
    }
    /**
     * A point where snapping puts it; Alt switches that off. Borders of the regions of `except` are left out.
     *
     * @param {ToolPoint} point
     * @param {Set<number>} [except]
     * @returns {Point & {guides: Guides | null}}
     */
    snapped(point, except = /* @__PURE__ */ new Set()) {
      if (!this.snapping || point.alt) return { x: clamp(point.x, 0, 1), y: clamp(point.y, 0, 1), guides: null };
      return snapPoint(point, this.lines(except), this.reach(), this.size());
    }
    /**
     * Lines to snap to.
     *
     * @param {Set<number>} except
     */
    lines(except) {
      const state = this.panel.store.get();
      return snapLines(state.regions.flatMap((region, index) => except.has(region._id) ? [] : [this.boundsOf(state, index)]));
    }
    /**
     * @param {number} factor
     * @param {Point} [at] The point that keeps its position; the middle by default.
     */
    zoom(factor, at) {
      this.view = zoomView(this.view, factor, at || { x: this.view.x + 0.5 / this.view.zoom, y: this.view.y + 0.5 / this.view.zoom });
      this.bar.update();
      this.redraw();
    }
    fit() {
      this.view = { zoom: 1, x: 0, y: 0 };
      this.bar.update();
      this.redraw();
    }
    redraw() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => {
        this.waiting = false;
        if (this.canvas.isConnected && this.box.width) this.draw();
      });
    }
    draw() {
      drawStage(this);
    }
    /**
     * Press the tool.
     *
     * @param {ToolPoint} point
     */
    begin(point) {
      this.active = true;
      tools[this.tool].down(this, point);
    }
    /**
     * Release the tool; null gives up what it did.
     *
     * @param {ToolPoint | null} point
     */
    end(point) {
      this.active = false;
      if (point) tools[this.tool].up(this, point);
      else this.cancel();
    }
  };

  // javascript/src/panel/overlay.js
  function createOverlay(panel, stage) {
    const canvas = el("canvas", { class: "rg-overlay", "aria-hidden": "true" });
    let on = false;
    let timer;
    function update2() {
      const image = on ? shownPicture(panel.tab) : null;
      if (!image || !image.naturalWidth || !panel.visible()) return void canvas.remove();
      const { left, top, width, height } = pictureBox(image);
      if (!canvas.isConnected) document.body.append(canvas);
      const style = { left: left + window.scrollX, top: top + window.scrollY, width, height };
      Object.entries(style).forEach(([name, value]) => canvas.style.setProperty(name, `${value}px`));
      Object.assign(canvas, { width: Math.round(width), height: Math.round(height) });
      drawRegions(
        /** @type {CanvasRenderingContext2D} */
        canvas.getContext("2d"),
        panel.store.get(),
        {
          at: (x, y) => [x * width, y * height],
          width,
          height,
          masks: stage.masks,
          labels: true,
          alpha: 0,
          boundsOf: (state, index) => stage.boundsOf(state, index)
        }
      );
    }
    function show2(value) {
      on = value;
      clearInterval(timer);
      if (on) timer = setInterval(update2, 400);
      update2();
    }
    return { update: update2, show: show2 };
  }

  // javascript/src/panel/keys.js
  function attachPanelKeys(panel, node) {
    node.addEventListener("keydown", (event) => {
      const target = (
        /** @type {HTMLElement} */
        event.target
      );
      const taken = isTyping(target) ? inText(panel, event, target) : withCtrl2(panel, event);
      if (!taken) return;
      event.preventDefault();
      event.stopPropagation();
    });
  }
  function withCtrl2(panel, event) {
    const key = event.key.toLowerCase();
    if (!(event.ctrlKey || event.metaKey) || !["z", "y"].includes(key)) return false;
    if (key === "y" || event.shiftKey) panel.redo();
    else panel.undo();
    return true;
  }
  function inText(panel, event, target) {
    if (event.key === "Escape" && panel.stage.tool !== "select") {
      panel.stage.setTool("select");
      panel.stage.canvas.focus({ preventScroll: true });
      return true;
    }
    const step2 = event.key === "PageDown" ? 1 : event.key === "PageUp" ? -1 : 0;
    if (!step2 || target.tagName !== "TEXTAREA") return false;
    const order = listOrder(panel.store.get());
    const at = order.findIndex((index) => target.dataset.field === `regions[${index}].prompt`);
    if (at < 0 && target.dataset.action !== "background-prompt") return false;
    if (at + step2 < 0) panel.list.background.focus();
    else if (order.length) panel.focusPrompt(order[Math.min(at + step2, order.length - 1)]);
    return true;
  }

  // javascript/src/host/networks.js
  var AGAIN = 15e3;
  var found = null;
  var asked = -Infinity;
  var knownNetworks = () => found;
  async function askNetworks(changed) {
    if (performance.now() - asked >= AGAIN) await loadNetworks(changed);
  }
  async function loadNetworks(changed) {
    asked = performance.now();
    try {
      const answer = await callApi("networks");
      if (!answer.ok) return errorText(answer);
      if (!Array.isArray(answer.data.loras)) return "The server has no list.";
      const before = JSON.stringify([...found?.known || []]);
      found = networksOf(answer.data);
      if (before !== JSON.stringify([...found.known])) changed();
      return "";
    } catch (error) {
      return error.message;
    }
  }
  function networksOf({ loras, aliases = [], embeddings = [], pictures = {} }) {
    const sorted = (names) => [...names].sort((a, b) => a.toLowerCase() < b.toLowerCase() ? -1 : 1);
    const shown2 = { loras: new Set(pictures.loras), embeddings: new Set(pictures.embeddings) };
    return { loras: sorted(loras), embeddings: sorted(embeddings), known: /* @__PURE__ */ new Set([...loras, ...aliases]), pictures: shown2 };
  }
  var isUnknown = (kind, name) => found !== null && kind !== "hypernet" && !found.known.has(name);
  var pictureOf = (kind, name) => found?.pictures[kind].has(name) ? routeUrl(`networks/${kind}/picture?name=${encodeURIComponent(name)}`) : null;

  // javascript/src/model/prompt/networks.js
  function findNetworks(text) {
    return [...String(text || "").matchAll(/<(lora|lyco|hypernet):([^:<>\n]+)(?::([^<>\n]*))?>/gi)].map(([, kind, name, weight]) => ({
      kind: kind.toLowerCase(),
      name: name.trim(),
      weight: weight === void 0 ? "1" : weight
    }));
  }
  function searchNames(names, search) {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean);
    return names.filter((name) => words.every((word2) => name.toLowerCase().includes(word2)));
  }
  function firstLetters(name) {
    const [first = "", second] = name.match(/[\p{L}\p{N}]+/gu) || [];
    const letters = second ? [first, second].map((word2) => [...word2][0]) : [...first].slice(0, 2);
    return letters.join("").toUpperCase() || "?";
  }
  var nameInPrompt = (kind, name) => kind === "loras" ? `<lora:${name}:1>` : name;
  function spaced(text, at, words) {
    const before = at > 0 && !/[\s([{|]/.test(text[at - 1]) ? " " : "";
    const after = at < text.length && !/[\s,.;:)\]}|]/.test(text[at]) ? " " : "";
    return before + words + after;
  }
  var MOVES = { ArrowLeft: () => -1, ArrowRight: () => 1, ArrowUp: (columns) => -columns, ArrowDown: (columns) => columns };
  function nextTile(key, at, count, columns) {
    if (key === "Home") return 0;
    if (key === "End") return count - 1;
    if (!MOVES[key]) return null;
    const to = at + MOVES[key](columns);
    if (to < 0) return key === "ArrowUp" ? -1 : 0;
    return Math.min(to, count - 1);
  }

  // javascript/src/model/prompt/completion.js
  var OPEN = /<(?:lora|lyco):([^<>:\n]*)$/i;
  var WORD = /(?:^|[\s,.;:()[\]{}|])((?=[^\s,.;:()[\]{}|<>]{3})[^\s,;:()[\]{}|<>]+)$/u;
  function completionAt(text, caret, names) {
    const found2 = OPEN.exec(text.slice(0, caret));
    if (!found2) return null;
    const written = found2[1].trim().toLowerCase();
    const begins = (name) => name.toLowerCase().startsWith(written) ? 0 : 1;
    const matches = names.filter((name) => name.toLowerCase().includes(written)).sort((a, b) => begins(a) - begins(b) || (a < b ? -1 : 1));
    const after = /^[^<>\n]*>?/.exec(text.slice(caret));
    const isClosed = Boolean(after && after[0].endsWith(">"));
    return { from: caret - found2[1].length, to: isClosed && after ? caret + after[0].length : caret, matches };
  }
  function embeddingAt(text, caret, names) {
    if (!names.length || /^[\p{L}\p{N}_-]/u.test(text.slice(caret))) return null;
    const word2 = WORD.exec(text.slice(Math.max(0, caret - 200), caret))?.[1];
    if (!word2 || names.includes(word2)) return null;
    const matches = names.filter((name) => name.toLowerCase().startsWith(word2.toLowerCase())).sort();
    return { from: caret - word2.length, to: caret, matches, isWord: true };
  }
  function completed(text, { from, to, isWord }, name) {
    const strength = /^[^<>:\n]*:([^<>\n]*)>$/.exec(text.slice(from, to))?.[1] || "1";
    const words = isWord ? name : `${name}:${strength}>`;
    return { text: text.slice(0, from) + words + text.slice(to), caret: from + words.length };
  }

  // javascript/src/widgets/completion.js
  var MOST3 = 40;
  var lastList = 0;
  var hasOther = () => Boolean(document.querySelector(".autocompleteResults, .autocompleteParent"));
  function typeInto(input, from, to, words) {
    input.focus({ preventScroll: true });
    input.setSelectionRange(from, to);
    if (document.execCommand("insertText", false, words)) return;
    input.setRangeText(words, from, to, "end");
    input.dispatchEvent(new Event("input", { bubbles: true }));
  }
  var NameList = class {
    /**
     * @param {HTMLTextAreaElement} input
     * @param {HTMLElement} holder Gets the list.
     * @param {() => {loras: string[], embeddings: string[]}} names
     */
    constructor(input, holder, names) {
      this.input = input;
      this.names = names;
      this.at = null;
      this.chosen = 0;
      const id = `regional_names_${++lastList}`;
      this.list = el("div", { class: "rg-names", role: "listbox", "aria-label": "LoRAs and embeddings", id, hidden: true });
      holder.append(this.list);
      input.setAttribute("aria-autocomplete", "list");
      input.addEventListener("input", () => this.show());
      input.addEventListener("keydown", (event) => this.press(event));
      input.addEventListener("blur", () => this.close());
    }
    close() {
      this.at = null;
      this.list.hidden = true;
      this.input.removeAttribute("aria-controls");
      this.input.removeAttribute("aria-activedescendant");
    }
    show() {
      const { input, list } = this;
      this.at = hasOther() ? null : this.completion(input.value, input.selectionStart);
      if (!this.at?.matches.length) return this.close();
      this.chosen = this.at.isWord ? -1 : 0;
      list.replaceChildren(...this.at.matches.slice(0, MOST3).map((name, i) => this.option(name, `${list.id}_${i}`)));
      list.hidden = false;
      input.setAttribute("aria-controls", list.id);
      return this.mark();
    }
    /**
     * @param {string} text
     * @param {number} caret
     */
    completion(text, caret) {
      const { loras, embeddings } = this.names();
      return completionAt(text, caret, loras) || embeddingAt(text, caret, embeddings);
    }
    mark() {
      const { children } = this.list;
      [...children].forEach((node, i) => node.setAttribute("aria-selected", String(i === this.chosen)));
      if (this.chosen < 0) return this.input.removeAttribute("aria-activedescendant");
      this.input.setAttribute("aria-activedescendant", children[this.chosen].id);
      return children[this.chosen].scrollIntoView({ block: "nearest" });
    }
    /**
     * @param {string} name
     * @param {string} id
     */
    option(name, id) {
      const choose2 = (event) => {
        event.preventDefault();
        this.take(name);
      };
      return el("div", { class: "rg-name", role: "option", id, text: name, onpointerdown: choose2 });
    }
    /** @param {string} name */
    take(name) {
      const { input, at } = this;
      if (!at) return;
      const { text, caret } = completed(input.value, at, name);
      typeInto(input, at.from, at.to, text.slice(at.from, caret));
      this.close();
    }
    /** @param {KeyboardEvent} event */
    press(event) {
      const { at, list } = this;
      if (!at || list.hidden) return;
      const count = list.children.length;
      const isMarked = this.chosen >= 0;
      const by = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
      const takes = event.key === "Tab" || event.key === "Enter" && !event.ctrlKey && !event.metaKey;
      if (by) this.chosen = isMarked ? (this.chosen + by + count) % count : by > 0 ? 0 : count - 1;
      else if (takes && isMarked) this.take(at.matches[this.chosen]);
      else if (event.key === "Escape") this.close();
      else return;
      event.preventDefault();
      event.stopPropagation();
      if (by) this.mark();
    }
  };

  // javascript/src/panel/pickers/tiles.js
  function networkTile(name, picture, onclick) {
    const letters = el("span", { class: "rg-letters", "aria-hidden": "true", text: firstLetters(name) });
    const onerror = ({ currentTarget }) => (
      /** @type {Element} */
      currentTarget.replaceWith(letters)
    );
    const face = picture === null ? letters : el("img", { alt: "", loading: "lazy", decoding: "async", onerror, src: picture });
    const attributes = { class: "rg-tile rg-network", "data-network": name, tabindex: "-1", onclick };
    return el("button", { type: "button", ...attributes }, face, el("span", { class: "rg-network-name", text: name }));
  }
  var columnsOf = (tiles) => Math.max(1, tiles.filter((tile) => tile.offsetTop === tiles[0].offsetTop).length);

  // javascript/src/panel/pickers/network_picker.js
  var MOST4 = 200;
  var KINDS = {
    loras: {
      label: "LoRAs",
      none: "The host lists no LoRAs. Put files into its folder for them, and press the arrow that asks again.",
      unmatched: 'No LoRA has "{0}" in its name.'
    },
    embeddings: {
      label: "Embeddings",
      none: "The host lists no embeddings. Put files into its folder for them, and press the arrow that asks again.",
      unmatched: 'No embedding has "{0}" in its name.'
    }
  };
  var NAMES2 = (
    /** @type {NetworkKind[]} */
    Object.keys(KINDS)
  );
  var NetworkPicker = class {
    /**
     * @param {Panel} panel
     * @param {PickerTarget} target
     * @param {PickerFields} fields
     * @param {HTMLElement} back Gets the keyboard when nothing is chosen.
     */
    constructor(panel, target, fields, back) {
      /** Why the lists could not be had. */
      __publicField(this, "fault", "");
      __publicField(this, "isAsking", false);
      /** @type {NetworkKind} */
      __publicField(this, "kind", "loras");
      this.panel = panel;
      this.name = target.name;
      this.fields = fields;
      this.back = back;
      this.switches = NAMES2.map((kind) => button(KINDS[kind].label, () => this.show(kind), { "data-kind": kind }));
      this.search = el("input", {
        type: "text",
        class: "rg-picker-search",
        placeholder: "search: parts of a name",
        "aria-label": "Search by name",
        "data-action": "picker-search",
        spellcheck: "false",
        autocomplete: "off",
        oninput: () => this.draw()
      });
      this.into = el("input", { type: "checkbox", "data-action": "picker-negative" });
      this.intoLabel = el("label", { class: "rg-check" }, this.into, el("span", { localized: "into the negative prompt" }));
      this.status = el("div", { class: "rg-hint", role: "status" });
      this.tiles = el("div", { class: "rg-tiles rg-picker-tiles", role: "group" });
      const parts = [this.head(), this.search, this.intoLabel, this.status, this.tiles];
      this.dialog = openDialog("rg-picker", target.title, () => this.back, parts);
      this.dialog.addEventListener("keydown", (event) => this.press(event));
      this.search.focus();
      this.show("loras");
      if (!knownNetworks()) this.ask();
    }
    head() {
      const kinds = el("div", { class: "rg-switch", role: "group", "aria-label": "What to choose from" }, this.switches);
      const again2 = tool("refresh", "Ask the host for its lists again", () => this.ask(), { "data-action": "picker-refresh" });
      const close2 = tool("remove", "Close", () => this.dialog.close(), { "data-action": "picker-close", key: "Esc" });
      return el("div", { class: "rg-picker-head" }, kinds, el("span", { class: "rg-last" }, again2, close2));
    }
    /** Ask the host for its lists, and draw what it answers. */
    async ask() {
      if (this.isAsking) return;
      this.isAsking = true;
      this.draw();
      this.fault = await loadNetworks(() => this.panel.list.renew());
      this.isAsking = false;
      if (this.dialog.isConnected) this.draw();
    }
    /** @param {NetworkKind} kind */
    show(kind) {
      this.kind = kind;
      this.switches.forEach((node) => {
        const isThis = node.dataset.kind === kind;
        node.classList.toggle("rg-on", isThis);
        node.setAttribute("aria-pressed", String(isThis));
      });
      this.tiles.setAttribute("aria-label", t(KINDS[kind].label));
      this.intoLabel.hidden = kind !== "embeddings" || !this.fields.negative.input;
      this.draw();
    }
    /** The tiles that the search finds, and in words what is not there. */
    draw() {
      const names = knownNetworks()?.[this.kind] || [];
      const found2 = searchNames(names, this.search.value);
      this.status.textContent = this.words(names.length, found2.length);
      this.status.classList.toggle("rg-problem-text", Boolean(this.fault) && !this.isAsking);
      this.tiles.replaceChildren(
        ...found2.slice(0, MOST4).map((name) => networkTile(name, pictureOf(this.kind, name), () => this.choose(name)))
      );
      this.tiles.scrollTop = 0;
      const first = (
        /** @type {HTMLElement | null} */
        this.tiles.firstElementChild
      );
      if (first) first.tabIndex = 0;
    }
    /**
     * @param {number} all How many the host lists.
     * @param {number} found How many of them the search finds.
     */
    words(all, found2) {
      const { none, unmatched } = KINDS[this.kind];
      if (this.isAsking) return t("Asking the host \u2026");
      if (this.fault) return t("The list could not be had: {0}", this.fault);
      if (!all) return t(none);
      if (!found2) return t(unmatched, this.search.value.trim());
      const more = found2 > MOST4 ? t("{0} of {1}: search for the others.", MOST4, found2) : t("{0} of {1}", found2, all);
      return `${this.name} \xB7 ${more}`;
    }
    /**
     * Write a network into the prompt, at its caret, as one step of the history.
     *
     * @param {string} name
     */
    choose(name) {
      const { prompt, negative } = this.fields;
      const input = this.kind === "embeddings" && this.into.checked && negative.input || prompt.input;
      const at = input.selectionEnd;
      const words = spaced(input.value, at, nameInPrompt(this.kind, name));
      const closed = input.closest("details");
      if (closed) closed.open = true;
      this.back = input;
      this.dialog.close();
      this.panel.history.seal();
      typeInto(input, at, at, words);
      this.panel.history.seal();
    }
    /** @param {KeyboardEvent} event */
    press(event) {
      const tiles = (
        /** @type {HTMLElement[]} */
        [...this.tiles.children]
      );
      const at = tiles.indexOf(
        /** @type {HTMLElement} */
        event.target
      );
      if (event.target === this.search) {
        if (event.isComposing || !tiles.length) return;
        if (event.key === "Enter") tiles[0].click();
        else if (event.key === "ArrowDown") move(tiles, 0);
        else return;
      } else {
        const to = at < 0 ? null : nextTile(event.key, at, tiles.length, columnsOf(tiles));
        if (to === null) return;
        if (to < 0) this.search.focus();
        else move(tiles, to);
      }
      event.preventDefault();
    }
  };
  function move(tiles, to) {
    tiles.forEach((tile, i) => tile.tabIndex = i === to ? 0 : -1);
    tiles[to].focus();
  }

  // javascript/src/panel/pickers/network_parts.js
  var NONE2 = { loras: [], embeddings: [] };
  function completeNames(panel, { node, input }) {
    const ask2 = () => askNetworks(() => panel.list.renew());
    new NameList(input, node, () => (ask2(), knownNetworks() || NONE2));
    input.addEventListener("focus", ask2);
  }
  function pickerButton(panel, target, fields, { name, title }) {
    const opener = button("LoRA\u2026", () => new NetworkPicker(panel, target(), fields, opener), {
      class: "rg-button rg-mini",
      title,
      "data-action": name
    });
    return opener;
  }
  function networkChips() {
    const node = el("div", { class: "rg-networks" });
    let seen = [];
    return {
      node,
      show(text) {
        const now = [text, knownNetworks()];
        if (now.every((value, i) => value === seen[i])) return;
        seen = now;
        node.replaceChildren(...findNetworks(text).map(chip));
      }
    };
  }
  function chip({ kind, name, weight }) {
    const unknown = isUnknown(kind, name);
    const title = unknown ? t("There is no LoRA of this name.") : t("{0}, strength {1}", kind, weight);
    const text = unknown ? t("{0}: no such LoRA", name) : `${name} ${weight}`;
    return el("span", { class: `rg-chip${unknown ? " rg-unknown" : ""}`, title, text });
  }

  // javascript/src/model/prompt/split.js
  var REGION_KEYS = ["ADDCOL", "ADDROW", "BREAK", "AND"];
  var SEPARATORS = { break: REGION_KEYS, lines: [], and: ["AND"] };
  function splitAtWords(text, words) {
    const pattern = new RegExp(`<[^<>\\n:]*:[^<>\\n]*>|(?<![\\p{L}\\p{N}_])(${words.join("|")})(?![\\p{L}\\p{N}_])`, "gu");
    const pieces = [];
    const found2 = [];
    let start2 = 0;
    for (const match of text.matchAll(pattern)) {
      if (!match[1]) continue;
      pieces.push(text.slice(start2, match.index));
      found2.push(match[1]);
      start2 = match.index + match[0].length;
    }
    return [[...pieces, text.slice(start2)], found2];
  }
  function splitPrompt(text, mode) {
    const [pieces, found2] = splitAtWords(text, ["ADDCOMM", "ADDBASE", ...SEPARATORS[mode]]);
    const head = found2.filter((key) => key === "ADDCOMM" || key === "ADDBASE");
    if (!["", "ADDCOMM", "ADDBASE", "ADDCOMM ADDBASE"].includes(head.join(" ")) || head.some((key, i) => found2[i] !== key)) {
      throw new Error(
        `The keys of the prompt are ${found2.join(" ")}: at most one ADDCOMM, then at most one ADDBASE, then the regions can be read.`
      );
    }
    const front = (key) => head.includes(key) ? pieces[head.indexOf(key)].trim() : null;
    let regions = pieces.slice(head.length);
    let keys = found2.slice(head.length);
    if (mode === "lines") {
      regions = lines(regions[0], head.length > 0);
      keys = regions.slice(1).map(() => "\n");
    }
    const weighted = regions.map((piece) => mode === "and" ? takeWeight(piece) : [piece, 1]);
    return {
      common: front("ADDCOMM"),
      base: front("ADDBASE"),
      keys,
      regions: weighted.map(([piece]) => piece.trim()),
      weights: weighted.map(([, weight]) => weight)
    };
  }
  function lines(text, afterKey) {
    const all = text.split(/\r\n|\r|\n/);
    while (all.length > 1 && !all[all.length - 1].trim()) all.pop();
    return afterKey && all.length > 1 && !all[0].trim() ? all.slice(1) : all;
  }
  function takeWeight(text) {
    const colon = text.lastIndexOf(":");
    const match = colon < 0 ? null : /^[-+]?(?:\d+(?:\.\d*)?|\.\d+)$/.exec(text.slice(colon + 1).trim());
    return match ? [text.slice(0, colon).trimEnd(), Number(match[0])] : [text, 1];
  }
  function joinTexts(...parts) {
    const texts2 = parts.flatMap((part) => part && /[^ \t\r\n,]/.test(part) ? [part] : []);
    const pieces = texts2.slice(0, 1);
    for (const text of texts2.slice(1)) {
      const left = withoutSeam(pieces[pieces.length - 1]);
      const right = text.replace(/^[ \t\r\n,]+/, "");
      const bare = /\b(BREAK|AND)$/.test(left.slice(-KEY_AND_BEFORE)) || /^(BREAK|AND)\b/.test(right);
      pieces.splice(-1, 1, left, bare ? " " : ", ", right);
    }
    return pieces.join("");
  }
  var KEY_AND_BEFORE = "BREAK".length + 1;
  function withoutSeam(text) {
    let end = text.length;
    while (end && " 	\r\n,".includes(text[end - 1])) end--;
    return text.slice(0, end);
  }
  var joinedParts = (parts) => joinTexts(parts.common, parts.base, ...parts.regions);
  function detectMode(text) {
    const [, keys] = splitAtWords(text, ["ADDCOMM", "ADDBASE", ...REGION_KEYS]);
    if (keys.some((key) => key !== "AND" && key !== "ADDCOMM" && key !== "ADDBASE")) return "break";
    if (keys.includes("AND")) return "and";
    if (splitPrompt(text, "lines").regions.length > 1) return "lines";
    return keys.length ? "break" : null;
  }

  // javascript/src/model/prompt/parts.js
  function partsOfPrompt({ text_from: mode, regions }, prompt) {
    if (mode !== "break" && mode !== "lines" && mode !== "and") return [];
    try {
      const parts = splitPrompt(prompt, mode).regions;
      return regions.map((_, index) => parts[index] ?? null);
    } catch {
      return regions.map(() => null);
    }
  }

  // javascript/src/panel/regions/background_row.js
  var MODES = [
    ["joined", "joined to every region"],
    ["apart", "only where no region is"],
    ["shared", "mixed into regions by"],
    ["own", "each region has its share"]
  ];
  var MODE_HELP = "How the prompt of the whole picture acts where regions are";
  var PICKER_HELP = "LoRAs and embeddings for the whole picture, with their pictures";
  var SHARE_HELP = "Share of the main prompt inside every region, in per cent";
  function backgroundRow(panel) {
    const parts = { ...textParts(panel), ...modeParts(panel) };
    const head = el(
      "div",
      { class: "rg-head" },
      el("strong", { class: "rg-background-name", localized: "Background" }),
      parts.mode,
      parts.share
    );
    const node = el("div", { class: "rg-background", "data-field": "base", tabindex: "-1" }, head, parts.line, parts.chips.node, parts.own);
    return {
      node,
      focus: () => parts.text.focus({ preventScroll: true }),
      update: (state) => updateRow(panel, parts, state)
    };
  }
  function textParts(panel) {
    const write = () => {
      if (panel.store.get().base.prompt === null) writePrompt(panel.tab, "prompt", text.value);
      else panel.edit((state) => setField(state, "base.prompt", text.value), { key: "field:base.prompt" });
    };
    const text = el("textarea", {
      rows: 1,
      spellcheck: "false",
      class: "scroll-hide",
      "aria-label": "Background: the main prompt",
      placeholder: "the main prompt",
      "data-action": "background-prompt",
      oninput: write
    });
    const back = button("Use the main prompt", () => panel.edit((state) => setField(state, "base.prompt", null)), {
      "data-action": "background-main"
    });
    const own = el("div", { class: "rg-row rg-hint" }, el("span", { localized: "A base prompt stands in place of the main prompt." }), back);
    return { text, own, ...networksOf2(panel, text) };
  }
  function networksOf2(panel, text) {
    const holder = el("div", { class: "rg-wide" }, text);
    const negative = () => panel.store.get().base.negative === null ? find(`#${panel.tab}_neg_prompt textarea`) : panel.parts.texts.querySelector("[data-field='base.negative']");
    const fields = {
      prompt: { input: text },
      get negative() {
        return { input: negative() };
      }
    };
    const target = () => ({ name: t("Background"), title: t("LoRAs and embeddings for the whole picture") });
    completeNames(panel, { node: holder, input: text });
    const opener = pickerButton(panel, target, fields, { name: "background-lora", title: PICKER_HELP });
    return { line: el("div", { class: "rg-background-line" }, holder, opener), chips: networkChips() };
  }
  function modeParts(panel) {
    const mode = el(
      "select",
      {
        "aria-label": MODE_HELP,
        title: MODE_HELP,
        "data-field": "base.joined",
        "data-action": "background-mode",
        onchange: () => panel.edit((state) => setBackgroundMode(state, mode.value))
      },
      MODES.map(([value, words]) => el("option", { value, localized: words, hidden: value === "own" }))
    );
    const take = () => {
      const value = parseNumber(percent.value);
      const share2 = typeof value === "number" ? value / 100 : value === void 0 ? 0 : value;
      panel.edit((state) => withShare(state, share2), { key: "background-share" });
    };
    const percent = el("input", { type: "text", inputmode: "decimal", "aria-label": SHARE_HELP, title: SHARE_HELP, oninput: take });
    const share = el("label", { class: "rg-check rg-percent", "data-action": "background-share" }, percent, el("span", { text: "%" }));
    return { mode, percent, share };
  }
  function updateRow(panel, { text, own, chips, mode, percent, share }, state) {
    const isOwn = state.base.prompt !== null;
    const shown2 = isOwn ? String(state.base.prompt) : panel.prompts().prompt;
    if (text.value !== shown2) text.value = shown2;
    text.setAttribute("aria-label", t(isOwn ? "Background: the base prompt" : "Background: the main prompt"));
    own.hidden = !isOwn;
    chips.show(shown2);
    const chosen = backgroundMode(state);
    if (mode.value !== chosen) mode.value = chosen;
    share.hidden = chosen !== "shared";
    const per = commonShare(state);
    if (per !== null && document.activeElement !== percent) percent.value = String(Math.round(per * 1e3) / 10);
  }

  // javascript/src/panel/regions/card_foot.js
  var PICKER_HELP2 = "LoRAs and embeddings for this region, with their pictures";
  var AGAIN_HELP = "Make this region of the shown picture again; the rest stays";
  var DETAIL_HELP = "Make the shown picture again with a detail pass of this region; the rest stays";
  function cardFoot(panel, index, fields) {
    const { prompt, negative } = fields;
    const part = el("div", { class: "rg-hint rg-part" });
    const chips = networkChips();
    const warning = el("div", { class: "rg-card-warning" });
    const target = () => {
      const number = numberOf(panel.store.get(), index());
      return { name: t("Region {0}", number), title: t("LoRAs and embeddings for region {0}", number) };
    };
    [prompt, negative].forEach((field) => completeNames(panel, field));
    const act2 = (name, label, title, action) => button(label, action, { class: "rg-button rg-mini", title, "data-action": name });
    const acts = el(
      "div",
      { class: "rg-card-acts" },
      pickerButton(panel, target, fields, { name: "add-lora", title: PICKER_HELP2 }),
      act2("again", "Again", AGAIN_HELP, () => makeAgain(panel, index())),
      act2("detail", "Detail", DETAIL_HELP, () => addDetail(panel, index()))
    );
    return {
      part,
      networks: chips.node,
      warning,
      acts,
      /** @type {(state: State, region: Region, part: string | null | undefined) => void} */
      update(state, region, text) {
        part.hidden = text === void 0;
        part.textContent = text === null ? t("The main prompt has no part for this region.") : text ? t("From the main prompt: {0}", text) : "";
        chips.show(region.prompt);
      }
    };
  }

  // javascript/src/panel/regions/card_head.js
  var toggle = (field, value) => (state, at) => replaceRegion(state, at, withSwitch(state.regions[at], field, value(state.regions[at])));
  var removeUnlocked = (state, at) => state.regions[at]._lock ? state : removeRegion(state, at);
  function cardHead(panel, index, name) {
    const swatch = el("span", { class: "rg-swatch", "aria-hidden": "true" });
    const grip = el("span", { class: "rg-grip", title: "Drag to another place in the list", "aria-hidden": "true" }, icon("grip"));
    const act2 = (picture, label, change) => tool(picture, label, () => panel.edit((state) => change(state, index())));
    const buttons = {
      mute: act2(
        "eye",
        "Mute",
        toggle("enabled", (region) => region.enabled === false)
      ),
      alone: act2("solo", "Solo", solo),
      lock: act2(
        "unlock",
        "Lock",
        toggle("_lock", (region) => !region._lock)
      ),
      more: tool("more", "More", ({ currentTarget }) => showMenu2(panel, index(), currentTarget), { "aria-haspopup": "menu" }),
      remove: tool("remove", "Remove", () => {
        const at = index();
        panel.edit((state) => removeUnlocked(state, at));
        panel.list.focusAfterRemoval(at);
      })
    };
    const node = el("div", { class: "rg-head" }, grip, swatch, name.node, Object.values(buttons));
    return {
      node,
      grip,
      /** @type {(state: State, region: Region, position: number) => void} */
      update(state, region, position) {
        swatch.textContent = String(numberOf(state, position));
        dressButtons(buttons, state, region, position);
      }
    };
  }
  function showMenu2(panel, index, pressed) {
    const button2 = (
      /** @type {HTMLElement} */
      pressed
    );
    panel.select([panel.store.get().regions[index]._id]);
    const { left, bottom } = button2.getBoundingClientRect();
    openMenu(panel, { x: left, y: bottom + 2 }, button2);
  }
  function dressButtons({ mute, alone, lock, more, remove }, state, region, position) {
    const number = numberOf(state, position);
    const off = region.enabled === false;
    dressTool(mute, off ? "eyeOff" : "eye", t(off ? "Switch region {0} on" : "Mute region {0}", number));
    dressTool(alone, "solo", t("Only region {0}, or all again", number));
    alone.classList.toggle("rg-on", Boolean(state._solo) && state._solo.id === region._id);
    dressTool(lock, region._lock ? "lock" : "unlock", t(region._lock ? "Unlock region {0}" : "Lock region {0}", number));
    lock.classList.toggle("rg-on", Boolean(region._lock));
    dressTool(more, "more", t("More of region {0}", number));
    dressTool(remove, "remove", t("Remove region {0}", number));
    remove.disabled = !canRemove(state) || Boolean(region._lock);
  }

  // javascript/src/panel/regions/drag.js
  var KIND = "application/x-regional";
  var GROUP2 = "group:";
  var dragged = /* @__PURE__ */ new WeakMap();
  var draggedGroup = (name) => `${GROUP2}${name}`;
  var read = (text) => text.startsWith(GROUP2) ? { index: -1, group: text.slice(GROUP2.length) } : { index: Number(text), group: "" };
  var ofCard = (index) => ({
    what: () => String(index()),
    dropped: (state, { index: from, group: group2 }) => group2 ? placeGroup(state, group2, index()) : reorder(state, from, index())
  });
  function attachDrag(panel, node, grip, index, kind = ofCard(index)) {
    grip.addEventListener("pointerdown", () => node.draggable = true);
    grip.addEventListener("pointerup", () => node.draggable = false);
    node.addEventListener("dragend", () => node.draggable = false);
    node.addEventListener("dragstart", ({ dataTransfer }) => {
      if (!dataTransfer) return;
      dataTransfer.setData(KIND, kind.what());
      dragged.set(panel, index());
      dataTransfer.effectAllowed = "move";
    });
    node.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes(KIND)) return;
      event.preventDefault();
      node.classList.add(isAbove(panel, index()) ? "rg-drop" : "rg-drop-below");
    });
    node.addEventListener("dragleave", () => node.classList.remove("rg-drop", "rg-drop-below"));
    node.addEventListener("drop", (event) => {
      node.classList.remove("rg-drop", "rg-drop-below");
      const from = event.dataTransfer?.getData(KIND);
      if (!from) return;
      event.preventDefault();
      panel.edit((state) => kind.dropped(state, read(from)));
    });
  }
  function isAbove(panel, index) {
    const order = listOrder(panel.store.get());
    return order.indexOf(dragged.get(panel) ?? index) >= order.indexOf(index);
  }

  // javascript/src/panel/regions/group_field.js
  function groupField(panel, at, id, title) {
    const names = el("datalist", { id: `regional_${panel.tab}_groups_${id}` });
    const input = el("input", {
      type: "text",
      list: names.id,
      title,
      maxlength: LONGEST_GROUP,
      autocomplete: "off",
      "data-action": "region-group",
      onfocus: () => names.replaceChildren(...groupNames(panel.store.get()).map((value) => el("option", { value }))),
      onchange: () => panel.edit((state) => setGroup(state, [id], input.value.trim()))
    });
    const update2 = (state) => {
      input.dataset.field = at("group")();
      const { group: group2 = "" } = state.regions[indexOf(state, id)] || {};
      if (input.value !== group2 && document.activeElement !== input) input.value = group2;
    };
    return { node: labelled("Group", el("span", { class: "rg-group-field" }, input, names)), input, update: update2 };
  }

  // javascript/src/panel/regions/drawn_inputs.js
  var CORNERS = ["left", "top", "right", "bottom"];
  var SEVERAL = ["union", "intersection", "difference"];
  function alternatives(schema, kind) {
    const name = kind === "procedural" ? "kind" : "op";
    const rows = regionSchema(schema)[kind]?.oneOf || [];
    return Object.fromEntries(
      rows.flatMap(
        ({ properties = {} }) => (properties[name].enum || [properties[name].const]).map((value) => [String(value), properties])
      )
    );
  }
  var defaults = (properties) => copy(
    Object.fromEntries(Object.entries(properties).flatMap(([name, { default: value }]) => value === void 0 ? [] : [[name, value]]))
  );
  function drawnShape(schema, kind, region) {
    if (kind === "combined") {
      const before = shapeKind(region) || "box";
      const part = before === "words" ? { box: [0, 0, 1, 1] } : { [before]: copy(region[before] ?? [0, 0, 1, 1]) };
      return { op: "invert", of: [part] };
    }
    if (kind === "words") return { text: "" };
    const [first] = Object.entries(alternatives(schema, kind));
    return first ? { kind: first[0], ...defaults(first[1]) } : null;
  }
  function drawnInputs(panel, kind, region, at) {
    if (kind === "words") return wordInputs(panel, region, at);
    const rows = alternatives(panel.schema, kind);
    const shape = region[kind] || {};
    const name = kind === "procedural" ? "kind" : "op";
    const isSeveral = (shape.of || []).length > 1;
    const choices = Object.keys(rows).filter((value) => name === "kind" || SEVERAL.includes(value) === isSeveral);
    const select2 = selectField(panel, at(`${kind}.${name}`), name === "kind" ? "Kind" : "Operation", choices.map(worded));
    select2.input.addEventListener("change", () => choose(panel, kind, region, name, rows, select2.input.value));
    const parts = Object.entries(rows[shape[name]] || {}).filter(([key]) => key !== name && key !== "of");
    const inputs = parts.map(([key, schema]) => parameterInputs(panel, key, schema, (path) => at(`${kind}.${path}`)));
    return { nodes: [select2.node, ...inputs.flatMap((each) => each.nodes)], fields: [select2, ...inputs.flatMap((each) => each.fields)] };
  }
  function wordInputs(panel, region, at) {
    const { properties = {} } = regionSchema(panel.schema).words?.oneOf?.find((one) => one.properties) || {};
    const shown2 = Object.entries(properties).filter(([name]) => name !== "found");
    const fields = shown2.map(([name, schema]) => schemaField(panel, at(`words.${name}`), name, schema)).filter((field) => field !== null);
    const nodes = fields.map((field) => field.node);
    const search = () => {
      const index = indexOf(panel.store.get(), region._id);
      panel.edit((state) => setField(state, `regions[${index}].words`, { ...state.regions[index].words, found: void 0 }));
    };
    const title = "This picture's parameters have brought the mask; without it the words are searched again";
    if (region.words?.found) nodes.push(button("Search the words again", search, { "data-action": "words-search", title }));
    return { nodes, fields };
  }
  var worded = (value) => [value, value.replace("_", " ")];
  function choose(panel, kind, region, name, rows, chosen) {
    const index = indexOf(panel.store.get(), region._id);
    const given = region[kind];
    const properties = rows[chosen] || {};
    const kept = Object.fromEntries(Object.entries(given).filter(([key]) => key in properties));
    const needed = kind === "procedural" && chosen === "text" && !kept.text ? { text: "A" } : {};
    const amount = "amount" in properties && !("amount" in kept) ? { amount: chosen === "threshold" ? 0.5 : 0.02 } : {};
    const shape = { ...defaults(properties), ...kept, ...needed, ...amount, [name]: chosen };
    panel.edit((state) => setField(state, `regions[${index}].${kind}`, shape));
  }
  function parameterInputs(panel, name, schema, at) {
    const title = schema.description;
    if (schema.type === "array" && schema.items?.type === "array") return pairsInput(panel, name, schema, at);
    if (schema.type === "array") {
      const sides = schema.maxItems === 4 ? CORNERS : ["x", "y"].map((axis) => `${labelOf(name)} ${axis}`);
      const fields = sides.map((side, i) => numberField(panel, at(`${name}[${i}]`), side, { min: 0, max: 1, title }));
      return { nodes: fields.map((field2) => field2.node), fields };
    }
    const field = schema.type === "string" && !schema.enum ? promptField(panel, at(name), labelOf(name)) : schemaField(panel, at(name), name, schema);
    return field ? { nodes: [field.node], fields: [field] } : { nodes: [], fields: [] };
  }
  function pairsInput(panel, name, schema, at) {
    const path = at(name);
    const write = () => panel.edit((state) => setField(state, path(), parsePoints(input.value)), { key: `field:${path()}` });
    const input = el("textarea", { rows: 3, "data-field": path(), spellcheck: "false", title: schema.description, oninput: write });
    const field = {
      node: labelled(`${labelOf(name)}: position value, one a line`, input, { class: "rg-field rg-points" }),
      input,
      update(state) {
        const shown2 = formatPoints(
          path().split(/[.[\]]+/).filter(Boolean).reduce(
            (value, key) => value?.[key],
            /** @type {any} */
            state
          )
        );
        if (document.activeElement !== input && input.value !== shown2) input.value = shown2;
      }
    };
    return { nodes: [field.node], fields: [field] };
  }

  // javascript/src/panel/regions/shape_inputs.js
  var NAMES3 = { procedural: "computed", words: "words of the base prompt" };
  function drawShapeInputs(panel, holder, state, region, at) {
    if (state.grid) {
      holder.replaceChildren();
      return [];
    }
    const kind = shapeKind(region);
    const index = () => indexOf(panel.store.get(), region._id);
    const select2 = el(
      "select",
      { "data-field": at("shape")(), "aria-label": "Shape", onchange: () => changeKind(panel, index(), select2.value) },
      kind ? null : el("option", { value: "", localized: "choose\u2026" }),
      SHAPE_KINDS.map((value) => el("option", { value, localized: NAMES3[value] || value }))
    );
    select2.value = kind || "";
    const { nodes, fields } = kind ? shapeInputs(panel, kind, region, at) : { nodes: [], fields: [] };
    holder.replaceChildren(labelled("Shape", select2), ...nodes);
    return fields;
  }
  async function changeKind(panel, index, kind) {
    const region = panel.store.get().regions[index];
    const { stage } = panel;
    if (DRAWN_KINDS.includes(kind)) {
      const shape = drawnShape(panel.schema, kind, region);
      return shape && panel.edit((state) => replaceRegion(state, index, { ...withoutShape(region), [kind]: shape }));
    }
    if (kind !== "mask" || region.mask !== void 0 || region._mask) return panel.edit((state) => setShapeKind(state, index, kind));
    const text = maskText(region);
    const drawn = text && (stage.masks.get(text) || await stage.masks.wait(text));
    if (panel.store.get().regions[index] !== region) return void 0;
    const mask = drawn || drawShape(region, ...maskSize(stage.size()));
    return panel.edit((state) => replaceRegion(state, index, { ...withoutShape(region), mask: storeMask(stage, mask) }));
  }
  function shapeInputs(panel, kind, region, at) {
    if (kind === "mask") return { nodes: maskInputs(panel, region), fields: [] };
    if (kind === "polygon") return { nodes: [polygonInput(panel, region, at)], fields: [] };
    if (DRAWN_KINDS.includes(kind)) return drawnInputs(panel, kind, region, at);
    const title = "Share of the picture's width or height, 0 to 1";
    const fields = ["left", "top", "right", "bottom"].map((side, i) => {
      const far = i < 2 ? 0 : 1;
      return numberField(panel, at(`${kind}[${i}]`), side, { min: 0, max: 1, fallback: far, whenEmpty: far, title });
    });
    return { nodes: fields.map((field) => field.node), fields };
  }
  function polygonInput(panel, region, at) {
    const points = region.polygon || [];
    const write = () => panel.edit((state) => setField(state, at("polygon")(), parsePoints(input.value)), { key: `polygon:${region._id}` });
    const input = el("textarea", {
      rows: clamp(points.length, 3, 8),
      "data-field": at("polygon[0]")(),
      spellcheck: "false",
      value: formatPoints(points),
      oninput: write
    });
    return labelled("Points: x y, one a line, 0 to 1", input, { class: "rg-field rg-points" });
  }
  function maskInputs(panel, region) {
    const index = () => indexOf(panel.store.get(), region._id);
    const choose2 = () => chooseFile(PICTURES, (file) => loadMask(panel, index(), file));
    return [
      button("Load a picture\u2026", choose2, { "data-action": "mask-load", title: "White is inside, greys are kept" }),
      button("Save as PNG", () => saveMask(panel, index()), { "data-action": "mask-save" })
    ];
  }
  async function saveMask(panel, index) {
    const region = panel.store.get().regions[index];
    const mask = await panel.stage.masks.wait(region.mask);
    if (!mask) return panel.note("This region has no mask yet.");
    const name = (region.name || `region ${numberOf(panel.store.get(), index)}`).replace(/[^\p{L}\p{N} _-]/gu, "");
    return download(`${name}.png`, new Blob([encodePng(mask)], { type: "image/png" }));
  }

  // javascript/src/panel/regions/card.js
  var NUMBERS2 = ["weight", "base_share", "feather", "priority"];
  var MANY2 = 4;
  var ELSEWHERE = ["prompt", "negative", "name", "group", "colour", "enabled", "steps", ...SHAPE_KINDS];
  var STEP_HELP = ["Share of the steps after which this region begins, 0 to 1", "Share of the steps after which this region ends, 0 to 1"];
  function createCard(panel, id) {
    const index = () => indexOf(panel.store.get(), id);
    const at = (name) => () => `regions[${index()}]${name ? `.${name}` : ""}`;
    const fields = cardFields(panel, at, id);
    const head = cardHead(panel, index, fields.name);
    const foot = cardFoot(panel, index, fields);
    const shape = el("div", { class: "rg-row rg-shape" });
    const more = el(
      "details",
      { class: "rg-more" },
      el("summary", { localized: "Negative, weight, steps \u2026" }),
      fields.negative.node,
      el(
        "div",
        { class: "rg-numbers" },
        fields.numbers.map((field) => field.node)
      ),
      shape
    );
    const choose2 = {
      onfocusin: () => panel.selected.has(id) || panel.select([id]),
      onclick: (event) => chooseByClick(panel, id, event)
    };
    const below = el("div", { class: "rg-card-foot" }, foot.acts, more);
    const pictures = droppable((file) => takePicture(panel, index(), file));
    const parts = [head.node, fields.prompt.node, foot.part, foot.networks, foot.warning, below];
    const node = el("div", { class: "rg-region", role: "group", tabindex: "-1", ...choose2, ...pictures }, parts);
    attachDrag(panel, node, head.grip, index);
    const update2 = cardUpdate(panel, { node, head, fields, foot, shape, more, at });
    const seen = null;
    return {
      node,
      prompt: fields.prompt.input,
      tokens: fields.tokens,
      warning: foot.warning,
      update: update2,
      seen: (
        /** @type {unknown[] | null} */
        seen
      )
    };
  }
  function cardUpdate(panel, { node, head, fields, foot, shape: holder, more, at }) {
    const all = [fields.name, fields.prompt, fields.negative, ...fields.numbers];
    let shape;
    let before;
    let shapeFields = [];
    return (state, region, position) => {
      all.forEach((field) => field.update(state));
      head.update(state, region, position);
      dressCard(panel, node, fields, state, region, position);
      foot.update(state, region, panel.list.parts(state)[position]);
      const kind = `${Boolean(state.grid)} ${shapeKind(region)} ${region.procedural?.kind} ${region.combined?.op} ${Boolean(region.words?.found)}`;
      const isMoved = more.open && before && !same(before.region.polygon, region.polygon);
      if (kind !== shape || isMoved) shapeFields = drawShapeInputs(panel, holder, state, region, at);
      shapeFields.forEach((field) => field.update(state));
      shape = kind;
      before = { region, position };
    };
  }
  function chooseByClick(panel, id, event) {
    if (
      /** @type {Element} */
      event.target.closest("button, input, textarea, select, summary, label")
    ) return;
    panel.select(event.ctrlKey || event.metaKey || event.shiftKey ? [...panel.selected, id] : [id]);
    panel.stage.canvas.focus({ preventScroll: true });
  }
  function cardFields(panel, at, id) {
    const tokens = el("span", { class: "rg-tokens", title: "Tokens of this prompt, as the host counts them" });
    const schema = regionSchema(panel.schema);
    const names = [...NUMBERS2, ...Object.keys(schema).filter((name) => !NUMBERS2.includes(name) && !ELSEWHERE.includes(name))];
    const numbers = names.flatMap((name) => {
      const kind = schema[name] || { type: "number", default: (
        /** @type {any} */
        REGION_DEFAULTS[name]
      ) };
      return schemaField(panel, at(name), name, kind) || [];
    });
    const step2 = (side, label) => numberField(panel, at(`steps[${side}]`), label, { min: 0, max: 1, fallback: side, whenEmpty: side, title: STEP_HELP[side] });
    const ofNumber = (state) => hexColour(numberOf(state, indexOf(state, id)) - 1);
    const colour = colourField(panel, at("colour"), labelOf("colour", schema.colour), schema.colour?.description, ofNumber);
    return {
      tokens,
      numbers: [
        ...numbers,
        colour,
        groupField(panel, at, id, schema.group?.description),
        step2(0, "From step"),
        step2(1, "To step"),
        stepsField(panel, id)
      ],
      name: lineField(panel, at("name"), { label: labelOf("name", schema.name), title: "Name, for you and for messages", maxlength: 200 }),
      prompt: promptField(panel, at("prompt"), labelOf("prompt", schema.prompt), {
        id: `regional_${panel.tab}_prompt_${id}`,
        after: tokens,
        placeholder: "what is in this region"
      }),
      negative: promptField(panel, at("negative"), labelOf("negative", schema.negative), {
        placeholder: "added to the main negative prompt"
      })
    };
  }
  function stepsField(panel, id) {
    const node = el("span", { class: "rg-hint rg-wide", "data-action": "steps-hint" });
    const update2 = (state) => {
      const count = samplingSteps(panel.tab);
      const steps = state.regions[indexOf(state, id)]?.steps || [];
      const span = count ? stepSpan(steps, count) : null;
      node.textContent = span ? t("acts in the steps {0} to {1} of {2}", ...span, count) : "";
    };
    return { node, input: node, update: update2 };
  }
  function dressCard(panel, node, fields, state, region, position) {
    const number = numberOf(state, position);
    node.dataset.field = `regions[${position}]`;
    node.setAttribute("aria-label", t("Region {0}", number));
    node.style.setProperty("--rg-colour", cssColour(number - 1, region.colour));
    node.style.setProperty("--rg-on-colour", textColour(number - 1, region.colour));
    node.classList.toggle("rg-muted", region.enabled === false);
    node.classList.toggle("rg-in-group", Boolean(region.group));
    fields.name.input.placeholder = (panel.isNarrow || state.regions.length > MANY2) && firstWords(region.prompt) || t("Region {0}", number);
    const split2 = state.text_from !== "regions";
    fields.prompt.name.textContent = t(split2 ? "Added to this region's part of the main prompt" : "Prompt");
    fields.prompt.input.placeholder = t(split2 ? "nothing added" : "what is in this region");
  }

  // javascript/src/panel/regions/groups.js
  var GroupHeads = class {
    /** @param {RegionList} list */
    constructor(list) {
      this.list = list;
      this.panel = list.panel;
      this.heads = /* @__PURE__ */ new Map();
      this.folded = recallFolded(this.panel.tab);
    }
    /**
     * The head of a group, as the state has it.
     *
     * @param {State} state
     * @param {string} name
     * @param {number} count Of its regions.
     */
    node(state, name, count) {
      const head = this.heads.get(name) || this.create(name);
      this.heads.set(name, head);
      const isFolded = this.folded.has(name);
      const isMuted = isGroupMuted(state, name);
      dressTool(head.fold, isFolded ? "folded" : "unfolded", t(isFolded ? "Unfold {0}" : "Fold {0}", name));
      head.fold.setAttribute("aria-expanded", String(!isFolded));
      dressTool(head.mute, isMuted ? "eyeOff" : "eye", t(isMuted ? "Switch {0} on" : "Mute {0}", name));
      dressTool(head.alone, "solo", t("Only {0}, or all again", name));
      head.alone.classList.toggle("rg-on", state._solo?.id === soloKey(name));
      dressTool(head.more, "more", t("More of {0}", name));
      head.node.setAttribute("aria-label", t("Group {0}", name));
      head.node.classList.toggle("rg-muted", isMuted);
      head.grip.hidden = Boolean(state.grid);
      head.count.textContent = String(count);
      if (document.activeElement !== head.input) head.input.value = name;
      return head.node;
    }
    /** @param {string} name */
    create(name) {
      const { panel } = this;
      const held = { name };
      const choose2 = () => panel.select(idsOfGroup(panel.store.get(), held.name));
      const grip = el("span", { class: "rg-grip", title: "Drag to another place in the list", "aria-hidden": "true" }, icon("grip"));
      const fold = tool("unfolded", "Fold", () => this.fold(held.name, !this.folded.has(held.name)), { "data-action": "group-fold" });
      const edit = (change) => panel.edit((state) => change(state, held.name));
      const mute = tool("eye", "Mute", () => edit(muteGroup), { "data-action": "group-mute" });
      const alone = tool("solo", "Solo", () => edit(soloGroup), { "data-action": "group-solo" });
      const more = tool("more", "More", () => (choose2(), showMenu3(panel, more)), { "aria-haspopup": "menu", "data-action": "group-more" });
      const input = this.nameInput(held);
      const count = el("span", { class: "rg-hint" });
      const click = (event) => {
        if (
          /** @type {Element} */
          event.target.closest("button, input")
        ) return;
        choose2();
        panel.stage.canvas.focus({ preventScroll: true });
      };
      const node = el("div", { class: "rg-group rg-head", role: "group", onclick: click }, grip, fold, input, count, mute, alone, more);
      this.attachDrag(node, grip, held);
      return { held, node, grip, fold, input, count, mute, alone, more };
    }
    /** @param {{name: string}} held */
    nameInput(held) {
      const { panel } = this;
      const input = el("input", {
        type: "text",
        maxlength: LONGEST_GROUP,
        spellcheck: "false",
        autocomplete: "off",
        "aria-label": "Name of the group",
        "data-action": "group-name",
        onchange: () => this.rename(held, input.value),
        onblur: () => input.value = held.name,
        onkeydown: (event) => {
          if (event.key !== "Enter" && event.key !== "Escape") return;
          if (event.key === "Escape") input.value = held.name;
          event.preventDefault();
          panel.stage.canvas.focus({ preventScroll: true });
        }
      });
      return input;
    }
    /**
     * @param {HTMLElement} node
     * @param {HTMLElement} grip
     * @param {{name: string}} held
     */
    attachDrag(node, grip, held) {
      const first = () => this.panel.store.get().regions.findIndex((region) => region.group === held.name);
      attachDrag(this.panel, node, grip, first, {
        what: () => draggedGroup(held.name),
        dropped: (state, { index, group: group2 }) => group2 ? placeGroup(state, group2, first()) : setGroup(state, [state.regions[index]._id], held.name)
      });
    }
    /**
     * @param {{name: string}} held
     * @param {string} next
     */
    rename(held, next) {
      const { panel, heads, folded } = this;
      const before = panel.store.get();
      const state = renameGroup(before, held.name, next);
      if (state === before) return;
      const name = state.regions.find((region, i) => region.group !== before.regions[i]?.group)?.group || next.trim();
      const head = heads.get(held.name);
      heads.delete(held.name);
      if (head && !heads.has(name)) heads.set(name, head);
      else head?.node.remove();
      if (folded.delete(held.name)) folded.add(name);
      held.name = name;
      panel.edit(() => state);
    }
    /**
     * @param {string} name
     * @param {boolean} on
     */
    fold(name, on) {
      if (on) this.folded.add(name);
      else this.folded.delete(name);
      rememberFolded(this.panel.tab, this.folded);
      this.list.update(this.panel.store.get());
    }
    /**
     * Take away the heads of groups that are no more.
     *
     * @param {Set<string>} names Of those that are.
     */
    keep(names) {
      for (const [name, head] of this.heads) {
        if (names.has(name)) continue;
        head.node.remove();
        this.heads.delete(name);
      }
    }
    /**
     * Put the keyboard into the name of a group.
     *
     * @param {string} name
     */
    focus(name) {
      const input = this.heads.get(name)?.input;
      input?.focus({ preventScroll: true });
      input?.select();
    }
  };
  function showMenu3(panel, button2) {
    const { left, bottom } = button2.getBoundingClientRect();
    openMenu(panel, { x: left, y: bottom + 2 }, button2);
  }

  // javascript/src/panel/regions/list_tools.js
  var LONG = 8;
  var fits = (region, number, words) => !words || String(number) === words || `${region.name} ${region.group} ${region.prompt}`.toLowerCase().includes(words.toLowerCase());
  function listTools(list) {
    const { panel } = list;
    const count = el("span", { class: "rg-hint", role: "status" });
    const search = el("input", {
      type: "text",
      placeholder: "search",
      "aria-label": "Search the regions",
      "data-action": "search",
      oninput: () => update2(panel.store.get())
    });
    const all = (enabled) => panel.edit((state) => ({ ...state, _solo: null, regions: state.regions.map((region) => ({ ...region, enabled })) }));
    const node = el(
      "div",
      { class: "rg-row rg-list-tools", hidden: true },
      search,
      button("All on", () => all(true), { "data-action": "all-on" }),
      button("All off", () => all(false), { "data-action": "all-off" }),
      count
    );
    function update2(state) {
      node.hidden = state.regions.length <= LONG;
      const words = node.hidden ? "" : search.value.trim();
      const found2 = state.regions.filter((region, index) => fits(region, numberOf(state, index), words));
      const shown2 = new Set(words ? found2 : found2.filter((region) => !list.groups.folded.has(region.group)));
      for (const region of state.regions) {
        const card = list.cards.get(region._id);
        if (card && card.node.hidden === shown2.has(region)) card.node.hidden = !shown2.has(region);
      }
      for (const [name, { node: head }] of list.groups.heads) head.hidden = !found2.some((region) => region.group === name);
      count.textContent = words ? t("{0} of {1}", found2.length, state.regions.length) : "";
    }
    return { node, update: update2 };
  }

  // javascript/src/model/prompt/grid_keys.js
  function gridOfKeys(keys, direction) {
    const counts = [1];
    for (const key of keys) {
      if (key === "ADDROW") counts.push(1);
      else counts[counts.length - 1]++;
    }
    if (counts.length > 1 && counts.every((cells) => cells === 1)) return { ratios: counts.map(() => "1").join(","), direction: "rows" };
    return { ratios: formatGrid({ groups: counts.map((cells) => ({ size: 1, cells: Array(cells).fill(1) })) }, direction), direction };
  }
  function gridKeys(grid) {
    const { groups } = parseGrid(grid.ratios, grid.direction);
    const [inner, outer] = grid.direction === "rows" ? ["ADDROW", "ADDCOL"] : ["ADDCOL", "ADDROW"];
    return groups.flatMap(({ cells }, i) => [...i ? [outer] : [], ...cells.slice(1).map(() => inner)]);
  }

  // javascript/src/model/prompt/export_prompt.js
  var joinedWith = (texts2, keys) => texts2.map((text, i) => i ? `${keys[i - 1]} ${text}` : text).join("\n");
  function withHead(common, base, regions) {
    return [...common ? [`${common} ADDCOMM`] : [], ...base ? [`${base} ADDBASE`] : [], regions].join("\n");
  }
  function exportPrompt(state, main) {
    if (state.text_from !== "regions") {
      return { state, prompt: main.prompt, negative: null, notes: ["The regions follow the main prompt already."] };
    }
    const count = state.regions.length;
    const keys = state.grid && cellCount(state) === count ? gridKeys(state.grid) : Array(count).fill("BREAK");
    const clean = (text) => (text || "").replace(/\b(ADDCOMM|ADDBASE|ADDCOL|ADDROW|BREAK|AND)\b/g, ",").trim();
    const base = state.base.prompt === null ? main.prompt : state.base.prompt;
    const prompt = withHead(
      clean(state.common),
      clean(base),
      joinedWith(
        state.regions.map((region) => clean(region.prompt)),
        keys
      )
    );
    const negatives = state.regions.some((region) => region.negative.trim());
    const mainNegative = state.base.negative === null ? main.negative : state.base.negative;
    const negative = negatives ? withHead(
      "",
      clean(mainNegative),
      joinedWith(
        state.regions.map((region) => clean(region.negative)),
        keys
      )
    ) : null;
    const regions = state.regions.map((region) => ({ ...region, prompt: "", negative: negatives ? "" : region.negative }));
    const next = {
      ...state,
      text_from: "break",
      common: "",
      base: { ...state.base, prompt: null, negative: negatives ? null : state.base.negative },
      regions
    };
    return {
      state: next,
      prompt,
      negative,
      notes: ['The texts stand in the main prompt now, and "Region texts" follows it. "Split main prompt" brings them back.']
    };
  }

  // javascript/src/model/prompt/import_prompt.js
  var MOST_REGIONS = 256;
  var separatorsOf = (mode, keys) => mode === "lines" ? "its line ends" : [...new Set(keys.filter((key) => key !== "\n"))].join(" and ") || "its keys";
  function importPrompt(state, prompt, negative) {
    let parts;
    let mode;
    try {
      mode = detectMode(prompt);
      if (!mode) return { state, notes: ["The main prompt has no BREAK, no AND and one line only: there is nothing to split."] };
      parts = splitPrompt(prompt, mode);
    } catch (error) {
      return { state, notes: [error.message] };
    }
    const count = parts.regions.length;
    if (count > MOST_REGIONS) return { state, notes: [`The main prompt has ${count} parts, and there are at most ${MOST_REGIONS} regions.`] };
    const base = parts.base === null ? joinedParts(parts) : joinTexts(parts.common, parts.base);
    const notes = [
      `Split the main prompt at ${separatorsOf(mode, parts.keys)} into ${count} part${count === 1 ? "" : "s"}, one for each region.`
    ];
    let next = fitLayout(state, parts.keys, count, notes);
    const regions = next.regions.map(
      (region, i) => i < count ? { ...region, prompt: parts.regions[i], weight: mode === "and" ? parts.weights[i] : region.weight } : region
    );
    next = { ...next, regions, text_from: "regions", common: parts.common || "", base: { ...next.base, prompt: base } };
    if (parts.common) notes.push(`Common prompt: ${quote(parts.common)}.`);
    notes.push(`Base prompt: ${quote(base)}. It stands for the main prompt now.`);
    return { state: importNegative(next, mode, negative, count, notes), notes };
  }
  function importNegative(state, mode, negative, count, notes) {
    const parts = splitPrompt(negative || "", mode);
    if (parts.regions.length === 1) return state;
    if (parts.regions.length !== count) {
      notes.push(`The negative prompt has ${parts.regions.length} parts for ${count} regions: it was left as it is.`);
      return state;
    }
    notes.push("The negative prompt was split in the same way.");
    const regions = state.regions.map((region, i) => i < count ? { ...region, negative: parts.regions[i] } : region);
    return { ...state, regions, base: { ...state.base, negative: joinTexts(parts.common, parts.base) } };
  }
  function fitLayout(state, keys, count, notes) {
    if (!state.grid) {
      const missing = Math.max(0, count - state.regions.length);
      if (missing) {
        notes.push(
          `${missing} region${missing === 1 ? " is" : "s are"} new and lie${missing === 1 ? "s" : ""} in the middle: move ${missing === 1 ? "it" : "them"}.`
        );
      }
      if (count < state.regions.length) notes.push(`Regions after number ${count} were left as they are.`);
      return { ...state, regions: [...state.regions, ...Array.from({ length: missing }, () => makeRegion({ box: [0.25, 0.25, 0.75, 0.75] }))] };
    }
    const shaped = keys.some((key) => key === "ADDCOL" || key === "ADDROW");
    if (cellCount(state) === count && (!shaped || same(gridKeys(state.grid), keys))) return state;
    const grid = gridOfKeys(keys, shaped ? "columns" : state.grid.direction);
    notes.push(`The grid is now ${grid.ratios} in ${grid.direction}.`);
    const kept = state.regions.slice(0, count);
    return { ...state, grid, regions: [...kept, ...Array.from({ length: count - kept.length }, () => makeRegion())] };
  }
  function quote(text) {
    return text.length <= 60 ? `"${text}"` : `"${text.slice(0, 59)}\u2026"`;
  }

  // javascript/src/panel/regions/prompts.js
  function splitMainPrompt(panel) {
    const { prompt, negative } = panel.prompts();
    const { state, notes } = importPrompt(panel.store.get(), prompt, negative);
    if (state !== panel.store.get()) panel.edit(() => state);
    panel.note(notes.join("\n"));
    panel.ofPrompt = prompt;
  }
  function writeMainPrompt(panel) {
    const { state, prompt, negative, notes } = exportPrompt(panel.store.get(), panel.prompts());
    writePrompt(panel.tab, "prompt", prompt);
    writePrompt(panel.tab, "neg_prompt", negative);
    panel.edit(() => state);
    panel.note(notes.join("\n"));
  }

  // javascript/src/panel/regions/list.js
  var SPLIT_HELP = "Split the main prompt at BREAK, at line ends or at AND, and write the parts into the regions";
  var WRITE_HELP = "Write the layout's texts into the main prompt, with ADDCOL, ADDROW or BREAK between them; the regions then follow it";
  var RegionList = class {
    /** @param {Panel} panel */
    constructor(panel) {
      this.panel = panel;
      this.cards = /* @__PURE__ */ new Map();
      this.split = null;
      this.counted = "";
      this.countSoon = debounce(() => this.countTokens(), 400);
      this.background = backgroundRow(panel);
      this.groups = new GroupHeads(this);
      this.tools = listTools(this);
      this.body = el("div", { class: "rg-cards" });
      focusAfterClick(this.body);
      const add = button("+ Add region", () => this.add(), { class: "rg-button rg-add", "data-action": "add" });
      const split2 = button("Split main prompt", () => splitMainPrompt(panel), { "data-action": "import", title: SPLIT_HELP });
      const write = button("Write main prompt", () => writeMainPrompt(panel), { "data-action": "export", title: WRITE_HELP });
      const row = el("div", { class: "rg-row" }, split2, write);
      this.node = el(
        "div",
        { class: "rg-regions", "data-field": "regions", tabindex: "-1" },
        this.background.node,
        this.tools.node,
        this.body,
        add,
        row
      );
    }
    /**
     * The regions' parts of the main prompt.
     *
     * @param {State} state
     */
    parts(state) {
      if (state.text_from === "regions") return [];
      const { prompt } = this.panel.prompts();
      if (this.split?.prompt !== prompt || this.split.regions !== state.regions || this.split.mode !== state.text_from) {
        this.split = { prompt, regions: state.regions, mode: state.text_from, parts: partsOfPrompt(state, prompt) };
      }
      return this.split.parts;
    }
    /** Draw all cards again. */
    renew() {
      this.cards.forEach((card) => card.seen = null);
      this.update(this.panel.store.get());
    }
    add() {
      this.panel.addBox();
      this.focusPrompt(this.panel.store.get().regions.length - 1);
    }
    /** @param {State} state */
    update(state) {
      const { cards, groups } = this;
      this.background.update(state);
      const ids = new Set(state.regions.map((region) => region._id));
      for (const [id, card] of cards) {
        if (ids.has(id)) continue;
        card.node.remove();
        cards.delete(id);
      }
      const blocks = listBlocks(state);
      groups.keep(new Set(blocks.map((block) => block.group)));
      const lines2 = blocks.flatMap(({ group: group2, indices }) => [
        ...group2 ? [groups.node(state, group2, indices.length)] : [],
        ...indices.map((index) => this.card(state, index))
      ]);
      this.place(lines2);
      this.node.classList.toggle("rg-many", state.regions.length > MANY2);
      this.tools.update(state);
      this.mark();
      this.countSoon();
    }
    /**
     * The card of region `index`, as the state has it.
     *
     * @param {State} state
     * @param {number} index
     */
    card(state, index) {
      const { cards, panel } = this;
      const region = state.regions[index];
      const card = cards.get(region._id) || createCard(panel, region._id);
      cards.set(region._id, card);
      const ofHost = [this.parts(state)[index], samplingSteps(panel.tab)];
      const seen = [region, index, state.regions.length, Boolean(state.grid), state.text_from, state._solo, ...ofHost];
      if (!card.seen || seen.some((value, at) => value !== card.seen?.[at])) card.update(state, region, index);
      card.seen = seen;
      return card.node;
    }
    /**
     * Bring the lines of the list in order; those that stand right stay, and keep the keyboard.
     *
     * @param {HTMLElement[]} lines
     */
    place(lines2) {
      const { body } = this;
      lines2.forEach((node, line) => {
        if (body.children[line] !== node) body.insertBefore(node, body.children[line] || null);
      });
    }
    /** Mark the cards of the chosen regions. */
    mark() {
      for (const [id, card] of this.cards) {
        const chosen = this.panel.selected.has(id);
        if (card.node.getAttribute("aria-current") === String(chosen)) continue;
        card.node.classList.toggle("rg-chosen", chosen);
        card.node.setAttribute("aria-current", String(chosen));
      }
    }
    /**
     * Scroll a region's card into view.
     *
     * @param {number} id
     */
    reveal(id) {
      const { body } = this;
      const card = this.cards.get(id);
      const group2 = this.panel.store.get().regions.find((region) => region._id === id)?.group;
      if (group2 && this.groups.folded.has(group2)) this.groups.fold(group2, false);
      if (!card || !this.panel.visible()) return;
      const frame = body.getBoundingClientRect();
      const place2 = card.node.getBoundingClientRect();
      const offset = place2.top - frame.top - Math.max(0, (frame.height - place2.height) / 2);
      if (body.scrollHeight > body.clientHeight + 2) body.scrollTop += offset;
    }
    /**
     * Put the keyboard into the prompt of region `index`; false where there is no such region.
     *
     * @param {number} index
     */
    focusPrompt(index) {
      const region = this.panel.store.get().regions[index];
      const card = region && this.cards.get(region._id);
      if (!card) return false;
      if (!this.panel.selected.has(region._id)) this.panel.select([region._id]);
      this.reveal(region._id);
      card.prompt.focus({ preventScroll: true });
      return true;
    }
    /**
     * The keyboard stays in the list when the card that had it is gone.
     *
     * @param {number} index Of the region that was removed.
     */
    focusAfterRemoval(index) {
      const { regions } = this.panel.store.get();
      const next = regions[Math.min(index, regions.length - 1)];
      const card = next && this.cards.get(next._id);
      (card ? card.node : this.node).focus({ preventScroll: true });
    }
    /**
     * Show each region's warnings in its card.
     *
     * @param {Map<number, string[]>} warnings
     */
    warn(warnings) {
      this.panel.store.get().regions.forEach((region, index) => {
        const text = (warnings.get(index) || []).map(translateMessage).join(" ");
        const card = this.cards.get(region._id);
        if (card && card.warning.textContent !== text) card.warning.textContent = text;
      });
    }
    /** Show how many tokens each prompt has, as the host counts them. */
    async countTokens() {
      if (!this.panel.visible()) return;
      const { regions } = this.panel.store.get();
      const texts2 = regions.map((region) => region.prompt || "");
      const key = JSON.stringify(texts2);
      if (key === this.counted) return;
      this.counted = key;
      try {
        const { ok, data } = await callApi("tokens", { method: "POST", body: { texts: texts2 } });
        if (ok) regions.forEach((region, i) => this.showCount(region._id, texts2[i], data.counts[i]));
      } catch {
        this.counted = "";
      }
    }
    /**
     * @param {number} id
     * @param {string} text
     * @param {{tokens: number, limit: number} | undefined} count
     */
    showCount(id, text, count) {
      const card = this.cards.get(id);
      if (card && count) card.tokens.textContent = text ? `${count.tokens}/${count.limit}` : "";
    }
  };

  // javascript/src/model/shown/repaint.js
  var SOURCE = "options.repaint.source";
  var REGIONS = "options.repaint.regions";
  var LEFT_OUT2 = ["enabled", "version", "attention_maps"];
  function setRepaintSource(state, settings) {
    const kept = settings && Object.fromEntries(Object.entries(settings).filter(([key]) => !LEFT_OUT2.includes(key)));
    return setField(state, SOURCE, kept ?? void 0);
  }
  var repaintSource = (state) => getField(state, SOURCE) ?? null;
  var repaintedRegions = (state) => getField(state, REGIONS) || [];
  function setRepainted(state, index, isOn) {
    const others = repaintedRegions(state).filter((each) => each !== index);
    const next = isOn ? [...others, index].sort((a, b) => a - b) : others;
    return setField(state, REGIONS, next.length ? next : void 0);
  }

  // javascript/src/panel/repaint.js
  var REPAINT_OPTIONS = ["source", "regions"];
  var repaintFields = (panel) => [sourceField(panel), regionsField(panel)];
  function sourceField(panel) {
    const words = el("span", { class: "rg-hint", "data-action": "repaint-source-words" });
    const input = button("Repaint the shown picture", () => takeShown(panel), {
      title: "The settings and the seed of the picture below become those of the picture that is repainted. Not needed in img2img",
      "data-field": "options.repaint.source",
      "data-action": "repaint-source"
    });
    const release2 = button("Forget it", () => panel.edit((state) => setRepaintSource(state, null)), { "data-action": "repaint-release" });
    const update2 = (state) => {
      const source = repaintSource(state);
      release2.hidden = !source;
      words.textContent = source ? t("{0}, regions: {1}", source.method || "attention_couple", (source.regions || []).length) : t("No picture yet");
    };
    return { node: el("div", { class: "rg-row rg-wide" }, input, release2, words), input, update: update2 };
  }
  async function takeShown(panel) {
    try {
      const made = await madeWith(panel);
      if (!made) return void 0;
      panel.edit((state) => setRepaintSource(state, made.settings));
      if (made.parameters.seed !== null) writeNumber(panel.tab, "seed", made.parameters.seed);
      return panel.note("Change regions, or tick those to make again, and press Generate: the rest of the picture stays.");
    } catch {
      return panel.note("The server does not answer.", true);
    }
  }
  function regionsField(panel) {
    const boxes = el("span", { class: "rg-row" });
    const title = "Regions that are made again; none ticked: those that are not as they were in the picture";
    const input = el(
      "div",
      { class: "rg-row rg-wide", title, "data-field": "options.repaint.regions" },
      el("span", { localized: "Make again" }),
      boxes
    );
    const box = (index) => {
      const check = el("input", { type: "checkbox", onchange: () => panel.edit((state) => setRepainted(state, index, check.checked)) });
      return el("label", { class: "rg-check" }, check, el("span", { text: String(numberOf(panel.store.get(), index)) }));
    };
    const update2 = (state) => {
      const count = Math.max(state.regions.length, ...repaintedRegions(state).map((index) => index + 1));
      const numbers = Array.from({ length: count }, (_, index) => numberOf(state, index)).join();
      if (boxes.dataset.numbers !== numbers) boxes.replaceChildren(...Array.from({ length: count }, (_, index) => box(index)));
      boxes.dataset.numbers = numbers;
      const on = repaintedRegions(state);
      boxes.querySelectorAll("input").forEach((check, index) => check.checked = on.includes(index));
    };
    return { node: input, input, update: update2 };
  }

  // javascript/src/panel/page/header.js
  function enableField(panel) {
    const field = checkField(panel, "enabled", "Enable", { class: "rg-check rg-enable" });
    const header = find(`#regional_${panel.tab} > .label-wrap`);
    if (!header) return { ...field, isInHeader: false };
    header.parentElement.querySelectorAll(":scope > .rg").forEach((old) => old.remove());
    field.node.classList.add("rg", "rg-header-enable");
    header.before(field.node);
    field.input.addEventListener("change", () => {
      const isEmpty = !panel.store.get().regions.some((region) => region.prompt);
      if (field.input.checked && isEmpty && !panel.visible()) header.click();
    });
    return { ...field, isInHeader: true };
  }

  // javascript/src/model/shown/pictures.js
  var MOST5 = 12;
  var withoutGrid = (entries) => entries.length > 2 && entries[0].infotext === entries[1].infotext ? entries.slice(1) : entries;
  function withPictures(strip, made) {
    const known = new Set(strip.map(({ src }) => src));
    const fresh = made.filter(({ src }) => src && !known.has(src));
    return fresh.length ? [...fresh, ...strip].slice(0, MOST5) : strip;
  }
  function scoreWords({ infotext, numbers }) {
    const scores = scoresOf(infotext);
    if (!scores) return { lowest: "", each: "" };
    const each = scores.regions.map(([place2, score]) => `${numbers[place2 - 1] ?? place2}: ${score.toFixed(2)}`);
    return { lowest: scores.lowest.toFixed(2), each: each.join(" \xB7 ") };
  }

  // javascript/src/panel/page/strip.js
  var Strip = class {
    /** @param {Panel} panel */
    constructor(panel) {
      this.panel = panel;
      this.entries = [];
      this.chosen = null;
      this.reading = "";
      this.row = el("div", { class: "rg-strip", role: "group", "aria-label": "The last pictures" });
      this.words = el("span", { class: "rg-hint", role: "status", "data-action": "strip-words" });
      this.take = button("Take its layout, seed and size", () => this.takeChosen(), {
        class: "rg-button rg-mini",
        "data-action": "strip-take"
      });
      this.line = el("div", { class: "rg-row rg-strip-line", hidden: true }, this.words, this.take);
      this.node = el("div", { hidden: true }, this.row, this.line);
    }
    /**
     * Take the gallery's pictures in that are new.
     *
     * @param {boolean} isCut Whether they were interrupted.
     */
    async follow(isCut) {
      const sources = allPictures(this.panel.tab).map(({ src }) => src);
      const key = sources.join("\n");
      const known = new Set(this.entries.map(({ src }) => src));
      const fresh = sources.filter((src) => !known.has(src));
      if (!fresh.length || key === this.reading) return;
      this.reading = key;
      const numbers = numbersOf(this.panel.store.get());
      const infotexts = await Promise.all(fresh.map((src) => infotextAt(src).catch(() => "")));
      const made = fresh.map((src, i) => ({ src, infotext: infotexts[i], numbers, isCut })).filter(({ infotext }) => infotext);
      this.entries = withPictures(this.entries, withoutGrid(made));
      this.choose(null);
    }
    /** @param {Entry | null} entry */
    choose(entry) {
      this.chosen = entry;
      this.draw();
      if (entry) showPicture(this.panel.stage, entry.src);
    }
    draw() {
      this.node.hidden = !this.entries.length;
      this.row.replaceChildren(...this.entries.map((entry, i) => this.tile(entry, i)));
      this.line.hidden = !this.chosen;
      if (!this.chosen) return;
      const { each } = scoreWords(this.chosen);
      const cut = this.chosen.isCut ? t("Interrupted: not finished.") : "";
      this.words.textContent = [cut, each ? t("Scores of the regions: {0}", each) : t("No scores.")].filter(Boolean).join(" ");
      this.take.hidden = !hasRegions(this.chosen.infotext);
    }
    /**
     * @param {Entry} entry
     * @param {number} index
     */
    tile(entry, index) {
      const { lowest, each } = scoreWords(entry);
      const cut = entry.isCut ? el("span", { class: "rg-cut", localized: "interrupted" }) : null;
      const name = [t("Picture {0}", index + 1), entry.isCut ? t("interrupted") : "", each].filter(Boolean).join(", ");
      return el(
        "button",
        {
          type: "button",
          class: "rg-strip-tile",
          title: each || null,
          "aria-label": name,
          "aria-pressed": String(entry === this.chosen),
          onclick: () => this.choose(entry === this.chosen ? null : entry)
        },
        el("img", { src: entry.src, alt: "", loading: "lazy" }),
        lowest ? el("span", { class: "rg-score", text: lowest }) : null,
        cut
      );
    }
    async takeChosen() {
      const { panel, chosen } = this;
      if (!chosen) return;
      const body = { text: chosen.infotext, format: "regional", hints: {}, ...panel.size(), ...panel.prompts() };
      const answer = await callApi("import", { method: "POST", body }).catch(() => null);
      if (!answer?.ok) return panel.note(answer ? errorText(answer) : "The server does not answer.", true);
      panel.edit(() => fromJson({ ...answer.data.settings, enabled: true }));
      const { taken, missed } = await takeParameters(panel.tab, parametersOf(chosen.infotext));
      const words = [t("Its layout is here; Undo brings the old one back."), taken.length ? t("Set: {0}.", taken.join(", ")) : ""];
      return panel.note([...words, missed.length ? t("Not there to choose: {0}.", missed.join(", ")) : ""].filter(Boolean).join(" "));
    }
  };

  // javascript/src/panel/page/run_box.js
  var EVERY2 = 300;
  var isSeen2 = (node) => Boolean(node && node.getClientRects().length);
  var RunBox = class {
    /** @param {Panel} panel */
    constructor(panel) {
      this.panel = panel;
      this.isRunning = false;
      this.isCut = false;
      this.strip = new Strip(panel);
      const press2 = () => this.host(this.isRunning ? "interrupt" : "generate")?.click();
      this.run = button("Generate", press2, { class: "rg-button rg-primary rg-run", "data-action": "run", title: "Ctrl+Enter" });
      this.words = el("span", { class: "rg-hint rg-progress", role: "status" });
      this.node = el("div", {}, el("div", { class: "rg-row rg-run-box" }, this.run, this.words), this.strip.node);
      document.addEventListener("click", ({ target }) => this.seeInterrupt(target), true);
      setInterval(() => this.follow(), EVERY2);
    }
    /** @param {string} name */
    host(name) {
      return find(`#${this.panel.tab}_${name}`);
    }
    /** @param {EventTarget | null} target */
    seeInterrupt(target) {
      const pressed = this.isRunning && this.host("interrupt");
      if (pressed && target instanceof Node && pressed.contains(target)) this.isCut = true;
    }
    follow() {
      const { panel, words } = this;
      if (!this.node.isConnected || !panel.visible()) return;
      const now = isSeen2(this.host("interrupt"));
      if (now !== this.isRunning) this.turn(now);
      const bar = now ? find(`#${panel.tab}_gallery_container .progressDiv, #${panel.tab}_results .progressDiv`) : null;
      const text = bar ? bar.textContent.trim() : "";
      if (words.textContent !== text) words.textContent = text;
      this.showLive(now);
      if (!now) this.strip.follow(this.isCut);
    }
    /**
     * A generation has begun, or ended.
     *
     * @param {boolean} now
     */
    turn(now) {
      const { panel, run: run2 } = this;
      this.isRunning = now;
      run2.textContent = t(now ? "Interrupt" : "Generate");
      run2.classList.toggle("rg-stop", now);
      if (now) {
        this.isCut = false;
        if (panel.stage.background.kind === "picture") setBackground(panel.stage, "result");
        return;
      }
      setTimeout(() => panel.hostChanged(), 100);
      if (this.isCut) panel.note("Interrupted: this picture is not finished.");
    }
    /** @param {boolean} now */
    showLive(now) {
      const { stage, tab } = this.panel;
      const all = now ? find(`#${tab}_gallery_container`)?.querySelectorAll(".livePreview img") || [] : [];
      const live = all.length ? all[all.length - 1] : null;
      if (live === null && stage.live === null) return;
      stage.live = live && live.naturalWidth ? live : null;
      stage.redraw();
    }
  };

  // javascript/src/panel/page/switch_field.js
  var HELP3 = "Typing into a region, drawing, or choosing a layout ticks Enable; Undo, or unticking it, switches it off";
  function switchField(panel) {
    const input = el("input", {
      type: "checkbox",
      checked: panel.switches,
      "data-action": "switches-on",
      onchange: () => {
        panel.switches = input.checked;
        setSwitchesOn(panel.switches);
      }
    });
    return el("label", { class: "rg-check", title: HELP3 }, input, el("span", { localized: "Editing switches it on" }));
  }

  // javascript/src/drawers/edit_rows.js
  var KINDS2 = { inherent: "kept", added: "added", removed: "removed", reworded: "re-worded" };
  var KEYWORDS_HELP = "Words of the region's prompt that say what is seen there. Empty: those whose attention is most concentrated";
  var shorten = (text) => text.length > 32 ? `${text.slice(0, 31)}\u2026` : text;
  function changeRow(panel, state, pair, names, found2) {
    const { kind, source, target } = pair;
    const row = { class: "rg-row rg-edit-row", "data-kind": kind };
    const badge = el("span", { class: `rg-chip rg-edit-${kind}`, localized: KINDS2[kind] || kind });
    if (target === null) return el("div", row, badge, el("span", { text: t("Region {0} of the source", names[Number(source)]) }));
    const region = state.regions[target];
    const name = el("span", {
      class: "rg-edit-name",
      text: `${t("Region {0}", numberOf(state, target))} ${shorten(region.name || region.prompt)}`
    });
    const keywords = state.method === "mrgd" ? keywordField(panel, state, target, found2[target]) : null;
    return el("div", row, badge, name, partnerField(panel, state, target, source, names), keywords);
  }
  function partnerField(panel, state, target, source, names) {
    const choices = [["", t("new")], ...names.map((name, index) => [String(index), t("was {0}", name)])];
    const take = () => panel.edit((now) => setPair(now, target, input.value === "" ? null : Number(input.value)));
    const input = el(
      "select",
      {
        "aria-label": t("What region {0} was in the source", numberOf(state, target)),
        "data-action": `edit-pair-${target}`,
        onchange: take
      },
      choices.map(([value, text]) => el("option", { value, text }))
    );
    input.value = source === null ? "" : String(source);
    return input;
  }
  function keywordField(panel, state, target, found2) {
    const input = el("input", {
      type: "text",
      class: "rg-edit-keywords",
      placeholder: found2 ? t("found: {0}", found2) : "keywords: found while sampling",
      "aria-label": t("Keywords of region {0}", numberOf(state, target)),
      title: found2 ? t("found: {0}", found2) : KEYWORDS_HELP,
      "data-field": `options.mrgd.keywords[${target}]`,
      value: keywordsOf(state, target).join(" "),
      oninput: () => panel.edit((now) => setKeywords(now, target, input.value), { key: `keywords-${target}` })
    });
    return input;
  }

  // javascript/src/drawers/edit_lock.js
  async function lockShown(panel, hold) {
    const made = await madeWith(panel).catch(() => (panel.note("The server does not answer.", true), null));
    await shownPicture(panel.tab)?.decode().catch(() => {
    });
    if (!made || !hold()) return;
    const { settings, parameters } = made;
    const sampler = editSampler(parameters.sampler);
    const isOther = parameters.prompt !== panel.prompts().prompt;
    panel.edit((state) => lockSource(state, sourceOfSettings(isOther ? withBase(settings, parameters) : settings)));
    const { missed } = await takeParameters(panel.tab, { ...parameters, sampler });
    panel.note(lockedWords(panel, settings, parameters, sampler, missed));
  }
  function lockedWords(panel, settings, parameters, sampler, missed) {
    const { seed, steps, width, height, sampler: was } = parameters;
    const { method } = panel.store.get();
    const made = settings.method || "attention_couple";
    const name = (key) => panel.methods.find(([each]) => each === key)?.[1] || key;
    const again2 = t("Press Generate once to see the picture that the edit starts from.");
    const words = [t("This picture is the source: its layout, seed {0}, {1} \xD7 {2}, {3} steps, {4}.", seed, width, height, steps, sampler)];
    if (was && was.toLowerCase() !== sampler.toLowerCase()) words.push(t("It was made with {0}; edits work with Euler or DDIM.", was));
    const isRemade = !EDIT_METHODS.includes(made) || words.length > 1;
    if (!EDIT_METHODS.includes(made)) words.push(t('It was made by "{0}", the edit is by "{1}".', name(made), name(method)));
    if (missed.length) words.push(t("Set this by hand: {0}.", missed.join(", ")));
    return [...words, isRemade ? again2 : t("Change regions and press Generate.")].join(" ");
  }

  // javascript/src/drawers/edit_views.js
  var WIDTH = 320;
  function createEditViews(panel) {
    const [source, result, gap] = ["Source", "Result", "Difference"].map(createView);
    const node = el("div", { class: "rg-row rg-edit-views", hidden: true }, source.node, result.node, gap.node);
    let held = null;
    let seen = null;
    function hold() {
      const image = panel.tab === "img2img" ? givenPicture() : resultPicture(panel);
      if (!image) return false;
      held = pixelsOf(image);
      seen = null;
      return true;
    }
    function update2() {
      const image = resultPicture(panel);
      node.hidden = !held || !sourceOf(panel.store.get());
      const name = `${image && image.src} ${held && held.width}`;
      if (node.hidden || !held || name === seen) return;
      seen = name;
      draw(source.canvas, held);
      const made = image ? pixelsOf(image, held) : null;
      result.node.hidden = gap.node.hidden = !made;
      if (!made) return;
      draw(result.canvas, made);
      const { bytes, share } = pictureDifference(held.data, made.data);
      draw(gap.canvas, new ImageData(bytes, held.width, held.height));
      gap.caption.textContent = translateMessage(`Difference: ${(share * 100).toFixed(share < 0.1 ? 1 : 0)} % of the picture`);
    }
    function release2() {
      held = null;
      seen = null;
    }
    return { node, update: update2, hold, release: release2 };
  }
  function createView(label) {
    const canvas = el("canvas", { class: "rg-edit-picture", role: "img", "aria-label": label });
    const caption = el("figcaption", { localized: label });
    return { canvas, caption, node: el("figure", { class: "rg-edit-view", "data-view": label.toLowerCase() }, canvas, caption) };
  }
  function resultPicture(panel) {
    const given = panel.tab === "img2img" && !sourceOf(panel.store.get()) ? null : shownPicture(panel.tab);
    return given && given.complete && given.naturalWidth ? given : null;
  }
  function pixelsOf(image, like) {
    const [across, down2] = image.tagName === "CANVAS" ? [image.width, image.height] : [image.naturalWidth, image.naturalHeight];
    const scale = like ? 1 : Math.min(1, WIDTH * 2 / across);
    const width = like ? like.width : Math.max(1, Math.round(across * scale));
    const height = like ? like.height : Math.max(1, Math.round(down2 * scale));
    const canvas = el("canvas", {});
    Object.assign(canvas, { width, height });
    const context = (
      /** @type {CanvasRenderingContext2D} */
      canvas.getContext("2d", { willReadFrequently: true })
    );
    context.drawImage(image, 0, 0, width, height);
    return context.getImageData(0, 0, width, height);
  }
  function draw(canvas, data) {
    Object.assign(canvas, { width: data.width, height: data.height });
    canvas.getContext("2d")?.putImageData(data, 0, 0);
  }

  // javascript/src/drawers/edit.js
  var IN_SIGHT = ["lock", "lock_picture", "tau", "halo", "total"];
  var NAMES4 = {
    control: "Attention control",
    tau: "Follow the old shapes (share of the steps)",
    tau_own: "\u03C4 of re-worded regions",
    self_until: "Self-attention until",
    total: "Look at the whole picture too",
    t_total: "T_total",
    halo: "Reach beyond the region (cells)",
    lambda_rs: "\u03BB region-specific",
    lambda_is: "\u03BB inter-image",
    lambda_ip: "\u03BB inherent",
    guided: "Guided steps",
    guidance: "Guidance model",
    guidance_path: "Its folder",
    gradient: "Picture's gradient",
    keyword_count: "N keywords",
    keyword_choice: "Choose keywords",
    kssa_gain: "Keywords in self-attention",
    inversion: "Invert the picture (img2img)",
    null_text: "Null-text steps",
    lock: "Keep the rest",
    lock_picture: "\u2026 to the pixel",
    lock_control: "Attention control beside the lock"
  };
  var NO_SOURCE = "No source yet. Make a picture, lock it here, then add, remove or re-word regions: the rest stays.";
  function createEdit(panel) {
    return new EditDrawer(panel);
  }
  var EditDrawer = class {
    /** @param {Panel} panel */
    constructor(panel) {
      this.panel = panel;
      this.views = createEditViews(panel);
      this.head = el("div", { class: "rg-row" });
      this.list = el("div", { class: "rg-edit-list", "data-field": "options.edit" });
      this.options = el("div", { class: "rg-row rg-edit-options" });
      this.advanced = el("div", { class: "rg-row rg-edit-options" });
      this.more = el("details", { class: "rg-more" }, el("summary", { localized: "Advanced" }), this.advanced);
      this.node = el("div", { class: "rg-edit" }, this.head, this.list, this.views.node, this.options, this.more);
      this.fields = [];
      this.method = null;
      this.changes = null;
      this.drawn = null;
      this.hasSource = null;
      const soon = debounce(() => this.update(), 60);
      panel.store.subscribe(soon);
      panel.onChecked = (checked) => {
        this.changes = checked && checked.edit || null;
        soon();
      };
      setInterval(() => this.node.isConnected && panel.visible() && this.update(), 700);
    }
    opened() {
      this.panel.checks.again();
      this.update();
    }
    update() {
      const state = this.panel.store.get();
      this.drawHead(state);
      this.drawList(state);
      this.drawOptions(state);
      this.views.update();
    }
    /** Make the shown picture's layout the source; in img2img the panel's layout, for the picture that was given. */
    async lock() {
      const { panel } = this;
      if (panel.tab !== "img2img") return lockShown(panel, () => this.views.hold());
      if (!this.views.hold()) return panel.note("There is no picture to edit: give img2img one first.", true);
      panel.edit((state) => lockSource(state));
      return panel.note("This layout is that of the given picture now. Change regions and press Generate.");
    }
    release() {
      this.views.release();
      this.panel.edit(releaseSource);
    }
    /** @param {State} state */
    drawHead(state) {
      const { panel } = this;
      const has = Boolean(sourceOf(state));
      if (has === this.hasSource) return;
      this.hasSource = has;
      const label = has ? "Take this picture and layout as the source" : "Lock this picture and layout as the source";
      const lock = button(label, () => this.lock(), { "data-action": "edit-lock" });
      const back = button("Back to the source layout", () => panel.edit(backToSource), { "data-action": "edit-back" });
      const release2 = button("Release", () => this.release(), { "data-action": "edit-release" });
      this.head.replaceChildren(lock, ...has ? [back, release2] : []);
    }
    /** @param {State} state */
    drawList(state) {
      const { panel, list } = this;
      const source = sourceOf(state);
      const key = JSON.stringify([source, this.changes, state.regions, optionsOf(state), shownInfotext(panel.tab)]);
      const isBusy = list.contains(document.activeElement) && isTyping(document.activeElement);
      if (key === this.drawn || isBusy) return;
      this.drawn = key;
      list.replaceChildren(...source ? this.rows(state, source) : [el("div", { class: "rg-message", localized: NO_SOURCE })]);
    }
    /**
     * @param {State} state
     * @param {Record<string, any>} source
     */
    rows(state, source) {
      const { panel, changes } = this;
      const found2 = foundKeywords(shownInfotext(panel.tab));
      const names = sourceNames(source);
      const explicit = optionsOf(state).pairs || [];
      const known = (changes || []).filter((pair) => pair.target === null || pair.target < state.regions.length);
      const count = known.filter((pair) => pair.kind !== "inherent").length;
      const counted = count ? `${count} change${count === 1 ? "" : "s"}` : "Nothing is changed yet";
      const text = translateMessage(changes ? counted : "Looking at what changed \u2026");
      const again2 = explicit.length ? button("Find again", () => panel.edit(clearPairs), { "data-action": "edit-find" }) : null;
      const head = el("div", { class: "rg-row" }, el("strong", { text, "data-action": "edit-count" }), again2);
      return [head, ...known.map((pair) => changeRow(panel, state, pair, names, found2))];
    }
    /** @param {State} state */
    drawOptions(state) {
      const { panel } = this;
      if (state.method !== this.method) {
        this.method = state.method;
        const known = methodOptions(panel.schema, state.method);
        const names = isEditing(state) ? EDIT_OPTIONS.filter((name) => known[name]) : [];
        const make = (some) => some.flatMap((name) => optionField(panel, state.method, name, known[name]) || []);
        const [first, others] = [
          make(IN_SIGHT.filter((name) => names.includes(name))),
          make(names.filter((name) => !IN_SIGHT.includes(name)))
        ];
        this.fields = [...first, ...others];
        this.options.replaceChildren(...first.map((field) => field.node));
        this.advanced.replaceChildren(...others.map((field) => field.node));
        this.more.hidden = !others.length;
      }
      this.fields.forEach((field) => field.update(state));
    }
  };
  function sourceNames(source) {
    const regions = source.regions || [];
    return regions.map((region, index) => `${index + 1} ${shorten(region.name || region.prompt || "")}`);
  }
  function optionField(panel, method, name, schema) {
    const field = schemaField(panel, `options.${method}.${name}`, name, schema);
    if (!field) return null;
    const label = field.node.querySelector("span");
    if (label && NAMES4[name]) label.textContent = t(NAMES4[name]);
    if (!schema.enum) return field;
    return {
      ...field,
      update(state) {
        if (getField(state, field.input.dataset.field) === void 0) field.input.value = schema.default;
        else field.update(state);
      }
    };
  }

  // javascript/src/drawers/import.js
  var FORMATS = [
    ["auto", "find out"],
    ["regional", "Regional settings"],
    ["regional_prompter", "Regional Prompter"],
    ["forge_couple", "Forge Couple"],
    ["latent_couple", "Latent Couple"],
    ["tiled_diffusion", "Tiled Diffusion regions"]
  ];
  var DIRECTIONS = [
    ["Columns", "side by side"],
    ["Rows", "one below the other"]
  ];
  var HELP4 = "Paste a prompt with BREAK, ADDCOL or ADDROW, an API payload (JSON), or the parameters text of an old picture.";
  var PICTURES2 = "image/png,image/jpeg,image/webp";
  function createImport(panel) {
    const text = el("textarea", {
      rows: 5,
      spellcheck: "false",
      placeholder: HELP4,
      "aria-label": "Text to import",
      "data-action": "import-text"
    });
    const format = el(
      "select",
      { "data-action": "import-format" },
      FORMATS.map(([value, words]) => el("option", { value, localized: words }))
    );
    const ratios = el("input", { type: "text", placeholder: "1,1", size: 10, "data-action": "import-ratios" });
    const direction = el(
      "select",
      {},
      DIRECTIONS.map(([value, words]) => el("option", { value, localized: words }))
    );
    const report = el("div", { class: "rg-report", role: "status", "data-action": "import-report" });
    text.addEventListener("input", () => report.replaceChildren());
    const go = () => run(panel, { text: text.value, format: format.value, ratios: ratios.value, direction: direction.value }, report);
    const take = (file) => fromPicture(panel, file, text, report);
    const choose2 = () => chooseFile(PICTURES2, take);
    text.addEventListener("paste", (event) => {
      const picture = event.clipboardData && pictureIn(event.clipboardData);
      if (!picture) return;
      event.preventDefault();
      event.stopPropagation();
      take(picture);
    });
    const row = [
      labelled("Written for", format),
      labelled("Ratios, where the text has none", ratios),
      labelled("Cells of a plain list", direction),
      button("Import", go, { class: "rg-button rg-primary", "data-action": "import-go" }),
      button("From a picture\u2026", choose2, { title: "Reads the parameters that the picture carries", "data-action": "import-picture" }),
      button("From the main prompt", () => text.value = panel.prompts().prompt)
    ];
    return { node: el("div", { class: "rg-import", ...droppable(take) }, text, el("div", { class: "rg-row" }, row), report) };
  }
  async function run(panel, { text, format, ratios, direction }, report) {
    if (!text.trim()) return show(report, { bad: ["There is nothing to import: paste something first."] });
    const hints2 = { ...ratios.trim() ? { ratios: ratios.trim() } : {}, direction };
    const body = { text, format, hints: hints2, ...panel.size(), ...panel.prompts() };
    try {
      const answer = await callApi("import", { method: "POST", body });
      if (!answer.ok) return show(report, { bad: [errorText(answer)] });
      const { settings, format: found2, taken, lost } = answer.data;
      panel.edit(() => fromJson({ ...settings, enabled: true }));
      return show(report, {
        title: t("Read as {0}. Undo brings the old layout back.", t(found2)),
        taken,
        lost,
        help: helpOf(panel, answer.data)
      });
    } catch {
      return show(report, { bad: ["The server does not answer."] });
    }
  }
  function helpOf(panel, { settings, picture = {} }) {
    const words = [..."width" in picture ? [`${picture.width} \xD7 ${picture.height}`] : []];
    words.push(...["steps", "seed"].filter((name) => name in picture).map((name) => `${t(name)} ${picture[name]}`));
    const done = (node) => node.disabled = true;
    const take = button(
      t("Set {0} on the page", words.join(", ")),
      () => {
        Object.entries(picture).forEach(([name, value]) => writeNumber(panel.tab, name, value));
        done(take);
      },
      { "data-action": "import-take" }
    );
    const prompt = settings.base?.prompt;
    const main = button(
      "Make the base prompt the main prompt",
      () => {
        writePrompt(panel.tab, "prompt", prompt);
        panel.edit((state) => setField(state, "base.prompt", null));
        done(main);
      },
      { "data-action": "import-main", title: "The text stands in Background, and the page's main prompt becomes it" }
    );
    return [...words.length ? [take] : [], ...prompt ? [main] : []];
  }
  function show(report, { title, taken = [], lost = [], bad = [], help = [] }) {
    const line = (kind, text, more) => el("div", { class: `rg-message ${kind}`, text: translateMessage(text), ...more });
    report.replaceChildren(
      ...title ? [el("div", { text: title })] : [],
      ...taken.map((text) => line("rg-taken", text)),
      ...lost.map((text) => line("rg-warning", text)),
      ...help.length ? [el("div", { class: "rg-row" }, help)] : [],
      ...bad.map((text) => line("rg-problem-text", text, { role: "alert" }))
    );
  }
  async function fromPicture(panel, file, text, report) {
    try {
      const picture = await readFile(file);
      const answer = await callApi("parameters", { method: "POST", body: { picture } });
      if (!answer.ok) return show(report, { bad: [`${file.name}: ${errorText(answer)}`] });
      text.value = answer.data.infotext;
      return run(panel, { text: answer.data.infotext, format: "auto", ratios: "", direction: "Columns" }, report);
    } catch (error) {
      return show(report, { bad: [error.message] });
    }
  }

  // javascript/src/drawers/preset_files.js
  var FILE_KIND = "regional/presets";
  var writePresetFile = (presets) => JSON.stringify({ [FILE_KIND]: VERSION, presets }, null, 1);
  function readPresetFile(fileName, text) {
    const data = parseFile(fileName, text);
    if (data && typeof data.presets === "object" && data[FILE_KIND] > VERSION) {
      throw new Error(
        t("{0} was written by a newer Regional (version {1}): this one reads up to {2}.", fileName, data[FILE_KIND], VERSION)
      );
    }
    if (data && typeof data.presets === "object" && data.presets && !Array.isArray(data.presets)) return data.presets;
    if (data && Array.isArray(data.regions)) {
      return { [fileName.replace(/\.json$/i, "").replace(/[^\p{L}\p{M}\p{Nd} ._-]/gu, "-")]: data };
    }
    throw new Error(t('{0} holds no presets: it should have been written by "Export all".', fileName));
  }
  function parseFile(fileName, text) {
    try {
      return JSON.parse(text);
    } catch (error) {
      throw new Error(t("{0} is no preset file: its JSON is broken ({1}).", fileName, error.message));
    }
  }

  // javascript/src/drawers/presets.js
  function createPresets(panel) {
    return new PresetDrawer(panel);
  }
  var PresetDrawer = class {
    /** @param {Panel} panel */
    constructor(panel) {
      this.panel = panel;
      this.builtin = el("div", { class: "rg-tiles" });
      this.saved = el("div", { class: "rg-tiles" });
      this.status = el("span", { class: "rg-hint rg-report", role: "status", "data-action": "preset-report" });
      this.name = el("input", {
        type: "text",
        "aria-label": "Name of the preset",
        placeholder: "name of a new preset",
        maxlength: 80,
        autocomplete: "off",
        "data-action": "preset-name"
      });
      this.name.addEventListener("keydown", (event) => event.key === "Enter" && !event.ctrlKey && !event.metaKey && this.save());
      this.node = this.build();
    }
    build() {
      const choose2 = () => chooseFile(".json,application/json", (file) => this.importFile(file));
      const row = [
        this.name,
        button("Save", () => this.save(), { "data-action": "preset-save" }),
        button("Export all", () => this.exportAll(), { "data-action": "preset-export" }),
        button("Import a file\u2026", choose2, { "data-action": "preset-import" }),
        this.status
      ];
      return el(
        "div",
        { class: "rg-presets" },
        el("div", { class: "rg-label", localized: "Layouts: the places change, your prompts stay" }),
        this.builtin,
        el("div", { class: "rg-label", localized: "Your presets" }),
        this.saved,
        el("div", { class: "rg-row" }, row)
      );
    }
    opened() {
      return this.list();
    }
    /**
     * Show what was done or what is wrong.
     *
     * @param {string} text
     * @param {boolean} [isBad]
     */
    report(text, isBad) {
      this.status.textContent = translateMessage(text);
      this.status.classList.toggle("rg-problem-text", Boolean(isBad));
    }
    /**
     * Call a route of presets. -> the answer's data; null for a refusal, which is reported.
     *
     * @param {string} path
     * @param {Parameters<typeof callApi>[1]} [options]
     */
    async request(path, options) {
      try {
        const answer = await callApi(`presets${path}`, options);
        if (answer.ok) return answer.data;
        this.report(errorText(answer), true);
      } catch {
        this.report("The server does not answer.", true);
      }
      return null;
    }
    /** Draw the tiles of all layouts and presets. */
    async list() {
      const data = await this.request("");
      if (!data) return;
      const layouts = this.builtin.children.length ? null : await callApi("layouts").catch(() => null);
      if (layouts && layouts.ok) this.builtin.replaceChildren(...layouts.data.layouts.map(this.layoutTile, this));
      const names = data.names;
      const tiles = names.map((name) => this.presetTile(name));
      const none = el("span", { class: "rg-hint", localized: "none yet: write a name and press Save" });
      this.saved.replaceChildren(...tiles.length ? tiles : [none]);
      await Promise.all(names.map((name, i) => this.drawPreset(name, tiles[i])));
    }
    /**
     * @param {string} name
     * @param {string} shown
     * @param {() => unknown} onclick
     */
    tile(name, shown2, onclick) {
      const canvas = el("canvas", { width: 96, height: 72, "aria-hidden": "true" });
      return el("button", { type: "button", class: "rg-tile", onclick, "data-preset": name }, canvas, el("span", { text: shown2 }));
    }
    /** @param {{name: string, settings: Json}} layout */
    layoutTile({ name, settings }) {
      const node = this.tile(name, t(name), () => this.useLayout(name, settings));
      this.drawInto(node, settings);
      return node;
    }
    /** @param {string} name */
    presetTile(name) {
      const rename = { class: "rg-button rg-small", "aria-label": t("Rename {0}", name) };
      const tools2 = [
        button("Rename", () => this.rename(name), rename),
        tool("remove", t("Delete {0}", name), () => this.remove(name), { class: "rg-button rg-tool rg-small" })
      ];
      const bare = this.tile(name, name, () => this.load(name));
      return el("div", { class: "rg-own" }, bare, el("div", { class: "rg-own-tools" }, tools2));
    }
    /**
     * Draw the picture of a layout into a tile.
     *
     * @param {HTMLElement} tile
     * @param {Json} settings
     */
    drawInto(tile, settings) {
      const canvas = tile.querySelector("canvas");
      const { masks } = this.panel.stage;
      if (!canvas) return;
      try {
        const state = fromJson(settings);
        Promise.all(state.regions.map((region) => masks.wait(maskText(region)))).then((found2) => {
          state.regions.forEach((region, i) => {
            const mask = maskText(region);
            const decoded = found2[i];
            if (mask && decoded && !masks.get(mask)) masks.put(mask, decoded);
          });
          drawThumbnail(canvas, state, masks);
        });
      } catch {
      }
    }
    /**
     * @param {string} name
     * @param {HTMLElement} tile
     */
    async drawPreset(name, tile) {
      const answer = await callApi(`presets/${encodeURIComponent(name)}`).catch(() => null);
      if (answer && answer.ok) this.drawInto(tile, answer.data.settings);
    }
    /**
     * The shapes of a layout with the texts and strengths that the regions have, as far as there are regions.
     *
     * @param {string} name
     * @param {Json} settings
     */
    useLayout(name, settings) {
      this.panel.edit((state) => withLayout(state, settings));
      this.report(t("{0}: {1} regions.", t(name), this.panel.store.get().regions.length));
    }
    /** @param {string} name */
    async load(name) {
      const data = await this.request(`/${encodeURIComponent(name)}`);
      if (!data) return;
      this.panel.edit(() => fromJson(data.settings));
      this.name.value = name;
      this.report(t('Loaded "{0}".', name));
    }
    async save() {
      const name = this.name.value.trim();
      if (!name) return this.report("Write a name for the preset first.", true);
      const body = { settings: toJson(this.panel.store.get()) };
      if (!await this.request(`/${encodeURIComponent(name)}`, { method: "PUT", body })) return void 0;
      await this.list();
      return this.report(t('Saved "{0}".', name));
    }
    /** @param {string} old */
    async rename(old) {
      const name = window.prompt(t('A new name for "{0}"', old), old);
      if (!name || name === old) return;
      if (!await this.request(`/${encodeURIComponent(old)}/rename`, { method: "POST", body: { name } })) return;
      await this.list();
      this.report(t('"{0}" is now "{1}".', old, name));
    }
    /** @param {string} name */
    async remove(name) {
      if (!window.confirm(t('Delete the preset "{0}"?', name))) return;
      if (!await this.request(`/${encodeURIComponent(name)}`, { method: "DELETE" })) return;
      await this.list();
      this.report(t('Deleted "{0}".', name));
    }
    async exportAll() {
      const data = await this.request("");
      if (!data) return;
      if (!data.names.length) return void this.report("There is no preset yet.");
      const presets = {};
      for (const name of data.names) {
        const one = await this.request(`/${encodeURIComponent(name)}`);
        if (one) presets[name] = one.settings;
      }
      download("regional presets.json", new Blob([writePresetFile(presets)], { type: "application/json" }));
      this.report(t("Presets exported: {0}.", Object.keys(presets).length));
    }
    /** @param {File} file */
    async importFile(file) {
      let presets;
      try {
        presets = readPresetFile(file.name, await file.text());
      } catch (error) {
        return this.report(error.message, true);
      }
      const refused = [];
      for (const [name, settings] of Object.entries(presets)) {
        const fault = await importPreset(name, settings);
        if (fault) refused.push(`${name}: ${fault}`);
      }
      await this.list();
      const count = Object.keys(presets).length - refused.length;
      return this.report([t("Presets imported from {1}: {0}.", count, file.name), ...refused].join("\n"), refused.length > 0);
    }
  };
  async function importPreset(name, settings) {
    const options = { method: "PUT", body: { settings, overwrite: false } };
    const answer = await callApi(`presets/${encodeURIComponent(name)}`, options).catch(() => null);
    if (!answer) return "the server does not answer";
    return answer.ok ? "" : errorText(answer);
  }

  // javascript/src/model/words/api_call.js
  var WRITERS = {
    curl: (address, body) => `curl -s ${address}/sdapi/v1/txt2img -H 'Content-Type: application/json' -d @- <<'JSON'
${indented(body)}
JSON`,
    Python: (address, body) => [
      "import json",
      "import webuiapi",
      "",
      `api = webuiapi.WebUIApi(baseurl=${JSON.stringify(`${address}/sdapi/v1`)})`,
      `body = json.loads(r'''${indented(escaped(body))}''')`,
      "result = api.txt2img(**body)",
      'result.image.save("picture.png")'
    ].join("\n"),
    JavaScript: (address, body) => [
      `const answer = await fetch(${JSON.stringify(`${address}/sdapi/v1/txt2img`)}, {`,
      '    method: "POST",',
      '    headers: {"Content-Type": "application/json"},',
      `    body: JSON.stringify(${indented(body)}),`,
      "});",
      "const {images} = await answer.json();"
    ].join("\n")
  };
  var CALL_KINDS = Object.keys(WRITERS);
  var indented = (body) => typeof body === "string" ? body : JSON.stringify(body, null, 2);
  var escaped = (body) => JSON.stringify(body, null, 2).replaceAll("'", "\\u0027");
  function apiCall(kind, address, { page, settings }) {
    return WRITERS[kind](address, { ...page, alwayson_scripts: { Regional: { args: [settings] } } });
  }

  // javascript/src/panel/page/call_menu.js
  function pageFields(panel) {
    const { prompt, negative } = panel.prompts();
    const value = (name) => (find(`#${panel.tab}_${name} input[type=number], #${panel.tab}_${name} input`) || {}).value;
    const number = (name) => value(name) ? Number(value(name)) : void 0;
    const sampler = (find(`#${panel.tab}_sampling input, #${panel.tab}_sampling select`) || {}).value || void 0;
    return {
      prompt,
      negative_prompt: negative,
      ...panel.size(),
      steps: samplingSteps(panel.tab) ?? void 0,
      cfg_scale: number("cfg_scale"),
      seed: number("seed"),
      sampler_name: sampler
    };
  }
  function callMenu(panel) {
    const menu = el(
      "select",
      {
        "aria-label": "Copy API call",
        title: "Copy the txt2img call that makes what the page shows",
        "data-action": "copy-call",
        onchange: copy3
      },
      el("option", { value: "", localized: "Copy API call\u2026" }),
      CALL_KINDS.map((kind) => el("option", { value: kind, localized: kind }))
    );
    async function copy3() {
      const kind = menu.value;
      menu.value = "";
      const text = apiCall(kind, location.origin, { page: pageFields(panel), settings: { ...toJson(panel.store.get()), enabled: true } });
      try {
        await navigator.clipboard.writeText(text);
        panel.note(t("The API call is in the clipboard: {0}.", kind));
      } catch {
        panel.note(text);
      }
    }
    return menu;
  }

  // javascript/src/panel/sections.js
  var DRAWERS = [
    { name: "presets", label: "Layouts and presets", create: createPresets },
    { name: "import", label: "Import", create: createImport },
    { name: "masks", label: "Masks", create: createMaskFiles },
    { name: "edit", label: "Edit", create: createEdit }
  ];
  function createSections(panel) {
    const holder = el("div", { class: "rg-drawer" });
    const made = /* @__PURE__ */ new Map();
    let open = -1;
    const tabs = DRAWERS.map(
      ({ name, label }, index) => button(label, () => toggle2(index), { "aria-expanded": "false", "data-action": `drawer-${name}` })
    );
    const reset = button("Reset", () => panel.reset(), {
      class: "rg-button rg-last",
      "data-action": "reset",
      title: "Empty the panel; Undo brings it back"
    });
    function toggle2(index) {
      open = open === index ? -1 : index;
      tabs.forEach((tab, i) => {
        tab.setAttribute("aria-expanded", String(i === open));
        tab.classList.toggle("rg-on", i === open);
      });
      if (open < 0) return holder.replaceChildren();
      const drawer = made.get(open) || DRAWERS[open].create(panel);
      made.set(open, drawer);
      holder.replaceChildren(drawer.node);
      return drawer.opened?.();
    }
    return el(
      "div",
      { class: "rg-sections" },
      el("div", { class: "rg-row" }, tabs, panel.tab === "txt2img" ? callMenu(panel) : null, reset),
      holder
    );
  }

  // javascript/src/panel/build.js
  var OVERLAPS = [
    ["blend", "share by weight"],
    ["over", "later one covers"]
  ];
  var TEXTS = [
    ["regions", "written here"],
    ["break", "main prompt, split at BREAK"],
    ["lines", "main prompt, one line each"],
    ["and", "main prompt, split at AND"]
  ];
  var RATIOS_HELP = "Sizes of the cells: 1,1,2 for three cells; rows of columns as 1,1;2,1,1 (first number: size of the row)";
  function buildPanel(panel) {
    const stage = new Stage(panel);
    const list = new RegionList(panel);
    const overlay = createOverlay(panel, stage);
    const messages = el("div", { class: "rg-messages", role: "status", "aria-live": "polite" });
    const bound2 = [];
    const add = (field) => (bound2.push(field), field.node);
    const options = buildOptions(panel);
    const bar = buildBar(panel, add, [options.options.box, ...options.beside.map(({ box }) => box)]);
    const layout = buildLayout(panel, add);
    const texts2 = buildTexts(panel, add);
    const run2 = new RunBox(panel).node;
    const side = el("div", { class: "rg-side" }, stage.node, run2, messages);
    bar.insertBefore(layout.row, bar.children[1]);
    const main = el("div", { class: "rg-main" }, list.node);
    const sections = createSections(panel);
    const node = el("div", { class: "rg" }, bar, el("div", { class: "rg-body" }, side, main), texts2, sections);
    attachPanelKeys(panel, node);
    panel.mount.replaceChildren(node);
    const landmark = accordion(panel.tab) || node;
    landmark.setAttribute("role", "region");
    landmark.setAttribute("aria-label", `Regional, ${panel.tab}`);
    return { node, bar, run: run2, sections, stage, list, overlay, messages, bound: bound2, texts: texts2, ...options, ...layout };
  }
  var BESIDE = { detail: "Detail pass", scores: "Scores and candidates" };
  function buildOptions(panel) {
    const section = (title) => {
      const row = el("div", { class: "rg-row rg-options" });
      return { row, box: el("details", { class: "rg-more" }, el("summary", { localized: title }), row) };
    };
    const beside = Object.entries(BESIDE).map(([owner, title]) => ({ owner, ...section(title) }));
    const options = section("Options");
    options.box.append(el("div", { class: "rg-row" }, switchField(panel)));
    return { options, beside };
  }
  function buildBar(panel, add, boxes) {
    const enable = enableField(panel);
    const node = add(enable);
    const fields = [
      selectField(panel, "method", "Method", panel.methods, "How the regions' prompts are made to act where they lie"),
      selectField(panel, "text_from", "Region texts", TEXTS, "Where the texts of the regions come from")
    ];
    return el("div", { class: "rg-top" }, el("div", { class: "rg-bar" }, enable.isInHeader ? null : node, fields.map(add)), boxes);
  }
  function buildLayout(panel, add) {
    const mode = (label, change) => button(label, () => panel.edit(change), { "data-action": `layout-${label}` });
    const modes = [mode("Grid", useGrid), mode("Free shapes", useShapes)];
    const directions = ["columns", "rows"].map((each) => [each, each]);
    const direction = selectField(panel, "grid.direction", "Grid of", directions, "Direction in which a plain list of sizes runs");
    const ratios = lineField(panel, "grid.ratios", {
      label: "Sizes",
      title: RATIOS_HELP,
      take: (text) => takeRatios(panel, text, ratios.input, fault)
    });
    const fault = el("span", { class: "rg-field-fault", role: "alert", hidden: true });
    const overlap = selectField(panel, "overlap", "Where regions overlap", OVERLAPS);
    const count = el("span", {});
    const sizes = el("label", { class: "rg-field rg-ratios" }, el("span", { class: "rg-label" }, `${t("Sizes")} `, count), add(ratios), fault);
    const gridParts = [add(direction), sizes];
    const freeParts = [add(overlap)];
    direction.input.addEventListener("change", () => panel.edit((state) => setGrid(state, {})));
    const choice = el("div", { class: "rg-switch", role: "group", "aria-label": "Layout" }, modes);
    const row = el("div", { class: "rg-row rg-layout", "data-field": "grid" }, choice, gridParts, freeParts);
    return { row, modes, count, gridParts, freeParts };
  }
  function takeRatios(panel, text, input, fault) {
    const wrong = ratiosFault(text, panel.store.get().grid?.direction || "columns");
    if (!wrong) panel.edit((state) => setGrid(state, { ratios: text }), { key: "grid" });
    fault.textContent = wrong ? translateMessage(`${wrong}. The grid stays as it was.`) : "";
    fault.hidden = !wrong;
    input.toggleAttribute("aria-invalid", Boolean(wrong));
    if (wrong) input.setAttribute("aria-invalid", "true");
  }
  function buildTexts(panel, add) {
    const fields = [
      promptField(panel, "common", "Common prompt", { placeholder: "put in front of every region's prompt" }),
      promptField(panel, "base.prompt", "Base prompt", { emptyIsNull: true, placeholder: "empty: the main prompt" }),
      promptField(panel, "base.negative", "Base negative prompt", { emptyIsNull: true, placeholder: "empty: the main negative prompt" })
    ];
    fields.forEach((field) => completeNames(panel, field));
    return el("details", { class: "rg-more rg-texts" }, el("summary", { localized: "Texts for the whole picture" }), fields.map(add));
  }
  function drawMethodOptions(panel, { options, beside }) {
    const { method } = panel.store.get();
    const elsewhere = EDIT_METHODS.includes(method) ? EDIT_OPTIONS : method === "repaint" ? REPAINT_OPTIONS : [];
    const own = method === "repaint" && panel.schema ? repaintFields(panel) : [];
    const drawn = [
      { ...options, fields: [...own, ...optionFields(panel, method, elsewhere)] },
      ...beside.map(({ owner, row, box }) => ({ row, box, fields: optionFields(panel, owner, []) }))
    ];
    for (const { row, box, fields } of drawn) {
      row.replaceChildren(...fields.map((field) => field.node));
      box.hidden = box !== options.box && !fields.length;
    }
    return drawn.flatMap(({ fields }) => fields);
  }
  var optionFields = (panel, owner, elsewhere) => Object.entries(methodOptions(panel.schema, owner)).filter(([name]) => !elsewhere.includes(name)).flatMap(([name, schema]) => schemaField(panel, `options.${owner}.${name}`, name, schema) || []);
  function updateLayout({ modes, gridParts, freeParts, count, texts: texts2 }, state) {
    const cells = cellCount(state);
    modes.forEach((node, i) => {
      const on = Boolean(state.grid) === (i === 0);
      node.classList.toggle("rg-on", on);
      node.setAttribute("aria-pressed", String(on));
    });
    gridParts.forEach((node) => node.toggleAttribute("hidden", !state.grid));
    freeParts.forEach((node) => node.toggleAttribute("hidden", Boolean(state.grid)));
    count.textContent = cells === null ? "" : t(cells === 1 ? "(1 cell)" : "({0} cells)", cells);
    if (state.common || state.base.prompt !== null || state.base.negative !== null) texts2.open = true;
  }

  // javascript/src/panel/checks.js
  var Checks = class {
    /** @param {Panel} panel */
    constructor(panel) {
      this.panel = panel;
      this.problems = [];
      this.warnings = [];
      this.seen = null;
      this.requests = {};
      this.changes = { asked: 0, checked: 0 };
      this.draw = () => this.showNow();
      this.checkSoon = debounce(async () => {
        const { asked: asked2 } = this.changes;
        await this.check();
        this.changes.checked = asked2;
        if (panel.stage.background.kind === "map") refreshBackground(panel.stage);
      }, 300);
    }
    /** Check after a moment, once for all changes until then. */
    soon() {
      this.changes.asked += 1;
      this.checkSoon();
    }
    /** Check even what was checked last. */
    again() {
      this.seen = null;
      this.soon();
    }
    /**
     * A signal for a new request; the one before under the same name is given up.
     *
     * @param {string} name
     */
    signal(name) {
      if (this.requests[name]) this.requests[name].abort();
      this.requests[name] = new AbortController();
      return this.requests[name].signal;
    }
    async check() {
      const { panel } = this;
      if (!panel.visible()) return;
      const body = { settings: toJson(panel.store.get()), ...panel.prompts(), ...panel.size(), report: true };
      const request = JSON.stringify(body);
      if (request === this.seen) return;
      const { asked: asked2 } = this.changes;
      try {
        const answer = await callApi("validate", { method: "POST", body, signal: this.signal("check") });
        if (asked2 !== this.changes.asked) return;
        this.seen = request;
        this.take(answer);
      } catch (error) {
        if (error.name === "AbortError" || asked2 !== this.changes.asked) return;
        this.problems = [];
        this.warnings = [t("The settings could not be checked: the server does not answer.")];
      }
      this.show();
    }
    /** @param {Answer} answer */
    take({ ok: isAnswered, status, data }) {
      const { panel } = this;
      const ok = isAnswered && data.ok !== false;
      this.problems = ok ? [] : problemsOf(status, data);
      this.warnings = ok ? data.warnings || [] : [];
      panel.cost = ok && data.cost ? translateMessage(data.cost.text) : "";
      panel.stage.bar.update();
      if (panel.onChecked) panel.onChecked(ok ? data : null);
    }
    /**
     * The weight maps on a grid, drawn by the server, as an image; null where settings with problems have none. Settings that are not
     * checked yet wait for that: it asks again.
     *
     * @param {number | null | undefined} scale Pixels per cell of the grid.
     * @param {(image: ImageBitmap | null) => void} take
     */
    async drawMap(scale, take) {
      const { panel } = this;
      if (!panel.visible() || this.changes.checked !== this.changes.asked) return;
      if (this.problems.length) return take(null);
      const state = panel.store.get();
      const body = { settings: toJson(state), ...panel.size(), scale, labels: false, numbers: numbersOf(state) };
      try {
        const { ok, data } = await callApi("preview", { method: "POST", body, signal: this.signal("map") });
        take(ok ? await createImageBitmap(data) : null);
      } catch (error) {
        if (error.name === "AbortError") return;
        take(null);
        panel.note("The weight map could not be drawn: the server does not answer.", true);
      }
    }
    /** Show problems, warnings, notes and hints, and mark the fields with problems: as soon as no press can be lost by it. */
    show() {
      whenReleased(this.draw);
    }
    showNow() {
      const { panel } = this;
      const state = panel.store.get();
      panel.mount.querySelectorAll("[aria-invalid]").forEach((node) => node.removeAttribute("aria-invalid"));
      panel.messages.replaceChildren(
        ...this.problems.map((problem) => problemRow(panel, problem)),
        ...generalWarnings(this.warnings, (index) => numberOf(state, index)).map(
          (text) => el("div", { class: "rg-message rg-warning", text: translateMessage(text) })
        ),
        ...panel.notes.map(
          ({ text, isBad }) => el("div", { class: `rg-message${isBad ? " rg-problem-text" : ""}`, role: isBad ? "alert" : null, text })
        ),
        ...hints(state)
      );
      panel.list.warn(regionWarnings(this.warnings));
      showBadge(panel, state, this.problems);
    }
  };
  function problemsOf(status, data) {
    return data.problems && data.problems.length ? data.problems : [{ field: "", message: data.detail || `The checks answered ${status}.` }];
  }
  function hints(state) {
    const written = state.regions.some((region) => region.prompt);
    const hint = { class: "rg-message rg-warning", localized: "Regional is off: tick Enable to use these regions." };
    return !state.enabled && written ? [el("div", hint)] : [];
  }
  function showBadge(panel, state, problems) {
    const label = find(`#regional_${panel.tab} .label-wrap span`);
    if (!label) return;
    let badge = label.querySelector(".rg-badge");
    if (!badge) label.append(badge = el("span", { class: "rg-badge" }));
    const wrong = state.enabled && problems.length > 0;
    const text = state.enabled ? translateMessage(summary(state) + (wrong ? ", with errors" : "")) : "";
    if (badge.textContent !== text) badge.textContent = text;
    badge.classList.toggle("rg-bad", wrong);
  }
  function problemRow(panel, problem) {
    const node = fieldNode(panel, problem.field || "");
    const said = panelWords(problem.message || problem.detail || String(problem));
    const text = translateMessage(problem.field?.startsWith("regions[") ? inNumbers(said, panel.store.get()) : said);
    if (!node) return el("div", { class: "rg-message rg-problem", text });
    node.setAttribute("aria-invalid", "true");
    return el("button", { type: "button", class: "rg-message rg-problem", text, title: "Go to the field", onclick: () => reveal(node) });
  }
  function fieldNode(panel, path) {
    for (let name = path; name; name = name.slice(0, Math.max(0, name.lastIndexOf("."), name.lastIndexOf("[")))) {
      const node = panel.mount.querySelector(`[data-field="${CSS.escape(name)}"], [data-field="${CSS.escape(name)}[0]"]`);
      if (node) return node;
    }
    return null;
  }
  function reveal(node) {
    for (let details = node.closest("details"); details; details = details.parentElement && details.parentElement.closest("details")) {
      details.open = true;
    }
    node.focus();
    node.scrollIntoView({ block: "nearest" });
  }

  // javascript/src/panel/page/following.js
  function followVisibility(panel) {
    if (typeof IntersectionObserver === "undefined") return;
    new IntersectionObserver((all) => all.some((one) => one.isIntersecting) && panel.hostChanged()).observe(panel.mount);
  }
  function followLeaving(panel) {
    window.addEventListener("pagehide", () => panel.parts.node.isConnected && panel.save());
  }
  function followHost(panel) {
    const { stage } = panel;
    const result = OF_RESULT.includes(stage.background.kind) ? (shownPicture(panel.tab) || { src: void 0 }).src : "";
    const now = JSON.stringify([panel.size(), samplingSteps(panel.tab), panel.prompts(), panel.visible(), result]);
    if (now === panel.seen) return;
    panel.seen = now;
    panel.saveSoon();
    if (panel.ofPrompt !== null && panel.ofPrompt !== panel.prompts().prompt) {
      panel.ofPrompt = null;
      panel.note("");
    }
    stage.update();
    panel.list.update(panel.store.get());
    refreshBackground(stage);
    panel.overlay.update();
    panel.checks.soon();
  }

  // javascript/src/panel/page/narrow.js
  var NARROW = 500;
  function followWidth(panel) {
    const { node, bar, run: run2, sections, stage } = panel.parts;
    const follow = () => {
      const width = panel.mount.clientWidth;
      const isNarrow = width > 0 && width < NARROW;
      if (!width || isNarrow === panel.isNarrow) return;
      panel.isNarrow = isNarrow;
      node.classList.toggle("rg-narrow", isNarrow);
      if (isNarrow) {
        sections.before(bar);
        stage.bar.bottom.before(run2);
      } else {
        node.prepend(bar);
        stage.node.after(run2);
      }
      panel.list.renew();
    };
    follow();
    if (typeof ResizeObserver !== "undefined") new ResizeObserver(follow).observe(panel.mount);
  }

  // javascript/src/panel/page/off_note.js
  function createOffNote(panel) {
    const on = button("Switch on", () => panel.edit((state) => setField(state, "enabled", true)), { "data-action": "switch-on" });
    const node = el("div", { class: "rg-off-note", role: "status" }, el("span", { localized: "Regional is off." }), on);
    return {
      /** @param {State} state */
      update(state) {
        const needed = !state.enabled && state.regions.some((region) => region.prompt);
        const place2 = needed ? find(`#${panel.tab}_actions_column`) || find(`#${panel.tab}_generate_box`) : null;
        if (!place2) node.remove();
        else if (node.parentElement !== place2) place2.append(node);
      }
    };
  }

  // javascript/src/panel/panel.js
  var WITH_CHANGE = 300;
  var Panel = class {
    /**
     * @param {string} tab "txt2img" or "img2img"
     * @param {HTMLElement} mount Carries the methods and the schema as data attributes.
     */
    constructor(tab, mount) {
      /** Whether it is as narrow as on a phone. */
      __publicField(this, "isNarrow", false);
      /** Whether somebody switched it off by hand: then it stays off. */
      __publicField(this, "keptOff", false);
      this.tab = tab;
      this.mount = mount;
      this.methods = JSON.parse(mount.dataset.methods || "[]");
      this.schema = readSchema(mount.dataset.schema || "{}");
      learn(this.schema);
      this.mapsName = `${tab} ${Math.random().toString(36).slice(2, 10)}`;
      this.selected = /* @__PURE__ */ new Set();
      this.notes = [];
      this.cost = "";
      this.onChecked = null;
      this.ofPrompt = null;
      this.switches = switchesOn();
      this.written = "";
      this.seen = "";
      this.store = createStore(emptyState());
      this.history = createHistory(this.store.get());
      this.checks = new Checks(this);
      this.offNote = createOffNote(this);
      this.saveSoon = debounce(() => this.save(), 200);
      this.optionFields = [];
      this.parts = buildPanel(this);
      this.stage = this.parts.stage;
      this.list = this.parts.list;
      this.overlay = this.parts.overlay;
      this.messages = this.parts.messages;
      this.drawOptions();
      begin(this);
      this.store.subscribe((state, origin, before) => this.changed(origin, before));
      this.update();
      attachClipboard(this);
      followVisibility(this);
      followLeaving(this);
      followWidth(this);
    }
    // ------------------------------------------------ text box <-> state
    readText() {
      const box = stateBox(this.tab);
      return box ? box.value : "";
    }
    /**
     * Take over settings that came from outside, such as those of a pasted picture.
     *
     * @param {string} text
     */
    adopt(text) {
      adopt(this, text);
    }
    /** Remember the panel for a reload. */
    save() {
      remember(this.tab, this.written, keptOf(this.store.get()), this.prompts());
    }
    /** Compare the text box with what this panel wrote last, and follow it when they differ. */
    pull() {
      const text = this.readText();
      if (text !== this.written) this.adopt(text);
    }
    /** Write the state into the text box. */
    push() {
      this.write(serialize(this.store.get(), this.stage.background.kind === "words" ? { attention_maps: this.mapsName } : {}));
      this.saveSoon();
    }
    /**
     * Write a text into the text box. One that is not the panel's is for one picture: `push` brings the panel's back.
     *
     * @param {string} text
     */
    write(text) {
      const box = stateBox(this.tab);
      this.written = text;
      if (!box) return;
      box.value = text;
      box.dispatchEvent(new Event("input", { bubbles: true }));
    }
    /**
     * @param {string} origin "host", "edit" or "history"
     * @param {State} before
     */
    changed(origin, before) {
      const now = performance.now();
      this.notes = this.notes.filter(({ at }) => now - at < WITH_CHANGE);
      if (origin !== "host") this.push();
      else this.save();
      const ids = new Set(this.store.get().regions.map((region) => region._id));
      this.selected = new Set([...this.selected].filter((id) => ids.has(id)));
      if (before.method !== this.store.get().method) this.drawOptions();
      this.update();
    }
    /**
     * Change the state: one step of the history, joined with the last one of the same `key`. Work on regions switches the panel on.
     *
     * @param {(state: State) => State} change
     * @param {{key?: string | null}} [options]
     */
    edit(change, { key } = {}) {
      const before = this.store.get();
      const changed = numbered(inheritShare(before, change(before)));
      const next = this.switches && !this.keptOff ? switchedOn(before, changed) : changed;
      this.keptOff = !next.enabled && (before.enabled || this.keptOff);
      this.history.record(next, key);
      this.store.set(next, "edit");
    }
    undo() {
      const state = this.history.undo();
      if (state) this.store.set(state, "history");
    }
    redo() {
      const state = this.history.redo();
      if (state) this.store.set(state, "history");
    }
    // ------------------------------------------------ the tab
    /** Size of the tab's pictures in pixels. */
    size() {
      return pictureSize(this.tab);
    }
    /** The tab's main prompts. */
    prompts() {
      return mainPrompts(this.tab);
    }
    visible() {
      return this.mount.isConnected && this.mount.getClientRects().length > 0;
    }
    /** Size, main prompt or result may have changed: update when they did. */
    hostChanged() {
      followHost(this);
    }
    /** The options of the chosen method, as the schema describes them. */
    drawOptions() {
      this.optionFields = drawMethodOptions(this, this.parts);
    }
    /** Everything that follows from the state. */
    update() {
      const state = this.store.get();
      [...this.parts.bound, ...this.optionFields].forEach((field) => field.update(state));
      updateLayout(this.parts, state);
      this.parts.node.classList.toggle("rg-off", !state.enabled);
      this.list.update(state);
      if (this.stage.background.kind === "map") this.stage.background.stale = true;
      this.offNote.update(state);
      this.stage.update();
      this.overlay.update();
      this.checks.show();
      this.checks.soon();
    }
    /**
     * Show a message below the canvas; an empty text removes it, and so does the next change of the state.
     *
     * @param {string} text
     * @param {boolean} [isBad]
     */
    note(text, isBad) {
      this.notes = text ? [{ text: translateMessage(text), isBad, at: performance.now() }] : [];
      this.ofPrompt = null;
      if (this.messages) this.checks.show();
    }
    /**
     * Choose regions by their ids; `reveal` brings the card of a single one into view.
     *
     * @param {Iterable<number>} ids
     * @param {{reveal?: boolean}} [options]
     */
    select(ids, { reveal: reveal2 } = {}) {
      this.selected = new Set(ids);
      this.list.mark();
      this.stage.bar.update();
      this.stage.redraw();
      if (reveal2 && this.selected.size === 1) this.list.reveal([...this.selected][0]);
    }
    /**
     * A shape was drawn: choose it, and put the keyboard into its prompt. The tool stays until Escape. A finger gets no keyboard: it
     * would cover the canvas.
     *
     * @param {number} id
     */
    drawn(id) {
      this.select([id], { reveal: true });
      if (!this.stage.touched) this.focusPrompt(this.store.get().regions.findIndex((region) => region._id === id));
    }
    /** @param {number} index */
    focusPrompt(index) {
      return this.list.focusPrompt(index);
    }
    /**
     * What a button or key of this name does; always true.
     *
     * @param {string} name
     */
    act(name) {
      act(this, name);
      return true;
    }
    /** @param {string} text */
    paste(text) {
      paste2(this, text);
    }
    /**
     * The selection with its frame `from` at `to`.
     *
     * @param {Box} from
     * @param {Box} to
     * @param {string} [key]
     */
    place(from, to, key) {
      place(this, from, to, key);
    }
    /** @param {string} side */
    align(side) {
      if (side) align(this, side);
    }
    /** A new box in the middle of the picture, or a new cell of the grid. */
    addBox() {
      addBox(this);
    }
    reset() {
      this.note("");
      const empty = numbered(emptyState());
      this.history.record(empty);
      this.store.set(empty, "edit");
      this.keptOff = false;
    }
  };

  // javascript/src/main.js
  var TABS = ["txt2img", "img2img"];
  function attach() {
    for (const tab of TABS) {
      const mount = find(`#regional_${tab}_panel`);
      if (!mount || !stateBox(tab)) continue;
      if (!panels[tab] || panels[tab].mount !== mount || !mount.firstChild) panels[tab] = new Panel(tab, mount);
      else panels[tab].pull();
      panels[tab].hostChanged();
    }
  }
  function start() {
    const attachSoon = debounce(attach, 50);
    const followSoon = debounce(() => Object.values(panels).forEach((panel) => panel.hostChanged()), 100);
    attach();
    attachShortcut();
    watchPresses();
    if (typeof onAfterUiUpdate === "function") onAfterUiUpdate(attach);
    else new MutationObserver(attachSoon).observe(document.body, { childList: true, subtree: true });
    ["input", "change", "click"].forEach((kind) => document.addEventListener(kind, followSoon, true));
  }
  window.Regional = {
    panels,
    attach,
    strings,
    /**
     * Called by the text box when its value changed: Python may have written it.
     *
     * @param {string} tab
     */
    pull: (tab) => setTimeout(() => panels[tab] ? panels[tab].pull() : attach(), 0)
  };
  if (typeof onUiLoaded === "function") onUiLoaded(start);
  else if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
