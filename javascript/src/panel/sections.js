// Regional: the drawers below the panel: presets, import, masks, edit. One is open at a time; none is built before it is opened.
(function (R) {
    "use strict";

    const {el, button} = R.dom;
    const NAMES = [["presets", "Layouts and presets"], ["import", "Import"], ["masks", "Masks"], ["edit", "Edit"]];

    function createSections(panel) {
        const holder = el("div", {class: "rg-drawer"}), made = {};
        let open = null;
        const tabs = NAMES.map(([name, label]) => button(label, () => toggle(name), {"aria-expanded": "false", "data-action": `drawer-${name}`}));
        const reset = button("Reset", () => panel.reset(), {class: "rg-button rg-last", "data-action": "reset", title: "Empty the panel; Undo brings it back"});

        function toggle(name) {
            open = open === name ? null : name;
            tabs.forEach((tab, i) => {
                const on = NAMES[i][0] === open;
                tab.setAttribute("aria-expanded", String(on));
                tab.classList.toggle("rg-on", on);
            });
            if (!open) return holder.replaceChildren();
            made[open] = made[open] || R.drawers[open](panel);
            holder.replaceChildren(made[open].node);
            return made[open].opened && made[open].opened();
        }

        return el("div", {class: "rg-sections"}, el("div", {class: "rg-row"}, tabs, reset), holder);
    }

    R.drawers = R.drawers || {};
    R.createSections = createSections;
})(globalThis.Regional = globalThis.Regional || {});
