/** Formulas and ions written as chemists do, and numbers as people read them. */

import type { Annotation } from "./job";

/** What stands for pure isotopes in formulas, as people write these. */
const LABELS: Record<string, [mass: string, element: string]> = {
  Cx: ["13", "C"], Hx: ["2", "H"], Nx: ["15", "N"], Ox: ["18", "O"], Sx: ["34", "S"],
};

/** A formula with its counts as subscripts, and the mass numbers of labels as superscripts. */
export function Formula({ text }: { text: string }) {
  const parts = text.match(/[A-Z][a-z]?|\d+|./g) ?? [];
  return <>{parts.map((part, place) => (/\d/.test(part) ? <sub key={place}>{part}</sub> : <Element key={place} symbol={part} />))}</>;
}

function Element({ symbol }: { symbol: string }) {
  const label = LABELS[symbol];
  return label ? <><sup>{label[0]}</sup>{label[1]}</> : <>{symbol}</>;
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

/** Chemical modification, neutral loss and adduct, as far as they add or take anything. */
const modifiers = ({ chemMod, neutralLoss, adduct }: Annotation): string => chemMod + neutralLoss + (UNCHANGED.test(adduct) ? "" : adduct);

/** [M + Na]⁺ with the formula for M. */
export function Ion({ annotation }: { annotation: Annotation }) {
  return (
    <span class="ion">
      [<Formula text={annotation.formula} />
      <Modifier text={modifiers(annotation)} />]<sup>{annotation.ion.endsWith("-") ? "−" : "+"}</sup>
    </span>
  );
}

const spaced = (text: string): string => text.replace(/[+-]/g, (sign) => (sign === "-" ? " − " : " + "));

/** Labels as mass number and element. */
const labelled = (text: string, write = (mass: string) => mass): string =>
  text.replace(/[CHNOS]x/g, (symbol) => write(LABELS[symbol]![0]) + LABELS[symbol]![1]);

/** An ion as one line of plain text. */
export function ionText(annotation: Annotation): string {
  return `[${labelled(annotation.formula + spaced(modifiers(annotation)))}]${annotation.ion.endsWith("-") ? "−" : "+"}`;
}

const RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹";
const raised = (digits: string): string => digits.replace(/\d/g, (digit) => RAISED[Number(digit)]!);
const lowered = (digits: string): string => digits.replace(/\d/g, (digit) => "₀₁₂₃₄₅₆₇₈₉"[Number(digit)]!);

const letters = (text: string): string => labelled(lowered(text), raised);

/** The same with subscripts and superscripts, for where there is no markup. */
export function ionLetters(annotation: Annotation): string {
  return `[${letters(annotation.formula + spaced(modifiers(annotation)))}]${annotation.ion.endsWith("-") ? "⁻" : "⁺"}`;
}

/** An adduct, or a modifier, as M − H₂O + Na. */
export function adductText(adduct: string): string {
  return UNCHANGED.test(adduct) ? adduct : `M${letters(spaced(adduct))}`;
}

/** All that makes the molecule an ion. */
export const modifierText = (annotation: Annotation): string => adductText(modifiers(annotation) || annotation.adduct);

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
    return `${digits}·10${raised(power!.replace("+", "").replace("-", "⁻"))}`;
  }
  return size >= 100 ? whole.format(value) : value.toPrecision(3);
}

export function plural(number: number, name: string, many = `${name}s`): string {
  return `${count(number)} ${number === 1 ? name : many}`;
}

export function duration(seconds: number): string {
  if (seconds < 60) return `${seconds.toFixed(seconds < 0.095 ? 2 : 1)} s`;
  const minutes = Math.floor(seconds / 60);
  return minutes < 60 ? `${minutes} min ${Math.round(seconds % 60)} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** Dollars by two decimals, a small amount by its first two digits. */
export function dollars(value: number): string {
  const decimals = value > 0 && value < 0.1 ? 1 - Math.floor(Math.log10(value)) : 2;
  return `$${value.toFixed(decimals)}`;
}
