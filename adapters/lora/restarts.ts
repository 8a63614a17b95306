/** Runs training in processes: one that dies is started again from its checkpoint. */
import { AppError, type ErrorCode } from '../../src/errors.ts'
import type { TrainHooks } from '../host/backend.ts'

/** How one process ended; `died` is its signal or exit code, `step` the last one that it reported. */
export type ProcessEnd<Result> =
  { result: Result } | { error: AppError } | { died: string; step: number }

/** Restarts without progress before a job fails. */
const MAX_RESTARTS = 2

/**
 * @param run one process from its start to its end
 * @param failure of a job whose process keeps dying, with what to do
 * @throws AppError what training throws; `failure`; the signal's reason when it is aborted, after a
 * checkpoint
 */
export const withRestarts = async <Result>(
  run: () => Promise<ProcessEnd<Result>>,
  { signal, onMessage }: TrainHooks,
  failure: { code: ErrorCode; advice: string }
): Promise<Result> => {
  let bestStep = 0
  for (let restarts = 0; ; restarts++) {
    const end = await run()
    if ('result' in end) return end.result
    if (signal.aborted) throw signal.reason
    if ('error' in end) throw end.error
    if (end.step > bestStep) {
      bestStep = end.step
      restarts = 0
    }
    const what = `the training process died (${end.died}) after step ${end.step}`
    if (restarts === MAX_RESTARTS)
      throw new AppError(failure.code, `${what}, ${restarts + 1} times; ${failure.advice}`)
    onMessage('warn', `${what}; it is started again from its checkpoint`)
  }
}
