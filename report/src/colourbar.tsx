/** A colour bar: its ends can be dragged, and locked for every ion. */

import { useEffect, useRef, useState } from "preact/hooks";

import { css, type Rgb } from "./maps";
import { intensity } from "./notation";
import type { Range } from "./picture";

interface Props {
  /** The name of the channel it is of, which tells bars apart; empty for an ion in a colour map. */
  channel: string;
  /** From lowest to highest. */
  colours: Rgb[];
  range: Range;
  /** The highest intensity there is. */
  highest: number;
  locked: boolean;
  onRange: (range: Range) => void;
  onLock: (locked: boolean) => void;
  onReset: (() => void) | null;
}

export function ColourBar({ channel, colours, range, highest, locked, onRange, onLock, onReset }: Props) {
  const [held, setHeld] = useState<number | null>(null);
  // Locked ends may lie beyond what there is: while one is dragged, the track ends where it did.
  const top = held ?? Math.max(highest, range.high);
  const there = channel && ` in ${channel}`;
  const track = useRef<HTMLDivElement>(null);
  const valueAt = (y: number): number => {
    const box = track.current?.getBoundingClientRect();
    return box ? Math.min(1, Math.max(0, (box.bottom - y) / box.height)) * top : 0;
  };
  const set = (end: "low" | "high", value: number) => {
    const bounded = end === "low" ? Math.min(value, range.high) : Math.max(value, range.low);
    onRange({ ...range, [end]: Math.min(top, Math.max(0, bounded)) });
  };
  const handle = (end: "low" | "high", label: string) => (
    <Handle
      label={label + there}
      value={range[end]}
      top={top}
      onHold={(holds) => setHeld(holds ? top : null)}
      onDrag={(y) => set(end, valueAt(y))}
      onStep={(steps) => set(end, range[end] + (steps * top) / 100)}
    />
  );
  return (
    <div class="colourbar">
      <div class="track" ref={track}>
        <Gradient colours={colours} low={top ? range.low / top : 0} high={top ? range.high / top : 1} />
        {handle("high", "Highest intensity shown")}
        {handle("low", "Lowest intensity shown")}
      </div>
      <div class="bar-buttons">
        <button type="button" class="small" aria-pressed={locked} onClick={() => onLock(!locked)} title={`Keep these ends for every ion${there}`}>
          {locked ? "Locked" : "Lock"}<Hidden text={channel} />
        </button>
        <button type="button" class="small" disabled={!onReset} onClick={() => onReset?.()} title="Back to this ion's own range">
          Reset<Hidden text={channel} />
        </button>
      </div>
    </div>
  );
}

function Hidden({ text }: { text: string }) {
  return text ? <span class="visually-hidden">{` ${text}`}</span> : null;
}

function Gradient({ colours, low, high }: { colours: Rgb[]; low: number; high: number }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    for (let row = 0; row < 256; row++) {
      const level = (255 - row) / 255;
      const place = high > low ? (level - low) / (high - low) : Number(level > low);
      context.fillStyle = css(colours[Math.round(255 * Math.min(1, Math.max(0, place)))] ?? [0, 0, 0]);
      context.fillRect(0, row, 1, 1);
    }
  }, [colours, low, high]);
  return <canvas ref={canvas} width={1} height={256} aria-hidden="true" />;
}

interface HandleProps {
  label: string;
  value: number;
  top: number;
  onHold: (holds: boolean) => void;
  onDrag: (y: number) => void;
  onStep: (steps: number) => void;
}

const STEPS: Record<string, number> = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10, Home: -100, End: 100 };

function Handle({ label, value, top, onHold, onDrag, onStep }: HandleProps) {
  const node = useRef<HTMLDivElement>(null);
  return (
    <div
      ref={node}
      class="handle"
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-orientation="vertical"
      aria-valuemin={0}
      aria-valuemax={Math.round(top)}
      aria-valuenow={Math.round(value)}
      aria-valuetext={intensity(value)}
      style={{ bottom: `${top ? (100 * value) / top : 0}%` }}
      onPointerDown={(event) => {
        event.preventDefault();
        node.current?.focus();
        node.current?.setPointerCapture(event.pointerId);
        onHold(true);
      }}
      onLostPointerCapture={() => onHold(false)}
      onPointerMove={(event) => node.current?.hasPointerCapture(event.pointerId) && onDrag(event.clientY)}
      onKeyDown={(event) => {
        const steps = STEPS[event.key];
        if (steps === undefined) return;
        event.preventDefault();
        event.stopPropagation();
        onStep(steps);
      }}
    >
      <span>{intensity(value)}</span>
    </div>
  );
}
