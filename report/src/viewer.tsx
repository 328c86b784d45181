/** The ion image with its tools: one ion in a colour map, or up to three as colour channels. */

import type { ComponentChildren } from "preact";
import { useMemo, useState } from "preact/hooks";

import { ColourBar } from "./colourbar";
import { type Frame, type Legend, savePicture, viewFrame, wholeFrame } from "./export";
import { placed } from "./geometry";
import { useLoaded, useSize } from "./hooks";
import { type Annotation, type Job, openImage } from "./job";
import { CHANNELS, coloursOf, css, MAPS } from "./maps";
import { Menu } from "./menu";
import { count, intensity, Ion, ionLetters, ionText } from "./notation";
import { optical } from "./optical";
import { OpticalTools } from "./opticaltools";
import { type Layer, normalised, paint, rampOf, type Range, rangeOf } from "./picture";
import { Stage } from "./stage";
import { barOf, emptyChannels, fillChannel, INITIAL, replaced, type State, state, update } from "./state";

interface Opened {
  annotation: Annotation;
  /** Of a colour channel, null for an ion in a colour map. */
  channel: number | null;
  image: Float32Array;
  range: Range;
  highest: number;
}

type Shown = Opened & Layer;

/** What the stage is to show: the channels that have an ion, or else the chosen ion. */
function wanted(job: Job, chosen: Annotation | null, shown: State): { annotation: Annotation; channel: number | null }[] {
  const channels = shown.channels.flatMap((id, channel) => {
    const annotation = job.byId.get(id);
    return annotation ? [{ annotation, channel }] : [];
  });
  return channels.length || !chosen ? channels : [{ annotation: chosen, channel: null }];
}

async function open(job: Job, ions: ReturnType<typeof wanted>, shown: State): Promise<Opened[]> {
  return Promise.all(
    ions.map(async ({ annotation, channel }) => {
      const raw = await openImage(job, annotation);
      const image = shown.tic ? normalised(raw, job.dataset) : raw;
      return { annotation, channel, image, range: rangeOf(image, shown.clip), highest: rangeOf(image, false).high };
    }),
  );
}

/** An ion in its colours, between the ends that its bar has or else its own. */
function coloured(opened: Opened, { locked, range, map }: State): Shown {
  const bar = barOf(opened.channel);
  const colours = opened.channel === null ? coloursOf(map) : rampOf(opened.channel);
  return { ...opened, range: locked[bar] ?? range[bar] ?? opened.range, colours };
}

export function Viewer({ job, chosen }: { job: Job; chosen: Annotation | null }) {
  const shown = state.value;
  const [stage, size] = useSize<HTMLDivElement>();
  const ions = wanted(job, chosen, shown);
  const key = JSON.stringify([ions.map((each) => [each.annotation.id, each.channel]), shown.clip, shown.tic]);
  const loaded = useLoaded(key, () => open(job, ions, shown));
  const images = ions.length ? (loaded.value ?? []).map((each) => coloured(each, shown)) : [];
  const solid = () => (images.length ? paint(images, job.dataset, { mask: true, opacity: 1, follow: false }) : null);
  const look = { mask: shown.mask, opacity: shown.ionOpacity, follow: Boolean(optical.value) && shown.follow };
  const drawn = [ions.length && loaded.key, shown.map, JSON.stringify(images.map(({ range }) => range)), ...Object.values(look)];
  const picture = useMemo(() => (images.length ? paint(images, job.dataset, look) : null), drawn);
  const [problem, setProblem] = useState("");
  const save = (frame: Frame) => {
    if (!picture) return;
    savePicture(job.dataset, picture, frame, legends(images)).then(
      () => setProblem(""),
      (error: unknown) => setProblem(error instanceof Error ? error.message : String(error)),
    );
  };
  return (
    <section class="viewer" aria-labelledby="viewer-title">
      <h3 id="viewer-title" class="visually-hidden">Ion image</h3>
      <Tools single={images[0]?.channel === null}>
        <OpticalTools job={job} solid={solid} />
        {picture && <Save onWhole={() => save(wholeFrame(job.dataset))} onView={() => save(viewFrame(size, placed(size, job.dataset, shown.view)))} />}
      </Tools>
      <div class="stage-row">
        <Stage node={stage} size={size} dataset={job.dataset} picture={picture} label={describeImage(images, job)} describe={(place) => describe(images, place, job)} busy={loaded.key !== key} />
        {images.length > 0 && (
          <div class={images.length > 1 ? "bars several" : "bars"}>{images.map((each) => <Bar key={barOf(each.channel)} image={each} />)}</div>
        )}
      </div>
      {(loaded.error || problem) && <p class="problem" role="alert">{loaded.error || problem}</p>}
      <Channels job={job} />
    </section>
  );
}

