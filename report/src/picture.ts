/** From intensities to pixels. */

import type { Dataset } from "./job";
import { CHANNELS, coloursOf, type Rgb } from "./maps";

export interface Range {
  low: number;
  high: number;
}

/** Intensities that no more than this share of the pixels with a signal exceed are the hot spots. */
const HOT = 0.99;

/** From 0 to the highest intensity, or to that below the hot spots. */
export function rangeOf(image: Float32Array, clip: boolean): Range {
  const values = image.filter((value) => value > 0 && Number.isFinite(value)).sort();
  const last = values.length - 1;
  const high = clip ? values[Math.floor(last * HOT)] : values[last];
  return { low: 0, high: high ?? 0 };
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
  for (const { image, range, colours } of layers) {
    const level = share(image[place] ?? 0, range);
    const colour = colours[Math.round(level * 255)];
    if (!colour) continue;
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
