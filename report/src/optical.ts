/** The optical image beneath the ion image, and the transform from the ion image's pixels to its own. */

import { signal } from "@preact/signals";

import type { Matrix } from "./geometry";

export interface Optical {
  name: string;
  url: string;
  width: number;
  height: number;
  /** From pixels of the ion image to pixels of this one. */
  transform: Matrix;
}

export const optical = signal<Optical | null>(null);

/** Open a picture to learn its size. */
export function openPicture(url: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => resolve(picture);
    picture.onerror = () => reject(new Error("This file is no picture that the browser can show."));
    picture.src = url;
  });
}
