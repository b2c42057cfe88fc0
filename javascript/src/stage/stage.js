// Regional: the canvas. Holds the view (zoom, background), draws at most once a frame, and hands pointers to the tools.
(function (R) {
    "use strict";

    const {el} = R.dom;
    const REACH = 8;

    class Stage {
        constructor(panel) {
            this.panel = panel;
            this.view = {zoom: 1, x: 0, y: 0};
            this.tool = "select";
            this.snapping = true;
            this.brush = {size: 0.16, softness: 0.4};
            this.draft = null;
            this.guides = null;
            this.cursor = null;
            this.pointers = new Map();
            this.masks = R.masks.createMasks(() => this.redraw());
            this.background = {kind: "none", image: null};
            this.canvas = el("canvas", {
                class: "rg-canvas", tabindex: "0", role: "application", "aria-roledescription": "layout editor",
                "aria-label": "Layout of the regions. Press ? for the keys.", "data-action": "stage",
            });
            this.context = this.canvas.getContext("2d");
            this.said = el("div", {class: "rg-sr", "aria-live": "polite"});
            this.frame = el("div", {class: "rg-stage"}, this.canvas);
            this.bar = R.createToolbar(this);
            this.node = el("div", {class: "rg-figure"}, this.bar.top, this.frame, this.bar.bottom, this.said);
            this.listen();
            R.attachKeys(this);
            if (typeof ResizeObserver !== "undefined") new ResizeObserver(() => this.resize()).observe(this.frame);
        }

        // ------------------------------------------------ state

        get state() {
            return this.draft || this.panel.store.get();
        }

        size() {
            const {width, height} = this.panel.size();
            return [width, height];
        }

        update() {
            const {width, height} = this.panel.size();
            this.frame.style.aspectRatio = `${width} / ${height}`;
            this.frame.style.setProperty("--rg-ratio", String(width / height));
            this.bar.update();
            this.resize();
        }

        /** Make the work in progress the state; `key` joins it with like work just before. */
        commit(key) {
            const next = this.draft;
            this.draft = null;
            this.guides = null;
            if (next) this.panel.edit(() => next, {key});
            else this.redraw();
        }

        cancel() {
            this.draft = null;
            this.guides = null;
            this.paint = null;
            this.polygon = null;
            this.gesture = null;
            this.redraw();
        }

        boundsOf(state, index) {
            const region = state.regions[index];
            if (!state.grid && region && region.mask !== undefined) return (region.mask && this.masks.bounds(region.mask)) || [0, 0, 1, 1];
            return R.regionBounds(state, index);
        }

        selectionBox(state = this.state) {
            return R.unionBox(state.regions.flatMap((region, index) => (this.panel.selected.has(region._id) ? [this.boundsOf(state, index)] : [])));
        }

        selectedRegions(state = this.state) {
            return state.regions.filter((region) => this.panel.selected.has(region._id));
        }

        setTool(name) {
            if (this.tool === name) return;
            this.cancel();
            this.tool = name;
            this.cursor = null;
            this.bar.update();
            this.canvas.style.cursor = R.tools[name].cursor || "crosshair";
            this.say(R.tools[name].label);
            this.redraw();
        }

        /** Free shapes for a tool that draws: a grid gives its cells as boxes, one without any text nothing. */
        freeState() {
            const state = this.panel.store.get();
            if (!state.grid) return state;
            const isEmpty = state.regions.every(R.isBlank);
            this.panel.note(isEmpty ? "Your drawing takes the place of the empty grid." : "The grid has become free shapes, so that you can draw.");
            return isEmpty ? {...R.useShapes(state), regions: []} : R.useShapes(state);
        }

        say(text) {
            this.said.textContent = R.dom.t(text);
        }

        // ------------------------------------------------ coordinates

        resize() {
            const box = this.frame.getBoundingClientRect(), ratio = Math.min(2, window.devicePixelRatio || 1);
            const width = Math.max(1, Math.round(box.width * ratio)), height = Math.max(1, Math.round(box.height * ratio));
            if (this.canvas.width !== width || this.canvas.height !== height) Object.assign(this.canvas, {width, height});
            this.box = {width: width / ratio, height: height / ratio, ratio};
            this.redraw();
        }

        toScreen(x, y) {
            const {zoom} = this.view;
            return [(x - this.view.x) * zoom * this.box.width, (y - this.view.y) * zoom * this.box.height];
        }

        /** A pointer event as a point of the picture, with what the tools want to know. */
        toPoint(event) {
            const frame = this.canvas.getBoundingClientRect();
            const u = (event.clientX - frame.left) / frame.width, v = (event.clientY - frame.top) / frame.height;
            return {
                x: this.view.x + u / this.view.zoom, y: this.view.y + v / this.view.zoom, pressure: event.pointerType === "pen" ? event.pressure : 1,
                shift: event.shiftKey, alt: event.altKey, ctrl: event.ctrlKey || event.metaKey, touch: event.pointerType === "touch",
            };
        }

        reach(scale = 1) {
            const {zoom} = this.view;
            return {x: REACH * scale / zoom / this.box.width, y: REACH * scale / zoom / this.box.height};
        }

        /** A point where snapping puts it; alt switches that off. */
        snapped(point, except = new Set()) {
            if (!this.snapping || point.alt) return {x: R.clamp(point.x, 0, 1), y: R.clamp(point.y, 0, 1), guides: null};
            return R.snapPoint(point, this.lines(except), this.reach(), this.size());
        }

        lines(except) {
            const state = this.panel.store.get();
            return R.snapLines(state.regions.flatMap((region, index) => (except.has(region._id) ? [] : [this.boundsOf(state, index)])));
        }

        zoom(factor, at) {
            this.view = R.zoomView(this.view, factor, at || {x: this.view.x + 0.5 / this.view.zoom, y: this.view.y + 0.5 / this.view.zoom});
            this.bar.update();
            this.redraw();
        }

        fit() {
            this.view = {zoom: 1, x: 0, y: 0};
            this.bar.update();
            this.redraw();
        }

        // ------------------------------------------------ drawing

        redraw() {
            if (this.waiting) return;
            this.waiting = true;
            requestAnimationFrame(() => {
                this.waiting = false;
                if (this.canvas.isConnected && this.box) this.draw();
            });
        }

        draw() {
            const {context, state} = this, {width, height, ratio} = this.box;
            const at = (x, y) => this.toScreen(x, y);
            context.setTransform(ratio, 0, 0, ratio, 0, 0);
            R.draw.drawEmpty(context, width, height);
            this.drawBackground(at);
            if (state.grid && R.cellCount(state) === null) return;
            const isMap = this.background.kind === "map" || this.background.kind === "words";
            R.draw.drawRegions(context, state, {
                at, width, height, selected: this.panel.selected, masks: this.masks, boundsOf: (s, i) => this.boundsOf(s, i), labels: true,
                alpha: isMap ? 0 : undefined, hidden: this.paint && this.paint.id,
            });
            if (this.paint) this.drawPaint(at);
            if (this.polygon) this.drawPolygon(at);
            this.drawChosen(state, at);
            if (state.grid) R.draw.drawDividers(context, state.grid, at);
            if (this.guides) R.draw.drawGuides(context, this.guides, at);
            if (this.cursor) this.drawCursor(at);
        }

        drawBackground(at) {
            const {image} = this.background;
            if (!image || !(image.complete === undefined || image.complete) || !(image.naturalWidth || image.width)) return;
            const [x0, y0] = at(0, 0), [x1, y1] = at(1, 1);
            this.context.imageSmoothingEnabled = this.background.kind !== "map" && (image.naturalWidth || image.width) > 256;
            this.context.drawImage(image, x0, y0, x1 - x0, y1 - y0);
            this.context.imageSmoothingEnabled = true;
            if (this.background.words) R.drawWords(this.context, this.background, {at, chosen: this.panel.selected, state: this.state});
        }

        drawPaint(at) {
            const [x0, y0] = at(0, 0), [x1, y1] = at(1, 1);
            this.context.globalAlpha = 0.6;
            this.context.drawImage(this.paint.canvas, x0, y0, x1 - x0, y1 - y0);
            this.context.globalAlpha = 1;
        }

        drawPolygon(at) {
            const points = [...this.polygon.points, ...(this.polygon.next ? [this.polygon.next] : [])];
            this.context.beginPath();
            points.forEach((point, i) => (i ? this.context.lineTo(...at(...point)) : this.context.moveTo(...at(...point))));
            this.context.lineWidth = 2;
            this.context.strokeStyle = "#fff";
            this.context.stroke();
            this.polygon.points.forEach((point) => R.draw.drawKnob(this.context, ...at(...point), true));
        }

        drawChosen(state, at) {
            const chosen = this.selectedRegions(state), box = this.selectionBox(state);
            if (!box || this.paint) return;
            const locked = chosen.every((region) => region._lock), canSize = this.tool === "select" && !locked && !state.grid;
            R.draw.drawSelection(this.context, box, at, {handles: canSize, locked});
            if (canSize && chosen.length === 1 && chosen[0].polygon) chosen[0].polygon.forEach((point) => R.draw.drawKnob(this.context, ...at(...point), true));
        }

        /** The keyboard's crosshair, or the ring of the brush. */
        drawCursor(at) {
            const [x, y] = at(this.cursor.x, this.cursor.y), {context} = this;
            const ring = R.tools[this.tool].isBrush ? this.brush.size / 2 * Math.min(this.box.width, this.box.height) * this.view.zoom : 0;
            for (const [colour, width] of [["rgba(0, 0, 0, 0.8)", 3], ["#fff", 1.3]]) {
                context.strokeStyle = colour;
                context.lineWidth = width;
                context.beginPath();
                if (ring) context.arc(x, y, ring, 0, 2 * Math.PI);
                if (this.cursor.keys) {
                    context.moveTo(x - 9, y);
                    context.lineTo(x + 9, y);
                    context.moveTo(x, y - 9);
                    context.lineTo(x, y + 9);
                }
                context.stroke();
            }
        }

        // ------------------------------------------------ pointers

        listen() {
            const on = (kind, take, options) => this.canvas.addEventListener(kind, take, options);
            on("pointerdown", (event) => this.pointerDown(event));
            on("pointermove", (event) => this.pointerMove(event));
            on("pointerup", (event) => this.pointerUp(event));
            on("pointercancel", (event) => this.pointerUp(event, true));
            on("pointerleave", () => this.leave());
            on("dblclick", (event) => R.tools[this.tool].double && R.tools[this.tool].double(this, this.toPoint(event)));
            on("contextmenu", (event) => event.preventDefault());
            on("wheel", (event) => this.wheel(event), {passive: false});
        }

        leave() {
            if (!this.cursor || this.cursor.keys) return;
            this.cursor = null;
            this.redraw();
        }

        pointerDown(event) {
            if (event.pointerType === "mouse" && event.button === 2) return;
            this.canvas.focus({preventScroll: true});
            this.canvas.setPointerCapture(event.pointerId);
            this.pointers.set(event.pointerId, event);
            if (this.pointers.size === 2) return this.startPinch();
            if (this.pointers.size > 2) return undefined;
            event.preventDefault();
            if (event.button === 1 || this.space) this.pan = {x: event.clientX, y: event.clientY, view: this.view};
            else this.begin(this.toPoint(event));
            return undefined;
        }

        begin(point) {
            this.active = true;
            R.tools[this.tool].down(this, point);
        }

        pointerMove(event) {
            if (this.pointers.has(event.pointerId)) this.pointers.set(event.pointerId, event);
            if (this.pinch) return this.movePinch();
            if (this.pan) return this.movePan(event);
            const tool = R.tools[this.tool], point = this.toPoint(event);
            if (tool.isBrush) {
                this.cursor = {x: point.x, y: point.y};
                this.redraw();
            }
            if (!this.active) return tool.hover && tool.hover(this, point);
            const all = tool.isBrush && event.getCoalescedEvents ? event.getCoalescedEvents() : [];
            return (all.length ? all : [event]).forEach((each) => tool.move(this, this.toPoint(each)));
        }

        pointerUp(event, isLost) {
            this.pointers.delete(event.pointerId);
            if (this.pan || this.pinch) {
                this.pan = null;
                if (!this.pointers.size) this.pinch = null;
                return;
            }
            if (this.active) this.end(isLost ? null : this.toPoint(event));
        }

        end(point) {
            this.active = false;
            if (point) R.tools[this.tool].up(this, point);
            else this.cancel();
        }

        startPinch() {
            this.active = false;
            this.cancel();
            this.pinch = {view: this.view, ...this.fingers()};
        }

        /** Distance and middle of two fingers, in shares of the canvas. */
        fingers() {
            const frame = this.canvas.getBoundingClientRect(), [a, b] = [...this.pointers.values()];
            return {
                far: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY) || 1,
                u: ((a.clientX + b.clientX) / 2 - frame.left) / frame.width, v: ((a.clientY + b.clientY) / 2 - frame.top) / frame.height,
            };
        }

        movePinch() {
            if (this.pointers.size < 2) return;
            const now = this.fingers(), {view} = this.pinch;
            const at = {x: view.x + this.pinch.u / view.zoom, y: view.y + this.pinch.v / view.zoom};
            const zoom = R.clamp(view.zoom * now.far / this.pinch.far, 1, 32);
            this.view = R.panView({zoom, x: at.x - now.u / zoom, y: at.y - now.v / zoom}, 0, 0);
            this.redraw();
        }

        movePan(event) {
            const {view} = this.pan;
            this.view = R.panView(view, (this.pan.x - event.clientX) / this.box.width / view.zoom, (this.pan.y - event.clientY) / this.box.height / view.zoom);
            this.redraw();
        }

        /** Ctrl and wheel zoom; the wheel alone scrolls the page, or the picture when it is zoomed. */
        wheel(event) {
            if (event.ctrlKey || event.metaKey) {
                event.preventDefault();
                this.zoom(Math.exp(-event.deltaY / 300), this.toPoint(event));
            } else if (this.view.zoom > 1) {
                event.preventDefault();
                this.view = R.panView(this.view, event.deltaX / this.box.width / this.view.zoom, event.deltaY / this.box.height / this.view.zoom);
                this.redraw();
            }
        }
    }

    R.Stage = Stage;
})(globalThis.Regional = globalThis.Regional || {});
