/** Ions found in the same places as the chosen one, as the job compared them. */

import { levelOf } from "./filters";
import { useLoaded } from "./hooks";
import type { Annotation, Job } from "./job";
import { count, Ion, ionText } from "./notation";
import { MEASURES, openPartners, type Partner } from "./partners";
import { state, update } from "./state";
import { IonThumbnail } from "./thumbnail";

interface Props {
  job: Job;
  annotation: Annotation;
  onChoose: (annotation: Annotation) => void;
}

export function Colocalised({ job, annotation, onChoose }: Props) {
  const { fdr, measure } = state.value;
  const level = Math.round(100 * Math.max(fdr, levelOf(annotation.fdr)));
  const key = [annotation.id, level, measure].join("/");
  const { value, error, key: shown } = useLoaded(key, () => openPartners(job, annotation, level, measure));
  return (
    <>
      <div class="line">
        <p class="quiet">{described(job, annotation, level)}</p>
        <select class="push" aria-label="Measure of colocalisation" value={measure} onChange={(event) => update({ measure: event.currentTarget.value })}>
          {Object.entries(MEASURES).map(([name, title]) => <option key={name} value={name}>{title}</option>)}
        </select>
      </div>
      {error && <p class="problem" role="alert">{error}</p>}
      {shown === key && !error && (value?.length ? <Partners job={job} partners={value} onChoose={onChoose} /> : <p class="quiet">{reason(job, annotation, value)}</p>)}
    </>
  );
}

function described(job: Job, { database }: Annotation, level: number): string {
  const within = job.annotations.filter((each) => each.database === database && each.fdr <= level / 100).length;
  const compared = job.summary.colocalized?.[database] ?? within;
  const few = compared && compared < within ? `the best ${count(compared)} of ` : "";
  const named = job.databases.length > 1 ? ` of ${database}` : "";
  return `Among ${few}the ${count(within)} annotations${named} within ${level} % FDR; scores from 0.3 on.`;
}

/** Why there are no partners to show. */
function reason(job: Job, { database }: Annotation, partners: Partner[] | null): string {
  if (!partners) return "There are too few annotations or pixels within this level to compare images.";
  const compared = job.summary.colocalized?.[database] ?? Infinity;
  const all = job.annotations.filter((each) => each.database === database).length;
  if (compared < all) return `None is listed; only the best ${count(compared)} annotations of the database were compared, and this one may not be among them.`;
  return "No other ion within this level is found in the same places.";
}

function Partners({ job, partners, onChoose }: { job: Job; partners: Partner[]; onChoose: (annotation: Annotation) => void }) {
  return (
    <ul class="thumbnails colocalised">
      {partners.map(({ other, score }) => (
        <li key={other.id}>
          <button type="button" onClick={() => onChoose(other)} aria-label={`${ionText(other)}, ${other.names[0] ?? ""}, score ${score.toFixed(3)}`}>
            <IonThumbnail job={job} annotation={other} label="" />
            <span class="score">{score.toFixed(3)}</span>
            <Ion annotation={other} />
            <span class="quiet">{other.names[0]}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
