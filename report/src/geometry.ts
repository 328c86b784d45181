/** Where things are: the view of the stage, and transforms between ion image and optical image. */

import type { Dataset } from "./job";

export type Point = [number, number];

/** Rows of a 3×3 matrix. */
export type Matrix = [[number, number, number], [number, number, number], [number, number, number]];

export interface Size {
  width: number;
  height: number;
}

/** From the image's pixels to the stage's: x * across + left, y * down + top. */
export interface Placement {
  across: number;
  down: number;
  left: number;
  top: number;
}

const MARGIN = 0.94;
export const ZOOMS: [number, number] = [0.1, 200];

/** Place the image so that `view` (zoom, and the pixel in the middle) holds; zoom 1 shows it whole. */
export function placed(stage: Size, { width, height, aspect }: Dataset, view: [number, number, number] | null): Placement {
  const [zoom, x, y] = view ?? [1, width / 2, height / 2];
  const across = zoom * MARGIN * Math.min(stage.width / width, stage.height / (height * aspect));
  const down = across * aspect;
  return { across, down, left: stage.width / 2 - x * across, top: stage.height / 2 - y * down };
}

export const toImage = ({ across, down, left, top }: Placement, [x, y]: Point): Point => [(x - left) / across, (y - top) / down];

/** Zoom by a factor with the image's point under the pointer kept where it is. */
export function zoomed(dataset: Dataset, view: [number, number, number] | null, factor: number, at: Point | null): [number, number, number] {
  const [zoom, x, y] = view ?? [1, dataset.width / 2, dataset.height / 2];
  const next = Math.min(ZOOMS[1], Math.max(ZOOMS[0], zoom * factor));
  const [fixedX, fixedY] = at ?? [x, y];
  const ratio = zoom / next;
  return [next, fixedX + (x - fixedX) * ratio, fixedY + (y - fixedY) * ratio].map((value) => Number(value.toPrecision(6))) as [
    number,
    number,
    number,
  ];
}

/** Move the view by pixels of the image. */
export function shifted({ width, height }: Dataset, view: [number, number, number] | null, [right, down]: Point): [number, number, number] {
  const [zoom, x, y] = view ?? [1, width / 2, height / 2];
  return [zoom, Number((x + right).toFixed(2)), Number((y + down).toFixed(2))];
}

/** Whether a pixel of the image lies within the stage. */
export function inSight([column, row]: Point, { across, down, left, top }: Placement, stage: Size): boolean {
  const [x, y] = [left + column * across, top + row * down];
  return x >= 0 && y >= 0 && x + across <= stage.width && y + down <= stage.height;
}

/** The longest round length, 1, 2 or 5 times a power of ten, that is not longer than `most`. */
export function roundLength(most: number): number {
  const power = 10 ** Math.floor(Math.log10(most));
  return ([5, 2, 1].find((digit) => digit * power <= most) ?? 1) * power;
}

/** What a scale bar says and how many of the stage's pixels it is long. */
export function scaleBar(dataset: Dataset, across: number, most: number): { text: string; length: number } {
  const unit = dataset.pixel_size_um?.[0] ?? null;
  const perPixel = unit ?? 1;
  const length = roundLength((most / across) * perPixel);
  const text = unit === null ? `${length} px` : length >= 1000 ? `${length / 1000} mm` : `${length} µm`;
  return { text, length: (length / perPixel) * across };
}

export function determinant([[a, b, c], [d, e, f], [g, h, i]]: Matrix): number {
  return a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);
}

/** The inverse; null for a matrix that has none. */
export function inverse(matrix: Matrix): Matrix | null {
  const [[a, b, c], [d, e, f], [g, h, i]] = matrix;
  const size = determinant(matrix);
  if (!Number.isFinite(size) || Math.abs(size) < 1e-12) return null;
  return [
    [(e * i - f * h) / size, (c * h - b * i) / size, (b * f - c * e) / size],
    [(f * g - d * i) / size, (a * i - c * g) / size, (c * d - a * f) / size],
    [(d * h - e * g) / size, (b * g - a * h) / size, (a * e - b * d) / size],
  ];
}

export function apply([[a, b, c], [d, e, f], [g, h, i]]: Matrix, [x, y]: Point): Point {
  const depth = g * x + h * y + i;
  return [(a * x + b * y + c) / depth, (d * x + e * y + f) / depth];
}

/** The affine transform that takes three points to three others; null where they lie on a line. */
export function affine(from: Point[], to: Point[]): Matrix | null {
  const [p, q, r] = from;
  const [u, v, w] = to;
  if (!p || !q || !r || !u || !v || !w) return null;
  const back = inverse([
    [p[0], q[0], r[0]],
    [p[1], q[1], r[1]],
    [1, 1, 1],
  ]);
  if (!back) return null;
  const row = (axis: 0 | 1): [number, number, number] => {
    const [x, y, z] = [u[axis], v[axis], w[axis]];
    return [0, 1, 2].map((place) => x * (back[0][place] ?? 0) + y * (back[1][place] ?? 0) + z * (back[2][place] ?? 0)) as [number, number, number];
  };
  return [row(0), row(1), [0, 0, 1]];
}

/** A transform of the plane for CSS. */
export function cssMatrix([[a, b, c], [d, e, f], [g, h, i]]: Matrix): string {
  return `matrix3d(${[a, d, 0, g, b, e, 0, h, 0, 0, 1, 0, c, f, 0, i].join(",")})`;
}
