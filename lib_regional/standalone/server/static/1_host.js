// What scripts for the WebUI find on its page: gradioApp, onUiLoaded, onUiUpdate, onAfterUiUpdate, updateInput and the like.
(function () {
    "use strict";

    const callbacks = {loaded: [], update: [], afterUpdate: [], tabChange: []};
    let isLoaded = false;
    let currentTab = null;

    function run(list, argument) {
        for (const callback of list) {
            try {
                callback(argument);
            } catch (error) {
                console.error("error running callback", callback, error);
            }
        }
    }

    window.gradioApp = function () {
        const app = document.getElementsByTagName("gradio-app")[0];
        return (app && app.shadowRoot) || document;
    };
    window.onUiLoaded = (callback) => (isLoaded ? run([callback]) : callbacks.loaded.push(callback));
    window.onUiUpdate = (callback) => callbacks.update.push(callback);
    window.onAfterUiUpdate = (callback) => callbacks.afterUpdate.push(callback);
    window.onUiTabChange = (callback) => callbacks.tabChange.push(callback);
    window.onOptionsChanged = () => {};
    window.updateInput = function (target) {
        target.dispatchEvent(new Event("input", {bubbles: true}));
    };
    window.get_uiCurrentTab = () =>
        gradioApp().querySelector("#tabs > .tab-nav > button.selected, #tabs button[role=tab][aria-selected=true]");
    window.get_uiCurrentTabContent = () =>
        [...gradioApp().querySelectorAll("#tabs > .tabitem")].find((tab) => tab.style.display !== "none") || null;

    let afterUpdate = null;
    function changed(mutations) {
        run(callbacks.update, mutations);
        clearTimeout(afterUpdate);
        afterUpdate = setTimeout(() => run(callbacks.afterUpdate), 200);
        const tab = get_uiCurrentTab();
        if (tab && tab !== currentTab) {
            currentTab = tab;
            run(callbacks.tabChange);
        }
    }

    document.addEventListener("DOMContentLoaded", () => {
        const observer = new MutationObserver((mutations) => {
            if (!isLoaded && gradioApp().querySelector("#txt2img_prompt textarea")) {
                isLoaded = true;
                run(callbacks.loaded);
            }
            if (isLoaded) changed(mutations);
        });
        observer.observe(document, {childList: true, subtree: true});
    });

    // Ctrl+Enter generates, Esc interrupts, as in the WebUI.
    document.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            const tab = get_uiCurrentTabContent();
            const generate = tab && tab.querySelector("button[id$=_generate]");
            if (!generate) return;
            event.preventDefault();
            generate.click();
        } else if (event.key === "Escape") {
            const running = document.querySelector(".page-running button[id$=_interrupt]");
            if (running) running.click();
        }
    });
})();
