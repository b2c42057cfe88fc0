// Life cycle: a panel for every mount of the page, which follows the host's changes. Everything that a page can reach is `window.Regional`.

import {strings} from "./host/language.js";
import {debounce, find} from "./host/page.js";
import {watchPresses} from "./host/pressed.js";
import {stateBox} from "./host/tab.js";
import {attachShortcut} from "./panel/page/shortcut.js";
import {Panel} from "./panel/panel.js";
import {panels} from "./panel/registry.js";

const TABS = ["txt2img", "img2img"];

/** Draw a panel into every mount that has none yet, and follow text boxes that Python has changed. */
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
    else new MutationObserver(attachSoon).observe(document.body, {childList: true, subtree: true});
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
    pull: (tab) => setTimeout(() => (panels[tab] ? panels[tab].pull() : attach()), 0),
};

if (typeof onUiLoaded === "function") onUiLoaded(start);
else if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
else start();
