/** Everything about the chosen ion beside its image. */

import type { ComponentChildren } from "preact";

import { Colocalised } from "./colocalised";
import type { Annotation, Job } from "./job";
import { linkOf } from "./links";
import { CHANNELS, css } from "./maps";
import { Formula, intensity, Ion, ionText, modifierText, percent } from "./notation";
import { Pattern } from "./pattern";
import { fillChannel, state } from "./state";
import { IonThumbnail } from "./thumbnail";

interface Props {
  job: Job;
  annotation: Annotation;
  onChoose: (annotation: Annotation) => void;
}

export function Details({ job, annotation, onChoose }: Props) {
  return (
    <div class="details">
      <div class="stack">
        <Panel title="Isotope pattern"><Pattern annotation={annotation} /></Panel>
        <Panel title="Isotope images"><Isotopes job={job} annotation={annotation} /></Panel>
      </div>
      <div class="stack">
        <Panel title="Scores"><Scores job={job} annotation={annotation} /></Panel>
        <Panel title={`Molecules (${annotation.names.length})`}><Molecules annotation={annotation} /></Panel>
        <Relations job={job} annotation={annotation} onChoose={onChoose} />
      </div>
      <Panel title="Colocalised ions" wide><Colocalised job={job} annotation={annotation} onChoose={onChoose} /></Panel>
    </div>
  );
}

function Panel({ title, wide = false, children }: { title: string; wide?: boolean; children: ComponentChildren }) {
  return (
    <section class={wide ? "panel wide" : "panel"}>
      <h3>{title}</h3>
      {children}
    </section>
  );
}

/** The name of the chosen ion, its figures in short, and the channels it can be shown in. */
export function Heading({ job, annotation }: { job: Job; annotation: Annotation }) {
  const { channels } = state.value;
  return (
    <header class="heading">
      <div>
        <h2><Ion annotation={annotation} /></h2>
        <p>
          m/z {annotation.mz.toFixed(4)} · {modifierText(annotation)} · FDR {percent(annotation.fdr)} · {job.modelled && `score ${annotation.score.toFixed(3)} · `}MSM {annotation.msm.toFixed(3)}
          {job.databases.length > 1 && ` · ${annotation.database}`}
        </p>
        <p class="names" title={annotation.names.join("\n")}>{annotation.names.slice(0, 3).join(" · ")}{annotation.names.length > 3 && ` and ${annotation.names.length - 3} more`}</p>
      </div>
      <div class="assign" role="group" aria-label="Show this ion as a colour channel">
        <span class="quiet">Channel</span>
        {CHANNELS.map(({ name, colour }, place) => {
          const pressed = channels[place] === annotation.id;
          return (
            <button key={name} type="button" class="channel" aria-pressed={pressed} aria-label={`Show in ${name}`} title={`Show in ${name}`} style={{ "--colour": css(colour) }} onClick={() => fillChannel(place, pressed ? "" : annotation.id)} />
          );
        })}
      </div>
    </header>
  );
}

type ScoreMeaning = [title: string, key: "score" | "msm" | "chaos" | "spatial" | "spectral", meaning: string];

const MEANINGS: ScoreMeaning[] = [
  ["ρ chaos", "chaos", "Spatial structure of the first image: 1 is an image in few pieces, noise falls to 0."],
  ["ρ spatial", "spatial", "How well the images of the isotope peaks agree with the first, weighted by their theoretical intensities."],
  ["ρ spectral", "spectral", "How well the summed intensities of the peaks agree with the theoretical pattern."],
];

/** What the scores mean, first the one that ranks the annotations. */
function meanings({ modelled, summary }: Job): ScoreMeaning[] {
  if (!modelled) return [["MSM", "msm", "The product of the three below; annotations are ranked by it."], ...MEANINGS];
  return [
    ["Score", "score", `What the model ${String(summary.configuration["scoring_model"])} makes of the others; annotations are ranked by it.`],
    ["MSM", "msm", "The product of the three below."],
    ...MEANINGS,
  ];
}

