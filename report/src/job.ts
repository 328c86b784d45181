/** The job that the page shows: its annotations, its dataset, its images. */

import { decodeMask, decodeValues } from "./packing";
import { forget, load } from "./scripts";

export interface Annotation {
  /** Names it in addresses: the ion, after its database where the job has several. */
  id: string;
  row: number;
  database: string;
  formula: string;
  modifier: string;
  ion: string;
  ionFormula: string;
  chemMod: string;
  neutralLoss: string;
  adduct: string;
  mz: number;
  msm: number;
  /** What ranks it: the score of the job's model, or its MSM. */
  score: number;
  fdr: number;
  chaos: number;
  spatial: number;
  spectral: number;
  /** Measured minus theoretical m/z of the first peak, in ppm. */
  errorPpm: number;
  /** As of the further peaks, relative to the first, in ppm. */
  relativeErrorPpm: number;
  theoMz: number[];
  theoInts: number[];
  meanMz: (number | null)[];
  deviationMz: (number | null)[];
  total: number[];
  highest: number[];
  points: number[];
  names: string[];
  ids: string[];
  /** Of each molecule; empty where the database has none. */
  classes: string[];
  isobars: { ion: string; peaks: string }[];
  pack: number;
}

export interface Finding {
  severity: string;
  code: string;
  message: string;
  where: string;
}

export interface StageAccount {
  seconds?: number;
  invocations?: number;
  billed_seconds?: number;
  peak_mb?: number;
  usd?: number;
  parts?: Record<string, number>;
}

export interface Summary {
  job: string;
  dataset: { id: string; name: string; spectra: number; pixels: number; peaks: number; points: number; centroided: boolean | null };
  configuration: Record<string, unknown>;
  databases: { name: string; digest: string; formulas: number }[];
  ions: Record<string, number>;
  invalid_ions: [string, string, string][];
  annotations: Record<string, Record<string, number>>;
  images: number;
  /** How many annotations of each database were compared with each other. */
  colocalized: Record<string, number> | null;
  metadata: Record<string, unknown>;
  claimed_at: string;
  ended_at: string;
  seconds: number;
  cost: { usd: number; estimated_usd: number; parts: Record<string, number>; prices: { region: string; date: string } };
  stages: Record<string, StageAccount>;
  warnings: Finding[];
  versions: Record<string, string>;
}

interface Scores {
  targets: number[];
  decoys: number[];
  decoys_per_target: number;
}

interface Facts {
  width: number;
  height: number;
  pixels: number;
  x_origin: number;
  y_origin: number;
  pixel_size_um: [number, number] | null;
  instrument: string;
  uuid: string;
  mask: string;
  tic: string;
  scores: Scores;
}

export interface Dataset extends Facts {
  /** Index (y * width + x) of every sampled pixel. */
  sampled: Uint32Array;
  /** Summed intensity by pixel of the box. */
  total: Float32Array;
  /** Height of a pixel over its width. */
  aspect: number;
}

export interface Job {
  dataset: Dataset;
  summary: Summary;
  databases: string[];
  /** Classes of the molecules that were annotated, by name. */
  classes: string[];
  /** Whether a model scored the annotations. */
  modelled: boolean;
  annotations: Annotation[];
  byId: Map<string, Annotation>;
}

interface Content {
  databases: string[];
  classes: string[];
  columns: Record<string, unknown[]>;
}

export async function openJob(): Promise<Job> {
  const [facts, table, summary] = await Promise.all([
    load<Facts>("report/dataset.js"),
    load<Content>("report/annotations.js"),
    load<Summary>("report/summary.js"),
  ]);
  const sampled = await decodeMask(facts.mask, facts.width * facts.height);
  const total = await decodeValues(facts.tic, sampled, facts.width * facts.height);
  const size = facts.pixel_size_um;
  const aspect = size ? size[1] / size[0] : 1;
  const annotations = readAnnotations(table);
  forget("report/annotations.js");
  return {
    dataset: { ...facts, sampled, total, aspect },
    summary,
    databases: table.databases,
    classes: table.classes.filter(Boolean).sort((one, other) => one.localeCompare(other, "en", { numeric: true })),
    modelled: Boolean(summary.configuration["scoring_model"]),
    annotations,
    byId: new Map(annotations.map((each) => [each.id, each])),
  };
}

