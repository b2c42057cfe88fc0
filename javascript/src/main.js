// Regional: life cycle. Draws a panel into every mount of the page and follows the host's changes.
(function (R) {
    "use strict";

    const {find, debounce} = R.dom;
    const TABS = ["txt2img", "img2img"];
    const panels = {};

    /** Draw a panel into every mount that has none yet, and follow text boxes that Python has changed. */
    function attach() {
        for (const tab of TABS) {
            const mount = find(`#regional_${tab}_panel`);
            if (!mount || !find(`#regional_${tab}_state textarea, #regional_${tab}_state input`)) continue;
            if (!panels[tab] || panels[tab].mount !== mount || !mount.firstChild) panels[tab] = new R.Panel(tab, mount);
            else panels[tab].pull();
            panels[tab].hostChanged();
        }
    }

    function start() {
        const again = debounce(attach, 50);
        const look = debounce(() => Object.values(panels).forEach((panel) => panel.hostChanged()), 100);
        attach();
        if (typeof onAfterUiUpdate === "function") onAfterUiUpdate(attach);
        else new MutationObserver(again).observe(document.body, {childList: true, subtree: true});
        ["input", "change", "click"].forEach((kind) => document.addEventListener(kind, look, true));
    }

    Object.assign(R, {
        panels, attach,
        /** Called by the text box when its value changed: Python may have written it. */
        pull: (tab) => setTimeout(() => (panels[tab] ? panels[tab].pull() : attach()), 0),
    });

    if (typeof onUiLoaded === "function") onUiLoaded(start);
    else if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
    else start();
})(globalThis.Regional = globalThis.Regional || {});
