/** How alike two images are: the cosine of both, each without what lies below its median, and smoothed. */

import type { Dataset } from "./job";
import { rangeOf } from "./picture";

/** Clip hot spots, drop what lies below the median of the box, and take medians of 3 × 3 pixels; edges are mirrored. */
export function smoothed(image: Float32Array, { width, height }: Dataset): Float32Array {
  const { high } = rangeOf(image, true);
  const clipped = image.map((value) => Math.min(value, high));
  const median = clipped.slice().sort()[clipped.length >> 1] ?? 0;
  const kept = clipped.map((value) => (value < median ? 0 : value));
  const result = new Float32Array(image.length);
  const around = new Float32Array(9);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      for (let place = 0; place < 9; place++) {
        const y = mirrored(row + Math.floor(place / 3) - 1, height);
        const x = mirrored(column + (place % 3) - 1, width);
        around[place] = kept[y * width + x] ?? 0;
      }
      result[row * width + column] = around.sort()[4] ?? 0;
    }
  }
  return result;
}

const mirrored = (place: number, length: number): number => (place < 0 ? 0 : place >= length ? length - 1 : place);

export function similarity(one: Float32Array, other: Float32Array): number {
  let [product, own, others] = [0, 0, 0];
  for (let place = 0; place < one.length; place++) {
    const [a, b] = [one[place] ?? 0, other[place] ?? 0];
    product += a * b;
    own += a * a;
    others += b * b;
  }
  return own && others ? product / Math.sqrt(own * others) : 0;
}
