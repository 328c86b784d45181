/** The keys that the page knows. */

const KEYS: [string, string][] = [
  ["↑ ↓", "previous and next ion"],
  ["Page ↑ ↓, Home, End", "further through the ions"],
  ["/", "search for a molecule, formula or ion"],
  ["+ − 0", "zoom, and show the whole image (on the image)"],
  ["← ↑ → ↓", "move the pixel that is read out (on the image), or the end of a colour bar (on its handle)"],
  ["Shift and ← ↑ → ↓", "move the view (on the image)"],
  ["double click, wheel, drag", "show the whole image, zoom, move"],
  ["?", "this list"],
];

const ID = "help";

export const openHelp = (): void => (document.getElementById(ID) as HTMLDialogElement | null)?.showModal();

export function Help() {
  return (
    <dialog id={ID} aria-labelledby="help-title">
      <h2 id="help-title">Keys</h2>
      <dl class="facts">
        {KEYS.map(([keys, meaning]) => (
          <div key={keys}><dt><kbd>{keys}</kbd></dt><dd>{meaning}</dd></div>
        ))}
      </dl>
      <form method="dialog"><button>Close</button></form>
    </dialog>
  );
}
