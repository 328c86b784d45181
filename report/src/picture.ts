/** From intensities to pixels. */

import type { Dataset } from "./job";
import { CHANNELS, coloursOf, type Rgb } from "./maps";

export interface Range {
  low: number;
  high: number;
}

/** Intensities that no more than this share of the pixels with a signal exceed are the hot spots. */
const HOT = 0.99;

interface Heights {
  highest: number;
  hot: number;
}

const heights = new WeakMap<Float32Array, Heights>();

function heightsOf(image: Float32Array): Heights {
  let known = heights.get(image);
  if (!known) {
    known = { highest: quantile(image, 1), hot: quantile(image, HOT) };
    heights.set(image, known);
  }
  return known;
}

/** The bits of infinity: those of larger floats are negative or no numbers. */
const INFINITE = 0x7f800000;

/**
 * The value at a rank among the positive ones: positive floats are ordered as their bits are, so that counting by the
 * upper half of the bits, and then by the lower half, finds it without sorting.
 */
function quantile(image: Float32Array, rank: number): number {
  const bits = new Uint32Array(image.buffer, image.byteOffset, image.length);
  const upper = counts(bits, 0, INFINITE, 16);
  const number = upper.reduce((sum, count) => sum + count, 0);
  if (!number) return 0;
  const [high, rest] = placeOf(upper, Math.floor((number - 1) * rank));
  const first = high * 2 ** 16;
  const [low] = placeOf(counts(bits, first, first + 2 ** 16, 0), rest);
  return new Float32Array(Uint32Array.of(first + low).buffer)[0] ?? 0;
}

/** Count the bits of values from `start` up to `stop`, but zero, by 16 of them. */
function counts(bits: Uint32Array, start: number, stop: number, shift: number): Uint32Array {
  const found = new Uint32Array(2 ** 16);
  for (let place = 0; place < bits.length; place++) {
    const value = bits[place]!;
    if (value && value >= start && value < stop) found[(value >>> shift) & 0xffff]!++;
  }
  return found;
}

/** Where the value of a rank is counted, and its rank there. */
function placeOf(found: Uint32Array, rank: number): [number, number] {
  let place = 0;
  let rest = rank;
  while (rest >= (found[place] ?? Infinity)) rest -= found[place++] ?? 0;
  return [place, rest];
}

/** From 0 to the highest intensity, or to that below the hot spots. */
export function rangeOf(image: Float32Array, clip: boolean): Range {
  const { highest, hot } = heightsOf(image);
  return { low: 0, high: clip ? hot : highest };
}

/** Each pixel's share of the dataset's median total at that pixel's total: comparable between pixels, same unit. */
export function normalised(image: Float32Array, dataset: Dataset): Float32Array {
  const median = medianTotal(dataset);
  return image.map((value, place) => {
    const total = dataset.total[place] ?? 0;
    return total > 0 && Number.isFinite(total) ? (value / total) * median : 0;
  });
}

const medians = new WeakMap<Dataset, number>();

function medianTotal(dataset: Dataset): number {
  let median = medians.get(dataset);
  if (median === undefined) {
    const totals = dataset.sampled.length ? Float32Array.from(dataset.sampled, (place) => dataset.total[place] ?? 0) : new Float32Array(1);
    median = totals.sort()[totals.length >> 1] ?? 0;
    medians.set(dataset, median);
  }
  return median;
}

/** Where a value lies within a range, from 0 to 1. */
export function share(value: number, { low, high }: Range): number {
  if (high <= low) return value > low ? 1 : 0;
  return Math.min(1, Math.max(0, (value - low) / (high - low)));
}

export interface Look {
  /** Leave pixels that were not sampled transparent. */
  mask: boolean;
  opacity: number;
  /** Let the opacity of a pixel follow its intensity. */
  follow: boolean;
}

export interface Layer {
  image: Float32Array;
  range: Range;
  /** The map's colours; for a channel, those from black to its own. */
  colours: Rgb[];
}

/** Draw one layer, or several added up, as pixels of the box. */
export function paint(layers: Layer[], dataset: Dataset, look: Look): ImageData {
  const { width, height, sampled } = dataset;
  const picture = new ImageData(width, height);
  const places = look.mask ? sampled : null;
  const length = places ? places.length : width * height;
  for (let number = 0; number < length; number++) {
    const place = places ? (places[number] ?? 0) : number;
    paintPixel(picture.data, place, layers, look);
  }
  return picture;
}

function paintPixel(data: Uint8ClampedArray, place: number, layers: Layer[], look: Look): void {
  let strongest = 0;
  let red = 0;
  let green = 0;
  let blue = 0;
  for (let number = 0; number < layers.length; number++) {
    const { image, range, colours } = layers[number]!;
    const level = share(image[place]!, range);
    const colour = colours[Math.round(level * 255)]!;
    red += colour[0];
    green += colour[1];
    blue += colour[2];
    strongest = Math.max(strongest, level);
  }
  const at = place * 4;
  data[at] = red;
  data[at + 1] = green;
  data[at + 2] = blue;
  data[at + 3] = 255 * look.opacity * (look.follow ? strongest : 1);
}

const ramps = CHANNELS.map(({ colour }) =>
  Array.from({ length: 256 }, (_, place) => colour.map((part) => (part * place) / 255) as Rgb),
);

/** The colours of a channel, from black to its own. */
export const rampOf = (channel: number): Rgb[] => ramps[channel] ?? coloursOf("grey");

/** A canvas of its own with a picture on it. */
export function canvasOf(picture: ImageData): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = picture.width;
  canvas.height = picture.height;
  canvas.getContext("2d")?.putImageData(picture, 0, 0);
  return canvas;
}
