/** Formulas and ions written as chemists do, and numbers as people read them. */

import type { Annotation } from "./job";

/** A formula with its counts as subscripts. */
export function Formula({ text }: { text: string }) {
  const parts = text.split(/(\d+)/);
  return <>{parts.map((part, place) => (place % 2 ? <sub key={place}>{part}</sub> : part))}</>;
}

/** A modifier such as `-H2O+Na`, its signs spaced. */
export function Modifier({ text }: { text: string }) {
  const parts = text.split(/([+-])/).filter(Boolean);
  return (
    <>
      {parts.map((part, place) =>
        part === "+" || part === "-" ? ` ${part === "-" ? "−" : "+"} ` : <Formula key={place} text={part} />,
      )}
    </>
  );
}

const UNCHANGED = /^\[M\][+-]$/;

/** [M + Na]⁺ with the formula for M. */
export function Ion({ annotation }: { annotation: Annotation }) {
  const { formula, chemMod, neutralLoss, adduct, ion } = annotation;
  const charge = ion.endsWith("-") ? "−" : "+";
  return (
    <span class="ion">
      [<Formula text={formula} />
      <Modifier text={chemMod} />
      <Modifier text={neutralLoss} />
      <Modifier text={UNCHANGED.test(adduct) ? "" : adduct} />]<sup>{charge}</sup>
    </span>
  );
}

/** An ion as one line of plain text. */
export function ionText({ formula, chemMod, neutralLoss, adduct, ion }: Annotation): string {
  const modifiers = chemMod + neutralLoss + (UNCHANGED.test(adduct) ? "" : adduct);
  return `[${formula}${modifiers.replace(/[+-]/g, (sign) => (sign === "-" ? " − " : " + "))}]${ion.endsWith("-") ? "−" : "+"}`;
}

/** The same with subscripts, for where there is no markup. */
export function ionLetters(annotation: Annotation): string {
  const lowered = ionText(annotation).replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)] ?? "");
  return lowered.replace(/.$/, (charge) => (charge === "+" ? "⁺" : "⁻"));
}

/** An adduct as M + Na. */
export function adductText(adduct: string): string {
  return UNCHANGED.test(adduct) ? adduct : `M${adduct.replace(/[+-]/g, (sign) => (sign === "-" ? " − " : " + "))}`;
}

const whole = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });

export const count = (value: number): string => whole.format(value);

export const percent = (share: number, digits = 1): string => `${(share * 100).toFixed(digits)} %`;

/** An intensity in at most five characters of figures. */
export function intensity(value: number): string {
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return "∞";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-2) {
    const [digits, power] = value.toExponential(2).split("e");
    return `${digits}·10${superscript(Number(power))}`;
  }
  return size >= 100 ? whole.format(value) : value.toPrecision(3);
}

function superscript(power: number): string {
  return [...String(power)].map((digit) => (digit === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)])).join("");
}

export function plural(number: number, name: string, many = `${name}s`): string {
  return `${count(number)} ${number === 1 ? name : many}`;
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function dollars(value: number): string {
  return value >= 0.01 || value === 0 ? `$${value.toFixed(2)}` : `$${value.toPrecision(2)}`;
}
