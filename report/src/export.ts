/** Files that the page makes: pictures and tables. */

import { inverse, type Matrix, scaleBar, type Size } from "./geometry";
import type { Annotation, Job } from "./job";
import { coloursOf, css } from "./maps";
import { intensity } from "./notation";
import { openPicture, optical } from "./optical";
import { canvasOf, type Range } from "./picture";
import { state } from "./state";

export function saveFile(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A name for a file: letters and digits, joined. */
export const fileName = (text: string): string => text.replace(/[^\p{L}\p{N}\-]+/gu, "_").replace(/^_+|_+$/g, "") || "ions";

const LEAST = 900;
const FOOT = 46;

/** Save the picture with its scale bar, title and colours, each pixel of the dataset a whole number of dots. */
export async function savePicture(job: Job, picture: ImageData, title: string, colours: { map: string; range: Range } | null): Promise<void> {
  const { dataset } = job;
  const scale = Math.max(1, Math.ceil(LEAST / Math.max(dataset.width, dataset.height * dataset.aspect)));
  const size = { width: dataset.width * scale, height: Math.round(dataset.height * scale * dataset.aspect) };
  const canvas = document.createElement("canvas");
  canvas.width = size.width;
  canvas.height = size.height + FOOT;
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no canvas to draw on.");
  context.fillStyle = "#0b0d12";
  context.fillRect(0, 0, canvas.width, canvas.height);
  await drawOptical(context, size, { across: scale, down: scale * dataset.aspect });
  context.imageSmoothingEnabled = false;
  context.drawImage(canvasOf(picture), 0, 0, size.width, size.height);
  const bar = scaleBar(dataset, scale, size.width / 4);
  context.fillStyle = "#fff";
  context.font = "15px system-ui, sans-serif";
  context.fillRect(14, size.height + 14, bar.length, 4);
  context.fillText(bar.text, 14, size.height + 36);
  context.textAlign = "right";
  context.fillText(title, canvas.width - 14, size.height + 36, canvas.width * 0.7);
  if (colours) drawColours(context, colours, canvas.width - 14, size.height + 8);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (blob) saveFile(`${fileName(title)}.png`, blob);
}

function drawColours(context: CanvasRenderingContext2D, { map, range }: { map: string; range: Range }, right: number, top: number): void {
  const table = coloursOf(map);
  const text = intensity(range.high);
  const end = right - context.measureText(text).width - 8;
  table.forEach((colour, place) => {
    context.fillStyle = css(colour);
    context.fillRect(end - 128 + place / 2, top, 1, 10);
  });
  context.fillStyle = "#fff";
  context.fillText(text, right, top + 10);
  context.fillText(intensity(range.low), end - 136, top + 10);
}

/** Draw the optical image where its transform says, dot by dot, since a canvas knows no perspective. */
async function drawOptical(context: CanvasRenderingContext2D, size: Size, scale: { across: number; down: number }): Promise<void> {
  const shown = optical.peek();
  if (!shown || !inverse(shown.transform)) return;
  const source = document.createElement("canvas");
  source.width = shown.width;
  source.height = shown.height;
  const from = source.getContext("2d");
  if (!from) return;
  from.drawImage(await openPicture(shown.url), 0, 0);
  const dots = from.getImageData(0, 0, shown.width, shown.height);
  const drawn = resampled(dots, shown.transform, size, scale);
  context.globalAlpha = state.peek().opticalOpacity;
  context.drawImage(canvasOf(drawn), 0, 0);
  context.globalAlpha = 1;
}

function resampled(source: ImageData, [[a, b, c], [d, e, f], [g, h, i]]: Matrix, size: Size, scale: { across: number; down: number }): ImageData {
  const result = new ImageData(size.width, size.height);
  const [from, to] = [new Uint32Array(source.data.buffer), new Uint32Array(result.data.buffer)];
  for (let row = 0; row < size.height; row++) {
    const y = (row + 0.5) / scale.down;
    for (let column = 0; column < size.width; column++) {
      const x = (column + 0.5) / scale.across;
      const depth = g * x + h * y + i;
      const left = Math.floor((a * x + b * y + c) / depth);
      const top = Math.floor((d * x + e * y + f) / depth);
      if (left >= 0 && top >= 0 && left < source.width && top < source.height) {
        to[row * size.width + column] = from[top * source.width + left] ?? 0;
      }
    }
  }
  return result;
}

const CELLS: [string, (annotation: Annotation) => string | number][] = [
  ["formula", (each) => each.formula],
  ["adduct", (each) => (each.adduct.startsWith("[M]") ? each.adduct : `M${each.adduct}`)],
  ["chemMod", (each) => each.chemMod],
  ["neutralLoss", (each) => each.neutralLoss],
  ["ion", (each) => each.ion],
  ["database", (each) => each.database],
  ["mz", (each) => each.mz],
  ["massError", (each) => each.errorPpm.toPrecision(5)],
  ["msm", (each) => each.msm],
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

/** The rows as CSV, under the names of annotations.csv. */
export function csvOf(rows: Annotation[]): string {
  const lines = [CELLS.map(([name]) => cell(name)), ...rows.map((each) => CELLS.map(([name, value]) => (name === "chemMod" || name === "neutralLoss" ? plain(value(each)) : cell(value(each)))))];
  return lines.map((line) => line.join(",")).join("\n") + "\n";
}

/** Modifiers begin with a sign and are made of formulas: no spreadsheet runs them, and scripts expect them as they are. */
const plain = (value: string | number): string => `"${value}"`;
