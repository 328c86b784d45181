/** The filters above the table, how many annotations pass them, which columns are shown, and the CSV. */

import { columnsOf } from "./columns";
import { csvOf } from "./csv";
import { fileName, saveFile } from "./files";
import { adductsOf, type Filter, filterOf, LEVELS, modificationsOf, wantedMz } from "./filters";
import type { Annotation, Job } from "./job";
import { Menu } from "./menu";
import { adductText, count } from "./notation";
import { INITIAL, NONE, state, type Unit, update } from "./state";

export function FilterBar({ job, rows }: { job: Job; rows: Annotation[] }) {
  const shown = state.value;
  return (
    <form class="filters" role="search" aria-label="Filter annotations" onSubmit={(event) => event.preventDefault()}>
      <div class="line">
        <input id="search" type="search" class="grow" placeholder="Molecule, formula or ion" aria-label="Molecule, formula or ion" value={shown.text} onInput={(event) => update({ text: event.currentTarget.value })} />
        <MzFilter />
      </div>
      <div class="line">
        <Levels job={job} />
        {job.databases.length > 1 && <Choice name="database" label="Database" all="All databases" values={job.databases} />}
        <Choice name="adduct" label="Adduct" all="All adducts" values={adductsOf(job)} show={adductText} />
        <Choice name="modification" label="Losses and modifications" all="Modified or not" values={modificationsOf(job)} show={modificationText} />
        <Choice name="moleculeClass" label="Class of molecules" all="All classes" values={job.classes} />
      </div>
      <div class="line under">
        <output aria-live="polite" class="counts">
          <b>{count(rows.length)}</b> of {count(job.annotations.length)} annotations
        </output>
        {isFiltered() && <button type="button" class="link" onClick={clearFilters}>Clear filters</button>}
        <span class="push" />
        <ColumnChoice job={job} />
        <button type="button" disabled={!rows.length} onClick={() => saveRows(job, rows)} title="Save these rows as CSV">CSV</button>
      </div>
    </form>
  );
}

const modificationText = (value: string): string => (value === NONE ? "Not modified" : adductText(value));

/** What clearing the filters leaves: the tolerance of an m/z filters nothing by itself. */
const { tolerance: _tolerance, unit: _unit, ...CLEARED } = filterOf(INITIAL);

const isFiltered = (): boolean => Object.entries(CLEARED).some(([name, value]) => state.value[name as keyof Filter] !== value);

export const clearFilters = (): void => update(CLEARED);

function MzFilter() {
  const { mz, tolerance, unit } = state.value;
  const wrong = Boolean(mz.trim()) && wantedMz(mz) === null;
  return (
    <div class="mz">
      <input type="text" inputMode="decimal" size={9} placeholder="m/z" aria-label="m/z" aria-invalid={wrong} value={mz} onInput={(event) => update({ mz: event.currentTarget.value })} />
      <span aria-hidden="true">±</span>
      <input type="number" min={0} step="any" aria-label="Tolerance" value={tolerance} onInput={(event) => update({ tolerance: event.currentTarget.valueAsNumber || 0 })} />
      <select aria-label="Unit of the tolerance" value={unit} onChange={(event) => update({ unit: event.currentTarget.value as Unit })}>
        <option>ppm</option>
        <option>Da</option>
      </select>
    </div>
  );
}

function Levels({ job }: { job: Job }) {
  return (
    <fieldset class="levels">
      <legend>FDR</legend>
      {LEVELS.map((level) => {
        const within = job.annotations.filter((each) => each.fdr <= level).length;
        return (
          <label key={level} title={`${count(within)} annotations`} class={`level-${level * 100}`}>
            <input type="radio" name="fdr" checked={state.value.fdr === level} onChange={() => update({ fdr: level })} />
            <span>{level * 100} %</span>
          </label>
        );
      })}
    </fieldset>
  );
}

interface ChoiceProps {
  name: "database" | "adduct" | "modification" | "moleculeClass";
  label: string;
  all: string;
  values: string[];
  show?: (value: string) => string;
}

/** One of several values; nothing where there is none to choose from. */
function Choice({ name, label, all, values, show = (value) => value }: ChoiceProps) {
  if (!values.length) return null;
  return (
    <select aria-label={label} class={state.value[name] ? "active" : ""} value={state.value[name]} onChange={(event) => update({ [name]: event.currentTarget.value })}>
      <option value="">{all}</option>
      {values.map((value) => (
        <option key={value} value={value}>{show(value)}</option>
      ))}
    </select>
  );
}

function ColumnChoice({ job }: { job: Job }) {
  const { columns } = state.value;
  const offered = columnsOf(job);
  const change = (key: string) => {
    const chosen = columns.includes(key) ? columns.filter((each) => each !== key) : [...columns, key];
    update({ columns: offered.map((each) => each.key).filter((each) => chosen.includes(each)) });
  };
  return (
    <Menu title="Columns">
      <div class="sheet" role="group" aria-label="Columns of the table">
        {offered.map(({ key, title, hint }) => (
          <label key={key} title={hint}>
            <input type="checkbox" checked={columns.includes(key)} onChange={() => change(key)} /> {title}
          </label>
        ))}
      </div>
    </Menu>
  );
}

function saveRows(job: Job, rows: Annotation[]): void {
  // A byte order mark, without which spreadsheets take the text for another encoding.
  saveFile(`${fileName(job.summary.dataset.name)}-annotations.csv`, new Blob(["\ufeff", csvOf(rows)], { type: "text/csv" }));
}
