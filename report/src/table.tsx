/** The annotations as a table: only the rows in sight are in the document. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { type Column, columnsOf } from "./columns";
import { levelOf } from "./filters";
import { useSize } from "./hooks";
import type { Annotation, Job } from "./job";
import { state, update } from "./state";

export const ROW = 34;
/** Rows beyond both ends of what is in sight. */
const SPARE = 8;

interface Props {
  job: Job;
  rows: Annotation[];
  chosen: Annotation | null;
  onChoose: (annotation: Annotation) => void;
}

const STEPS: Record<string, (page: number) => number> = {
  ArrowDown: () => 1,
  ArrowUp: () => -1,
  PageDown: (page) => page,
  PageUp: (page) => -page,
  Home: () => -Infinity,
  End: () => Infinity,
};

export function Table({ job, rows, chosen, onChoose }: Props) {
  const [body, size] = useSize<HTMLDivElement>();
  const [top, setTop] = useState(0);
  const columns = columnsOf(job).filter(({ key }) => state.value.columns.includes(key));
  const place = chosen ? rows.indexOf(chosen) : -1;
  useKeepInSight(body, place);
  useWalk(rows, place, Math.max(1, Math.floor(size.height / ROW) - 2), onChoose);
  const first = Math.max(0, Math.floor(top / ROW) - SPARE);
  const last = Math.min(rows.length, Math.ceil((top + size.height) / ROW) + SPARE);
  const tracks = { gridTemplateColumns: columns.map(({ least, share }) => `minmax(${least}px, ${share}fr)`).join(" ") };
  const minWidth = `${columns.reduce((sum, { least }) => sum + least, 0)}px`;
  return (
    <div
      class={rows.length ? "table" : "table empty"}
      role="grid"
      aria-label="Annotations"
      aria-rowcount={rows.length + 1}
      aria-colcount={columns.length}
      ref={body}
      tabIndex={0}
      aria-activedescendant={place >= first && place < last ? `row-${place}` : undefined}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <div class="heads" role="rowgroup" style={{ minWidth }}>
        <div class="row" role="row" aria-rowindex={1} style={tracks}>
          {columns.map((column) => (
            <Head key={column.key} column={column} />
          ))}
        </div>
      </div>
      <div class="rows" role="rowgroup" style={{ height: `${rows.length * ROW}px`, minWidth }}>
        {rows.slice(first, last).map((annotation, offset) => (
          <Row key={annotation.id} annotation={annotation} place={first + offset} columns={columns} chosen={annotation === chosen} tracks={tracks} onChoose={onChoose} />
        ))}
      </div>
    </div>
  );
}

function Head({ column }: { column: Column }) {
  const { sort, descending } = state.value;
  const active = sort === column.key;
  const order = active ? (descending ? "descending" : "ascending") : "none";
  const choose = () => update({ sort: column.key, descending: active ? !descending : column.descending });
  return (
    <div role="columnheader" aria-sort={order} class={column.numeric ? "numeric" : ""}>
      <button type="button" onClick={choose} title={column.hint}>
        {column.title}
        <span class="order" aria-hidden="true">{active ? (descending ? "↓" : "↑") : ""}</span>
      </button>
    </div>
  );
}

interface RowProps {
  annotation: Annotation;
  place: number;
  columns: Column[];
  chosen: boolean;
  tracks: { gridTemplateColumns: string };
  onChoose: (annotation: Annotation) => void;
}

function Row({ annotation, place, columns, chosen, tracks, onChoose }: RowProps) {
  return (
    <div
      id={`row-${place}`}
      class={`row level-${levelOf(annotation.fdr) * 100}`}
      role="row"
      aria-rowindex={place + 2}
      aria-selected={chosen}
      style={{ ...tracks, top: `${place * ROW}px` }}
      onClick={() => onChoose(annotation)}
    >
      {columns.map((column) => (
        <div key={column.key} role="gridcell" class={column.numeric ? "numeric" : ""}>
          {column.show(annotation)}
        </div>
      ))}
    </div>
  );
}

function useKeepInSight(body: { current: HTMLElement | null }, place: number): void {
  useLayoutEffect(() => {
    const element = body.current;
    if (!element || place < 0) return;
    const [start, end] = [place * ROW, (place + 1) * ROW];
    const height = element.clientHeight - ROW; // the head covers one row
    if (start < element.scrollTop) element.scrollTop = start;
    else if (end > element.scrollTop + height) element.scrollTop = end - height;
  }, [place]);
}

/** Let the keys walk through the rows wherever the focus is, but where a key means something else. */
function useWalk(rows: Annotation[], place: number, page: number, onChoose: (annotation: Annotation) => void): void {
  const latest = useRef({ rows, place, page, onChoose });
  latest.current = { rows, place, page, onChoose };
  useEffect(() => {
    const walk = (event: KeyboardEvent) => {
      const { rows, place, page, onChoose } = latest.current;
      const step = STEPS[event.key];
      const target = event.target as HTMLElement;
      if (!step || event.ctrlKey || event.metaKey || event.altKey || target.closest("input, select, textarea, dialog, summary")) return;
      const next = rows[Math.min(rows.length - 1, Math.max(0, place + step(page)))];
      if (!next) return;
      event.preventDefault();
      onChoose(next);
    };
    addEventListener("keydown", walk);
    return () => removeEventListener("keydown", walk);
  }, []);
}
