/** Data beside the page: scripts that call `ionfleet(path, value)`, since pages of a folder can read nothing else. */

type Receive = (value: unknown) => void;

declare global {
  interface Window {
    ionfleet: (path: string, value: unknown) => void;
  }
}

const awaited = new Map<string, Receive>();
const loaded = new Map<string, Promise<unknown>>();

window.ionfleet = (path, value) => awaited.get(path)?.(value);

/** Addresses by path, where the data are not beside the page. */
function addresses(): Record<string, string> {
  return JSON.parse(document.getElementById("addresses")?.textContent ?? "{}") as Record<string, string>;
}

/** Load a script once; what it hands over is kept. */
export function load<T>(path: string): Promise<T> {
  const known = loaded.get(path);
  if (known) return known as Promise<T>;
  const promise = fetchOnce<T>(path).catch((error: unknown) => {
    loaded.delete(path);
    throw error;
  });
  loaded.set(path, promise);
  return promise;
}

/** Forget what a script handed over, so that its memory can be used again. */
export function forget(path: string): void {
  loaded.delete(path);
}

function fetchOnce<T>(path: string): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const element = document.createElement("script");
    const done = () => {
      awaited.delete(path);
      element.remove();
    };
    awaited.set(path, (value) => resolve(value as T));
    element.onload = () => {
      done();
      reject(new Error(`${path} is not what this page needs; it was written by another version.`));
    };
    element.onerror = () => {
      done();
      reject(new Error(`${path} is not beside this page, or its address is no longer valid.`));
    };
    element.src = addresses()[path] ?? path;
    document.head.append(element);
  });
}
