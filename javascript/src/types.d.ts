// Types that several modules share. `State` is the Settings JSON with every default filled in; names with an underscore stay in the page.

import type {MaskCache} from "./stage/layers/mask_cache.js";
import type {Stage} from "./stage/stage.js";

/** [x0, y0, x1, y1] as shares of the picture's width and height, 0 to 1. */
export type Box = number[];
/** [x, y] as shares of the picture's width and height, 0 to 1. */
export type Corner = number[];
/** [width, height] in pixels. */
export type Size = [number, number];
/** [red, green, blue], 0 to 255. */
export type Colour = number[];

/** A point of the picture, as shares of its width and height. */
export interface Point {
    x: number;
    y: number;
}

/** A point with what the tools need of the pointer event. */
export interface ToolPoint extends Point {
    /** 0 to 1; 1 for what has no pressure. */
    pressure: number;
    shift: boolean;
    alt: boolean;
    ctrl: boolean;
    touch?: boolean;
}

/** Lines to which something has snapped; null on an axis without one. */
export interface Guides {
    x?: number | null;
    y?: number | null;
}

/** `data` holds one byte per pixel, row by row: 0 is outside, 255 inside. */
export interface Mask {
    width: number;
    height: number;
    data: Uint8ClampedArray<ArrayBuffer>;
}

/** `ratios` as Regional Prompter writes them: "1,1,2", or rows of columns "1,1;2,1,1". */
export interface Grid {
    ratios: string;
    direction: string;
}

export interface GridGroup {
    size: number;
    cells: number[];
}

/** A border of a grid: a line at `at` on `axis`, from `from` to `to` on the other axis; it can move from `low` to `high`. */
export interface Divider {
    axis: "x" | "y";
    at: number;
    from: number;
    to: number;
    low: number;
    high: number;
    group: number;
    /** Cell before the border; null for a border between groups. */
    cell: number | null;
}

/** What a region may hold without a shape or a default; the index signature stands for fields that only the server's schema knows. */
export interface Shaped {
    box?: Box;
    ellipse?: Box;
    polygon?: Corner[];
    /** A PNG data URL or run lengths. */
    mask?: string;
    [field: string]: any;
}

export interface Region extends Shaped {
    _id: number;
    prompt: string;
    negative: string;
    name: string;
    /** Name of the group, "" for none. */
    group: string;
    weight: number;
    priority: number;
    enabled: boolean;
}

export interface State {
    version: number;
    enabled: boolean;
    method: string;
    regions: Region[];
    grid: Grid | null;
    base: {prompt: string | null; negative: string | null; joined: boolean};
    common: string;
    overlap: string;
    text_from: string;
    options: Record<string, Record<string, any>>;
    [field: string]: any;
}

/** Settings as JSON: short, without defaults. */
export type Json = Record<string, any>;

/** The part of JSON schema that the panel reads. */
export interface Schema {
    type?: string | string[];
    enum?: unknown[];
    const?: unknown;
    oneOf?: Schema[];
    maxItems?: number;
    default?: any;
    title?: string;
    description?: string;
    minimum?: number;
    maximum?: number;
    pattern?: string;
    properties?: Record<string, Schema>;
    items?: Schema;
}

/** What a route has answered: JSON, or a blob for pictures. */
export interface Answer {
    ok: boolean;
    status: number;
    data: any;
}

/** An input bound to a path of the state. */
export interface Field {
    node: HTMLElement;
    input: any;
    name?: HTMLElement;
    update: (state: State) => void;
}

/** Path of a field, or a function that gives it: a region's index changes when the region moves. */
export type FieldPath = string | (() => string);

/** A view of the picture: the point (x, y) lies at the upper left corner, zoom 1 shows all of it. */
export interface View {
    zoom: number;
    x: number;
    y: number;
}

/** Shares of the picture -> pixels of a canvas. */
export type ToPixels = (x: number, y: number) => [number, number];

/** Where the regions' texts come from: split at BREAK and the like, at line ends, or at AND. */
export type SplitMode = "break" | "lines" | "and";

/** A prompt that was split; `keys` stand between the regions' texts. */
export interface PromptParts {
    common: string | null;
    base: string | null;
    regions: string[];
    keys: string[];
    weights: number[];
}

