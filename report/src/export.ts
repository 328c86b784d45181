/** Pictures that the page makes: what the stage shows, with scale bar, title and colours. */

import { fileName, saveFile } from "./files";
import { inverse, type Matrix, type Placement, scaleBar, type Size } from "./geometry";
import type { Dataset } from "./job";
import { css, type Rgb } from "./maps";
import { intensity } from "./notation";
import { openPicture, optical } from "./optical";
import { canvasOf, type Range } from "./picture";
import { state } from "./state";

/** What a picture shows of the ions, and where. */
export interface Frame {
  size: Size;
  /** From the ion image's pixels to the picture's dots. */
  place: Placement;
}

/** An ion of the picture: in a colour map, or, as a channel, in one colour. */
export interface Legend {
  name: string;
  range: Range;
  colours: Rgb[];
  colour: Rgb | null;
}

const LEAST = 900;
const LINE = 24;
const EDGE = 14;

/** The whole ion image, each of its pixels a whole number of dots across. */
export function wholeFrame({ width, height, aspect }: Dataset): Frame {
  const across = Math.max(1, Math.ceil(LEAST / Math.max(width, height * aspect)));
  const down = across * aspect;
  return { size: { width: width * across, height: Math.round(height * down) }, place: { across, down, left: 0, top: 0 } };
}

/** What the stage shows, as fine as the screen or finer. */
export function viewFrame(stage: Size, place: Placement): Frame {
  const scale = Math.max(devicePixelRatio, LEAST / stage.width);
  const scaled = Object.fromEntries(Object.entries(place).map(([name, value]) => [name, value * scale])) as unknown as Placement;
  return { size: { width: Math.round(stage.width * scale), height: Math.round(stage.height * scale) }, place: scaled };
}

/** Save a picture of the ion image, the optical one beneath it where that is shown. */
export async function savePicture(dataset: Dataset, picture: ImageData, { size, place }: Frame, legends: Legend[]): Promise<void> {
  const canvas = document.createElement("canvas");
  canvas.width = size.width;
  canvas.height = size.height + EDGE + LINE * Math.max(2, linesOf(legends));
  const context = canvas.getContext("2d");
  if (!context) throw new Error("This browser gives no canvas to draw on.");
  context.fillStyle = "#0b0d12";
  context.fillRect(0, 0, canvas.width, canvas.height);
  await drawOptical(context, size, place);
  drawIons(context, canvasOf(picture), size, place);
  drawScale(context, dataset, size, place.across);
  drawLegends(context, legends, size);
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("This browser cannot hold a picture of this size.");
  saveFile(`${fileName(legends.map(({ name }) => name).join(" "))}.png`, blob);
}

/** Lines of the legend: an ion in a colour map has one for its name and one for its colours. */
const linesOf = (legends: Legend[]): number => legends.reduce((sum, { colour }) => sum + (colour ? 1 : 2), 0);

function drawIons(context: CanvasRenderingContext2D, ions: HTMLCanvasElement, size: Size, { across, down, left, top }: Placement): void {
  context.save();
  context.beginPath();
  context.rect(0, 0, size.width, size.height);
  context.clip();
  context.imageSmoothingEnabled = false;
  context.drawImage(ions, left, top, ions.width * across, ions.height * down);
  context.restore();
}

function drawScale(context: CanvasRenderingContext2D, dataset: Dataset, { width, height }: Size, across: number): void {
  const bar = scaleBar(dataset, across, width / 4);
  context.fillStyle = "#fff";
  context.font = "15px system-ui, sans-serif";
  context.fillRect(EDGE, height + EDGE, bar.length, 4);
  context.fillText(bar.text, EDGE, height + EDGE + 22);
}

function drawLegends(context: CanvasRenderingContext2D, legends: Legend[], { width, height }: Size): void {
  const right = width - EDGE;
  let line = height + EDGE + 10;
  context.textAlign = "right";
  for (const legend of legends) {
    const text = legend.colour ? `${legend.name}  ${intensity(legend.range.low)} – ${intensity(legend.range.high)}` : legend.name;
    context.fillStyle = legend.colour ? css(legend.colour) : "#fff";
    context.fillText(text, right, line, width * 0.7);
    line += LINE;
    if (legend.colour) continue;
    drawColours(context, legend, right, line - 10);
    line += LINE;
  }
}

const BAR = 160;

function drawColours(context: CanvasRenderingContext2D, { colours, range }: Legend, right: number, top: number): void {
  const high = intensity(range.high);
  const start = Math.round(right - context.measureText(high).width) - 8 - BAR;
  for (let place = 0; place < BAR; place++) {
    context.fillStyle = css(colours[Math.round((place / (BAR - 1)) * 255)] ?? [0, 0, 0]);
    context.fillRect(start + place, top, 1, 12);
  }
  context.fillStyle = "#fff";
  context.fillText(high, right, top + 11);
  context.fillText(intensity(range.low), start - 8, top + 11);
}

/** Draw the optical image where its transform says, dot by dot, since a canvas knows no perspective. */
async function drawOptical(context: CanvasRenderingContext2D, size: Size, place: Placement): Promise<void> {
  const shown = optical.peek();
  if (!shown || !inverse(shown.transform)) return;
  const source = document.createElement("canvas");
  source.width = shown.width;
  source.height = shown.height;
  const from = source.getContext("2d");
  if (!from) return;
  from.drawImage(await openPicture(shown.url), 0, 0);
  const dots = from.getImageData(0, 0, shown.width, shown.height);
  context.globalAlpha = state.peek().opticalOpacity;
  context.drawImage(canvasOf(resampled(dots, shown.transform, size, place)), 0, 0);
  context.globalAlpha = 1;
}

function resampled(source: ImageData, [[a, b, c], [d, e, f], [g, h, i]]: Matrix, size: Size, place: Placement): ImageData {
  const result = new ImageData(size.width, size.height);
  const [from, to] = [new Uint32Array(source.data.buffer), new Uint32Array(result.data.buffer)];
  for (let row = 0; row < size.height; row++) {
    const y = (row + 0.5 - place.top) / place.down;
    for (let column = 0; column < size.width; column++) {
      const x = (column + 0.5 - place.left) / place.across;
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
