/** The rows of the table as CSV, under the names of annotations.csv. */

import type { Annotation } from "./job";

/** The columns, as METASPACE names them: what ranks an annotation is its msm. */
const CELLS: [string, (annotation: Annotation) => string | number][] = [
  ["formula", (each) => each.formula],
  ["adduct", (each) => (each.adduct.startsWith("[M]") ? each.adduct : `M${each.adduct}`)],
  ["chemMod", (each) => each.chemMod],
  ["neutralLoss", (each) => each.neutralLoss],
  ["ion", (each) => each.ion],
  ["database", (each) => each.database],
  ["mz", (each) => each.mz],
  ["massError", (each) => each.errorPpm.toPrecision(5)],
  ["msm", (each) => each.score],
  ["fdr", (each) => each.fdr],
  ["rhoSpatial", (each) => each.spatial],
  ["rhoSpectral", (each) => each.spectral],
  ["rhoChaos", (each) => each.chaos],
  ["maxIntensity", (each) => each.highest[0] ?? ""],
  ["totalIntensity", (each) => each.total[0] ?? ""],
  ["moleculeNames", (each) => each.names.map(unsplit).join(", ")],
  ["moleculeIds", (each) => each.ids.map(unsplit).join(", ")],
  ["isobarIons", (each) => each.isobars.map(({ ion }) => ion).join(", ")],
];

const unsplit = (name: string): string => name.replace(/,\s+/g, ",");

/** A cell in quotes, with nothing at its beginning that a spreadsheet would run. */
function cell(value: string | number): string {
  const text = typeof value === "string" && /^\s*[=+\-@＝＋－＠]/u.test(value) ? `'${value}` : String(value);
  return `"${text.replaceAll('"', '""')}"`;
}

export function csvOf(rows: Annotation[]): string {
  const lines = [CELLS.map(([name]) => cell(name)), ...rows.map((each) => CELLS.map(([name, value]) => (name === "chemMod" || name === "neutralLoss" ? plain(value(each)) : cell(value(each)))))];
  return lines.map((line) => line.join(",")).join("\n") + "\n";
}

/** Modifiers begin with a sign and are made of formulas: no spreadsheet runs them, and scripts expect them as they are. */
const plain = (value: string | number): string => `"${value}"`;
