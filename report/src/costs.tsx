/** Where time and money went, by stage. */

import type { StageAccount, Summary } from "./job";
import { count, dollars, duration } from "./notation";

/** What is paid for, as the summary names it, and as it is called here. */
const PARTS: [string, string][] = [
  ["compute", "Lambda"], ["requests", "S3 requests"], ["transitions", "transitions"], ["logs", "logs"], ["storage", "storage"],
];

/** What stands for the time of stages that the state machine does not enter. */
const BILLED = "Billed time of the calls, the assumed start of cold ones included: the state machine, which times the others, does not enter these stages.";
const NOTE = "billed-time";

const isBilled = ({ seconds, billed_seconds: billed }: StageAccount): boolean => seconds === undefined && billed !== undefined;
const timeOf = ({ seconds, billed_seconds: billed }: StageAccount): number | undefined => seconds ?? billed;

export function Costs({ summary }: { summary: Summary }) {
  const { cost, seconds } = summary;
  const stages = Object.entries(summary.stages);
  const longest = Math.max(0, ...stages.map(([, stage]) => timeOf(stage) ?? 0));
  return (
    <>
      <p>
        {duration(seconds)} from upload to results; about {dollars(cost.usd)} at the prices of {cost.prices.region} ({cost.prices.date}), estimated beforehand at {dollars(cost.estimated_usd)}.
      </p>
      <div class="scroll" tabIndex={0} role="region" aria-label="Time and money by stage">
        <table class="figures stages">
          <thead>
            <tr>
              <th scope="col">stage</th><th scope="col">time</th><td /><th scope="col">calls</th><th scope="col">peak memory</th>
              {PARTS.map(([key, title]) => <th scope="col" key={key}>{title}</th>)}
              <th scope="col">cost</th>
            </tr>
          </thead>
          <tbody>{stages.map(([name, stage]) => <Stage key={name} name={name} stage={stage} longest={longest} />)}</tbody>
          <tfoot>
            <tr>
              <th scope="row">in all</th><td>{duration(seconds)}</td><td /><td>{count(stages.reduce((sum, [, stage]) => sum + (stage.invocations ?? 0), 0))}</td><td />
              {PARTS.map(([key]) => <td key={key}>{dollars(cost.parts[key] ?? 0)}</td>)}
              <td>{dollars(cost.usd)}</td>
            </tr>
          </tfoot>
        </table>
      </div>
      {stages.some(([, stage]) => isBilled(stage)) && <p id={NOTE} class="note"><span aria-hidden="true">* </span>{BILLED}</p>}
    </>
  );
}

function Stage({ name, stage, longest }: { name: string; stage: StageAccount; longest: number }) {
  const [seconds, billed] = [timeOf(stage), isBilled(stage)];
  const { invocations, peak_mb: peak, parts, usd } = stage;
  return (
    <tr>
      <th scope="row">{name}</th>
      <td title={billed ? BILLED : undefined} aria-describedby={billed ? NOTE : undefined}>{seconds === undefined ? "–" : duration(seconds)}{billed && <sup aria-hidden="true">*</sup>}</td>
      <td class="bar-cell">{seconds !== undefined && <span class={billed ? "bar billed" : "bar"} style={{ width: `${longest ? (100 * seconds) / longest : 0}%` }} />}</td>
      <td>{invocations === undefined ? "–" : count(invocations)}</td>
      <td>{peak ? `${count(peak)} MB` : "–"}</td>
      {PARTS.map(([key]) => <td key={key}>{dollars(parts?.[key] ?? 0)}</td>)}
      <td>{usd === undefined ? "–" : dollars(usd)}</td>
    </tr>
  );
}
