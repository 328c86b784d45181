/** Placing the optical image by hand: three points that are the same in both pictures. */

import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { saveFile } from "./files";
import { affine, inverse, type Matrix, type Point } from "./geometry";
import type { Job } from "./job";
import { type Optical, placeOptical } from "./optical";
import { canvasOf } from "./picture";

interface Props {
  job: Job;
  /** Draws the ion image. */
  solid: () => ImageData | null;
  shown: Optical;
  onClose: () => void;
}

const POINTS = 3;

export function Placing({ job, solid, shown, onClose }: Props) {
  const picture = useMemo(solid, []);
  const dialog = useRef<HTMLDialogElement>(null);
  const [ion, setIon] = useState<Point[]>([]);
  const [other, setOther] = useState<Point[]>([]);
  useEffect(() => dialog.current?.showModal(), []);
  const { width, height, aspect } = job.dataset;
  const complete = ion.length === POINTS && other.length === POINTS;
  const found = complete ? affine(ion, other) : null;
  const transform = found && inverse(found) ? found : null;
  const apply = (matrix: Matrix) => {
    placeOptical(shown, matrix);
    onClose();
  };
  return (
    <dialog ref={dialog} class="placing" aria-labelledby="placing-title" onClose={onClose}>
      <h2 id="placing-title">Place {shown.name}</h2>
      <p>Mark three points in the ion image and the same three in the optical image, in the same order. Marks can be dragged, or moved by the arrow keys.</p>
      <div class="pair">
        <Marks title="Ion image" size={[width, height]} aspect={aspect} points={ion} onPoints={setIon}>
          <IonPicture picture={picture} />
        </Marks>
        <Marks title="Optical image" size={[shown.width, shown.height]} aspect={1} points={other} onPoints={setOther}>
          <img src={shown.url} alt={shown.name} draggable={false} />
        </Marks>
      </div>
      <p role="status">{hint(ion.length, other.length, Boolean(transform))}</p>
      <div class="line">
        <button type="button" disabled={!transform} onClick={() => transform && apply(transform)}>Apply</button>
        <button type="button" disabled={!ion.length && !other.length} onClick={() => { setIon([]); setOther([]); }}>Start again</button>
        <button type="button" onClick={() => saveTransform(transform ? { ...shown, transform } : shown)} title="The lines for job.json">Export transform</button>
        <button type="button" class="push" onClick={onClose}>Close</button>
      </div>
    </dialog>
  );
}

function hint(ion: number, other: number, fits: boolean): string {
  if (ion < POINTS || other < POINTS) return `Point ${Math.min(ion, other) + 1} of ${POINTS}: mark it in the ${ion <= other ? "ion" : "optical"} image.`;
  return fits ? "The points make a transform." : "The points lie on a line; move one of them.";
}

/** Write the fields of a configuration, so that the next job shows the picture so. */
function saveTransform({ name, transform }: Optical): void {
  const fields = { optical_image: name, transform: transform.map((row) => row.map((value) => Number(value.toPrecision(10)))) };
  saveFile("optical.job.json", new Blob([JSON.stringify(fields, null, 2), "\n"], { type: "application/json" }));
}

function IonPicture({ picture }: { picture: ImageData | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useLayoutEffect(() => {
    if (picture) canvas.current?.getContext("2d")?.drawImage(canvasOf(picture), 0, 0);
  }, [picture]);
  return <canvas ref={canvas} class="ion-layer" width={picture?.width ?? 1} height={picture?.height ?? 1} />;
}

interface MarksProps {
  title: string;
  size: Point;
  aspect: number;
  points: Point[];
  onPoints: (points: Point[]) => void;
  children: ComponentChildren;
}

const MOVES: Record<string, Point> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** A picture on which points are set by clicks and moved by dragging or keys. */
function Marks({ title, size: [width, height], aspect, points, onPoints, children }: MarksProps) {
  const frame = useRef<HTMLDivElement>(null);
  const ratio = width / (height * aspect);
  const at = (event: PointerEvent | MouseEvent): Point => {
    const box = frame.current?.getBoundingClientRect();
    return box ? [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height] : [0, 0];
  };
  const move = (place: number, point: Point) => onPoints(points.map((each, other) => (other === place ? point : each)));
  const onKeyDown = (event: KeyboardEvent, place: number, [x, y]: Point) => {
    const [right, down] = MOVES[event.key] ?? [0, 0];
    if (!right && !down) return;
    event.preventDefault();
    const step = Math.max(1, Math.round(width / 200));
    move(place, [x + right * step, y + down * step]);
  };
  return (
    <figure>
      <figcaption>{title}</figcaption>
      <div ref={frame} class="marks" style={{ aspectRatio: `${ratio}`, width: `min(100%, 52vh * ${ratio})` }} onClick={(event) => points.length < POINTS && event.target === event.currentTarget.lastElementChild && onPoints([...points, at(event)])}>
        {children}
        {points.map((point, place) => (
          <button
            key={place}
            type="button"
            class="mark"
            aria-label={`${title}, point ${place + 1}`}
            style={{ left: `${(100 * point[0]) / width}%`, top: `${(100 * point[1]) / height}%` }}
            onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
            onPointerMove={(event) => event.currentTarget.hasPointerCapture(event.pointerId) && move(place, at(event))}
            onKeyDown={(event) => onKeyDown(event, place, point)}
          >
            {place + 1}
          </button>
        ))}
        <div class="cover" />
      </div>
      <button type="button" class="small" disabled={points.length >= POINTS} onClick={() => onPoints([...points, [width / 2, height / 2]])}>Add a point in the middle</button>
    </figure>
  );
}
