/** Colour maps, as 256 colours each. */

import {
  interpolateCividis,
  interpolateInferno,
  interpolateMagma,
  interpolatePlasma,
  interpolateTurbo,
  interpolateViridis,
} from "d3-scale-chromatic";

const INTERPOLATORS: Record<string, (share: number) => string> = {
  viridis: interpolateViridis,
  magma: interpolateMagma,
  inferno: interpolateInferno,
  plasma: interpolatePlasma,
  cividis: interpolateCividis,
  turbo: interpolateTurbo,
  grey: (share) => `rgb(${Array(3).fill(Math.round(255 * share)).join(",")})`,
};

export const MAPS = Object.keys(INTERPOLATORS);

export type Rgb = [number, number, number];

const tables = new Map<string, Rgb[]>();

/** The colours of a map from lowest to highest. */
export function coloursOf(name: string): Rgb[] {
  const known = tables.get(name);
  if (known) return known;
  const interpolate = INTERPOLATORS[name] ?? interpolateViridis;
  const table = Array.from({ length: 256 }, (_, place) => parse(interpolate(place / 255)));
  tables.set(name, table);
  return table;
}

function parse(colour: string): Rgb {
  const hex = /^#(..)(..)(..)$/.exec(colour)?.slice(1).map((part) => parseInt(part, 16));
  const [red = 0, green = 0, blue = 0] = hex ?? (colour.match(/\d+/g) ?? []).map(Number);
  return [red, green, blue];
}

/** What the three channels add up from. */
export const CHANNELS: { name: string; colour: Rgb }[] = [
  { name: "red", colour: [255, 64, 64] },
  { name: "green", colour: [64, 224, 64] },
  { name: "blue", colour: [72, 128, 255] },
];

export const css = ([red, green, blue]: Rgb): string => `rgb(${red} ${green} ${blue})`;
