/**
 * Computes the open cells of a run. Each lane has an engine of its own, so that the training of one
 * cell and the answers of another use a core each. Finished cells are in the journal.
 */
import type { Engine } from '../../../src/engine/engine.ts'
import type { ModelObject } from '../../../src/openai/fine-tuning.ts'
import { inLanes } from '../../harness/lanes.ts'
import { cellKey, type Cell, type CellResult } from '../cells.ts'
import type { Subject } from '../data/subject.ts'
import type { Journal } from '../journal.ts'
import { pooledCosts } from '../stages.ts'
import { cancelLeftovers } from './engine-job.ts'
import { prepareSubject, type Prepared } from './prepare.ts'
import { runCell } from './run-cell.ts'

/** A line of the journal. */
export type Entry =
  | ({ kind: 'setup' } & Setup)
  | ({ kind: 'prepared' } & Prepared)
  | ({ kind: 'cell'; commit: string } & CellResult)

/** What must be the same when a run goes on. */
export interface Setup {
  part: string
  model: string
  steps: number
  queries: number
  curveRows: number
  seed: number
}

export interface Lane {
  engine: Engine
  /** seconds of processor time of the engine and its jobs that ended; null where it is not known */
  processorSeconds: (() => number) | null
  close(): Promise<void>
}

export interface Work {
  journal: Journal<Entry>
  cells: Cell[]
  subjects: Subject[]
  openLane: (lane: number) => Promise<Lane>
  lanes: number
  setup: Setup
  /** see `preparedOf` */
  arePooled: boolean
  /** optimizer steps in which the cost of a step is measured */
  costSteps: number
  commit: string
  /** milliseconds */
  now: () => number
  onDone: (cell: Cell, seconds: number) => void
  onFailure: (cell: string, error: unknown) => void
}

/** @param isPooled whether the subjects are alike, so that a step costs the same in all of them */
export const preparedOf = (entries: readonly Entry[], isPooled: boolean): Map<string, Prepared> => {
  const prepared = entries.filter((entry) => entry.kind === 'prepared')
  const pooled =
    isPooled && prepared.length > 0 ? pooledCosts(prepared.map(({ costs }) => costs)) : null
  return new Map(
    prepared.map((entry) => [entry.subject, { ...entry, costs: pooled ?? entry.costs }])
  )
}

/** The newest result of each cell. */
export const resultsOf = (entries: readonly Entry[]): Map<string, CellResult> =>
  new Map(
    entries.flatMap((entry) => (entry.kind === 'cell' ? [[cellKey(entry), entry] as const] : []))
  )

/** Cells that the journal does not have. */
export const openCells = (cells: readonly Cell[], entries: readonly Entry[]): Cell[] => {
  const done = resultsOf(entries)
  return cells.filter((cell) => !done.has(cellKey(cell)))
}

/** @throws Error when the journal is of a run with other settings */
export const checkSetup = ({ entries, add }: Journal<Entry>, setup: Setup): void => {
  const known = entries.find((entry) => entry.kind === 'setup')
  if (known === undefined) return add({ kind: 'setup', ...setup })
  for (const [name, value] of Object.entries(setup)) {
    const before = known[name as keyof Setup]
    if (before !== value)
      throw new Error(
        `the folder has a run with ${name} ${before}, not ${value}: name another --dir, or the same settings`
      )
  }
}

const baseOf = async (engine: Engine): Promise<ModelObject> => {
  // an encoder has a kind, a lora has a parent
  const base = (await engine.models()).find(
    (model) => model.parent === undefined && !('kind' in model)
  )
  if (base === undefined) throw new Error('the engine lists no base model')
  return base
}

interface OpenLane extends Lane {
  base: ModelObject
}

const openLanes = (work: Work): Promise<OpenLane[]> =>
  Promise.all(
    Array.from({ length: work.lanes }, async (_, at) => {
      const lane = await work.openLane(at)
      await cancelLeftovers(lane.engine)
      return { ...lane, base: await baseOf(lane.engine) }
    })
  )

/** Items in order, each in the next free lane. A failed item is reported and leaves the others going. */
const inOpenLanes = async <Item>(
  work: Work,
  lanes: readonly OpenLane[],
  items: readonly Item[],
  {
    name,
    run,
  }: { name: (item: Item) => string; run: (lane: OpenLane, item: Item) => Promise<void> }
): Promise<void> => {
  const free = [...lanes]
  await inLanes(lanes.length, items, async (item) => {
    const lane = free.pop()!
    try {
      await run(lane, item)
    } catch (error) {
      work.onFailure(name(item), error)
    } finally {
      free.push(lane)
    }
  })
}

const prepareAll = async (work: Work, lanes: OpenLane[], subjects: Subject[]): Promise<void> => {
  const { journal, costSteps, now } = work
  await inOpenLanes(work, lanes, subjects, {
    name: (subject) => `the preparation of ${subject.name}`,
    run: async ({ engine, base, processorSeconds }, subject) => {
      const prepared = await prepareSubject(engine, subject, {
        base,
        seconds: processorSeconds ?? (() => now() / 1000),
        isProcessorTime: processorSeconds !== null,
        steps: costSteps,
      })
      journal.add({ kind: 'prepared', ...prepared })
    },
  })
}

const computeCells = (work: Work, lanes: OpenLane[], open: Cell[]): Promise<void> => {
  const { journal, subjects, setup, arePooled, commit, now, onDone } = work
  const prepared = preparedOf(journal.entries, arePooled)
  const byName = new Map(subjects.map((subject) => [subject.name, subject]))
  const { steps, curveRows } = setup
  return inOpenLanes(work, lanes, open, {
    name: cellKey,
    run: async ({ engine, base }, cell) => {
      const ready = prepared.get(cell.subject)
      if (ready === undefined) throw new Error(`${cell.subject} is not prepared`)
      const begun = now()
      const subject = byName.get(cell.subject)!
      const result = await runCell(
        { engine, base, subject, prepared: ready, steps, curveRows },
        cell
      )
      journal.add({ kind: 'cell', commit, ...result })
      onDone(cell, (now() - begun) / 1000)
    },
  })
}

/** Computes the open cells. Without any, no engine is opened. */
export const computeOpen = async (work: Work): Promise<void> => {
  const { cells, journal, subjects } = work
  const open = openCells(cells, journal.entries)
  if (open.length === 0) return
  const lanes = await openLanes(work)
  try {
    const prepared = preparedOf(journal.entries, work.arePooled)
    const missing = subjects.filter(({ name }) => !prepared.has(name))
    await prepareAll(work, lanes, missing)
    await computeCells(work, lanes, open)
  } finally {
    await Promise.all(lanes.map((lane) => lane.close()))
  }
}
