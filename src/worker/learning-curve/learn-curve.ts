/**
 * After a verdict, when nothing else is in training: the learning curve. The winning arm is trained again on
 * an eighth, a quarter and a half of its rows, each lora answers some of the held-out requests and is
 * deleted. In small steps; the store has all that is done.
 */
import {
  winningArm,
  type Internalization,
  type JudgedInternalization,
} from '../../core/internalization/internalization.ts'
import { waitsForEngine } from '../../lifecycle/transitions.ts'
import type { Engine } from '../../engine/engine.ts'
import { AppError, toAppError, type ErrorCode } from '../../errors.ts'
import { curveText, readCurve, saveCurve, type CurveWork } from '../../lifecycle/learning-curve.ts'
import type { WorkerDeps } from '../deps.ts'
import { isEngineLost } from '../engine/watch.ts'
import { curveOf } from './curve-of.ts'
import { answerSome, beginFit, endFit, fitContext, type CurveContext } from './fit.ts'
import { trainStage } from '../internalize/train.ts'

export interface Curves {
  /** Whether a curve is to be made, which needs the engine. @param rows all internalizations */
  isWanted(rows: readonly Internalization[]): Promise<boolean>
  /** One step of the oldest one. @returns whether it advanced */
  step(engine: Engine): Promise<{ advanced: boolean; isEngineLost: boolean }>
}

/** Errors that pass: the step is repeated later. */
const TRANSIENT = new Set<ErrorCode>(['store-unavailable', 'conflict'])

/**
 * One with a verdict whose plan has a curve. What a judge compares has none, because the curve counts equal answers, and
 * neither has a model that is not trained.
 */
const mayHaveCurve = (row: Internalization): row is JudgedInternalization =>
  row.plan !== null &&
  row.verdict !== null &&
  row.verdict.responseType !== 'free-text' &&
  row.plan.judge === undefined &&
  winningArm(row)?.model === undefined &&
  row.plan.fitShares.length > 0

const advancedTo = (next: CurveWork) => ({ next, advanced: true })

/** @returns what to store; null: nothing has changed */
const nextOf = async (
  context: CurveContext,
  work: CurveWork
): Promise<{ next: CurveWork | null; advanced: boolean }> => {
  const place = work.fits.findIndex(({ isJudged }) => !isJudged)
  const fit = work.fits[place]
  if (fit === undefined)
    return advancedTo(
      work.fits.length < work.planned
        ? { ...work, fits: [...work.fits, beginFit(context, work.fits.length)] }
        : { ...work, curve: await curveOf(context, work.fits) }
    )
  const replaced = (changed: Partial<typeof fit>): CurveWork => ({
    ...work,
    fits: work.fits.with(place, { ...fit, ...changed }),
  })
  const stage = fitContext(context, place, fit)
  if (fit.results.length < stage.trained.stages.length) {
    const outcome = await trainStage(context.deps, context.engine, stage)
    return outcome.name === 'trained'
      ? advancedTo(replaced({ results: [...fit.results, outcome.result] }))
      : { next: null, advanced: outcome.name === 'begun' }
  }
  if (!(await answerSome(context, place, fit))) return { next: null, advanced: true }
  await endFit(context, fit)
  return advancedTo(replaced({ isJudged: true }))
}

const contextOf = async (
  deps: WorkerDeps,
  engine: Engine,
  internalization: JudgedInternalization
): Promise<CurveContext> => {
  const template = await deps.store.templates.get(internalization.templateVersion)
  if (template === null)
    throw new AppError('not-found', `template ${internalization.templateVersion} was deleted`)
  const { plan, verdict } = internalization
  return { deps, engine, internalization, template, plan, verdict }
}

const begun = ({ plan }: JudgedInternalization): CurveWork => ({
  fits: [],
  planned: plan.fitShares.length,
  curve: null,
  failure: null,
})

export const createCurves = (deps: WorkerDeps): Curves => {
  const { store, config, log, fault } = deps
  /** ids of those that are made or have failed, which they stay */
  const ended = new Set<string>()

  const oldestOpen = async (
    rows: readonly Internalization[]
  ): Promise<{ row: JudgedInternalization; work: CurveWork } | null> => {
    if (!config.learningCurve) return null
    if (rows.some(({ state }) => waitsForEngine(state))) return null
    for (const row of rows.filter(mayHaveCurve)) {
      if (ended.has(row.id)) continue
      const work = (await readCurve(store, row.id)) ?? begun(row)
      if (work.curve === null && work.failure === null) return { row, work }
      ended.add(row.id)
    }
    return null
  }

  const fail = async (row: Internalization, work: CurveWork, thrown: unknown) => {
    const error = toAppError(thrown)
    fault('learning-curve', thrown, { internalization: row.id })
    const isLost = isEngineLost(error)
    if (!isLost && !TRANSIENT.has(error.code))
      await saveCurve(store, row.id, { ...work, failure: error.message })
    return { advanced: false, isEngineLost: isLost }
  }

  return {
    isWanted: async (rows) => (await oldestOpen(rows)) !== null,
    async step(engine) {
      const open = await oldestOpen(await store.internalizations.list())
      if (open === null) return { advanced: false, isEngineLost: false }
      const { row, work } = open
      try {
        const { next, advanced } = await nextOf(await contextOf(deps, engine, row), work)
        if (next !== null) await saveCurve(store, row.id, next)
        if (next !== null && next.curve !== null)
          log({
            level: 'info',
            message: `learning curve: ${curveText(next, row).join('; ')}`,
            data: { internalization: row.id },
          })
        return { advanced, isEngineLost: false }
      } catch (thrown) {
        return fail(row, work, thrown)
      }
    },
  }
}
