/** The dataset and the job: what was measured, what was run, what was found, where time and money went. */

import type { ComponentChildren } from "preact";

import { Costs } from "./costs";
import { LEVELS } from "./filters";
import type { Job, Summary } from "./job";
import { count, modifierText, percent, plural } from "./notation";
import { ScoreChart } from "./scorechart";
import { Thumbnail } from "./thumbnail";

export function DatasetView({ job }: { job: Job }) {
  const { summary } = job;
  const metadata = leaves(summary.metadata);
  return (
    <main class="dataset">
      <h2 class="visually-hidden">Dataset and job</h2>
      <div class="cards">
        <Card title="Total ion current">
          <Thumbnail dataset={job.dataset} image={job.dataset.total} label="Total ion current of every pixel" />
        </Card>
        <Card title="Dataset"><Facts rows={datasetRows(job)} /></Card>
        {metadata.length > 0 && <Card title="Metadata of the submission"><Facts rows={metadata} /></Card>}
        <Card title="Warnings">
          {summary.warnings.length ? <Warnings summary={summary} /> : <p class="quiet">The dataset and its databases gave no reason to warn.</p>}
        </Card>
        <Card title="Annotations by adduct"><AdductCounts job={job} /></Card>
        <Card title="Scores of targets and decoys"><ScoreChart job={job} /></Card>
        <Card title="Ions"><Ions summary={summary} /></Card>
        <Card title="Databases"><Databases job={job} /></Card>
        <Card title="Settings"><Facts rows={settingRows(summary)} /></Card>
        <Card title="Versions"><Facts rows={Object.entries(summary.versions)} /></Card>
        <Card title="Time and money" wide><Costs summary={summary} /></Card>
      </div>
    </main>
  );
}

function Card({ title, wide = false, children }: { title: string; wide?: boolean; children: ComponentChildren }) {
  return (
    <section class={wide ? "card wide" : "card"} aria-label={title}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

function datasetRows({ dataset, summary }: Job): [string, ComponentChildren][] {
  const size = dataset.pixel_size_um;
  const centroided = summary.dataset.centroided;
  return [
    ["Name", summary.dataset.name],
    ["Image", `${count(dataset.width)} × ${count(dataset.height)} pixels`],
    ["Sampled", `${plural(dataset.pixels, "pixel")}, ${plural(summary.dataset.spectra, "spectrum", "spectra")}`],
    ["Peaks", count(summary.dataset.peaks)],
    ["Pixel size", size ? `${size[0]} × ${size[1]} µm` : "not in the imzML"],
    ["Instrument", dataset.instrument || "not in the imzML"],
    ["Spectra", centroided === null ? "not said" : centroided ? "centroided" : "profile"],
    ["UUID", dataset.uuid || "–"],
    ["Dataset id", summary.dataset.id],
    ["Job", summary.job],
  ];
}

/** Settings that are shown elsewhere. */
const ELSEWHERE = ["name", "databases", "findings", "metadata"];

function settingRows({ configuration }: Summary): [string, ComponentChildren][] {
  return Object.entries(configuration)
    .filter(([name]) => !ELSEWHERE.includes(name))
    .map(([name, value]) => [name.replaceAll("_", " "), settingText(value)]);
}

function settingText(value: unknown): string {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) return "–";
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value !== "object") return String(value);
  if (Object.values(value).every((each) => each === null)) return "–";
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return value.join(", ");
  return JSON.stringify(value);
}

/** What nested values hold, each with the way to it. */
function leaves(value: unknown, path: string[] = []): [string, string][] {
  if (value === null || typeof value !== "object") return [[path.join(" › "), settingText(value)]];
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return [[path.join(" › "), settingText(value)]];
  return Object.entries(value).flatMap(([name, each]) => leaves(each, [...path, Array.isArray(value) ? String(Number(name) + 1) : name.replaceAll("_", " ")]));
}

function Databases({ job: { summary } }: { job: Job }) {
  return (
    <table class="figures">
      <thead>
        <tr><th scope="col">name</th><th scope="col">formulas</th>{LEVELS.map((level) => <th scope="col" key={level}>{percent(level, 0)}</th>)}</tr>
      </thead>
      <tbody>
        {summary.databases.map(({ name, digest, formulas }) => (
          <tr key={name}>
            <th scope="row" title={`SHA-256 ${digest}…`}>{name}</th>
            <td>{count(formulas)}</td>
            {LEVELS.map((level) => <td key={level}>{count(summary.annotations[name]?.[String(Math.round(100 * level))] ?? 0)}</td>)}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Warnings({ summary }: { summary: Summary }) {
  return (
    <ul class="warnings">
      {summary.warnings.map(({ where, message }, place) => (
        <li key={place}>{where && <b>{where} </b>}{message}</li>
      ))}
    </ul>
  );
}

function AdductCounts({ job }: { job: Job }) {
  const groups = new Map<string, number[]>();
  for (const each of job.annotations) {
    const name = modifierText(each);
    const counts = groups.get(name) ?? LEVELS.map(() => 0);
    groups.set(name, counts.map((number, place) => number + Number(each.fdr <= (LEVELS[place] ?? 0))));
  }
  const totals = LEVELS.map((level) => job.annotations.filter((each) => each.fdr <= level).length);
  const row = (name: string, counts: number[]) => (
    <tr key={name}>
      <th scope="row">{name}</th>
      {counts.map((number, place) => <td key={place}>{count(number)}</td>)}
    </tr>
  );
  return (
    <table class="figures">
      <thead>
        <tr>
          <th scope="col">FDR up to</th>
          {LEVELS.map((level) => <th scope="col" key={level}>{percent(level, 0)}</th>)}
        </tr>
      </thead>
      <tbody>{[...groups].sort(([one], [other]) => one.localeCompare(other)).map(([name, counts]) => row(name, counts))}</tbody>
      <tfoot>{row("all", totals)}</tfoot>
    </table>
  );
}

function Ions({ summary }: { summary: Summary }) {
  const names: Record<string, string> = {
    targets: "targets", decoys: "decoys", distinct: "distinct ions", without_pattern: "without an isotope pattern",
    in_range: "within the m/z range", scored: "scored", invalid: "impossible",
  };
  const listed = summary.invalid_ions;
  return (
    <>
      <Facts rows={Object.entries(summary.ions).map(([name, number]) => [names[name] ?? name, count(number)])} />
      {listed.length > 0 && (
        <details>
          <summary>Impossible ions</summary>
          <ul class="warnings">{listed.map(([formula, modifier, reason]) => <li key={formula + modifier}>{formula}{modifier}: {reason}</li>)}</ul>
        </details>
      )}
    </>
  );
}
