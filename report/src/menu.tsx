/** A button that opens a sheet of choices; Escape, one of its buttons, or a click elsewhere closes it. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";

interface Props {
  title: string;
  hint?: string;
  children: ComponentChildren;
}

export function Menu({ title, hint, children }: Props) {
  const menu = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      const node = menu.current;
      if (node?.open && !node.contains(event.target as Node)) node.open = false;
    };
    addEventListener("pointerdown", close);
    return () => removeEventListener("pointerdown", close);
  }, []);
  const onKeyDown = (event: KeyboardEvent) => {
    const node = menu.current;
    if (event.key !== "Escape" || !node?.open) return;
    event.stopPropagation();
    node.open = false;
    node.querySelector("summary")?.focus();
  };
  const onClick = (event: Event) => {
    if (menu.current && (event.target as HTMLElement).closest("button")) menu.current.open = false;
  };
  return (
    <details class="menu" ref={menu} onKeyDown={onKeyDown} onClick={onClick}>
      <summary title={hint}>{title}</summary>
      {children}
    </details>
  );
}
