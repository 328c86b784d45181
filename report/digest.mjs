// The digest of what the page is built from: it stands in the page, so that a test can tell whether that is up to date.
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

const TOOLS = ["build.mjs", "digest.mjs", "package-lock.json", "package.json", "tsconfig.json"];

export async function sourcesDigest(folder) {
  const sources = (await readdir(join(folder, "src"))).map((name) => `src/${name}`);
  const hash = createHash("sha256");
  for (const name of [...TOOLS, ...sources].sort()) {
    hash.update(`${name}\0`).update(await readFile(join(folder, name))).update("\0");
  }
  return hash.digest("hex").slice(0, 20);
}
