// The page itself: progress with a live preview, interrupt and skip, the example, switching tabs.
(function () {
    "use strict";

    const POLL = 250;
    const find = (selector) => gradioApp().querySelector(selector);
    const running = {};

    function element(tag, className, text) {
        const node = document.createElement(tag);
        node.className = className;
        if (text !== undefined) node.textContent = text;
        return node;
    }

    // ---------------------------------------------------------------- progress

    /** Called with the values of all fields when Generate is pressed; gives them on. */
    function submit(tab, args) {
        done(tab);
        const content = find(`#tab_${tab}`);
        const container = find(`#${tab}_gallery_container`);
        const bar = element("div", "progressDiv");
        const fill = element("div", "progress");
        const text = element("div", "text");
        const preview = element("div", "livePreview");
        bar.setAttribute("role", "progressbar");
        bar.setAttribute("aria-label", "Progress");
        bar.append(fill, text);
        container.prepend(bar);
        container.append(preview);
        content.classList.add("page-running");
        const log = find(`#html_log_${tab} .page-error, #html_log_${tab} .page-note`);
        if (log) log.remove();
        running[tab] = {bar, fill, text, preview, content, timer: setTimeout(() => poll(tab, running[tab]), POLL)};
        return args;
    }

    async function poll(tab, job) {
        if (running[tab] !== job) return;
        try {
            const response = await fetch("./sdapi/v1/progress?skip_current_image=false");
            const progress = response.ok ? await response.json() : null;
            if (progress && running[tab] === job) {
                draw(job, progress);
                // pressed before the host had begun: it begins without
                if (job.isCut && !progress.state.interrupted) post("interrupt");
            }
        } catch (error) {
            console.warn("progress", error);
        }
        if (running[tab] === job) job.timer = setTimeout(() => poll(tab, job), POLL);
    }

    function draw(job, {progress, state, current_image: image, eta_relative: eta}) {
        const percent = Math.round(Math.min(1, progress || 0) * 100);
        job.fill.style.width = `${percent}%`;
        job.bar.setAttribute("aria-valuenow", String(percent));
        const step = state && state.sampling_steps ? ` · step ${state.sampling_step} of ${state.sampling_steps}` : "";
        job.text.textContent = percent ? `${percent}%${step}${eta > 1 ? ` · ${Math.round(eta)} s left` : ""}` : "";
        if (!image) return;
        let picture = job.preview.firstChild;
        if (!picture) {
            picture = element("img", "");
            picture.alt = "Live preview";
            job.preview.append(picture);
        }
        picture.src = `data:image/png;base64,${image}`;
    }

    /** The pictures are there, or will not come. */
    function done(tab) {
        const job = running[tab];
        if (!job) return;
        delete running[tab];
        clearTimeout(job.timer);
        job.bar.remove();
        job.preview.remove();
        job.content.classList.remove("page-running");
        setTimeout(() => enlarge(tab), 100);
    }

    /** Show the first picture large where the gallery shows small ones: it does when another one than the first was chosen before. */
    function enlarge(tab) {
        const gallery = find(`#${tab}_gallery`);
        if (gallery.querySelector(".preview")) return;
        const first = gallery.querySelector(".thumbnail-item");
        if (first) first.click();
    }

    function post(action) {
        fetch(`./sdapi/v1/${action}`, {method: "POST"}).catch((error) => console.warn(action, error));
    }

    // ---------------------------------------------------------------- tabs

    function show(tab) {
        const buttons = find("#tabs").querySelectorAll(":scope > .tab-nav button, :scope > .tab-wrapper button[role=tab]");
        const button = [...buttons].find((candidate) => candidate.textContent.trim() === tab);
        if (button) button.click();
    }

    // ---------------------------------------------------------------- the example

    const EXAMPLES = [
        {
            prompt: "grass",
            settings: {
                enabled: true,
                regions: [{prompt: "a red circle"}, {prompt: "a blue square"}],
                grid: {ratios: "1,1", direction: "columns"},
            },
        },
        {
            prompt: "night",
            settings: {
                enabled: true,
                regions: [{prompt: "a yellow circle"}, {prompt: "a purple triangle"}],
                grid: {ratios: "1,1", direction: "rows"},
            },
        },
        {
            prompt: "sand",
            settings: {
                enabled: true,
                regions: [
                    {prompt: "a green diamond", box: [0, 0, 0.5, 1]},
                    {prompt: "a cyan ring", box: [0.5, 0, 1, 1]},
                ],
            },
        },
    ];
    let nextExample = 0;

    /** Fill prompt and panel, open the panel, and make the picture. */
    function example() {
        const {prompt, settings} = EXAMPLES[nextExample++ % EXAMPLES.length];
        show("txt2img");
        openPanel();
        const box = find("#txt2img_prompt textarea");
        const state = find("#regional_txt2img_state textarea");
        box.value = prompt;
        updateInput(box);
        state.value = JSON.stringify({version: 2, method: "attention_couple", base: {joined: true}, ...settings});
        updateInput(state);
        setTimeout(() => find("#txt2img_generate").click(), 300);
    }

    function openPanel() {
        const label = find("#regional_txt2img .label-wrap");
        if (label && !label.classList.contains("open")) label.click();
    }

    // ---------------------------------------------------------------- what a reload keeps

    const KEPT = ["prompt", "neg_prompt"].flatMap((name) => ["txt2img", "img2img"].map((tab) => `${tab}_${name}`));

    /** The prompts as they were typed come back after a reload of this browser tab. */
    function keepPrompts() {
        for (const name of KEPT) {
            const box = find(`#${name} textarea`);
            if (!box) continue;
            const key = `page_${name}`;
            const kept = sessionStorage.getItem(key);
            if (kept !== null && kept !== box.value) {
                box.value = kept;
                updateInput(box);
            }
            box.addEventListener("input", () => sessionStorage.setItem(key, box.value));
        }
    }

    /** Roles and labels of Gradio's that a screen reader cannot use: a menu's text field is a combo box, an empty gallery a picture. */
    function mendRoles() {
        document.querySelectorAll("input[role=listbox]").forEach((node) => node.setAttribute("role", "combobox"));
        document.querySelectorAll(".empty[aria-label]:not([role])").forEach((node) => node.setAttribute("role", "img"));
    }

    /** Gradio's gallery takes the keyboard, and scrolls the page to itself, whenever a picture comes: here only who is in it already. */
    function keepFocus() {
        const {focus} = HTMLElement.prototype;
        HTMLElement.prototype.focus = function (options) {
            const gallery = this.closest("[id$='_gallery']");
            if (!gallery || gallery.contains(document.activeElement)) focus.call(this, options);
        };
    }

    onUiLoaded(() => {
        keepFocus();
        keepPrompts();
        mendRoles();
        onAfterUiUpdate(mendRoles);
        for (const node of document.querySelectorAll("gradio-app")) node.setAttribute("role", "main");
        if (matchMedia("(max-width: 600px)").matches) find(".page-hint").open = false;
        const button = find("#page_example");
        if (button) button.addEventListener("click", example);
        for (const tab of ["txt2img", "img2img"]) {
            find(`#${tab}_interrupt`).addEventListener("click", () => {
                if (running[tab]) running[tab].isCut = true;
                post("interrupt");
            });
            find(`#${tab}_skip`).addEventListener("click", () => post("skip"));
        }
    });

    window.RegionalPage = {submit, done, show, example};
})();
