/** What components share: values that have to be loaded, and the size of an element. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import type { Size } from "./geometry";

export interface Loaded<T> {
  value: T | null;
  error: string;
  /** What `value` was loaded for. */
  key: string;
}

/** Load what belongs to a key; what was loaded for the last one stays until then. */
export function useLoaded<T>(key: string, start: () => Promise<T>): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ value: null, error: "", key: "" });
  useEffect(() => {
    let wanted = true;
    start().then(
      (value) => wanted && setLoaded({ value, error: "", key }),
      (error: unknown) => wanted && setLoaded({ value: null, error: String(error instanceof Error ? error.message : error), key }),
    );
    return () => {
      wanted = false;
    };
  }, [key]);
  return loaded;
}

/** The size of an element, in CSS pixels, kept up to date. */
export function useSize<E extends HTMLElement>(): [{ current: E | null }, Size] {
  const element = useRef<E>(null);
  const [size, setSize] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const node = element.current;
    if (!node) return undefined;
    const measure = () => setSize({ width: node.clientWidth, height: node.clientHeight });
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    measure();
    return () => observer.disconnect();
  }, []);
  return [element, size];
}

/** Whether an element has been in sight, or nearly. */
export function useSeen<E extends HTMLElement>(): [{ current: E | null }, boolean] {
  const element = useRef<E>(null);
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    const node = element.current;
    if (!node || seen) return undefined;
    const observer = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && setSeen(true), { rootMargin: "200px" });
    observer.observe(node);
    return () => observer.disconnect();
  }, [seen]);
  return [element, seen];
}
