/** A small picture of an image, for a glance. */

import { useLayoutEffect, useRef } from "preact/hooks";

import type { Dataset } from "./job";
import { coloursOf } from "./maps";
import { canvasOf, paint, rangeOf } from "./picture";
import { state } from "./state";

interface Props {
  dataset: Dataset;
  image: Float32Array | null;
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
  return <canvas class="thumbnail" ref={canvas} width={dataset.width} height={dataset.height} role="img" aria-label={label} style={style} />;
}
