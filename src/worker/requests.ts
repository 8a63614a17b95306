/** Does the work that commands hand over while this worker runs (lifecycle/worker-request.ts). */
import type { Engine } from '../engine/engine.ts'
import { AppError, toAppError } from '../errors.ts'
import {
  openRequests,
  updateRequest,
  type OpenRequest,
  type WorkerReply,
} from '../lifecycle/worker-request.ts'
import type { Store } from '../store/store.ts'
import type { WorkerDeps } from './deps.ts'
import type { DetectProgress } from './detect.ts'
import { evaluate } from './internalize/evaluate.ts'

/** Whether a stored request needs the engine. */
export const requestsNeedEngine = async (store: Store, now: number): Promise<boolean> =>
  (await openRequests(store, now)).some(({ request }) => request.kind === 'evaluate')

/**
 * The verdict of a trained internalization with the current settings; its state stays.
 * @throws AppError `not-found`, `invalid-state` when it is not trained yet
 */
export const evaluateAgain = async (deps: WorkerDeps, engine: Engine, id: string) => {
  const internalization = await deps.store.internalizations.get(id)
  if (internalization === null) throw new AppError('not-found', `there is no internalization ${id}`)
  const { plan, templateVersion } = internalization
  if (plan === null || plan.arms.some((arm) => arm.results.length < arm.stages.length))
    throw new AppError('invalid-state', `internalization ${id} is not trained yet`)
  const template = await deps.store.templates.get(templateVersion)
  if (template === null) throw new AppError('not-found', `template ${templateVersion} was deleted`)
  return (await evaluate(deps, engine, internalization, plan, template)).verdict
}

const reply = async (deps: WorkerDeps, request: OpenRequest, given: WorkerReply): Promise<void> =>
  updateRequest(deps.store, { ...request, reply: given })

const replyToDetect = async (
  deps: WorkerDeps,
  request: OpenRequest,
  upTo: number,
  { cursor, settled }: DetectProgress
): Promise<void> => {
  if (cursor >= upTo && settled) return reply(deps, request, { kind: 'detected' })
  const done = Math.min(cursor, upTo)
  if (done !== request.done) await updateRequest(deps.store, { ...request, done })
}

const replyToEvaluate = async (
  deps: WorkerDeps,
  engine: Engine,
  request: OpenRequest,
  id: string
): Promise<void> => {
  try {
    const verdict = await evaluateAgain(deps, engine, id)
    await reply(deps, request, { kind: 'evaluated', verdict })
  } catch (thrown) {
    const { code, message } = toAppError(thrown)
    if (code === 'internal') deps.fault('internalization', thrown, { internalization: id })
    await reply(deps, request, { kind: 'failed', code, message })
  }
}

/**
 * @param requests open ones, read before the step of detection
 * @param engine null while it is away; what needs it waits
 * @returns whether a reply was given
 */
export const settleRequests = async (
  deps: WorkerDeps,
  requests: readonly OpenRequest[],
  engine: Engine | null,
  detected: DetectProgress
): Promise<boolean> => {
  let isReplied = false
  for (const open of requests) {
    const { request } = open
    if (request.kind === 'detect') await replyToDetect(deps, open, request.upTo, detected)
    else if (engine !== null) {
      await replyToEvaluate(deps, engine, open, request.internalization)
      isReplied = true
    }
  }
  return isReplied
}
