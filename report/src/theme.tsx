/** Light or dark: as the system has it, until the other is chosen; the choice is remembered until it is taken back. */

import { useEffect, useState } from "preact/hooks";

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

function remember(theme: Theme | null): void {
  try {
    if (theme) localStorage.setItem(KEY, theme);
    else localStorage.removeItem(KEY);
  } catch {
    // Refused as above, or the storage is full: the choice holds while the page is open.
  }
}

function show(theme: Theme | null): void {
  if (theme) document.documentElement.dataset["theme"] = theme;
  else delete document.documentElement.dataset["theme"];
}

/** Show the page as it was chosen last time. */
export function showRemembered(): void {
  const theme = remembered();
  if (theme) show(theme);
}

export function ThemeButton() {
  const [chosen, setChosen] = useState(remembered);
  const [systemDark, setSystemDark] = useState(system.matches);
  useEffect(() => {
    const follow = () => setSystemDark(system.matches);
    system.addEventListener("change", follow);
    return () => system.removeEventListener("change", follow);
  }, []);
  const dark = chosen ? chosen === "dark" : systemDark;
  const turn = () => {
    const next = dark === systemDark ? (dark ? "light" : "dark") : null;
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