function readAnnotations({ databases, classes, columns }: Content): Annotation[] {
  const at = <T>(name: string, row: number) => columns[name]?.[row] as T;
  return (columns["ion"] ?? []).map((_, row) => {
    const ion = at<string>("ion", row);
    const database = databases[at<number>("database", row)] ?? "";
    const theoMz = at<number[]>("theo_mz", row);
    const ppm = (name: string) => (at<number>(name, row) / (theoMz[0] ?? 1)) * 1e6;
    const peaks = at<string[]>("isobar_peaks", row);
    return {
      id: databases.length > 1 ? `${database}:${ion}` : ion,
      row,
      database,
      ion,
      formula: at("formula", row),
      modifier: at("modifier", row),
      ionFormula: at("ion_formula", row),
      chemMod: at("chem_mod", row),
      neutralLoss: at("neutral_loss", row),
      adduct: at("adduct", row),
      mz: at("mz", row),
      msm: at("msm", row),
      score: at("score", row),
      fdr: at("fdr", row),
      chaos: at("chaos", row),
      spatial: at("spatial", row),
      spectral: at("spectral", row),
      errorPpm: ppm("mz_err_abs"),
      relativeErrorPpm: ppm("mz_err_rel"),
      theoMz,
      theoInts: at("theo_ints", row),
      meanMz: at("mz_mean", row),
      deviationMz: at("mz_stddev", row),
      total: at("total_iso_ints", row),
      highest: at("max_iso_ints", row),
      points: at("nnz", row),
      names: at("molecule_names", row),
      ids: at("molecule_ids", row),
      classes: at<number[]>("molecule_classes", row).map((number) => classes[number] ?? ""),
      isobars: at<string[]>("isobars", row).map((other, place) => ({ ion: other, peaks: peaks[place] ?? "" })),
      pack: at("pack", row),
    } satisfies Annotation;
  });
}

/** Images are kept until this many bytes of them are. */
const KEPT_BYTES = 256 * 2 ** 20;
const images = new Map<string, Promise<Float32Array>>();

/** The image of an isotope peak, one value a pixel of the box; all 0 where it has none. */
export function openImage(job: Job, annotation: Annotation, isotope = 0): Promise<Float32Array> {
  const key = `${annotation.ionFormula}/${isotope}`;
  const known = images.get(key);
  const image = known ?? readImage(job, annotation, isotope);
  images.delete(key);
  images.set(key, image); // the latest is last
  image.catch(() => images.delete(key));
  const kept = Math.max(8, Math.floor(KEPT_BYTES / (4 * job.dataset.width * job.dataset.height)));
  if (images.size > kept) images.delete(images.keys().next().value ?? "");
  return image;
}

async function readImage(job: Job, annotation: Annotation, isotope: number): Promise<Float32Array> {
  const { width, height, sampled } = job.dataset;
  if (!annotation.points[isotope]) return new Float32Array(width * height);
  const name = String(annotation.pack).padStart(6, "0");
  const path = `report/images/${name}${isotope ? "-further" : ""}.js`;
  const pack = await load<Record<string, Record<string, string>>>(path);
  keepPack(path);
  const text = pack[annotation.ionFormula]?.[String(isotope)];
  if (text === undefined) throw new Error(`${path} has no image of ${annotation.ion}.`);
  return decodeValues(text, sampled, width * height);
}

const KEPT_PACKS = 16;
const packs: string[] = [];

function keepPack(path: string): void {
  const place = packs.indexOf(path);
  if (place >= 0) packs.splice(place, 1);
  packs.push(path);
  if (packs.length > KEPT_PACKS) forget(packs.shift() ?? "");
}
