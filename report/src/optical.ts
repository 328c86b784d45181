/** The optical image beneath the ion image, and the transform from the ion image's pixels to its own. */

import { computed, signal } from "@preact/signals";

import type { Matrix } from "./geometry";
import type { Job } from "./job";
import { bytesOf } from "./packing";
import { load } from "./scripts";
import { state, update } from "./state";

export interface Optical {
  name: string;
  url: string;
  width: number;
  height: number;
  /** From pixels of the ion image to pixels of this one. */
  transform: Matrix;
  /** Whether the job came with it: then where it was placed by hand stands in the address. */
  own: boolean;
}

const opened = signal<Optical | null>(null);

/** The optical image where it was placed last. */
export const optical = computed<Optical | null>(() => {
  const [shown, placed] = [opened.value, state.value.placed];
  return shown?.own && placed ? { ...shown, transform: placed } : shown;
});

/** Lay an optical image beneath the ion image in the place of another. */
export function lay(shown: Optical): void {
  opened.value = shown;
  problem.value = "";
}

/** Place the optical image by another transform. */
export function placeOptical(shown: Optical, transform: Matrix): void {
  if (shown.own) update({ placed: transform });
  else opened.value = { ...shown, transform };
}

interface Content {
  name: string;
  media: string;
  data: string;
  transform: Matrix | null;
}

/** Why the optical image that the job came with is not shown. */
export const problem = signal("");

/** Open the optical image that the job came with, if any. */
export async function openOptical(job: Job): Promise<void> {
  if (!job.summary.configuration["optical_image"]) return;
  try {
    opened.value = await readOptical(job);
  } catch (error) {
    problem.value = error instanceof Error ? error.message : String(error);
  }
}

async function readOptical(job: Job): Promise<Optical> {
  const { name, media, data, transform } = await load<Content>("report/optical.js");
  const url = URL.createObjectURL(new Blob([bytesOf(data)], { type: media }));
  const { naturalWidth: width, naturalHeight: height } = await openPicture(url);
  return { name, url, width, height, transform: transform ?? spanning(job, width, height), own: true };
}

/** The transform that lays a picture over the whole ion image. */
export function spanning({ dataset }: Job, width: number, height: number): Matrix {
  return [
    [width / dataset.width, 0, 0],
    [0, height / dataset.height, 0],
    [0, 0, 1],
  ];
}

/** Open a picture to learn its size. */
export function openPicture(url: string): Promise<HTMLImageElement> {
  return new Promise((resolve, reject) => {
    const picture = new Image();
    picture.onload = () => resolve(picture);
    picture.onerror = () => reject(new Error("This file is no picture that the browser can show."));
    picture.src = url;
  });
}
