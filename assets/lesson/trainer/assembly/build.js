// Build simd.js from kernels.ts by AssemblyScript's asc (npm run kernels); with --check, compare instead.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const here = import.meta.dirname,
  made = join(here, "..", "simd.js"),
  folder = mkdtempSync(join(tmpdir(), "kernels-")),
  out = join(folder, "kernels.wasm");
const options = ["-O3", "--enable", "simd", "--runtime", "stub", "--importMemory", "--noAssert", "--noExportMemory"];
execFileSync("asc", [join(here, "kernels.ts"), "--outFile", out, ...options], { stdio: "inherit" });
const text =
  "// Made by assembly/build.js from assembly/kernels.ts: a WebAssembly module with SIMD, in base64.\n" +
  `export const SIMD =\n  "${readFileSync(out).toString("base64")}";\n`;
rmSync(folder, { recursive: true });
if (!process.argv.includes("--check")) writeFileSync(made, text);
else if (readFileSync(made, "utf8") !== text) throw new Error("simd.js is not what kernels.ts gives: npm run kernels.");
