/** Files that the page makes. */

export function saveFile(name: string, content: Blob): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A name for a file: letters and digits, joined. */
export const fileName = (text: string): string => text.replace(/[^\p{L}\p{N}\-]+/gu, "_").replace(/^_+|_+$/g, "") || "ions";
