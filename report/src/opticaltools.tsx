/** What the optical image is shown with; placing it by hand is in `placing`. */

import type { Job } from "./job";
import { optical } from "./optical";
import { state, update } from "./state";

export function OpticalTools({ job: _ }: { job: Job }) {
  if (!optical.value) return null;
  const shown = state.value;
  const opacity = (name: "opticalOpacity" | "ionOpacity", label: string) => (
    <label class="opacity">
      {label}
      <input type="range" min={0} max={1} step={0.05} value={shown[name]} onInput={(event) => update({ [name]: Number(event.currentTarget.value) })} />
    </label>
  );
  return (
    <div class="group">
      {opacity("opticalOpacity", "Optical")}
      {opacity("ionOpacity", "Ion")}
      <button type="button" aria-pressed={shown.follow} onClick={() => update({ follow: !shown.follow })} title="Let weak signals be transparent">Fade weak</button>
    </div>
  );
}
