/** Ions whose images look like the chosen one's, found among the filtered annotations in the browser. */

import { useState } from "preact/hooks";

import { filtered } from "./filters";
import { useLoaded } from "./hooks";
import { type Annotation, type Job, openImage } from "./job";
import { count, Ion, ionText } from "./notation";
import { similarity, smoothed } from "./similarity";
import { state } from "./state";
import { Thumbnail } from "./thumbnail";

/** Pixels of all images that are compared without being asked to. */
const AT_ONCE = 40e6;
const SHOWN = 12;

interface Props {
  job: Job;
  annotation: Annotation;
  onChoose: (annotation: Annotation) => void;
}

interface Match {
  other: Annotation;
  image: Float32Array;
  score: number;
}

export function Colocalised({ job, annotation, onChoose }: Props) {
  const [asked, setAsked] = useState(false);
  const { fdr, database } = state.value;
  const others = distinct(filtered(job.annotations, { ...state.value, text: "", mz: "", adduct: "", database: database || annotation.database }), annotation);
  const small = others.length * job.dataset.width * job.dataset.height <= AT_ONCE;
  const key = small || asked ? JSON.stringify([annotation.id, fdr, database]) : "";
  const { value, error } = useLoaded(key, () => (key ? matches(job, annotation, others) : Promise.resolve(null)));
  if (error) return <p class="problem" role="alert">{error}</p>;
  if (!key) return <button type="button" onClick={() => setAsked(true)}>Compare with {count(others.length)} images</button>;
  if (!value) return <p class="quiet" role="status">Comparing images …</p>;
  if (!value.length) return <p class="quiet">No other image within this FDR looks like this one.</p>;
  return (
    <ul class="thumbnails colocalised">
      {value.map(({ other, image, score }) => (
        <li key={other.id}>
          <button type="button" onClick={() => onChoose(other)} aria-label={`${ionText(other)}, similarity ${score.toFixed(2)}`}>
            <Thumbnail dataset={job.dataset} image={image} label={`Image of ${ionText(other)}`} />
            <span class="score">{score.toFixed(2)}</span>
            <Ion annotation={other} />
          </button>
        </li>
      ))}
    </ul>
  );
}

/** One annotation of every other ion. */
function distinct(annotations: Annotation[], chosen: Annotation): Annotation[] {
  const ions = new Map(annotations.map((each) => [each.ionFormula, each]));
  ions.delete(chosen.ionFormula);
  return [...ions.values()];
}

async function matches(job: Job, chosen: Annotation, others: Annotation[]): Promise<Match[]> {
  const own = smoothed(await openImage(job, chosen), job.dataset);
  const found: Match[] = [];
  // Packs of images are read in their order, each once.
  for (const other of [...others].sort((one, next) => one.pack - next.pack)) {
    const image = await openImage(job, other);
    const score = similarity(own, smoothed(image, job.dataset));
    if (score >= LEAST) found.push({ other, image, score });
    found.sort((one, next) => next.score - one.score).splice(SHOWN);
  }
  return found;
}

/** Less alike is not worth showing. */
const LEAST = 0.3;
