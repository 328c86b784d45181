/** A small picture of an image, for a glance. */

import { useLayoutEffect, useRef } from "preact/hooks";

import { useLoaded, useSeen } from "./hooks";
import { type Annotation, type Dataset, type Job, openImage } from "./job";
import { coloursOf } from "./maps";
import { canvasOf, paint, rangeOf } from "./picture";
import { state } from "./state";

interface Props {
  dataset: Dataset;
  image: Float32Array | null;
  /** What it shows, for those who do not see it; empty where that stands beside it. */
  label: string;
}

export function Thumbnail({ dataset, image, label }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { map, clip, mask } = state.value;
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, dataset.width, dataset.height);
    if (!image) return;
    const layer = { image, range: rangeOf(image, clip), colours: coloursOf(map) };
    context.drawImage(canvasOf(paint([layer], dataset, { mask, opacity: 1, follow: false })), 0, 0);
  }, [image, map, clip, mask]);
  const style = { aspectRatio: `${dataset.width} / ${dataset.height * dataset.aspect}` };
  const described = label ? { role: "img" as const, "aria-label": label } : { "aria-hidden": true };
  // Without an image there is nothing to hold its pixels for.
  const size = image ? { width: dataset.width, height: dataset.height } : { width: 1, height: 1 };
  return <canvas class="thumbnail" ref={canvas} {...size} {...described} style={style} />;
}

interface IonProps {
  job: Job;
  annotation: Annotation;
  isotope?: number;
  label: string;
}

/** The image of an ion, which is read once it comes into sight. */
export function IonThumbnail({ job, annotation, isotope = 0, label }: IonProps) {
  const [frame, seen] = useSeen<HTMLDivElement>();
  const key = seen ? `${annotation.id}/${isotope}` : "";
  const { value, error, key: shown } = useLoaded(key, () => (key ? openImage(job, annotation, isotope) : Promise.resolve(null)));
  return (
    <div class="frame" ref={frame} aria-busy={shown !== key}>
      <Thumbnail dataset={job.dataset} image={shown === key ? value : null} label={label} />
      {error && <p class="problem" role="alert">{error}</p>}
    </div>
  );
}
