/** Which annotations are shown, in which order. */

import { columnOf } from "./columns";
import type { Annotation, Job } from "./job";
import { ionText, modifierText } from "./notation";
import { NONE, type State } from "./state";

export const LEVELS = [0.05, 0.1, 0.2, 0.5];

/** The smallest level that an FDR is within. */
export const levelOf = (fdr: number): number => LEVELS.find((level) => fdr <= level) ?? 1;

/** Text as it is compared: in small letters, with plain digits and signs, so that what is copied from the page is found. */
const plain = (text: string): string => text.normalize("NFKC").replaceAll("−", "-").toLowerCase();

const haystacks = new WeakMap<Annotation, string>();

function haystack(annotation: Annotation): string {
  let text = haystacks.get(annotation);
  if (text === undefined) {
    const { ion, formula, names, ids, classes } = annotation;
    text = plain([ion, formula, ionText(annotation), modifierText(annotation), ...names, ...ids, ...classes].join("\n"));
    haystacks.set(annotation, text);
  }
  return text;
}

const FIELDS = ["fdr", "database", "adduct", "modification", "moleculeClass", "text", "mz", "tolerance", "unit"] as const;

export type Filter = Pick<State, (typeof FIELDS)[number]>;

/** What of the state decides which annotations are shown. */
export const filterOf = (shown: State): Filter => Object.fromEntries(FIELDS.map((name) => [name, shown[name]])) as unknown as Filter;

/** The m/z that is asked for, null where what was typed is none. */
export function wantedMz(text: string): number | null {
  const mz = Number(text.trim().replace(",", "."));
  return text.trim() && Number.isFinite(mz) && mz > 0 ? mz : null;
}

export function filtered(annotations: Annotation[], filter: Filter): Annotation[] {
  const words = plain(filter.text).split(/\s+/).filter(Boolean);
  const mz = wantedMz(filter.mz);
  const reach = mz === null ? 0 : filter.unit === "ppm" ? (mz * filter.tolerance) / 1e6 : filter.tolerance;
  return annotations.filter(
    (each) =>
      each.fdr <= filter.fdr &&
      (!filter.database || each.database === filter.database) &&
      (!filter.adduct || each.adduct === filter.adduct) &&
      (!filter.modification || (modificationOf(each) || NONE) === filter.modification) &&
      (!filter.moleculeClass || each.classes.includes(filter.moleculeClass)) &&
      (mz === null || Math.abs(each.mz - mz) <= reach) &&
      words.every((word) => haystack(each).includes(word)),
  );
}

/** Sort rows; equal ones keep the order of the job, which is by FDR and MSM. */
export function sorted(annotations: Annotation[], key: string, descending: boolean): Annotation[] {
  const column = columnOf(key) ?? columnOf("fdr");
  if (!column) return annotations;
  const sign = descending ? -1 : 1;
  const text = new Intl.Collator("en", { numeric: true });
  const compare = (one: Annotation, other: Annotation): number => {
    const [a, b] = [column.value(one), column.value(other)];
    return sign * (typeof a === "number" && typeof b === "number" ? a - b : text.compare(String(a), String(b)));
  };
  return [...annotations].sort((one, other) => compare(one, other) || one.row - other.row);
}

/** Chemical modification and neutral loss. */
const modificationOf = (annotation: Annotation): string => annotation.chemMod + annotation.neutralLoss;

/** The modifications there are, `NONE` first; empty where no ion has any. */
export function modificationsOf(job: Job): string[] {
  const found = [...new Set(job.annotations.map(modificationOf).filter(Boolean))].sort();
  return found.length ? [NONE, ...found] : [];
}

export const adductsOf = (job: Job): string[] => [...new Set(job.annotations.map((each) => each.adduct))].sort();
