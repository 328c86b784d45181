/** What the page shows just now, kept in the address so that a view can be shared. */

import { effect, signal } from "@preact/signals";

import type { Matrix } from "./geometry";
import type { Range } from "./picture";

export type Tab = "annotations" | "dataset";
export type Unit = "ppm" | "Da";
/** Ends of colour bars, null where a bar has those of its ion: first the chosen ion's bar, then those of the channels. */
export type Ends = (Range | null)[];

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
  /** Ends that hold for whichever ion a bar is of. */
  locked: Ends;
  /** Ends that were dragged for the ion that a bar is of now. */
  range: Ends;
  /** The ids of the channels' ions; empty where a channel has none. */
  channels: string[];
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
  locked: [null, null, null, null],
  range: [null, null, null, null],
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

/** A list with another value in one of its places. */
export const replaced = <T,>(list: T[], place: number, value: T): T[] => list.map((each, other) => (other === place ? value : each));

/** The place of a channel's bar, or that of the chosen ion, which has no channel. */
export const barOf = (channel: number | null): number => (channel === null ? 0 : channel + 1);

/** Put an ion into a channel, or none: the ends that were dragged for the last one go, locked ones stay. */
export function fillChannel(channel: number, id: string): void {
  const { channels, range } = state.peek();
  update({ channels: replaced(channels, channel, id), range: replaced(range, barOf(channel), null) });
}

/** Show one ion again. */
export function emptyChannels(): void {
  update({ channels: INITIAL.channels, range: state.peek().range.map((ends, bar) => (bar === barOf(null) ? ends : null)) });
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

function rangeIn(text: string): Range | null {
  const [low, high] = numbers(text, 2) ?? [];
  return low === undefined || high === undefined ? null : { low, high };
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
  if (name === "view") return numbers(text, 3);
  if (name === "placed") {
    const cells = numbers(text, 9);
    return cells && [cells.slice(0, 3), cells.slice(3, 6), cells.slice(6)];
  }
  if (name === "locked" || name === "range") return INITIAL[name].map((_, bar) => rangeIn(text.split("~")[bar] ?? ""));
  if (name === "channels") return INITIAL.channels.map((_, channel) => text.split("~")[channel] ?? "");
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

const short = (value: number): number => Number(value.toPrecision(8));

function writeValue(name: string, value: unknown): string {
  if (typeof value === "boolean") return value ? "1" : "0";
  if (name === "placed" && value) return (value as Matrix).flat().map(short).join(",");
  if (name === "locked" || name === "range") {
    const bars = (value as Ends).map((ends) => (ends ? `${short(ends.low)},${short(ends.high)}` : ""));
    return bars.join("~").replace(/~+$/, "");
  }
  if (Array.isArray(value)) return value.join(name === "channels" ? "~" : ",");
  return value === null ? "" : String(value);
}
