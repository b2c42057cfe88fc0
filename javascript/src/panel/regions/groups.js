// The heads of groups in the list: fold, name, mute, solo, menu.

/** @import {State} from "../../types.js" */
/** @import {RegionList} from "./list.js" */

import {t} from "../../host/language.js";
import {idsOfGroup, isGroupMuted, LONGEST_GROUP, muteGroup, renameGroup, setGroup, soloGroup, soloKey} from "../../model/list/groups.js";
import {placeGroup} from "../../model/list/order.js";
import {openMenu} from "../../stage/menu.js";
import {dressTool, tool} from "../../widgets/buttons.js";
import {el} from "../../widgets/elements.js";
import {icon} from "../../widgets/icons.js";
import {recallFolded, rememberFolded} from "../storage.js";
import {attachDrag, draggedGroup} from "./drag.js";

/** @typedef {ReturnType<GroupHeads["create"]>} Head */

/** The heads of a list, by the names of their groups. */
export class GroupHeads {
    /** @param {RegionList} list */
    constructor(list) {
        this.list = list;
        this.panel = list.panel;
        /** @type {Map<string, Head>} */
        this.heads = new Map();
        /** Names of the groups that are one line. */
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
        const {panel} = this;
        const held = {name};
        const choose = () => panel.select(idsOfGroup(panel.store.get(), held.name));
        const grip = el("span", {class: "rg-grip", title: "Drag to another place in the list", "aria-hidden": "true"}, icon("grip"));
        const fold = tool("unfolded", "Fold", () => this.fold(held.name, !this.folded.has(held.name)), {"data-action": "group-fold"});
        const edit = (/** @type {(state: State, name: string) => State} */ change) => panel.edit((state) => change(state, held.name));
        const mute = tool("eye", "Mute", () => edit(muteGroup), {"data-action": "group-mute"});
        const alone = tool("solo", "Solo", () => edit(soloGroup), {"data-action": "group-solo"});
        const more = tool("more", "More", () => (choose(), showMenu(panel, more)), {"aria-haspopup": "menu", "data-action": "group-more"});
        const input = this.nameInput(held);
        const count = el("span", {class: "rg-hint"});
        const click = (/** @type {MouseEvent} */ event) => {
            if (/** @type {Element} */ (event.target).closest("button, input")) return;
            choose();
            panel.stage.canvas.focus({preventScroll: true});
        };
        const node = el("div", {class: "rg-group rg-head", role: "group", onclick: click}, grip, fold, input, count, mute, alone, more);
        this.attachDrag(node, grip, held);
        return {held, node, grip, fold, input, count, mute, alone, more};
    }

    /** @param {{name: string}} held */
    nameInput(held) {
        const {panel} = this;
        const input = el("input", {
            type: "text",
            maxlength: LONGEST_GROUP,
            spellcheck: "false",
            autocomplete: "off",
            "aria-label": "Name of the group",
            "data-action": "group-name",
            onchange: () => this.rename(held, input.value),
            onblur: () => (input.value = held.name),
            onkeydown: (/** @type {KeyboardEvent} */ event) => {
                if (event.key !== "Enter" && event.key !== "Escape") return;
                if (event.key === "Escape") input.value = held.name;
                event.preventDefault();
                panel.stage.canvas.focus({preventScroll: true});
            },
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
            dropped: (state, {index, group}) =>
                group ? placeGroup(state, group, first()) : setGroup(state, [state.regions[index]._id], held.name),
        });
    }

    /**
     * @param {{name: string}} held
     * @param {string} next
     */
    rename(held, next) {
        const {panel, heads, folded} = this;
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
        input?.focus({preventScroll: true});
        input?.select();
    }
}

/**
 * @param {import("../panel.js").Panel} panel
 * @param {HTMLElement} button
 */
function showMenu(panel, button) {
    const {left, bottom} = button.getBoundingClientRect();
    openMenu(panel, {x: left, y: bottom + 2}, button);
}
