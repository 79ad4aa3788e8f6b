// Numbers into tables: percentiles, alignment, and the machine they were taken on.
import os from 'node:os';
import { writeFile } from 'node:fs/promises';

export const percentile = (values, p) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.ceil((p / 100) * sorted.length) - 1)] ?? NaN;
};

export const ms = (value) => (Number.isFinite(value) ? `${value.toFixed(value < 10 ? 1 : 0)} ms` : '–');
export const kb = (bytes) => `${(bytes / 1000).toFixed(0)} kB`;
export const mb = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;

/** Prints rows of equal length as an aligned table, the first row being the heads. */
export function print(title, rows) {
  const widths = rows[0].map((_, i) => Math.max(...rows.map((r) => String(r[i]).length)));
  const line = (r) => r.map((cell, i) => String(cell)[i ? 'padStart' : 'padEnd'](widths[i])).join('  ').trimEnd();
  console.log(`\n${title}`);
  console.log(line(rows[0]));
  console.log(widths.map((w) => '-'.repeat(w)).join('  '));
  for (const row of rows.slice(1)) console.log(line(row));
}

export const machine = () => `${os.cpus().length} cores, ${os.cpus()[0]?.model ?? 'unknown processor'}, load ${os.loadavg()[0].toFixed(2)} at the start`;

/** Writes the measured values where `--json FILE` asked for them. */
export async function save(results) {
  if (process.env.BENCH_JSON) await writeFile(process.env.BENCH_JSON, JSON.stringify(results, null, 2) + '\n');
}
