/** The stage: layers at one place, zoomed and moved together, with scale bar and the value under the pointer. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { cssMatrix, inSight, inverse, type Placement, placed, type Point, scaleBar, shifted, type Size, toImage, zoomed } from "./geometry";
import type { Dataset } from "./job";
import { canvasOf } from "./picture";
import { optical } from "./optical";
import { state, update } from "./state";

interface Props {
  node: { current: HTMLDivElement | null };
  /** Of the stage, in CSS pixels. */
  size: Size;
  dataset: Dataset;
  picture: ImageData | null;
  /** What the picture shows, for those who do not see it. */
  label: string;
  /** What to say of a pixel of the box. */
  describe: (place: number) => string;
  busy: boolean;
}

/** Pointers that moved less have clicked. */
const CLICK = 4;
const ZOOM = 1.5;
/** The share of the stage that a key moves the view by. */
const STRIDE = 0.1;
const MOVES: Record<string, Point> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const FACTORS: Record<string, number> = { "+": ZOOM, "=": ZOOM, "-": 1 / ZOOM };

export function Stage(props: Props) {
  const { node, size, dataset, picture, label, describe, busy } = props;
  const [pixel, setPixel] = useState<Point | null>(null);
  const place = placed(size, dataset, state.value.view);
  const drag = useDrag(dataset, place);
  useWheel(node, dataset, place);
  const onKeyDown = (event: KeyboardEvent) => {
    if (!act(event, props, place, pixel, setPixel)) return;
    event.preventDefault();
    event.stopPropagation();
  };
  const follow = (event: PointerEvent) => {
    const box = node.current?.getBoundingClientRect();
    if (box) setPixel(pixelAt(toImage(place, [event.clientX - box.left, event.clientY - box.top]), dataset));
  };
  return (
    <div class="stage-frame">
      <div
        class="stage"
        ref={node}
        tabIndex={0}
        role="application"
        aria-label="Ion image. Arrow keys move the pixel that is read out, with Shift the view; plus and minus zoom, zero shows the whole image."
        aria-describedby="ion-image"
        aria-busy={busy}
        onKeyDown={onKeyDown}
        onPointerDown={drag.start}
        onPointerMove={(event) => {
          drag.move(event);
          follow(event);
        }}
        onPointerUp={drag.stop}
        onPointerLeave={() => setPixel(null)}
        onDblClick={() => update({ view: null })}
      >
        <div class="plane" style={{ transform: `translate(${place.left}px,${place.top}px) scale(${place.across},${place.down})` }}>
          <OpticalLayer />
          <IonLayer picture={picture} dataset={dataset} label={label} />
          {pixel && <div class="pixel" style={{ left: `${pixel[0]}px`, top: `${pixel[1]}px` }} />}
        </div>
        <ScaleBar dataset={dataset} place={place} />
        <output class="readout" aria-live="polite">
          {pixel ? readout(pixel, dataset, describe) : ""}
        </output>
      </div>
      <ZoomButtons dataset={dataset} />
    </div>
  );
}

/** Do what a key asks for; say whether it asked for anything. */
function act(event: KeyboardEvent, { dataset, size }: Props, place: Placement, pixel: Point | null, setPixel: (pixel: Point) => void): boolean {
  const { view } = state.peek();
  const move = MOVES[event.key];
  const factor = FACTORS[event.key];
  if (move && event.shiftKey) update({ view: shifted(dataset, view, [(move[0] * STRIDE * size.width) / place.across, (move[1] * STRIDE * size.height) / place.down]) });
  else if (move) {
    const next = moved(pixel, move, dataset);
    setPixel(next);
    if (!inSight(next, place, size)) update({ view: [view?.[0] ?? 1, next[0] + 0.5, next[1] + 0.5] });
  } else if (factor) update({ view: zoomed(dataset, view, factor, pixel) });
  else if (event.key === "0") update({ view: null });
  else return false;
  return true;
}

