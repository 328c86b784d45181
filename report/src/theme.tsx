/** Light or dark: as the system has it, until it is chosen; the choice is remembered. */

import { useState } from "preact/hooks";

type Theme = "light" | "dark";

const KEY = "ionfleet-theme";

const system = matchMedia("(prefers-color-scheme: dark)");

/** What was chosen, here or on another page of results. */
function remembered(): Theme | null {
  try {
    const text = localStorage.getItem(KEY);
    return text === "light" || text === "dark" ? text : null;
  } catch {
    // Where a page may keep nothing (cookies refused, a sandboxed frame), asking for the storage throws.
    return null;
  }
}

function remember(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Refused as above, or the storage is full: the choice holds while the page is open.
  }
}

function show(theme: Theme): void {
  document.documentElement.dataset["theme"] = theme;
}

/** Show the page as it was chosen last time. */
export function showRemembered(): void {
  const theme = remembered();
  if (theme) show(theme);
}

export function ThemeButton() {
  const [chosen, setChosen] = useState(remembered);
  const dark = chosen ? chosen === "dark" : system.matches;
  const turn = () => {
    const next = dark ? "light" : "dark";
    show(next);
    remember(next);
    setChosen(next);
  };
  const label = dark ? "Light colours" : "Dark colours";
  return (
    <button type="button" class="round" aria-label={label} title={label} onClick={turn}>
      {dark ? "☀" : "☾"}
    </button>
  );
}
