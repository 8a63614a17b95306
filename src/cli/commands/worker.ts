import { Command } from 'commander'
import { createWorker } from '../../worker/worker.ts'
import { withWorker } from '../context.ts'

/** Aborts on SIGTERM, SIGINT and when a parent that forked this process goes away. */
const stopSignal = (): AbortSignal => {
  const controller = new AbortController()
  const stop = (): void => controller.abort()
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  process.once('disconnect', stop)
  // the channel to the parent must not keep a worker alive that has nothing left to do
  process.channel?.unref()
  return controller.signal
}

const work = (): Promise<void> =>
  withWorker(async (deps) => (await createWorker(deps)).run(stopSignal()), {
    engine:
      process.env.ENGINE === undefined || process.env.ENGINE === 'none' ? 'optional' : 'needed',
  })

export const workerCommand = (): Command =>
  new Command('worker')
    .description('run the background half alone: detect, internalize, evaluate, promote')
    .action(work)
