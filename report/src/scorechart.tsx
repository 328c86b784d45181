/** How targets and decoys score: two histograms, decoys as many as there would be for one a target. */

import type { Job } from "./job";
import { count } from "./notation";

const WIDTH = 420;
const HEIGHT = 170;
const [LEFT, RIGHT, TOP, BOTTOM] = [40, 10, 10, 26];

export function ScoreChart({ job }: { job: Job }) {
  const scores = job.dataset.scores;
  const name = job.modelled ? "score" : "MSM";
  const targets = scores.targets;
  const decoys = scores.decoys.map((number) => number / scores.decoys_per_target);
  const most = Math.max(1, ...targets, ...decoys);
  const width = (WIDTH - LEFT - RIGHT) / targets.length;
  const y = (value: number) => HEIGHT - BOTTOM - (Math.sqrt(value) / Math.sqrt(most)) * (HEIGHT - TOP - BOTTOM);
  const outline = `M${LEFT} ${y(0)}` + decoys.map((value, place) => `V${y(value)}H${LEFT + (place + 1) * width}`).join("") + `V${y(0)}`;
  const sum = (values: number[]) => values.reduce((total, value) => total + value, 0);
  return (
    <figure class="pattern">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${count(sum(targets))} targets and ${count(sum(scores.decoys))} decoys by their ${name}`}>
        {[0, most / 4, most].map((value) => (
          <g key={value} class="rule">
            <line x1={LEFT} x2={WIDTH - RIGHT} y1={y(value)} y2={y(value)} />
            <text x={LEFT - 6} y={y(value) + 3.5} text-anchor="end">{count(value)}</text>
          </g>
        ))}
        {targets.map((value, place) => (
          <rect key={place} class="target" x={LEFT + place * width + 0.5} width={width - 1} y={y(value)} height={y(0) - y(value)} />
        ))}
        <path class="decoy" d={outline} />
        {[0, 0.25, 0.5, 0.75, 1].map((value) => (
          <text key={value} class="tick" x={LEFT + value * (WIDTH - LEFT - RIGHT)} y={HEIGHT - 8} text-anchor="middle">{value}</text>
        ))}
      </svg>
      <figcaption>
        <span class="key target">{count(sum(targets))} targets</span>{" "}
        <span class="key decoy">{count(sum(scores.decoys))} decoys ÷ {scores.decoys_per_target}</span> by {name}; heights are square roots of counts
      </figcaption>
    </figure>
  );
}
