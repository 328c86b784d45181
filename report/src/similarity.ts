/** How alike two images are: the cosine of both as pictures of 256 steps, clipped, thresholded and smoothed. */

import type { Dataset } from "./job";

/** The share of the box above whose quantile pictures are clipped. */
const CLIPPED = 0.99;
const STEPS = 256;

/**
 * A picture of 256 steps with hot spots clipped, without what lies below its median, through a median filter of 3 × 3
 * pixels; beyond the edge it is mirrored. Quantile and median are those of the whole box.
 */
export function smoothed(image: Float32Array, { width, height }: Dataset): Float32Array {
  const { steps, counts } = pictured(image);
  const high = quantile(counts, CLIPPED, image.length) || counts.findLastIndex((count) => count > 0) || 1;
  const lower = Math.min(quantile(counts, 0.5, image.length), high);
  const kept = Float32Array.from(steps, (step) => (Math.min(step, high) < lower ? 0 : Math.min(step, high) / high));
  return medians(kept, width, height);
}

/** The image in steps from its lowest to its highest value, and how many pixels have each. */
function pictured(image: Float32Array): { steps: Uint8Array; counts: Uint32Array } {
  let [low, top] = [Infinity, -Infinity];
  for (const value of image) {
    if (value === Infinity) continue;
    low = Math.min(low, value);
    top = Math.max(top, value);
  }
  const steps = new Uint8Array(image.length);
  const counts = new Uint32Array(STEPS);
  image.forEach((value, place) => {
    const share = top > low ? Math.min(1, (value - low) / (top - low)) : 0;
    const step = Math.floor(share * 65535) >> 8;
    steps[place] = step;
    counts[step]!++;
  });
  return { steps, counts };
}

/** The step at a share of all pixels, between two neighbours where it falls between them. */
function quantile(counts: Uint32Array, share: number, length: number): number {
  const place = share * (length - 1);
  const [before, after] = [stepAt(counts, Math.floor(place)), stepAt(counts, Math.ceil(place))];
  return before + (after - before) * (place - Math.floor(place));
}

function stepAt(counts: Uint32Array, rank: number): number {
  let step = 0;
  for (let sum = counts[0] ?? 0; sum <= rank && step < STEPS - 1; ) sum += counts[++step] ?? 0;
  return step;
}

function medians(image: Float32Array, width: number, height: number): Float32Array {
  const result = new Float32Array(image.length);
  const around = new Float32Array(9);
  for (let row = 0; row < height; row++) {
    const rows = [Math.max(0, row - 1), row, Math.min(height - 1, row + 1)];
    for (let column = 0; column < width; column++) {
      const left = Math.max(0, column - 1);
      const right = Math.min(width - 1, column + 1);
      let count = 0;
      for (const each of rows) {
        const start = each * width;
        count = insert(around, count, image[start + left]!);
        count = insert(around, count, image[start + column]!);
        count = insert(around, count, image[start + right]!);
      }
      result[row * width + column] = around[4]!;
    }
  }
  return result;
}

/** Put a value in its place among the first `count`, which ascend; nine are too few for anything better. */
function insert(values: Float32Array, count: number, value: number): number {
  let place = count;
  for (; place > 0 && values[place - 1]! > value; place--) values[place] = values[place - 1]!;
  values[place] = value;
  return count + 1;
}

export function similarity(one: Float32Array, other: Float32Array): number {
  let [product, own, others] = [0, 0, 0];
  for (let place = 0; place < one.length; place++) {
    const [a, b] = [one[place]!, other[place]!];
    product += a * b;
    own += a * a;
    others += b * b;
  }
  return own && others ? product / Math.sqrt(own * others) : 0;
}