function Scores({ job, annotation }: { job: Job; annotation: Annotation }) {
  return (
    <dl class="scores">
      {meanings(job).map(([title, key, meaning]) => (
        <div key={key}>
          <dt>{title}</dt>
          <dd>
            <meter min={0} max={1} value={annotation[key]} aria-label={title} />
            <b>{annotation[key].toFixed(3)}</b>
            <p>{meaning}</p>
          </dd>
        </div>
      ))}
      <div>
        <dt>FDR</dt>
        <dd>
          <b>{percent(annotation.fdr)}</b>
          <p>The share of false annotations expected among those of this adduct that score at least as well.</p>
        </dd>
      </div>
      <div>
        <dt>Δ m/z</dt>
        <dd>
          <b>{signed(annotation.errorPpm)} ppm</b>
          <p>Measured minus theoretical, first peak; further peaks relative to it {signed(annotation.relativeErrorPpm)} ppm.</p>
        </dd>
      </div>
    </dl>
  );
}

const signed = (value: number): string => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(2);

function Isotopes({ job, annotation }: { job: Job; annotation: Annotation }) {
  return (
    <div class="thumbnails">
      {annotation.theoMz.map((mz, peak) => (
        <figure key={`${annotation.id}/${peak}`}>
          <IonThumbnail job={job} annotation={annotation} isotope={peak} label={`Image of peak ${peak + 1} of ${ionText(annotation)}`} />
          <figcaption>{mz.toFixed(4)}<br /><span class="quiet">up to {intensity(annotation.highest[peak] ?? 0)}</span></figcaption>
        </figure>
      ))}
    </div>
  );
}

function Molecules({ annotation }: { annotation: Annotation }) {
  return (
    <>
      <p class="quiet"><Formula text={annotation.formula} /></p>
      <ul class="molecules">
        {annotation.names.map((name, place) => {
          const id = annotation.ids[place] ?? "";
          return (
            <li key={`${id}-${place}`}>
              <span>{name}{annotation.classes[place] && <span class="quiet"> · {annotation.classes[place]}</span>}</span>
              <a href={linkOf(id, name)} target="_blank" rel="noopener noreferrer">{id || "search"}</a>
            </li>
          );
        })}
      </ul>
    </>
  );
}

/** Isomers are other annotations of the same ion formula, isobars of others that the same m/z windows hold. */
function Relations({ job, annotation, onChoose }: Props) {
  const own = job.annotations.filter((each) => each !== annotation && each.database === annotation.database);
  const isomers = own.filter((each) => each.ionFormula === annotation.ionFormula);
  const isobars = annotation.isobars.flatMap(({ ion, peaks }) => {
    const other = own.find((each) => each.ion === ion);
    return other ? [{ other, peaks }] : [];
  });
  return (
    <Panel title="Isomers and isobars">
      {!isomers.length && !isobars.length && <p class="quiet">No other annotation has this ion formula or the same m/z windows.</p>}
      <ul class="relations">
        {isomers.map((other) => <Relation key={other.id} job={job} other={other} note="same ion formula" onChoose={onChoose} />)}
        {isobars.map(({ other, peaks }) => <Relation key={other.id} job={job} other={other} note={shared(peaks)} onChoose={onChoose} />)}
      </ul>
    </Panel>
  );
}

/** `1:1 2:2` in words. */
function shared(peaks: string): string {
  const pairs = peaks.split(" ").map((pair) => pair.split(":"));
  return `shares ${pairs.map(([own, other]) => (own === other ? `peak ${own}` : `peak ${own} with ${other}`)).join(", ")}`;
}

function Relation({ job, other, note, onChoose }: { job: Job; other: Annotation; note: string; onChoose: (annotation: Annotation) => void }) {
  return (
    <li>
      <button type="button" class="link" onClick={() => onChoose(other)}><Ion annotation={other} /></button>
      <span class="quiet">{note} · {job.modelled ? "score" : "MSM"} {other.score.toFixed(3)} · FDR {percent(other.fdr)}</span>
    </li>
  );
}
