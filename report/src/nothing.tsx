/** What is said where no annotation is listed, and the way out. */

import { clearFilters } from "./filterbar";
import { filtered, filterOf, LEVELS } from "./filters";
import type { Job } from "./job";
import { plural } from "./notation";
import { state, update } from "./state";

const HIGHEST = LEVELS[LEVELS.length - 1]!;

export function Nothing({ job }: { job: Job }) {
  if (!job.annotations.length) {
    return (
      <div class="nothing">
        <h3>No annotations</h3>
        <p>No ion of the databases was found with an FDR of {HIGHEST * 100} % or less.</p>
        <button type="button" onClick={() => update({ tab: "dataset" })}>See what was searched for</button>
      </div>
    );
  }
  const more = filtered(job.annotations, { ...filterOf(state.value), fdr: HIGHEST }).length;
  return (
    <div class="nothing">
      <h3>No annotation passes these filters</h3>
      {more > 0 ? (
        <>
          <p>{plural(more, "annotation")} would within {HIGHEST * 100} % FDR.</p>
          <button type="button" onClick={() => update({ fdr: HIGHEST })}>Show up to {HIGHEST * 100} %</button>
        </>
      ) : (
        <button type="button" onClick={clearFilters}>Show all annotations</button>
      )}
    </div>
  );
}
