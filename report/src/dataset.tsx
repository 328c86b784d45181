/** The dataset and the job: what was measured, what was run, what was found, where time and money went. */

import type { ComponentChildren } from "preact";

import { LEVELS } from "./filters";
import type { Job, Summary } from "./job";
import { adductText, count, dollars, duration, percent, plural } from "./notation";
import { ScoreChart } from "./scorechart";
import { Thumbnail } from "./thumbnail";

export function DatasetView({ job }: { job: Job }) {
  const { summary } = job;
  return (
    <main class="dataset"><div class="cards">
      <Card title="Total ion current">
        <Thumbnail dataset={job.dataset} image={job.dataset.total} label="Total ion current of every pixel" />
      </Card>
      <Card title="Dataset"><Facts rows={datasetRows(job)} /></Card>
      <Card title="Warnings">
        {summary.warnings.length ? <Warnings summary={summary} /> : <p class="quiet">The dataset and its databases gave no reason to warn.</p>}
      </Card>
      <Card title="Annotations by adduct"><AdductCounts job={job} /></Card>
      <Card title="Scores of targets and decoys"><ScoreChart scores={job.dataset.scores} /></Card>
      <Card title="Time and money"><Stages summary={summary} /></Card>
      <Card title="Ions"><Ions summary={summary} /></Card>
      <Card title="Settings"><Facts rows={settingRows(summary)} /></Card>
      <Card title="Versions"><Facts rows={Object.entries(summary.versions)} /></Card>
    </div></main>
  );
}

function Card({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="card">
      <h2>{title}</h2>
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

function settingRows({ configuration, databases }: Summary): [string, ComponentChildren][] {
  const rows = Object.entries(configuration)
    .filter(([name]) => !["databases", "findings", "metadata"].includes(name))
    .map(([name, value]): [string, ComponentChildren] => [name, settingText(value)]);
  const metadata = Object.entries((configuration["metadata"] ?? {}) as Record<string, unknown>);
  return [
    ...databases.map(({ name, digest, formulas }): [string, ComponentChildren] => ["database", `${name}, ${plural(formulas, "formula")}, ${digest}`]),
    ...rows,
    ...metadata.map(([name, value]): [string, ComponentChildren] => [`metadata: ${name}`, settingText(value)]),
  ];
}

function settingText(value: unknown): string {
  if (value === null || (Array.isArray(value) && !value.length)) return "–";
  if (typeof value === "object" && Object.values(value).every((each) => each === null)) return "–";
  if (Array.isArray(value) && value.every((each) => typeof each !== "object")) return value.join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
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
    const name = adductText(each.chemMod + each.neutralLoss + each.adduct);
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
      <tbody>{[...groups].sort().map(([name, counts]) => row(name, counts))}</tbody>
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

function Stages({ summary }: { summary: Summary }) {
  const stages = Object.entries(summary.stages);
  const longest = Math.max(...stages.map(([, stage]) => stage.seconds ?? 0));
  return (
    <>
      <p>{duration(summary.seconds)} from upload to results, about {dollars(summary.cost.usd)} (estimated before: {dollars(summary.cost.estimated_usd)}; prices of {summary.cost.prices.region}).</p>
      <table class="figures stages">
        <thead>
          <tr><th scope="col">stage</th><th scope="col">time</th><th scope="col" /><th scope="col">calls</th><th scope="col">memory</th><th scope="col">cost</th></tr>
        </thead>
        <tbody>
          {stages.map(([name, stage]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{stage.seconds === undefined ? "" : duration(stage.seconds)}</td>
              <td class="bar-cell"><span class="bar" style={{ width: `${longest ? (100 * (stage.seconds ?? 0)) / longest : 0}%` }} /></td>
              <td>{stage.invocations === undefined ? "" : count(stage.invocations)}</td>
              <td>{stage.peak_mb === undefined ? "" : `${count(stage.peak_mb)} MB`}</td>
              <td>{stage.usd === undefined ? "" : dollars(stage.usd)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}
