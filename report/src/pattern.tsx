/** The isotope pattern: theoretical and observed peaks, drawn and in figures. */

import type { Annotation } from "./job";
import { count } from "./notation";

const WIDTH = 420;
const HEIGHT = 150;
const [LEFT, RIGHT, TOP, BOTTOM] = [34, 12, 10, 24];

/** Observed intensities in percent, scaled to fit the theoretical ones best (least squares). */
function observed({ theoInts, total }: Annotation): number[] {
  const product = theoInts.reduce((sum, theory, place) => sum + theory * (total[place] ?? 0), 0);
  const square = total.reduce((sum, value) => sum + value * value, 0);
  return total.map((value) => (square ? (value * product) / square : 0));
}

export function Pattern({ annotation }: { annotation: Annotation }) {
  const found = observed(annotation);
  return (
    <>
      <figure class="pattern">
        <Chart annotation={annotation} found={found} />
        <figcaption>
          <span class="key theory">theoretical</span> <span class="key measured">observed</span>
        </figcaption>
      </figure>
      <Figures annotation={annotation} found={found} />
    </>
  );
}

function Chart({ annotation, found }: { annotation: Annotation; found: number[] }) {
  const { theoMz, theoInts } = annotation;
  const peaks = theoMz.map((mz, place) => ({ mz, theory: theoInts[place] ?? 0, measured: found[place] ?? 0 })).filter((each) => each.mz > 0);
  const lowest = Math.min(...peaks.map((each) => each.mz)) - 0.5;
  const highest = Math.max(...peaks.map((each) => each.mz)) + 0.5;
  const most = Math.max(100, ...found);
  const x = (mz: number) => LEFT + ((mz - lowest) / (highest - lowest)) * (WIDTH - LEFT - RIGHT);
  const y = (value: number) => HEIGHT - BOTTOM - (value / most) * (HEIGHT - TOP - BOTTOM);
  return (
    <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label="Theoretical and observed isotope pattern; the table below has its figures">
      {[0, 50, 100].map((value) => (
        <g key={value} class="rule">
          <line x1={LEFT} x2={WIDTH - RIGHT} y1={y(value)} y2={y(value)} />
          <text x={LEFT - 6} y={y(value) + 3.5} text-anchor="end">{value}</text>
        </g>
      ))}
      {peaks.map(({ mz, theory, measured }) => (
        <g key={mz}>
          <rect class="theory" x={x(mz) - 9} width={18} y={y(theory)} height={y(0) - y(theory)} />
          <line class="measured" x1={x(mz)} x2={x(mz)} y1={y(0)} y2={y(measured)} />
          <circle class="measured" cx={x(mz)} cy={y(measured)} r={3.5} />
          <text class="tick" x={x(mz)} y={HEIGHT - 8} text-anchor="middle">{mz.toFixed(3)}</text>
        </g>
      ))}
    </svg>
  );
}

function Figures({ annotation, found }: { annotation: Annotation; found: number[] }) {
  const { theoMz, theoInts, meanMz, deviationMz, points } = annotation;
  return (
    <table class="figures">
      <thead>
        <tr>
          <th scope="col">m/z</th>
          <th scope="col" title="Measured minus theoretical m/z, and the spread of the measured ones">Δ ppm (σ)</th>
          <th scope="col">theory %</th>
          <th scope="col">observed %</th>
          <th scope="col">pixels</th>
        </tr>
      </thead>
      <tbody>
        {theoMz.map((mz, place) => (
          <tr key={mz}>
            <th scope="row">{mz.toFixed(4)}</th>
            <td>{points[place] ? errorText(mz, meanMz[place] ?? null, deviationMz[place] ?? null) : "–"}</td>
            <td>{(theoInts[place] ?? 0).toFixed(1)}</td>
            <td>{(found[place] ?? 0).toFixed(1)}</td>
            <td>{count(points[place] ?? 0)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function errorText(mz: number, mean: number | null, deviation: number | null): string {
  if (mean === null) return "–";
  const spread = deviation === null ? "" : ` (${((deviation / mz) * 1e6).toFixed(1)})`;
  return `${(((mean - mz) / mz) * 1e6).toFixed(2).replace("-", "−")}${spread}`;
}
