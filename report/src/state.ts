/** What the page shows just now, kept in the address so that a view can be shared. */

import { effect, signal } from "@preact/signals";

import type { Matrix } from "./geometry";
import type { Range } from "./picture";

export type Tab = "annotations" | "dataset";
export type Unit = "ppm" | "Da";
export type Channels = [string, string, string];

/** The choice of ions that are not modified. */
export const NONE = "none";

export interface State {
  tab: Tab;
  fdr: number;
  database: string;
  adduct: string;
  /** Chemical modification and neutral loss; `NONE` for ions without any. */
  modification: string;
  moleculeClass: string;
  text: string;
  mz: string;
  tolerance: number;
  unit: Unit;
  sort: string;
  descending: boolean;
  columns: string[];
  ion: string;
  map: string;
  clip: boolean;
  tic: boolean;
  mask: boolean;
  /** Ends of the colour bar that hold for every ion; null where each ion has its own. */
  locked: [number, number] | null;
  /** Ends of the colour bar that were dragged for the chosen ion. */
  range: Range | null;
  channels: Channels;
  /** Zoom (1 shows the whole image) and the image's pixel in the middle. */
  view: [number, number, number] | null;
  /** Where the job's optical image was placed by hand. */
  placed: Matrix | null;
  ionOpacity: number;
  opticalOpacity: number;
  follow: boolean;
  /** By which measure ions are colocalised. */
  measure: string;
}

export const INITIAL: State = {
  tab: "annotations",
  fdr: 0.1,
  database: "",
  adduct: "",
  modification: "",
  moleculeClass: "",
  text: "",
  mz: "",
  tolerance: 5,
  unit: "ppm",
  sort: "fdr",
  descending: false,
  columns: ["ion", "mz", "msm", "fdr", "names"],
  ion: "",
  map: "viridis",
  clip: true,
  tic: false,
  mask: true,
  locked: null,
  range: null,
  channels: ["", "", ""],
  view: null,
  placed: null,
  ionOpacity: 1,
  opticalOpacity: 1,
  follow: true,
  measure: "median_thresholded_cosine",
};

export const state = signal<State>(readAddress());

export function update(change: Partial<State>): void {
  state.value = { ...state.peek(), ...change };
}

/** Follow the address when it is edited, and keep it as the state is; `score` is the column of what ranks the annotations. */
export function followAddress(score: string): void {
  INITIAL.columns = ["ion", "mz", score, "fdr", "names"];
  state.value = readAddress();
  addEventListener("hashchange", () => {
    state.value = readAddress();
  });
  effect(() => {
    const text = writeAddress(state.value);
    if (text !== location.hash.slice(1)) history.replaceState(null, "", `#${text}`);
  });
}

function numbers(text: string, count: number): number[] | null {
  const found = text.split(",").map(Number);
  return found.length === count && found.every(Number.isFinite) ? found : null;
}

function readAddress(): State {
  const given = new URLSearchParams(location.hash.slice(1));
  const read = { ...INITIAL } as Record<string, unknown>;
  for (const [name, standard] of Object.entries(INITIAL)) {
    const text = given.get(name);
    if (text === null) continue;
    read[name] = readValue(name, text, standard);
  }
  return read as unknown as State;
}

function readValue(name: string, text: string, standard: unknown): unknown {
  if (name === "locked") return numbers(text, 2);
  if (name === "view") return numbers(text, 3);
  if (name === "placed") {
    const cells = numbers(text, 9);
    return cells && [cells.slice(0, 3), cells.slice(3, 6), cells.slice(6)];
  }
  if (name === "range") {
    const ends = numbers(text, 2);
    return ends && { low: ends[0], high: ends[1] };
  }
  if (name === "channels") return [0, 1, 2].map((place) => text.split("~")[place] ?? "");
  if (Array.isArray(standard)) return text.split(",").filter(Boolean);
  if (typeof standard === "boolean") return text === "1";
  if (typeof standard === "number") return Number.isFinite(Number(text)) ? Number(text) : standard;
  return text;
}

function writeAddress(shown: State): string {
  const written = new URLSearchParams();
  for (const [name, value] of Object.entries(shown)) {
    const text = writeValue(name, value);
    if (text !== writeValue(name, INITIAL[name as keyof State])) written.set(name, text);
  }
  return written.toString();
}

function writeValue(name: string, value: unknown): string {
  if (typeof value === "boolean") return value ? "1" : "0";
  if (name === "placed" && value) return (value as Matrix).flat().map((cell) => Number(cell.toPrecision(8))).join(",");
  if (Array.isArray(value)) return value.join(name === "channels" ? "~" : ",");
  if (name === "range" && value) return Object.values(value).join(",");
  return value === null ? "" : String(value);
}
