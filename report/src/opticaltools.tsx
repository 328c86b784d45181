/** The tools of the optical image: choosing one, its opacity and the ion's, and placing it. */

import { useState } from "preact/hooks";

import type { Job } from "./job";
import { lay, openPicture, optical, problem, spanning } from "./optical";
import { Placing } from "./placing";
import { state, update } from "./state";

export function OpticalTools({ job, solid }: { job: Job; solid: () => ImageData | null }) {
  const [placing, setPlacing] = useState(false);
  const choose = async (file: File | undefined) => {
    if (!file) return;
    const url = URL.createObjectURL(file);
    try {
      const { naturalWidth: width, naturalHeight: height } = await openPicture(url);
      lay({ name: file.name, url, width, height, transform: spanning(job, width, height), own: false });
      setPlacing(true);
    } catch (error) {
      URL.revokeObjectURL(url);
      problem.value = error instanceof Error ? error.message : String(error);
    }
  };
  return (
    <div class={optical.value ? "group optical-tools" : "group"} role="group" aria-label="Optical image">
      {optical.value && <Opacities />}
      {optical.value && <button type="button" onClick={() => setPlacing(true)}>Place …</button>}
      <label class="button" title="Lay a photograph or a stained section beneath the ion image; it stays on this computer">
        {optical.value ? "Change …" : "Optical image …"}
        <input class="visually-hidden" type="file" accept="image/*" onChange={(event) => void choose(event.currentTarget.files?.[0])} />
      </label>
      {problem.value && <span class="problem" role="alert">{problem.value}</span>}
      {placing && optical.value && <Placing job={job} solid={solid} shown={optical.value} onClose={() => setPlacing(false)} />}
    </div>
  );
}

function Opacities() {
  const shown = state.value;
  const opacity = (name: "opticalOpacity" | "ionOpacity", label: string) => (
    <label class="opacity">
      {label}
      <input type="range" min={0} max={1} step={0.05} value={shown[name]} onInput={(event) => update({ [name]: Number(event.currentTarget.value) })} />
    </label>
  );
  return (
    <>
      {opacity("opticalOpacity", "Optical")}
      {opacity("ionOpacity", "Ion")}
      <button type="button" aria-pressed={shown.follow} onClick={() => update({ follow: !shown.follow })} title="Let pixels be the more transparent, the weaker their signal">Fade weak</button>
    </>
  );
}