function ZoomButtons({ dataset }: { dataset: Dataset }) {
  const { view } = state.value;
  const zoom = (factor: number) => update({ view: zoomed(dataset, state.peek().view, factor, null) });
  return (
    <div class="zoom" role="group" aria-label="Zoom">
      <button type="button" aria-label="Zoom in" title="Zoom in (+)" onClick={() => zoom(ZOOM)}>+</button>
      <button type="button" aria-label="Zoom out" title="Zoom out (−)" onClick={() => zoom(1 / ZOOM)}>−</button>
      {view && <button type="button" title="Show the whole image (0)" onClick={() => update({ view: null })}>Fit</button>}
    </div>
  );
}

function OpticalLayer() {
  const shown = optical.value;
  const matrix = shown && inverse(shown.transform);
  if (!shown || !matrix) return null;
  const style = { transform: cssMatrix(matrix), opacity: String(state.value.opticalOpacity) };
  return <img class="optical" src={shown.url} alt={`Optical image ${shown.name}`} style={style} draggable={false} />;
}

function IonLayer({ picture, dataset, label }: { picture: ImageData | null; dataset: Dataset; label: string }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    context.clearRect(0, 0, dataset.width, dataset.height);
    if (picture) context.drawImage(canvasOf(picture), 0, 0);
  }, [picture]);
  return <canvas id="ion-image" class="ion-layer" ref={canvas} width={dataset.width} height={dataset.height} role="img" aria-label={label} />;
}

function ScaleBar({ dataset, place }: { dataset: Dataset; place: Placement }) {
  if (!Number.isFinite(place.across) || place.across <= 0) return null;
  const bar = scaleBar(dataset, place.across, 140);
  return (
    <div class="scalebar">
      {bar.text}
      <i style={{ width: `${bar.length}px` }} />
    </div>
  );
}

function pixelAt([x, y]: Point, { width, height }: Dataset): Point | null {
  const [column, row] = [Math.floor(x), Math.floor(y)];
  return column >= 0 && row >= 0 && column < width && row < height ? [column, row] : null;
}

function moved(pixel: Point | null, [right, down]: Point, { width, height }: Dataset): Point {
  if (!pixel) return [width >> 1, height >> 1];
  return [Math.min(width - 1, Math.max(0, pixel[0] + right)), Math.min(height - 1, Math.max(0, pixel[1] + down))];
}

function readout([column, row]: Point, dataset: Dataset, describe: (place: number) => string): string {
  const where = `x ${column + dataset.x_origin}, y ${row + dataset.y_origin}`;
  return `${where}: ${describe(row * dataset.width + column)}`;
}

function useDrag(dataset: Dataset, place: Placement) {
  const from = useRef<{ at: Point; view: [number, number, number]; moving: boolean } | null>(null);
  return {
    start: (event: PointerEvent) => {
      if (event.button !== 0) return;
      const view = state.peek().view ?? [1, dataset.width / 2, dataset.height / 2];
      from.current = { at: [event.clientX, event.clientY], view, moving: false };
      (event.currentTarget as HTMLElement).setPointerCapture(event.pointerId);
    },
    move: (event: PointerEvent) => {
      if (!from.current) return;
      const { at, view } = from.current;
      if (Math.hypot(event.clientX - at[0], event.clientY - at[1]) < CLICK && !from.current.moving) return;
      from.current.moving = true;
      update({ view: shifted(dataset, view, [(at[0] - event.clientX) / place.across, (at[1] - event.clientY) / place.down]) });
    },
    stop: () => {
      from.current = null;
    },
  };
}

function useWheel(node: { current: HTMLElement | null }, dataset: Dataset, place: Placement): void {
  const latest = useRef(place);
  latest.current = place;
  useEffect(() => {
    const element = node.current;
    if (!element) return undefined;
    const zoom = (event: WheelEvent) => {
      event.preventDefault();
      const box = element.getBoundingClientRect();
      const at = toImage(latest.current, [event.clientX - box.left, event.clientY - box.top]);
      update({ view: zoomed(dataset, state.peek().view, Math.exp(-event.deltaY / 400), at) });
    };
    element.addEventListener("wheel", zoom, { passive: false });
    return () => element.removeEventListener("wheel", zoom);
  }, []);
}
