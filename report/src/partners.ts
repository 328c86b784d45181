/** The colocalised ions of a job, as `ionfleet.report.partners` wrote them. */

import type { Annotation, Job } from "./job";
import { inflate, plane32 } from "./packing";
import { load } from "./scripts";

export const MEASURES: Record<string, string> = {
  median_thresholded_cosine: "Median-thresholded cosine",
  cosine: "Cosine",
};

export interface Partner {
  other: Annotation;
  score: number;
}

/** The lists of all annotations, one after the other; that of a row begins at its start. */
interface Lists {
  starts: Uint32Array;
  rows: Uint32Array;
  scores: Float32Array;
}

const opened = new Map<string, Promise<Lists | null>>();

/** The best partners of an annotation among those within a level, in percent; null where there are no lists. */
export async function openPartners(job: Job, annotation: Annotation, level: number, measure: string): Promise<Partner[] | null> {
  const key = `${level}/${measure}`;
  const lists = await (opened.get(key) ?? keep(key, readLists(job, level, measure)));
  if (!lists) return null;
  const { starts, rows, scores } = lists;
  const [start, stop] = [starts[annotation.row] ?? 0, starts[annotation.row + 1] ?? 0];
  return Array.from(rows.subarray(start, stop), (row, place) => ({ other: job.annotations[row]!, score: scores[start + place]! }));
}

function keep(key: string, lists: Promise<Lists | null>): Promise<Lists | null> {
  opened.set(key, lists);
  lists.catch(() => opened.delete(key));
  return lists;
}

async function readLists(job: Job, level: number, measure: string): Promise<Lists | null> {
  const all = await load<Record<string, Record<string, string>>>("report/colocalization.js");
  const text = all[String(level)]?.[measure];
  if (text === undefined) return null;
  const bytes = await inflate(text);
  const starts = new Uint32Array(job.annotations.length + 1);
  for (let row = 0; row < job.annotations.length; row++) starts[row + 1] = starts[row]! + bytes[row]!;
  const length = starts[job.annotations.length]!;
  const rows = plane32(bytes, job.annotations.length, length);
  const scores = plane32(bytes, job.annotations.length + 4 * length, length);
  return { starts, rows, scores: new Float32Array(scores.buffer) };
}
