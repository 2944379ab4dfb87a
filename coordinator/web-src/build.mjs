/**
 * Bundles the page into the package, or into the directory that is given.
 *
 *   node build.mjs [DIRECTORY]
 */

import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const target = resolve(process.argv[2] ?? join(here, "../astrum_coordinator/display/static"));
await mkdir(target, { recursive: true });

const common = { bundle: true, minify: true, absWorkingDir: here, charset: "utf8", legalComments: "none", logLevel: "warning" };
await build({ ...common, entryPoints: ["src/main.js"], outfile: join(target, "report.js"), format: "iife", target: "es2021" });
await build({ ...common, entryPoints: ["src/style.css"], outfile: join(target, "report.css"), target: ["chrome100", "firefox100", "safari15.4"] });
