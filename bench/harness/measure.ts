/** How a benchmark runs: a folder that is removed, figures that are told, an exit code. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { stopServer } from '../../test/kit/postgres/postgres-process.ts'
import { allHold, conclude, writeReport, type Figures } from '../../test/kit/report.ts'

/** @param work gets an empty folder; a PostgreSQL that runs in it is stopped, and it is removed */
export const inFolder = async <Result>(
  name: string,
  work: (folder: string) => Promise<Result>
): Promise<Result> => {
  const folder = mkdtempSync(join(tmpdir(), `bench-${name}-`))
  try {
    return await work(folder)
  } finally {
    await stopServer(folder)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Concludes with the figures of `work`. */
export const benchmark = async (
  name: string,
  out: string | undefined,
  work: (folder: string) => Promise<Figures>
): Promise<void> => conclude(await inFolder(name, work), out)

/**
 * Runs parts in turn and writes their figures as they come. A part that fails keeps its figures so far
 * and leaves the others going; the exit code is 1 then, and where a figure misses its bar.
 */
export const runParts = async (
  names: string[],
  out: string | undefined,
  run: (name: string, save: (figures: Figures) => void) => Promise<void> | void
): Promise<Figures> => {
  const figures: Figures = {}
  const save = (more: Figures): void => {
    Object.assign(figures, more)
    if (out !== undefined) writeReport(out, figures)
  }
  for (const name of names) {
    try {
      await run(name, save)
    } catch (error) {
      process.exitCode = 1
      console.error(error)
      save({ [`failed_${name}`]: { value: String(error), unit: '' } })
    }
  }
  if (!allHold(figures)) process.exitCode = 1
  return figures
}
