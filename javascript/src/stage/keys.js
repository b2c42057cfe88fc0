// Regional: the canvas by keyboard and clipboard. Every tool works with a crosshair: arrows move it, Space presses and lets go.
(function (R) {
    "use strict";

    const {isTyping} = R.dom;
    const ARROWS = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]};

    const HELP = [
        "V select · R box · E ellipse · P polygon · B brush · X eraser · G fill · [ and ] brush size",
        "Arrows move by 8 pixels (Ctrl: 1), with Shift they resize · Delete removes · Ctrl+D duplicates · N new box",
        "H and J mirror · Ctrl+A all · PageUp and PageDown next region, with Shift as well · Enter goes to its prompt · Esc lets go",
        "Ctrl+Z undo · Ctrl+Y redo · Ctrl+C, Ctrl+X, Ctrl+V regions as JSON · + − 0 zoom · Space and drag pans, or arrows with nothing chosen",
        "With a drawing tool the arrows move a crosshair; Space presses and lets go; Enter closes a polygon. Alt: no snapping",
    ];

    function attachKeys(stage) {
        const {canvas} = stage;
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

    /** Whether the key meant something here. */
    function press(stage, event) {
        const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
        if (event.ctrlKey || event.metaKey) return withCtrl(stage, key, event);
        if (ARROWS[key]) return arrow(stage, ARROWS[key], event);
        const action = PLAIN[key];
        if (action) return action(stage, event) !== false;
        const tool = Object.keys(R.tools).find((name) => R.tools[name].key === key);
        if (tool) stage.setTool(tool);
        return Boolean(tool);
    }

    function withCtrl(stage, key, event) {
        const {panel} = stage;
        if (ARROWS[key]) return arrow(stage, ARROWS[key], event);
        if (key === "z") return (event.shiftKey ? panel.redo() : panel.undo(), true);
        if (key === "y") return (panel.redo(), true);
        if (key === "d") return (panel.act("duplicate"), true);
        if (key === "a") return (panel.select(panel.store.get().regions.map((region) => region._id)), true);
        return false;
    }

    const resizeBrush = (factor) => (stage) => {
        stage.brush.size = R.clamp(stage.brush.size * factor, 0.01, 1);
        stage.bar.update();
        stage.redraw();
    };

    const PLAIN = {
        Delete: (stage) => stage.panel.act("remove"), Backspace: (stage) => stage.panel.act("remove"),
        Escape: (stage) => escape(stage), Enter: (stage) => enter(stage), " ": (stage, event) => space(stage, event),
        PageDown: (stage, event) => step(stage, 1, event.shiftKey), PageUp: (stage, event) => step(stage, -1, event.shiftKey),
        "+": (stage) => stage.zoom(1.25), "=": (stage) => stage.zoom(1.25), "-": (stage) => stage.zoom(0.8), "0": (stage) => stage.fit(),
        "[": resizeBrush(1 / 1.2), "]": resizeBrush(1.2), "?": (stage) => stage.panel.note(HELP.map((line) => R.dom.t(line)).join("\n")),
        h: (stage) => stage.panel.act("mirrorX"), j: (stage) => stage.panel.act("mirrorY"), n: (stage) => stage.panel.addBox(),
    };

    function escape(stage) {
        if (stage.active || stage.draft || stage.polygon || stage.paint) {
            stage.active = false;
            stage.cancel();
            return true;
        }
        if (stage.cursor && stage.cursor.keys) return (dropCursor(stage), true);
        if (stage.tool !== "select") return (stage.setTool("select"), true);
        const any = stage.panel.selected.size > 0;
        stage.panel.select([]);
        return any;
    }

    function enter(stage) {
        if (stage.polygon) return R.tools.polygon.close(stage);
        const [region] = stage.selectedRegions();
        return region ? stage.panel.focusPrompt(R.indexOf(stage.state, region._id)) : false;
    }

    /** With a drawing tool: press at the crosshair, or let go. With Select: hold it to pan. */
    function space(stage, event) {
        if (event.repeat) return;
        if (stage.tool === "select" && !(stage.cursor && stage.cursor.keys)) {
            stage.space = true;
            return;
        }
        stage.cursor = {...(stage.cursor || {x: 0.5, y: 0.5}), keys: true};
        const point = keyPoint(stage, event);
        if (stage.active) stage.end(point);
        else stage.begin(point);
        if (stage.tool === "polygon" || stage.tool === "fill") stage.active = false;
        stage.redraw();
    }

    const keyPoint = (stage, event) => ({...stage.cursor, pressure: 1, shift: false, alt: event.altKey, ctrl: false});

    /** The region after (or before) the chosen ones; with `more` beside them. */
    function step(stage, by, more) {
        const {regions} = stage.panel.store.get(), {selected} = stage.panel;
        if (!regions.length) return;
        const chosen = regions.flatMap((region, index) => (selected.has(region._id) ? [index] : [])), at = chosen.length ? chosen[by > 0 ? chosen.length - 1 : 0] : -1;
        const next = (at + by + regions.length + (at < 0 && by < 0 ? 1 : 0)) % regions.length;
        stage.panel.select([...(more ? selected : []), regions[next]._id], {reveal: true});
        stage.say(`${R.dom.t("Region {0}", next + 1)} ${regions[next].name || regions[next].prompt || ""}`);
    }

    function arrow(stage, [dx, dy], event) {
        const [width, height] = stage.size(), pixels = event.ctrlKey ? 1 : 8;
        if (stage.tool !== "select") return moveCursor(stage, dx * pixels / width, dy * pixels / height, event);
        if (!stage.panel.selected.size) return stage.view.zoom > 1 && panBy(stage, dx, dy);
        const state = stage.panel.store.get();
        if (state.grid) return moveBorder(stage, state, dx * pixels / width, dy * pixels / height, event.shiftKey);
        const from = stage.selectionBox(state);
        const to = event.shiftKey
            ? R.resizeBox(from, dx ? "e" : "s", {x: from[2] + dx * pixels / width, y: from[3] + dy * pixels / height}, [width, height])
            : R.shiftBox(from, dx * pixels / width, dy * pixels / height);
        stage.panel.place(from, to, `keys:${event.shiftKey}`);
        return true;
    }

    /** Move what is seen of a zoomed picture by a tenth. */
    function panBy(stage, dx, dy) {
        stage.view = R.panView(stage.view, dx / 10 / stage.view.zoom, dy / 10 / stage.view.zoom);
        stage.redraw();
        return true;
    }

    function moveCursor(stage, dx, dy, event) {
        const now = stage.cursor || {x: 0.5, y: 0.5};
        stage.cursor = {x: R.clamp(now.x + dx, 0, 1), y: R.clamp(now.y + dy, 0, 1), keys: true};
        if (stage.active) R.tools[stage.tool].move(stage, keyPoint(stage, event));
        else if (R.tools[stage.tool].hover) R.tools[stage.tool].hover(stage, keyPoint(stage, event));
        const [width, height] = stage.size();
        stage.say(`${Math.round(stage.cursor.x * width)}, ${Math.round(stage.cursor.y * height)}`);
        stage.redraw();
        return true;
    }

    /** In a grid the arrows move the border after the chosen cell (with Shift as well: there is nothing else to size). */
    function moveBorder(stage, state, dx, dy) {
        const index = state.regions.findIndex((region) => stage.panel.selected.has(region._id));
        const box = stage.boundsOf(state, index), axis = dx ? "x" : "y", side = dx ? 2 : 3, other = dx ? 0 : 1;
        const near = (value) => R.dividers(state.grid).find((each) => each.axis === axis && Math.abs(each.at - value) < 1e-6
            && (dx ? box[1] < each.to - 1e-6 && box[3] > each.from + 1e-6 : box[0] < each.to - 1e-6 && box[2] > each.from + 1e-6));
        const divider = near(box[side]) || near(box[other]);
        if (divider) stage.panel.edit((s) => ({...s, grid: {...s.grid, ratios: R.moveDivider(s.grid, divider, divider.at + dx + dy)}}), {key: `border:${axis}`});
        return Boolean(divider);
    }

    // ---------------------------------------------------------------- clipboard

    /** Copy, cut and paste while the focus is on the panel and not in a text. */
    function attachClipboard(panel) {
        const mine = (event) => R.panels[panel.tab] === panel && panel.mount.contains(document.activeElement) && !isTyping(document.activeElement) && !event.defaultPrevented;
        const copy = (event) => {
            if (!mine(event) || !panel.selected.size) return false;
            event.clipboardData.setData("text/plain", R.copyText(panel.store.get(), panel.selected));
            event.preventDefault();
            return true;
        };
        document.addEventListener("copy", copy);
        document.addEventListener("cut", (event) => copy(event) && panel.act("remove"));
        document.addEventListener("paste", (event) => {
            if (!mine(event)) return;
            event.preventDefault();
            event.stopImmediatePropagation();
            panel.paste(event.clipboardData.getData("text/plain"));
        }, true);
    }

    Object.assign(R, {attachKeys, attachClipboard, KEY_HELP: HELP});
})(globalThis.Regional = globalThis.Regional || {});
