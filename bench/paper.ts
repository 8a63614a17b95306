/**
 * The paper's questions, on prompts that the base model follows: which way of training without the
 * prompt learns best, with equal optimizer steps and with equal time. docs/experiments/paper.md
 *
 *   npm run bench:paper -- [--dir folder] [--out file.json] [--picture file.svg] [--dry-run]
 *   npm run bench:paper -- --part task --model <file.gguf> --task <folder> [--task <folder>]
 *   npm run bench:paper -- --part task --engine-url <url> --task <folder>    ENGINE_TOKEN is its token
 *
 * A run that was stopped goes on with the same command: finished cells are in <dir>/cells.jsonl.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { createProgress, table } from '../src/cli/output.ts'
import { createEngine } from '../src/engine/client.ts'
import { openEngine } from './harness/engine.ts'
import { processorSecondsOf } from './harness/process-stat.ts'
import { curveFigures } from './paper/analysis/curve.ts'
import { drawPicture } from './paper/analysis/picture.ts'
import { claimTable, figuresOf, seriesTable } from './paper/analysis/report.ts'
import { analyse } from './paper/analysis/results.ts'
import { cellKey, CURVE_GROWTH, listCells, type Cell, type Matching } from './paper/cells.ts'
import { applicationNames, drawApplications } from './paper/data/applications.ts'
import type { Subject } from './paper/data/subject.ts'
import { taskSubject } from './paper/data/tasks.ts'
import { estimateSeconds } from './paper/estimate.ts'
import { openJournal, type Journal } from './paper/journal.ts'
import { parseOptions, type Options } from './paper/options.ts'
import type { Costs } from './paper/stages.ts'
import {
  checkSetup,
  computeOpen,
  openCells,
  preparedOf,
  resultsOf,
  type Entry,
  type Lane,
  type Setup,
} from './paper/work/lanes.ts'
import { createReport, formatFigures, writeReport } from './report.ts'

const TIMEOUT_MS = 600_000
/** Optimizer steps in which the cost of a step is measured. */
const COST_STEPS = { tiny: 20, task: 6 }
/** A core for a lane, the tiny model or SmolLM2-135M: before anything is measured. */
const USUAL_COSTS: Record<Options['part'], Costs> = {
  tiny: {
    points: [
      { promptTokens: 0, secondsPerStep: 0.045 },
      { promptTokens: 500, secondsPerStep: 0.25 },
    ],
    teacherSecondsPerRow: 0.008,
  },
  task: {
    points: [
      { promptTokens: 0, secondsPerStep: 1.5 },
      { promptTokens: 1000, secondsPerStep: 10 },
    ],
    teacherSecondsPerRow: 0.5,
  },
}
const USUAL_PARAMETERS = { tiny: 3.9e6, task: 135e6 }

const options = parseOptions(process.argv.slice(2))
const { part, dir, seed, exchanges, mainExchanges, queries } = options
const progress = createProgress()

const setup: Setup = {
  part,
  model: options.model ?? 'by url',
  steps: options.steps,
  queries,
  curveRows: exchanges,
  seed,
}

/** The applications of the tiny model have prompts and questions of the same kind. */
const arePooled = part === 'tiny'

const subjectNames =
  part === 'tiny'
    ? applicationNames(options.applications)
    : options.tasks.map((folder) => basename(folder))

const loadSubjects = (): Subject[] => {
  if (part === 'task') return options.tasks.map((folder) => taskSubject(folder, queries))
  const train = Math.max(CURVE_GROWTH * exchanges, ...mainExchanges)
  return drawApplications(options.applications, seed, { train, test: queries })
}

