// The routes of this extension.

/** @import {Answer} from "../types.js" */

const ROUTES = "./regional/v1/";

/**
 * Address of a route, for what the page itself fetches.
 *
 * @param {string} route
 */
export const routeUrl = (route) => ROUTES + route;

/**
 * Call a route. A route that is not there is an answer too, not an exception; a server that does not answer is an exception.
 *
 * @param {string} route
 * @param {{method?: string, body?: unknown, signal?: AbortSignal}} [options]
 * @returns {Promise<Answer>}
 */
export async function callApi(route, {method = "GET", body, signal} = {}) {
    /** @type {RequestInit} */
    const options = {method, signal};
    if (body !== undefined) Object.assign(options, {headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
    const response = await fetch(routeUrl(route), options);
    const isJson = (response.headers.get("content-type") || "").includes("json");
    return {ok: response.ok, status: response.status, data: isJson ? await response.json() : await response.blob()};
}

/**
 * The sentences of an answer that refuses.
 *
 * @param {Answer} answer
 * @returns {string}
 */
export function errorText({status, data}) {
    /** @type {{message: string}[]} */
    const problems = (data && data.problems) || [];
    return problems.length
        ? problems.map((problem) => problem.message).join("\n")
        : (data && data.detail) || `The server answered ${status}.`;
}
