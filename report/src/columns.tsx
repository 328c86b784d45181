/** The columns of the table: what each shows, sorts by, and is called in the CSV. */

import type { ComponentChildren } from "preact";

import type { Annotation, Job } from "./job";
import { Formula, intensity, Ion, modifierText, percent } from "./notation";

export interface Column {
  key: string;
  title: string;
  hint: string;
  /** Its width in CSS pixels at least, and its share of the room that is left. */
  least: number;
  share: number;
  numeric: boolean;
  /** Whether the best is the highest. */
  descending: boolean;
  value: (annotation: Annotation) => string | number;
  show: (annotation: Annotation) => ComponentChildren;
  /** Whether a job has anything to show in it. */
  offered: (job: Job) => boolean;
}

type Given = Pick<Column, "key" | "title" | "hint" | "value"> & Partial<Column>;

const column = (given: Given): Column => ({
  least: 72, share: 0.5,
  numeric: true,
  descending: false,
  show: given.value,
  offered: () => true,
  ...given,
});

const score = (key: "score" | "msm" | "chaos" | "spatial" | "spectral", title: string, hint: string, more: Partial<Column> = {}): Column =>
  column({ key, title, hint, least: 64, value: (each) => each[key], show: (each) => each[key].toFixed(3), descending: true, ...more });

function Names({ names }: { names: string[] }) {
  return (
    <>
      {names[0]}
      {names.length > 1 && <span class="more"> +{names.length - 1}</span>}
    </>
  );
}

const classesOf = (annotation: Annotation): string => [...new Set(annotation.classes.filter(Boolean))].join(", ");

const text = { numeric: false };

const COLUMNS: Column[] = [
  column({ key: "ion", title: "Ion", hint: "Formula and adduct", ...text, least: 168, share: 1.4, value: (each) => each.ion, show: (each) => <Ion annotation={each} /> }),
  column({ key: "formula", title: "Formula", hint: "Formula of the molecule", ...text, least: 110, share: 1, value: (each) => each.formula, show: (each) => <Formula text={each.formula} /> }),
  column({ key: "adduct", title: "Adduct", hint: "What makes the molecule an ion", ...text, least: 84, share: 0.5, value: modifierText }),
  column({ key: "database", title: "Database", hint: "Database the formula is from", ...text, least: 90, share: 0.8, value: (each) => each.database, offered: (job) => job.databases.length > 1 }),
  column({ key: "mz", title: "m/z", hint: "Theoretical m/z of the lightest isotopes", least: 92, share: 0.5, value: (each) => each.mz, show: (each) => each.mz.toFixed(4) }),
  column({ key: "error", title: "Δ ppm", hint: "Measured minus theoretical m/z", value: (each) => each.errorPpm, show: (each) => each.errorPpm.toFixed(2).replace("-", "−") }),
  score("score", "Score", "Score of the job's model, by which annotations are ranked", { offered: (job) => job.modelled }),
  score("msm", "MSM", "Metabolite–signal match: the product of the three scores"),
  column({ key: "fdr", title: "FDR", hint: "False discovery rate", least: 66, value: (each) => each.fdr, show: (each) => percent(each.fdr) }),
  score("chaos", "ρ chaos", "Spatial structure of the first image"),
  score("spatial", "ρ spatial", "Correlation of the isotope images"),
  score("spectral", "ρ spectral", "Agreement with the theoretical pattern"),
  column({ key: "highest", title: "Highest", hint: "Highest intensity of the first image", value: (each) => each.highest[0] ?? 0, show: (each) => intensity(each.highest[0] ?? 0), descending: true }),
  column({ key: "total", title: "Total", hint: "Summed intensity of the first image", value: (each) => each.total[0] ?? 0, show: (each) => intensity(each.total[0] ?? 0), descending: true }),
  column({ key: "points", title: "Pixels", hint: "Pixels with a signal in the first image", value: (each) => each.points[0] ?? 0, descending: true }),
  column({ key: "isobars", title: "Isobars", hint: "Annotations of other ions in the same m/z windows", value: (each) => each.isobars.length, descending: true }),
  column({ key: "names", title: "Molecules", hint: "Molecules of this formula in the database", ...text, least: 110, share: 1.6, value: (each) => each.names[0] ?? "", show: (each) => <Names names={each.names} /> }),
  column({ key: "classes", title: "Class", hint: "Classes of these molecules", ...text, least: 90, share: 0.8, value: classesOf, offered: (job) => job.classes.length > 0 }),
];

const columns = new WeakMap<Job, Column[]>();

/** The columns that a job has, in their order, that of the ions as wide as these are. */
export function columnsOf(job: Job): Column[] {
  let known = columns.get(job);
  if (!known) {
    const longest = Math.max(ADDUCT, ...job.annotations.map((each) => each.modifier.length));
    const least = Math.min(WIDEST, NARROWEST + LETTER * (longest - ADDUCT));
    known = COLUMNS.filter(({ offered }) => offered(job)).map((each) => (each.key === "ion" ? { ...each, least } : each));
    columns.set(job, known);
  }
  return known;
}

/** Widths of the column of ions, the narrowest for modifiers of three letters, and what each further one takes (CSS pixels). */
const [NARROWEST, WIDEST, LETTER, ADDUCT] = [168, 320, 14, 3];

export const columnOf = (key: string): Column | undefined => COLUMNS.find((each) => each.key === key);
