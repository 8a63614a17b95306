/**
 * Makes a labelled task of public data that anyone can get, in the format that `bench:task` reads. The
 * same source gives the same rows.
 *
 *   npm run bench:make-task -- --packages <file> --out <folder> [--rows 6000] [--test-rows 1000]
 *   npm run bench:make-task -- --voice <folder> --out <folder> [--rows 6000] [--test-rows 1000]
 *
 * `--packages`: sections of a Debian archive, labels, from the archive's index (tasks/debian-sections.ts).
 * `--voice`: spoken commands as intents with slots, JSON, from a clone of github.com/sonos/nlu-benchmark
 * (tasks/voice-commands.ts), which has a test set of 700.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TaskPrefix } from './harness/data.ts'
import { optional, readOptions } from './harness/options.ts'
import { debianSections } from './tasks/debian-sections.ts'
import { splitRows, type SourceRows } from './tasks/source-rows.ts'
import { voiceCommands } from './tasks/voice-commands.ts'

const values = readOptions({
  packages: optional,
  voice: optional,
  rows: 6000,
  testRows: 1000,
})

const prefixOf = (task: string): string => join(import.meta.dirname, 'tasks', task, 'prefix.json')

/** The rows of the source that was given, and the prompt of its task. */
const chosenTask = (): { source: SourceRows; prefixPath: string } => {
  const { packages, voice } = values
  if (packages !== undefined && voice === undefined)
    return { source: debianSections(packages), prefixPath: prefixOf('debian-sections') }
  if (voice !== undefined && packages === undefined)
    return { source: voiceCommands(voice), prefixPath: prefixOf('voice-commands') }
  throw new Error('either --packages <file> or --voice <folder> is needed')
}

const main = (): void => {
  if (values.out === undefined) throw new Error('--out <folder> is needed')
  const { source, prefixPath } = chosenTask()
  const prefix = JSON.parse(readFileSync(prefixPath, 'utf8')) as TaskPrefix
  const files = splitRows(source, prefix, values)
  mkdirSync(values.out, { recursive: true })
  copyFileSync(prefixPath, join(values.out, 'prefix.json'))
  for (const [file, content] of Object.entries(files)) {
    const text = content.map((row) => `${JSON.stringify(row)}\n`).join('')
    writeFileSync(join(values.out, file), text)
    console.log(`${file}: ${content.length} rows`)
  }
  for (const [reason, count] of Object.entries(source.leftOut))
    console.log(`left out: ${count} ${reason}`)
}

main()