const openLane = async (lane: number): Promise<Lane> => {
  if (options.engineUrl !== null) {
    const engine = createEngine({
      name: 'bench',
      baseUrl: options.engineUrl,
      token: process.env['ENGINE_TOKEN'] ?? null,
      fetch,
      timeoutMs: TIMEOUT_MS,
    })
    return { engine, processorSeconds: null, close: async () => undefined }
  }
  const dataDir = join(dir, `engine-${lane}`)
  // what a stopped run left in training begins again
  rmSync(dataDir, { recursive: true, force: true })
  const { threads } = options
  const { engine, pid, close } = await openEngine({
    modelPath: options.model!,
    dataDir,
    ...(threads === null ? {} : { threads }),
  })
  // several threads wait for each other, so their processor time is not the time that passes
  const processorSeconds = threads === 1 ? () => processorSecondsOf(pid()!) : null
  return { engine, processorSeconds, close }
}

const expectedSeconds = (cell: Cell, entries: readonly Entry[]): number =>
  estimateSeconds(cell, {
    costs: preparedOf(entries, arePooled).get(cell.subject)?.costs ?? USUAL_COSTS[part],
    steps: options.steps,
    queries,
    curveRows: exchanges,
    parameters: USUAL_PARAMETERS[part],
  })

const minutes = (seconds: number): string => `${(seconds / 60).toFixed(0)} minutes`

const dryRun = (cells: Cell[], entries: readonly Entry[]): void => {
  const open = new Set(openCells(cells, entries).map(cellKey))
  let total = 0
  for (const cell of cells) {
    const seconds = open.has(cellKey(cell)) ? expectedSeconds(cell, entries) : 0
    total += seconds
    const state = seconds === 0 ? 'finished' : `${seconds.toFixed(0)} s`
    process.stdout.write(`${cellKey(cell)} ${state}\n`)
  }
  process.stdout.write(
    `${cells.length} cells, ${open.size} open: about ${minutes(total / options.lanes)} in ${options.lanes} lanes\n`
  )
}

const compute = async (cells: Cell[], journal: Journal<Entry>): Promise<number> => {
  const open = openCells(cells, journal.entries)
  let done = 0
  let failures = 0
  await computeOpen({
    journal,
    cells,
    subjects: loadSubjects(),
    openLane,
    lanes: options.lanes,
    setup,
    arePooled,
    costSteps: COST_STEPS[part],
    commit: createReport({}).commit,
    now: () => performance.now(),
    onDone: (cell, seconds) => {
      done++
      progress.update('cells', done, open.length, `${cellKey(cell)} ${seconds.toFixed(0)} s`)
    },
    onFailure: (name, error) => {
      failures++
      process.stderr.write(`${name} failed: ${String(error)}\n`)
    },
  })
  progress.stop()
  return failures
}

const isCompared = (matching: Matching): matching is 'steps' | 'time' => matching !== 'curve'

const show = (cells: Cell[], entries: readonly Entry[]): void => {
  const wanted = new Set(cells.map(cellKey))
  const finished = [...resultsOf(entries).values()].filter((cell) => wanted.has(cellKey(cell)))
  const analysis = analyse(finished, {
    matchings: options.matchings.filter(isCompared),
    exchanges,
    mainExchanges,
    seed,
  })
  const figures = {
    ...figuresOf(analysis, { exchanges }),
    ...curveFigures(finished, exchanges, seed),
    cells: { value: finished.length, unit: `of ${cells.length}` },
  }
  process.stdout.write(
    `${table(seriesTable(analysis.series))}\n\n${table(claimTable(analysis.claims))}\n\n${formatFigures(figures)}\n`
  )
  if (options.out !== null) writeReport(options.out, figures)
  const drawn = analysis.series.filter((one) => one.exchanges === exchanges)
  if (options.picture !== null && drawn.length > 0)
    writeFileSync(options.picture, drawPicture(drawn))
}

const run = async (): Promise<void> => {
  const cells = listCells({ ...options, subjects: subjectNames })
  mkdirSync(dir, { recursive: true })
  const journal = openJournal<Entry>(join(dir, 'cells.jsonl'))
  if (options.isDryRun) return dryRun(cells, journal.entries)
  checkSetup(journal, setup)
  const failures = await compute(cells, journal)
  show(cells, journal.entries)
  if (failures > 0) {
    process.stderr.write(`${failures} cells failed: the same command tries them again\n`)
    process.exitCode = 1
  }
}

await run()
