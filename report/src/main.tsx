/** The page: it reads the job beside it, then shows its annotations and its dataset. */

import "./styles.css";

import { render } from "preact";
import { useEffect, useMemo } from "preact/hooks";

import { DatasetView } from "./dataset";
import { Details, Heading } from "./details";
import { FilterBar } from "./filterbar";
import { filtered, filterOf, sorted } from "./filters";
import { Help, openHelp } from "./help";
import { type Annotation, type Job, openJob } from "./job";
import { Nothing } from "./nothing";
import { openOptical, optical } from "./optical";
import { barOf, followAddress, replaced, state, type Tab, update } from "./state";
import { Table } from "./table";
import { showRemembered, ThemeButton } from "./theme";
import { Viewer } from "./viewer";

const TABS: [Tab, string][] = [["annotations", "Annotations"], ["dataset", "Dataset"]];

function Page({ job }: { job: Job }) {
  const { tab } = state.value;
  useShortcuts();
  return (
    <>
      <header class="top">
        <span class="brand" aria-hidden="true"><i /><i /><i /></span>
        <h1 title={job.summary.dataset.name}>{job.summary.dataset.name}</h1>
        <nav aria-label="Views">
          {TABS.map(([name, title]) => (
            <button key={name} type="button" aria-current={tab === name ? "page" : undefined} onClick={() => update({ tab: name })}>{title}</button>
          ))}
        </nav>
        <span class="push" />
        <button type="button" class="round" aria-label="Keys" title="Keys (?)" onClick={openHelp}>?</button>
        <ThemeButton />
      </header>
      {tab === "dataset" ? <DatasetView job={job} /> : <Annotations job={job} />}
      <Help />
    </>
  );
}

function Annotations({ job }: { job: Job }) {
  const { sort, descending, ion, channels } = state.value;
  const filter = filterOf(state.value);
  const rows = useMemo(() => sorted(filtered(job.annotations, filter), sort, descending), [...Object.values(filter), sort, descending]);
  const chosen = job.byId.get(ion) ?? rows[0] ?? null;
  const choose = (annotation: Annotation) => update({ ion: annotation.id, range: replaced(state.peek().range, barOf(null), null) });
  const shown = chosen || optical.value || channels.some((id) => job.byId.has(id));
  return (
    <main class="annotations">
      <section class="list" aria-labelledby="list-title">
        <h2 id="list-title" class="visually-hidden">Annotations</h2>
        <FilterBar job={job} rows={rows} />
        <Table job={job} rows={rows} chosen={chosen} onChoose={choose} />
        {!rows.length && <Nothing job={job} />}
      </section>
      <section class="chosen" aria-label="Chosen ion">
        {chosen && <Heading job={job} annotation={chosen} />}
        {shown ? <Viewer job={job} chosen={chosen} /> : <p class="nothing">Images are shown here once an annotation is chosen.</p>}
        {chosen && <Details job={job} annotation={chosen} onChoose={choose} />}
      </section>
    </main>
  );
}

function useShortcuts(): void {
  useEffect(() => {
    const act = (event: KeyboardEvent) => {
      if ((event.target as HTMLElement).closest("input, select, textarea, dialog") || event.ctrlKey || event.metaKey) return;
      if (event.key === "/") {
        event.preventDefault();
        document.getElementById("search")?.focus();
      } else if (event.key === "?") openHelp();
    };
    addEventListener("keydown", act);
    return () => removeEventListener("keydown", act);
  }, []);
}

function Problem({ message }: { message: string }) {
  return (
    <main class="loading">
      <h1>This page cannot show its results</h1>
      <p role="alert">{message}</p>
      <p>Keep report.html and the folder “report” together, and open the page from there.</p>
    </main>
  );
}

function start(): void {
  const root = document.getElementById("page");
  if (!root) return;
  openJob()
    .then((job) => {
      document.title = `${job.summary.dataset.name} · Ionfleet`;
      root.replaceChildren();
      followAddress(job.modelled ? "score" : "msm");
      render(<Page job={job} />, root);
      void openOptical(job);
    })
    .catch((error: unknown) => {
      root.replaceChildren();
      render(<Problem message={error instanceof Error ? error.message : String(error)} />, root);
    });
}

// The script stands in the head: the colours are there before anything is painted, the rest waits for the document.
showRemembered();
addEventListener("DOMContentLoaded", start);
