// Builds the page, one HTML file with script and style inside, into the Python package that writes it beside results.
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { sourcesDigest } from "./digest.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "../layers/engine/python/ionfleet/report/page.html");

const bundle = await build({
  entryPoints: [join(here, "src/main.tsx")],
  bundle: true,
  minify: true,
  write: false,
  outdir: "out",
  format: "iife",
  target: ["chrome103", "firefox113", "safari16.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  charset: "ascii",
  legalComments: "inline",
});
const text = (extension) => bundle.outputFiles.find((file) => file.path.endsWith(extension)).text.trim();
const code = text(".js").replaceAll("</script", "<\\/script");
const style = text(".css");
const hash = (source) => `'sha256-${createHash("sha256").update(source).digest("base64")}'`;

// Nothing but this page's own script, the data beside it and pictures made of it: names in data can start nothing.
const policy = [
  "default-src 'none'",
  `script-src ${hash(code)} 'self' file:`,
  `style-src ${hash(style)}`,
  "img-src data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const template = await readFile(join(here, "src/page.html"), "utf8");
const parts = { policy, style, code, digest: await sourcesDigest(here) };
await writeFile(target, template.replace(/\{\{(\w+)\}\}/g, (_, name) => parts[name]));
