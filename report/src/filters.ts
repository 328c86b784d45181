/** Which annotations are shown, in which order. */

import { columnOf } from "./columns";
import type { Annotation, Job } from "./job";
import type { State } from "./state";

export const LEVELS = [0.05, 0.1, 0.2, 0.5];

/** The smallest level that an FDR is within. */
export const levelOf = (fdr: number): number => LEVELS.find((level) => fdr <= level) ?? 1;

const haystacks = new WeakMap<Annotation, string>();

function haystack(annotation: Annotation): string {
  let text = haystacks.get(annotation);
  if (text === undefined) {
    const { ion, formula, names, ids } = annotation;
    text = [ion, formula, ...names, ...ids].join("\n").toLowerCase();
    haystacks.set(annotation, text);
  }
  return text;
}

type Filter = Pick<State, "fdr" | "database" | "adduct" | "text" | "mz" | "tolerance" | "unit">;

/** The m/z that is asked for, null where what was typed is none. */
export function wantedMz(text: string): number | null {
  const mz = Number(text.trim().replace(",", "."));
  return text.trim() && Number.isFinite(mz) && mz > 0 ? mz : null;
}

export function filtered(annotations: Annotation[], filter: Filter): Annotation[] {
  const words = filter.text.toLowerCase().split(/\s+/).filter(Boolean);
  const mz = wantedMz(filter.mz);
  const reach = mz === null ? 0 : filter.unit === "ppm" ? (mz * filter.tolerance) / 1e6 : filter.tolerance;
  return annotations.filter(
    (each) =>
      each.fdr <= filter.fdr &&
      (!filter.database || each.database === filter.database) &&
      (!filter.adduct || each.adduct === filter.adduct) &&
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

export const adductsOf = (job: Job): string[] => [...new Set(job.annotations.map((each) => each.adduct))].sort();