/** The colour bar of an ion. */
function Bar({ image: { channel, colours, range, highest } }: { image: Shown }) {
  const shown = state.value;
  const bar = barOf(channel);
  const locked = Boolean(shown.locked[bar]);
  const set = (ends: Range | null, lock: boolean) =>
    update({ locked: replaced(shown.locked, bar, lock ? ends : null), range: replaced(shown.range, bar, lock ? null : ends) });
  return (
    <ColourBar
      channel={channel === null ? "" : (CHANNELS[channel]?.name ?? "")}
      colours={colours}
      range={range}
      highest={highest}
      locked={locked}
      onRange={(next) => set(next, locked)}
      onLock={(lock) => set(range, lock)}
      onReset={locked || shown.range[bar] ? () => set(null, false) : null}
    />
  );
}

/** What a saved picture says of its ions. */
function legends(images: Shown[]): Legend[] {
  return images.map(({ annotation, channel, range, colours }) => ({
    name: ionLetters(annotation),
    range,
    colours,
    colour: channel === null ? null : (CHANNELS[channel]?.colour ?? null),
  }));
}

function describeImage(images: Shown[], job: Job): string {
  const parts = images.map(({ annotation, highest }) => {
    const share = `${count(annotation.points[0] ?? 0)} of ${count(job.dataset.pixels)} pixels have a signal`;
    return `Image of ${ionText(annotation)}: ${share}, the highest intensity is ${intensity(highest)}`;
  });
  return parts.join(". ") || "No ion is chosen";
}

function describe(images: Shown[], place: number, job: Job): string {
  if (!isSampled(job, place)) return "not sampled";
  return images
    .map(({ image, channel }) => (channel === null ? "" : `${CHANNELS[channel]?.name} `) + intensity(image[place] ?? 0))
    .join(", ");
}

const masks = new WeakMap<Job, Uint8Array>();

function isSampled(job: Job, place: number): boolean {
  let mask = masks.get(job);
  if (!mask) {
    mask = new Uint8Array(job.dataset.width * job.dataset.height);
    for (const sampled of job.dataset.sampled) mask[sampled] = 1;
    masks.set(job, mask);
  }
  return Boolean(mask[place]);
}

function Tools({ single, children }: { single: boolean; children: ComponentChildren }) {
  const shown = state.value;
  const toggle = (name: "clip" | "tic" | "mask", label: string, hint: string) => (
    <button type="button" aria-pressed={shown[name]} title={hint} onClick={() => update({ [name]: !shown[name], range: INITIAL.range })}>
      {label}
    </button>
  );
  return (
    <div class="tools" role="group" aria-label="How the ion image is shown">
      {single && (
        <select aria-label="Colour map" value={shown.map} onChange={(event) => update({ map: event.currentTarget.value })}>
          {MAPS.map((name) => (
            <option key={name}>{name}</option>
          ))}
        </select>
      )}
      {toggle("clip", "Clip hot spots", "End the colours at the 99th percentile of the pixels with a signal")}
      {toggle("tic", "Normalise", "Divide each pixel by its total ion current, times the median of those")}
      {toggle("mask", "Sampled area", "Show nothing where nothing was measured")}
      {children}
    </div>
  );
}

function Save({ onWhole, onView }: { onWhole: () => void; onView: () => void }) {
  return (
    <Menu title="PNG" hint="Save a picture with scale bar and colours, and the optical image if that is shown">
      <div class="sheet">
        <button type="button" onClick={onWhole}>Whole image</button>
        <button type="button" onClick={onView}>This view</button>
      </div>
    </Menu>
  );
}

/** The ions of the colour channels, each with a way to take it out. */
function Channels({ job }: { job: Job }) {
  const { channels } = state.value;
  if (!channels.some((id) => job.byId.has(id))) return null;
  return (
    <ul class="channels" aria-label="Colour channels">
      {CHANNELS.map(({ name, colour }, place) => {
        const annotation = job.byId.get(channels[place] ?? "");
        return (
          annotation && (
            <li key={name}>
              <span class="dot" style={{ background: css(colour) }} />
              <Ion annotation={annotation} />
              <button type="button" class="small" aria-label={`Take ${ionText(annotation)} out of ${name}`} onClick={() => fillChannel(place, "")}>✕</button>
            </li>
          )
        );
      })}
      <li><button type="button" class="small" onClick={emptyChannels}>Back to one ion</button></li>
    </ul>
  );
}