/** One end of a piece of a stroke, in pixels of the mask. */
export interface Dab extends Point {
    r: number;
}

export interface Store {
    get: () => State;
    set: (next: State, origin: string) => void;
    update: (change: (state: State) => State, origin: string) => void;
    /** Call `listener` after every change. -> a function that ends it. */
    subscribe: (listener: (state: State, origin: string, before: State) => void) => () => void;
}

export interface History<T> {
    /** Add a state; one with the `key` of the step just before replaces it. `now` in milliseconds. */
    record: (state: T, key?: string | null, now?: number) => void;
    /** The next state is a step of its own, whatever its key. */
    seal: () => void;
    /** The state before the last step, null where there is none. */
    undo: () => T | null;
    redo: () => T | null;
    canUndo: () => boolean;
    canRedo: () => boolean;
}

/** Whatever takes edits of the state: the panel. */
export interface Editable {
    edit: (change: (state: State) => State, options?: {key?: string | null}) => void;
}

/** Attention on the words of a region: 8-bit levels of a grid [height, width], in base64. */
export interface AttentionMap {
    region: number;
    grid: [number, number];
    levels: string;
}

/** What lies under the regions. */
export interface Background {
    /** "none", "result", "init", "file", "map" or "words". */
    kind: string;
    /** Value of the menu. */
    choice?: string;
    /** Whether the weight map that is shown is an older one, or none, while the next is being drawn. */
    stale?: boolean;
    /** Pixels per cell of a weight map. */
    scale?: number | null;
    /** An image, a canvas or a bitmap. */
    image: any;
    /** Address of the picture that was loaded last. */
    src?: string;
    /** Attention maps of the shown picture, their canvases by the regions' numbers, the answer they came with, whether one is under way. */
    words?: AttentionMap[] | null;
    tints?: Map<string, HTMLCanvasElement>;
    key?: string;
    waits?: boolean;
    timer?: ReturnType<typeof setInterval>;
}

/** A region that is painted on, with its mask. */
export interface PaintTarget {
    state: State;
    region: Region;
    mask: Mask;
    isNew: boolean;
}

/** A mask that is being painted: the stroke so far, its result, and how that looks. */
export interface Paint extends PaintTarget {
    id: number;
    cover: Mask;
    out: Mask;
    canvas: HTMLCanvasElement;
    context: CanvasRenderingContext2D;
    colour: Colour;
    last?: Dab;
    /** The canvas below the stroke, and what it was drawn from. */
    ground?: {canvas: HTMLCanvasElement; from: unknown[]};
}

/** Corners of a polygon that is being drawn; `next` follows the pointer, `stroke` is set by a drag. */
export interface PolygonDraft {
    state: State;
    points: Corner[];
    next?: Corner;
    stroke?: boolean;
}

/** How `drawRegions` draws a layout. */
export interface LayoutView {
    at: ToPixels;
    width: number;
    height: number;
    masks: MaskCache;
    boundsOf: (state: State, index: number) => Box;
    labels: boolean;
    selected?: Set<number>;
    alpha?: number;
    /** Id of a region whose mask is drawn elsewhere. */
    hidden?: number;
    fontSize?: number;
}

/** Tools of the canvas: called with points of the picture, by pointers and by the keyboard's crosshair alike.
    Work in progress is the stage's `draft`; nothing reaches the panel before `up`. */
export interface Tool {
    label: string;
    key: string;
    cursor?: string;
    isBrush?: boolean;
    down: (stage: Stage, point: ToolPoint) => unknown;
    move: (stage: Stage, point: ToolPoint) => unknown;
    up: (stage: Stage, point: ToolPoint) => unknown;
    /** Moved without being pressed. */
    hover?: (stage: Stage, point: ToolPoint) => unknown;
    /** Double click. */
    double?: (stage: Stage, point: ToolPoint) => unknown;
}

declare global {
    /** The one object of this extension on the page. */
    interface Window {
        Regional: object;
        /** Translations of the WebUI's chosen language, by the English words. */
        localization?: Record<string, string>;
    }
    // What the WebUI offers to scripts; a page may lack each of them.
    const gradioApp: undefined | (() => ParentNode);
    const onUiLoaded: undefined | ((action: () => void) => void);
    const onAfterUiUpdate: undefined | ((action: () => void) => void);
}
