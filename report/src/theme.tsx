/** Light or dark: as the system has it, until it is chosen. */

import { useState } from "preact/hooks";

const system = matchMedia("(prefers-color-scheme: dark)");

export function ThemeButton() {
  const [chosen, setChosen] = useState<"light" | "dark" | null>(null);
  const dark = chosen ? chosen === "dark" : system.matches;
  const turn = () => {
    const next = dark ? "light" : "dark";
    document.documentElement.dataset["theme"] = next;
    setChosen(next);
  };
  const label = dark ? "Light colours" : "Dark colours";
  return (
    <button type="button" class="round" aria-label={label} title={label} onClick={turn}>
      {dark ? "☀" : "☾"}
    </button>
  );
}
